//! Mutated file systems: an answer for each, in bounded time, and no block called free that e2fsck, or partclone where it reads the mutation at all,
//! finds in use.

#![allow(clippy::indexing_slicing, reason = "the generator stays inside")]

mod host;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use host::{Memory, are_there, blank, name, partclone_within, run};
use imgdelta_guest::{Run, Runs, Verdict, files, survey};

const TOOLS: [(&str, &str); 11] = [
    ("mke2fs", "e2fsprogs"),
    ("e2fsck", "e2fsprogs"),
    ("mkfs.fat", "dosfstools"),
    ("mcopy", "mtools"),
    ("mkntfs", "ntfs-3g"),
    ("mkfs.exfat", "exfatprogs"),
    ("mkfs.xfs", "xfsprogs"),
    ("partclone.fat", "partclone"),
    ("partclone.exfat", "partclone"),
    ("partclone.ntfs", "partclone"),
    ("partclone.xfs", "partclone"),
];
/// What files are filled with.
const FILLING: u8 = 0x5a;
const MIB: u64 = 1 << 20;
/// How many mutations of each image are tried.
const MUTATIONS: u64 = 60;
/// About how many of them a judge is asked.
const TRIED: u64 = 24;
/// About how many at once.
const AT_ONCE: usize = 6;
/// How long an answer may take in a build that is not optimised, beside other tests.
const LONGEST: Duration = Duration::from_secs(20);

/// A small generator: the same mutations in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end.max(1) as u64) as usize
    }
}

/// Changes up to forty places of metadata, or cuts the image; `places` are the offsets of bytes that are not zero.
fn mutate(bytes: &mut Vec<u8>, places: &[usize], random: &mut Random) {
    const EXTREMES: [u64; 7] = [0, 1, u64::MAX, 1 << 31, 0x7fff_ffff, 0xffff_ffff, 255];
    let most = [3, 40][random.below(2)];
    for _ in 0..=random.below(most) {
        let at = places[random.below(places.len())] + random.below(8);
        if at >= bytes.len() {
            continue;
        }
        match random.below(8) {
            0..=3 => bytes[at] ^= 1 << random.below(8),
            4 | 5 => bytes[at] = random.below(256) as u8,
            6 => {
                let value = EXTREMES[random.below(EXTREMES.len())].to_le_bytes();
                let len = [2, 4, 8][random.below(3)].min(bytes.len() - at);
                bytes[at..at + len].copy_from_slice(&value[..len]);
            }
            _ if random.below(40) == 0 => bytes.truncate(random.below(bytes.len()) + 1),
            _ => bytes[at] = 0,
        }
    }
}

/// What is free of all volumes, and the listing of each followed to its end.
fn answered(disk: &Memory) -> Runs {
    let begun = Instant::now();
    let found = survey(disk).expect("memory is always read");
    let mut free = Runs::default();
    for (volume, verdict) in found.layout.volumes.iter().zip(&found.verdicts) {
        if let Verdict::Known(unused) = verdict {
            for runs in [&unused.free, &unused.swap, &unused.page_files] {
                free = free.with(runs);
            }
        }
        if let Ok(files) = files(disk, volume) {
            let last = files.last();
            assert!(last.is_none_or(|last| last.is_ok() || last.is_err()));
        }
    }
    let end = disk.0.len() as u64;
    assert!(free.as_slice().iter().all(|run| run.end() <= end));
    assert!(begun.elapsed() < LONGEST, "{:?}", begun.elapsed());
    free
}

