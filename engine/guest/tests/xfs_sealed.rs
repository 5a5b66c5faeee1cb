//! XFS that was changed and sealed again: every structure of version 5 has a checksum, so a change alone is always refused. What is called free then
//! `xfs_repair -n` finds in no file, no inode and no tree, and partclone in what it reads.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "the test knows what it has made, and stays inside"
)]

mod host;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use host::{Memory, are_there, blank, name, partclone_within, run};
use imgdelta_guest::{Run, Runs, Verdict, survey};

const TOOLS: [(&str, &str); 3] = [
    ("mkfs.xfs", "xfsprogs"),
    ("xfs_repair", "xfsprogs"),
    ("partclone.xfs", "partclone"),
];

/// Bytes of a block, of a sector, and of a directory's block.
const BLOCK: usize = 1024;
const SECTOR: usize = 512;
const FOLDER_BLOCK: usize = 4096;

/// How many changes at random are tried.
const CHANGES: usize = 160;

/// Where the checksum of a structure stands that begins so, and how long that is.
const KINDS: [(&[u8], usize, usize); 15] = [
    (b"XFSB", 224, SECTOR),
    (b"XAGF", 216, SECTOR),
    (b"XAGI", 312, SECTOR),
    (b"XAFL", 32, SECTOR),
    (b"AB3B", 52, BLOCK),
    (b"AB3C", 52, BLOCK),
    (b"IAB3", 52, BLOCK),
    (b"FIB3", 52, BLOCK),
    (b"RMB3", 52, BLOCK),
    (b"R3FC", 52, BLOCK),
    (b"BMA3", 64, BLOCK),
    (b"XDB3", 4, FOLDER_BLOCK),
    (b"XDD3", 4, FOLDER_BLOCK),
    (b"XDF3", 4, FOLDER_BLOCK),
    (b"IN", 100, SECTOR),
];

/// A structure with a checksum.
#[derive(Clone, Copy, Debug)]
struct Sealed {
    at: usize,
    len: usize,
    crc: usize,
}

impl Sealed {
    /// All of an image.
    fn all(image: &[u8]) -> Vec<Self> {
        let places = (0..image.len()).step_by(SECTOR);
        let found = places.filter_map(|at| {
            let kind = KINDS
                .iter()
                .find(|kind| image[at..].starts_with(kind.0) && at % kind.2.min(BLOCK) == 0)?;
            Some(Self {
                at,
                len: kind.2,
                crc: kind.1,
            })
        });
        found.collect()
    }

    /// Its checksum, as it must be.
    fn crc_of(&self, image: &[u8]) -> [u8; 4] {
        let mut bytes = image[self.at..self.at + self.len].to_vec();
        bytes[self.crc..self.crc + 4].fill(0);
        crc32c::crc32c(&bytes).to_le_bytes()
    }

    fn seal(&self, image: &mut [u8]) {
        let crc = self.crc_of(image);
        let at = self.at + self.crc;
        image[at..at + 4].copy_from_slice(&crc);
    }

    fn is_sealed(&self, image: &[u8]) -> bool {
        let at = self.at + self.crc;
        image[at..at + 4] == self.crc_of(image)
    }
}

/// A volume of two groups with sixty files.
struct Volume {
    folder: tempfile::TempDir,
    bytes: Vec<u8>,
    sealed: Vec<Sealed>,
    /// What is free of it.
    free: Runs,
}

