//! XFS as `mkfs.xfs` makes it and the kernel fills it, beside what partclone says.

mod host;
mod tree;

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use host::{
    are_there, blank, contents, is_kept, listed, name, partclone, peek, run, unmount, unused,
    verdict,
};
use imgdelta_guest::{EntryKind, Runs, Verdict};

const TOOLS: [(&str, &str); 3] = [
    ("mkfs.xfs", "xfsprogs"),
    ("xfs_db", "xfsprogs"),
    ("partclone.xfs", "partclone"),
];
const MIB: u64 = 1 << 20;

const OPTIONS: [(u64, &str); 9] = [
    (320, ""),
    (320, "-m crc=0"),
    (320, "-m crc=0 -n ftype=0 -i size=256"),
    (320, "-m crc=1,rmapbt=0,reflink=0,finobt=0 -i sparse=0"),
    (400, "-m rmapbt=1,reflink=1,bigtime=1,inobtcount=1"),
    (400, "-b size=1024 -n size=8192"),
    (400, "-b size=512 -m crc=0"),
    (600, "-d agcount=7 -i size=1024 -l size=64m"),
    (400, "-s size=4096 -i nrext64=1"),
];

/// A description of a tree for `mkfs.xfs -p`, which knows no spaces: 300 files of many lengths in three directories.
fn proto(folder: &Path) -> PathBuf {
    let source = folder.join("source");
    fs::create_dir_all(&source).expect("a folder");
    let mut text = "boot\n0 0\nd--755 0 0\n".to_owned();
    for number in 0..3 {
        writeln!(text, "folder{number} d--755 0 0").expect("a string");
        for file in 0..100 {
            let path = source.join(format!("{number}-{file}"));
            fs::write(&path, vec![1; file * file * 20]).expect("it is written");
            writeln!(text, " file-{file} ---644 0 0 {}", name(&path)).expect("a string");
        }
        text.push_str("link l--777 0 0 somewhere\n$\n");
    }
    text.push_str("$\n");
    let path = folder.join("proto");
    fs::write(&path, text).expect("it is written");
    path
}

fn make(folder: &Path, size: u64, options: &str) -> PathBuf {
    let (path, proto) = (folder.join("xfs.raw"), proto(folder));
    let _ = fs::remove_file(&path);
    blank(&path, size);
    let mut words = vec!["mkfs.xfs", "-q", "-f"];
    words.extend(options.split_whitespace());
    words.extend(["-p", name(&proto), name(&path)]);
    run(&words, "");
    path
}

#[test]
fn what_is_free_is_what_partclone_says() {
    if !are_there(&TOOLS) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    for (size, options) in OPTIONS {
        let image = make(folder.path(), size * MIB, options);
        let (free, right) = (unused(&image).free, partclone("xfs", &image));
        assert!(free == right, "{options}:\n{free:x?}\n{right:x?}");
        let entries = listed(&image);
        let kinds = |kind| entries.iter().filter(move |entry| entry.kind == kind);
        assert_eq!(kinds(EntryKind::File).count(), 300, "{options}");
        assert_eq!(kinds(EntryKind::Directory).count(), 4, "{options}");
        for entry in kinds(EntryKind::File) {
            let (parent, file) = entry.path.split_once("/file-").expect("a name");
            let number: usize = file.parse().expect("a number");
            assert!(parent.starts_with("/folder"), "{parent}");
            let right = vec![1; number * number * 20];
            assert!(
                contents(&image, entry, right.len()) == right,
                "{options}: {}",
                entry.path
            );
        }
        let all = Runs::of(entries.iter().flat_map(|one| one.extents.clone()).collect());
        assert!(all.without(&free) == all, "{options}");
    }
}

/// A volume that the kernel filled with the tree; `None`, said out loud, where it cannot be mounted.
fn filled(folder: &Path, tree: &Path, options: &str) -> Option<PathBuf> {
    let image = make(folder, 400 * MIB, options);
    let mounted = folder.join("mounted");
    fs::create_dir_all(&mounted).expect("a folder");
    let mount = Command::new("mount")
        .args(["-o", "loop"])
        .args([&image, &mounted])
        .output();
    if !mount.as_ref().is_ok_and(|mount| mount.status.success()) {
        eprintln!("skipped: XFS cannot be mounted here: {options} {mount:?}");
        return None;
    }
    for number in 0..3 {
        fs::remove_dir_all(mounted.join(format!("folder{number}"))).expect("it is there");
    }
    run(
        &["cp", "-a", &format!("{}/.", name(tree)), name(&mounted)],
        "",
    );
    // A file of many extents, and a directory of more names than one block has.
    let torn = fs::File::create(mounted.join("torn")).expect("a file");
    for number in 0..600 {
        std::os::unix::fs::FileExt::write_all_at(&torn, &[7; 4096], number * 8192)
            .expect("it is written");
    }
    drop(torn);
    // While it is mounted, its log is not empty.
    run(&["sync", "-f", name(&mounted)], "");
    let copy = folder.join("mounted.raw");
    run(&["cp", "--sparse=always", name(&image), name(&copy)], "");
    assert!(matches!(verdict(&copy), Verdict::Kept(why) if why.contains("its log is not empty")));
    unmount(&mounted, &image);
    Some(image)
}

#[test]
fn what_the_kernel_wrote_is_listed() {
    if !are_there(&TOOLS) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let tree = tree::make(&folder.path().join("tree"));
    for options in ["", "-b size=1024 -i size=512 -m rmapbt=1"] {
        let Some(image) = filled(folder.path(), &tree, options) else {
            return;
        };
        let (free, right) = (unused(&image).free, partclone("xfs", &image));
        assert!(free == right, "{options}:\n{free:x?}\n{right:x?}");
        let entries = listed(&image);
        tree::same(&entries, options);
        let torn = entries
            .iter()
            .find(|one| one.path == "/torn")
            .expect("it is there");
        assert!(
            torn.extents.len() >= 600,
            "{options}: {}",
            torn.extents.len()
        );
        let all = Runs::of(entries.iter().flat_map(|one| one.extents.clone()).collect());
        assert!(all.without(&free) == all, "{options}");
    }
}

#[test]
fn what_was_not_left_cleanly_is_kept() {
    if !are_there(&TOOLS) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let image = make(folder.path(), 320 * MIB, "-m crc=0");
    let log = listed(&image);
    let log = log
        .iter()
        .find(|one| one.path == "log")
        .expect("it has one");
    let log = log.extents[0].start.0;
    let [low] = peek::<1>(&image, 512 + 55);
    for (at, bytes, reason) in [
        (126, vec![1], "was interrupted"),
        (101, vec![3], "it is of version 3"),
        (512, b"XAGG".to_vec(), "XAGF of group 0"),
        (512 + 55, vec![low ^ 1], "its head says"),
        (log + 40 + 3, vec![2], "its log is not empty"),
        (48, vec![0; 8], "another device"),
    ] {
        is_kept(&image, at, &bytes, reason);
    }
}