/// Small images of every file system, made with the tools of each.
fn images(folder: &Path) -> Vec<(&'static str, PathBuf)> {
    let tree = folder.join("tree");
    fs::create_dir_all(tree.join("one/two")).expect("a folder");
    for number in 0..60 {
        let path = tree.join(format!("one/file {number}"));
        fs::write(path, vec![FILLING; number * 300]).expect("it is written");
    }
    let image = |file: &str, size| {
        let path = folder.join(file);
        blank(&path, size);
        path
    };
    let mut made = Vec::new();
    for (kind, options) in [
        ("ext4", "-t ext4 -b 1024"),
        (
            "ext4 without checksums",
            "-t ext4 -b 1024 -O ^metadata_csum,^64bit,inline_data -I 256",
        ),
        ("ext2", "-t ext2 -b 1024"),
        ("ext4 of clusters", "-t ext4 -b 1024 -O bigalloc -C 8192"),
    ] {
        let path = image(kind, 12 * MIB);
        let mut words = vec!["mke2fs", "-q", "-F", "-d", name(&tree)];
        words.extend(options.split_whitespace());
        words.push(name(&path));
        run(&words, "");
        made.push((kind, path));
    }
    for (kind, bits) in [("FAT12", "12"), ("FAT16", "16"), ("FAT32", "32")] {
        let size = match bits {
            "12" => 3,
            "16" => 12,
            _ => 40,
        };
        let path = image(kind, size * MIB);
        let cluster = if bits == "12" { "2" } else { "1" };
        run(&["mkfs.fat", "-F", bits, "-s", cluster, name(&path)], "");
        run(
            &[
                "mcopy",
                "-i",
                name(&path),
                "-s",
                "-Q",
                name(&tree.join("one")),
                "::/",
            ],
            "",
        );
        made.push((kind, path));
    }
    let path = image("exFAT", 12 * MIB);
    run(&["mkfs.exfat", name(&path)], "");
    made.push(("exFAT", path));
    let path = image("NTFS", 12 * MIB);
    run(&["mkntfs", "-q", "-F", "-f", "-c", "1024", name(&path)], "");
    made.push(("NTFS", path));
    let path = image("XFS", 34 * MIB);
    let mut proto = "boot\n0 0\nd--755 0 0\nfolder d--755 0 0\n".to_owned();
    for number in 0..60 {
        let source = folder.join(format!("source{number}"));
        fs::write(&source, vec![FILLING; number * 300]).expect("it is written");
        proto += &format!("file{number} ---644 0 0 {}\n", name(&source));
    }
    let proto_path = folder.join("proto");
    fs::write(&proto_path, proto + "$\n$\n").expect("it is written");
    let words = "mkfs.xfs --unsupported -q -f -b size=1024 -l size=4m -d agcount=2 -p";
    let mut words: Vec<&str> = words.split(' ').collect();
    words.extend([name(&proto_path), name(&path)]);
    run(&words, "");
    made.push(("XFS", path));
    made
}

#[test]
fn every_mutation_is_answered_and_what_it_frees_is_free_for_fsck() {
    if !are_there(&TOOLS) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (mut kept, mut asked) = (0, Vec::new());
    for (number, (kind, path)) in (1..).zip(images(folder.path())) {
        let sound = fs::read(&path).expect("it is there");
        let right = answered(&Memory(sound.clone(), 512));
        assert!(right.total().0 > MIB, "{kind}: {right:?}");
        // Not the contents of files.
        let places = (0..sound.len()).filter(|at| ![0, FILLING].contains(&sound[*at]));
        let places: Vec<usize> = places.collect();
        let mut random = Random(number * 7919 + 13);
        let (mut doubtful, mut tried, mut judged) = (Vec::new(), 0, 0);
        for mutation in 0..MUTATIONS {
            let mut bytes = sound.clone();
            mutate(&mut bytes, &places, &mut random);
            let free = answered(&Memory(bytes.clone(), 512));
            kept += u64::from(free.is_empty());
            // Of most of what is as it was before nobody need be asked.
            let is_doubtful = free != right || mutation % 4 == 0;
            if !free.is_empty() && is_doubtful && tried < TRIED {
                tried += 1;
                doubtful.push((mutation, bytes, free));
            }
            if doubtful.len() == AT_ONCE || mutation + 1 == MUTATIONS {
                judged += judge(kind, &path, &doubtful);
                doubtful.clear();
            }
        }
        asked.push((kind, judged, tried));
    }
    eprintln!(
        "{kept} mutations kept whole; of each image so many judged of so many that were asked about: {asked:?}"
    );
    assert!(kept > MUTATIONS, "{kept}");
    let judged: u64 = asked.iter().map(|(_, judged, _)| judged).sum();
    assert!(judged > MUTATIONS / 3, "{asked:?}");
}