impl Volume {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let image = folder.path().join("xfs");
        blank(&image, 34 << 20);
        let mut proto = "boot\n0 0\nd--755 0 0\nfolder d--755 0 0\n".to_owned();
        for number in 0..60 {
            let source = folder.path().join(format!("source{number}"));
            fs::write(&source, vec![0x5a; number * 300]).expect("room");
            proto += &format!("file{number} ---644 0 0 {}\n", name(&source));
        }
        let listed = folder.path().join("proto");
        fs::write(&listed, proto + "$\n$\n").expect("room");
        let words = "mkfs.xfs --unsupported -q -f -b size=1024 -l size=4m -d agcount=2 -p";
        let mut words: Vec<&str> = words.split(' ').collect();
        words.extend([name(&listed), name(&image)]);
        run(&words, "");
        let bytes = fs::read(&image).expect("it is there");
        let sealed = Sealed::all(&bytes);
        assert!(sealed.len() > 100, "{sealed:?}");
        assert!(sealed.iter().all(|one| one.is_sealed(&bytes)), "{sealed:?}");
        let free = free_of(&bytes).expect("it is sound");
        Self {
            folder,
            bytes,
            sealed,
            free,
        }
    }

    fn be32(&self, at: usize) -> usize {
        u32::from_be_bytes(self.bytes[at..at + 4].try_into().expect("four")) as usize
    }

    /// The head of the free blocks of each group.
    fn heads(&self) -> Vec<usize> {
        let heads = self.sealed.iter().map(|one| one.at);
        heads
            .filter(|at| self.bytes[*at..].starts_with(b"XAGF"))
            .collect()
    }

    /// Where the records of free blocks of a group stand: the tree is one block.
    fn records(&self, head: usize) -> Vec<usize> {
        let root = head - SECTOR + self.be32(head + 16) * BLOCK;
        assert!(self.bytes[root..].starts_with(b"AB3B") && self.bytes[root + 5] == 0);
        let count = u16::from_be_bytes([self.bytes[root + 6], self.bytes[root + 7]]);
        (0..usize::from(count))
            .map(|record| root + 56 + record * 8)
            .collect()
    }

    /// Changed so, and sealed again.
    fn with(&self, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        change(&mut bytes);
        for one in &self.sealed {
            let range = one.at..one.at + one.len;
            if bytes[range.clone()] != self.bytes[range] {
                one.seal(&mut bytes);
            }
        }
        bytes
    }

    /// Lets a record begin so many blocks before, or behind, where it did, in all that counts its blocks.
    fn freeing(&self, bytes: &mut [u8], (head, record): (usize, usize), more: isize) {
        let put = |bytes: &mut [u8], at: usize, value: Option<usize>| {
            let value = value.and_then(|value| u32::try_from(value).ok());
            bytes[at..at + 4].copy_from_slice(&value.expect("it fits").to_be_bytes());
        };
        put(bytes, record, self.be32(record).checked_add_signed(-more));
        for at in [record + 4, head + 52] {
            put(bytes, at, self.be32(at).checked_add_signed(more));
        }
    }

    /// What `xfs_repair -n` finds in use, as far as it calls that free elsewhere; `None`, if it does not come so far.
    fn contradicted(&self, bytes: &[u8]) -> Option<Runs> {
        let copy = self.folder.path().join("changed");
        fs::write(&copy, bytes).expect("room");
        let said = Command::new("timeout")
            .args(["-s", "KILL", "60", "/usr/sbin/xfs_repair", "-n", "-f"])
            .arg(&copy)
            .output()
            .expect("it runs");
        let text = String::from_utf8_lossy(&said.stdout).into_owned()
            + &String::from_utf8_lossy(&said.stderr);
        text.contains("Phase 4").then(|| self.claims(&text))
    }

    /// What its lines say that is in use and called free.
    fn claims(&self, text: &str) -> Runs {
        let group_blocks = self.be32(84);
        let log = group_blocks.next_power_of_two().ilog2();
        let number = |word: &str| word.trim().parse::<usize>().ok();
        let run = |group: usize, block: usize, count: usize| {
            let at = (group * group_blocks + block) * BLOCK;
            Run::new(at as u64, (count * BLOCK) as u64)
        };
        let claims = text.lines().filter_map(|line| {
            if let Some((_, block)) = line.split_once("claims free block ") {
                let block = number(block)?;
                return Some(run(block >> log, block & ((1 << log) - 1), 1));
            }
            if let Some((_, place)) =
                line.split_once("inode chunk claims used block, inobt block - agno ")
            {
                let (group, rest) = place.split_once(", bno ")?;
                let (block, _) = rest.split_once(',')?;
                return Some(run(number(group)?, number(block)?, 1));
            }
            // What was called free before, by the list of a group say, nobody uses.
            let (place, state) =
                line.split_once(") multiply claimed by bno space tree, state - ")?;
            if ["1", "2"].contains(&state.trim()) {
                return None;
            }
            let (group, blocks) = place.strip_prefix("block (")?.split_once(',')?;
            let (first, last) = blocks.split_once('-')?;
            let (first, last) = (number(first)?, number(last)?);
            Some(run(number(group)?, first, last - first + 1))
        });
        Runs::of(claims.collect())
    }

    /// Makes sure that nothing of what is called free is in use; whether both judges read so far.
    fn judge(&self, what: &str, bytes: &[u8], free: &Runs) -> bool {
        let Some(claims) = self.contradicted(bytes) else {
            return false;
        };
        let met = claims.as_slice().iter().find(|run| free.meets(**run));
        assert!(met.is_none(), "{what}: {met:x?} is called free and in use");
        let copy: PathBuf = self.folder.path().join("changed");
        partclone_within("10", "xfs", Path::new(&copy)).is_none_or(|unused| {
            let both = unused.with(free);
            assert!(
                both.total() == unused.total(),
                "{what}: {free:x?} {unused:x?}"
            );
            true
        })
    }
}

