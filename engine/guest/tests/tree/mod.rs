//! A tree of files that every builder puts into a file system: small and large ones, a directory of many names, holes, links.

#![allow(dead_code, reason = "each test uses some of it")]
#![allow(
    clippy::indexing_slicing,
    reason = "a scene that cannot be set fails the test"
)]

use std::{
    collections::BTreeMap,
    fs::{self, File},
    os::unix::fs::{FileExt, symlink},
    path::{Path, PathBuf},
};

use imgdelta_guest::{Entry, EntryKind};

/// How many files the directory of many has.
const MANY: usize = 400;

/// Makes the tree in a new folder.
pub(crate) fn make(root: &Path) -> PathBuf {
    plain(root);
    symlink("small", root.join("short link")).expect("a link");
    let long = format!("/nowhere/{}", "long/".repeat(40));
    symlink(long, root.join("long link")).expect("a link");
    fs::hard_link(root.join("large"), root.join("one/second name")).expect("a link");
    root.to_owned()
}

/// The same without links, for file systems that have none.
pub(crate) fn plain(root: &Path) -> PathBuf {
    fs::create_dir_all(root.join("one/two/three")).expect("a folder");
    fs::create_dir_all(root.join("many")).expect("a folder");
    fs::create_dir_all(root.join("empty folder")).expect("a folder");
    let text = |len: usize| b"what a guest says of a disk. ".repeat(len / 29 + 1)[..len].to_vec();
    let write = |path: &str, len| fs::write(root.join(path), text(len)).expect("it is written");
    write("small", 100);
    write("empty", 0);
    write("one/a name in 32 letters or more and ü", 5000);
    write("one/two/three/deep", 70_000);
    write("large", 3 << 20);
    for number in 0..MANY {
        let path = format!("many/a file of a long and boring name {number}");
        write(&path, number * 7);
    }
    let holes = File::create(root.join("holes")).expect("a file");
    for at in [0, 300 << 10, 2 << 20, 20 << 20] {
        holes.write_all_at(&text(3000), at).expect("it is written");
    }
    root.to_owned()
}

/// Makes sure that the entries are the tree.
pub(crate) fn same(entries: &[Entry], what: &str) {
    let mut kinds: BTreeMap<&str, EntryKind> = BTreeMap::new();
    for entry in entries
        .iter()
        .filter(|entry| entry.kind != EntryKind::Metadata)
    {
        let before = kinds.insert(&entry.path, entry.kind);
        assert_eq!(before, None, "{what}: {} is told twice", entry.path);
    }
    let kind = |path: &str| kinds.get(path).copied();
    for (path, right) in [
        ("/", EntryKind::Directory),
        ("/one/two/three", EntryKind::Directory),
        ("/empty folder", EntryKind::Directory),
        ("/small", EntryKind::File),
        ("/one/a name in 32 letters or more and ü", EntryKind::File),
        ("/one/two/three/deep", EntryKind::File),
        ("/holes", EntryKind::File),
    ] {
        assert_eq!(kind(path), Some(right), "{what}: {path}");
    }
    let many = kinds.keys().filter(|path| path.starts_with("/many/"));
    assert_eq!(many.count(), MANY, "{what}");
    let large = [kind("/large"), kind("/one/second name")];
    assert!(large.iter().flatten().count() > 0, "{what}");
}