/// Asks the judge of that file system about mutations, side by side: a mutation may keep it for as long as it may take. How many it has judged.
fn judge(kind: &str, path: &Path, doubtful: &[(u64, Vec<u8>, Runs)]) -> u64 {
    let one = |(mutation, bytes, free): &(u64, Vec<u8>, Runs)| {
        let what = format!("{kind}, {mutation}");
        let copy = path.with_file_name(format!("{kind} {mutation}.mutated"));
        fs::write(&copy, bytes).expect("it is written");
        let has_judged = match kind {
            "FAT12" => leaves_as_many(&copy, bytes, &what, free),
            _ if kind.starts_with("ext") => agrees(&copy, &what, free),
            _ => is_unused(kind, &copy, &what, free),
        };
        fs::remove_file(copy).expect("it was there");
        u64::from(has_judged)
    };
    std::thread::scope(|scope| {
        let asked = doubtful.iter().map(|each| scope.spawn(move || one(each)));
        let asked: Vec<_> = asked.collect();
        let judged = asked.into_iter().map(|each| each.join().expect("agrees"));
        judged.sum()
    })
}

/// Makes sure that what is called free is in no file that e2fsck finds: of blocks that are in use and not marked so, it says `+N` or `+(N--M)`.
/// Whether it came so far.
fn agrees(copy: &Path, what: &str, free: &Runs) -> bool {
    let mut command = Command::new("/usr/sbin/e2fsck");
    let done = command.args(["-fn"]).arg(copy).output().expect("it runs");
    let said = String::from_utf8_lossy(&done.stdout);
    let lines = said
        .lines()
        .filter_map(|line| line.strip_prefix("Block bitmap differences:"));
    for word in lines.flat_map(str::split_whitespace) {
        let Some(blocks) = word.strip_prefix('+') else {
            continue;
        };
        let blocks = blocks.trim_matches(['(', ')']);
        let (first, last) = blocks.split_once("--").unwrap_or((blocks, blocks));
        let [first, last] = [first, last].map(|one| one.parse::<u64>().expect("a block"));
        let used = Run::new(first * 1024, (last - first + 1) * 1024);
        assert!(!free.meets(used), "{what}: {used:x?} is in use\n{said}");
    }
    said.contains("Pass 5")
}

/// Makes sure that what is called free partclone does not call used. Whether it read so far: a mutation may stop it, or keep it for long.
fn is_unused(kind: &str, copy: &Path, what: &str, free: &Runs) -> bool {
    let system = match kind {
        "NTFS" => "ntfs",
        "exFAT" => "exfat",
        "XFS" => "xfs",
        _ => "fat",
    };
    let Some(unused) = partclone_within("1", system, copy) else {
        return false;
    };
    let both = unused.with(free);
    assert!(
        both.total() == unused.total(),
        "{what}: {free:x?} is free, {unused:x?} not in use"
    );
    true
}

/// Makes sure that no more is called free than fsck.fat leaves, which counts what is in use; partclone does not read FAT12. Whether it counted.
fn leaves_as_many(copy: &Path, bytes: &[u8], what: &str, free: &Runs) -> bool {
    let mut command = Command::new("/usr/sbin/fsck.fat");
    let done = command.arg("-n").arg(copy).output().expect("it runs");
    let said = String::from_utf8_lossy(&done.stdout);
    let mut counts = said.lines().filter_map(|line| {
        let counts = line.strip_suffix(" clusters")?.rsplit(' ').next()?;
        let (used, all) = counts.split_once('/')?;
        Some((used.parse::<u64>().ok()?, all.parse::<u64>().ok()?))
    });
    let Some((used, all)) = counts.next_back() else {
        return false;
    };
    let cluster = u64::from(u16::from_le_bytes([bytes[11], bytes[12]])) * u64::from(bytes[13]);
    let left = all.saturating_sub(used) * cluster;
    assert!(
        free.total().0 <= left,
        "{what}: {free:?}, {left} are left\n{said}"
    );
    true
}