/// What is free of an image that is one volume; `None`, if all of it is kept.
fn free_of(bytes: &[u8]) -> Option<Runs> {
    let found = survey(&Memory(bytes.to_vec(), 512)).expect("memory is always read");
    match found.verdicts.into_iter().next()? {
        Verdict::Known(unused) => Some(unused.free),
        Verdict::Kept(_) => None,
    }
}

/// A small generator: the same changes in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end.max(1) as u64) as usize
    }
}

#[test]
fn what_is_free_after_a_change_that_was_sealed_again_xfs_repair_finds_in_no_use() {
    if !are_there(&TOOLS) {
        return;
    }
    let volume = Volume::new();
    let mut random = Random(4711);
    let (mut accepted, mut other, mut judged) = (0, 0, 0);
    for change in 0..CHANGES {
        let bytes = volume.with(|bytes| {
            for _ in 0..=random.below(3) {
                let one = volume.sealed[random.below(volume.sealed.len())];
                // The heads and trees are few beside the inodes.
                let one = match random.below(2) {
                    0 => volume.sealed[random.below(14)],
                    _ => one,
                };
                let filled = (one.at..one.at + one.len).filter(|at| volume.bytes[*at] != 0);
                let filled: Vec<usize> = filled.collect();
                let at = filled[random.below(filled.len())];
                match random.below(3) {
                    0 => bytes[at] ^= 1 << random.below(8),
                    1 => bytes[at] = bytes[at].wrapping_add([1, 255][random.below(2)]),
                    _ => bytes[at] = random.below(256) as u8,
                }
            }
            if change % 2 == 0 {
                let head = volume.heads()[random.below(2)];
                let records = volume.records(head);
                let record = records[random.below(records.len())];
                let more = random.below(17).cast_signed() - 8;
                volume.freeing(bytes, (head, record), more);
            }
        });
        let Some(free) = free_of(&bytes) else {
            continue;
        };
        accepted += 1;
        other += usize::from(free != volume.free);
        if free != volume.free || change % 8 == 0 {
            judged += usize::from(volume.judge(&format!("change {change}"), &bytes, &free));
        }
    }
    eprintln!(
        "{accepted} of {CHANGES} are accepted, {other} with other free blocks; {judged} were judged"
    );
    assert!(accepted > CHANGES / 10, "{accepted}");
    assert!(other > 5 && judged > 20, "{other} {judged}");
}

#[test]
fn a_record_that_frees_what_is_in_use_is_refused_wherever_xfs_repair_sees_it() {
    if !are_there(&TOOLS) {
        return;
    }
    let volume = Volume::new();
    let (mut refused, mut contradicted) = (0, 0);
    for head in volume.heads() {
        for record in volume.records(head) {
            for more in [1, 2, 3, 7, 16, 40, 300] {
                if volume.be32(record) < more {
                    continue;
                }
                let more = more.cast_signed();
                let bytes = volume.with(|bytes| volume.freeing(bytes, (head, record), more));
                let claims = volume.contradicted(&bytes);
                contradicted += usize::from(claims.is_some_and(|claims| !claims.is_empty()));
                match free_of(&bytes) {
                    None => refused += 1,
                    Some(free) => {
                        volume.judge(&format!("{more} more at {record:#x}"), &bytes, &free);
                    }
                }
            }
        }
    }
    eprintln!("{refused} are refused, {contradicted} xfs_repair contradicts");
    assert!(
        contradicted >= 8 && refused >= contradicted,
        "{refused} {contradicted}"
    );
}

#[test]
fn blocks_of_an_inode_that_its_tree_calls_free_are_not_free() {
    if !are_there(&TOOLS) {
        return;
    }
    let volume = Volume::new();
    let trees = volume.sealed.iter().map(|one| one.at);
    let trees = trees.filter(|at| volume.bytes[*at..].starts_with(b"IAB3"));
    let head = *volume.heads().last().expect("two groups");
    let record = *volume.records(head).first().expect("one");
    let mut contradicted = 0;
    for tree in trees {
        let count = usize::from(volume.bytes[tree + 7]);
        for chunk in (0..count).map(|chunk| tree + 56 + chunk * 16) {
            // All inodes of the chunk are called free.
            let bytes = volume.with(|bytes| {
                bytes[chunk + 7] = 64;
                bytes[chunk + 8..chunk + 16].fill(0xff);
                volume.freeing(bytes, (head, record), 3);
            });
            let claims = volume.contradicted(&bytes);
            let is_contradicted = claims.is_some_and(|claims| !claims.is_empty());
            contradicted += usize::from(is_contradicted);
            let free = free_of(&bytes);
            assert!(!is_contradicted || free.is_none(), "{free:x?}");
        }
    }
    assert!(contradicted > 0, "it is a case that xfs_repair knows");
}
