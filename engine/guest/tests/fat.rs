//! FAT12, FAT16 and FAT32 as `mkfs.fat` makes them and mtools fills them, beside what partclone and `fsck.fat` say.

mod host;
mod tree;

use std::{
    fs,
    path::{Path, PathBuf},
};

use host::{are_there, blank, contents, is_kept, listed, name, partclone, peek, run, unused};
use imgdelta_guest::{EntryKind, Run, Runs};

const TOOLS: [(&str, &str); 4] = [
    ("fsck.fat", "dosfstools"),
    ("mkfs.fat", "dosfstools"),
    ("mcopy", "mtools"),
    ("partclone.fat", "partclone"),
];
const MIB: u64 = 1 << 20;

const OPTIONS: [(u64, &str); 9] = [
    (64, "-F 12 -s 64"),
    (64, "-F 16"),
    (64, "-F 16 -s 16 -f 1"),
    (64, "-F 16 -S 4096"),
    (64, "-F 32"),
    (300, "-F 32 -s 1"),
    (600, "-F 32 -s 8 -f 1"),
    (600, "-F 32 -S 4096"),
    (64, "-F 32 -a -R 100"),
];

fn make(folder: &Path, tree: &Path, size: u64, options: &str) -> PathBuf {
    let path = folder.join("fat.raw");
    blank(&path, size);
    let mut words = vec!["mkfs.fat"];
    words.extend(options.split_whitespace());
    words.push(name(&path));
    run(&words, "");
    for entry in fs::read_dir(tree).expect("it is there") {
        let entry = entry.expect("it is read").path();
        run(
            &["mcopy", "-i", name(&path), "-s", "-Q", name(&entry), "::/"],
            "",
        );
    }
    // Holes between what is there.
    run(
        &[
            "mdel",
            "-i",
            name(&path),
            "::/many/a file of a long and boring name 17",
        ],
        "",
    );
    let again = tree.join("many/a file of a long and boring name 17");
    run(&["mcopy", "-i", name(&path), name(&again), "::/many/"], "");
    run(&["mdel", "-i", name(&path), "::/large"], "");
    run(
        &["mcopy", "-i", name(&path), name(&tree.join("large")), "::/"],
        "",
    );
    path
}

/// Clusters in use and all of them, and the bytes of one, as `fsck.fat` counts.
fn fsck(image: &Path) -> (u64, u64, u64) {
    let said = run(&["fsck.fat", "-n", "-v", name(image)], "");
    let number = |text: &str| {
        text.trim()
            .rsplit([' ', ','])
            .next()
            .and_then(|one| one.parse::<u64>().ok())
    };
    let bytes = said
        .split_once(" bytes per cluster")
        .and_then(|(before, _)| number(before));
    let counts = said.lines().last().and_then(|line| line.rsplit_once('/'));
    let (used, all) = counts.expect("it counts");
    let all = all.split(' ').next().and_then(number);
    (
        number(used).expect("a number"),
        all.expect("a number"),
        bytes.expect("a number"),
    )
}

#[test]
fn what_is_free_is_what_partclone_says_and_files_hold_their_bytes() {
    if !are_there(&TOOLS) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let tree = tree::plain(&folder.path().join("tree"));
    for (size, options) in OPTIONS {
        let image = make(folder.path(), &tree, size * MIB, options);
        let free = unused(&image).free;
        let (used, clusters, bytes) = fsck(&image);
        assert_eq!(free.total().0, (clusters - used) * bytes, "{options}");
        // Of FAT12 partclone tells a place that fsck's count contradicts.
        if !options.contains("-F 12") {
            let right = partclone("fat", &image);
            assert!(free == right, "{options}:\n{free:x?}\n{right:x?}");
        }
        assert!(free.total().0 > size * MIB / 8, "{options}: {free:?}");
        let entries = listed(&image);
        tree::same(&entries, options);
        for entry in entries.iter().filter(|one| one.kind == EntryKind::File) {
            let right = fs::read(tree.join(&entry.path[1..])).expect("it was put in");
            let found = contents(&image, entry, right.len());
            assert!(found == right, "{options}: {}", entry.path);
        }
        // Files and what the volume keeps are all that is not free.
        let all: Vec<Run> = entries.iter().flat_map(|one| one.extents.clone()).collect();
        let all = Runs::of(all);
        assert!(all.without(&free) == all, "{options}");
        let forgotten = all.gaps(size * MIB).without(&free).total().0;
        assert!(forgotten < 64 * 1024, "{options}: {forgotten}");
    }
}

#[test]
fn what_was_not_left_cleanly_is_kept() {
    if !are_there(&TOOLS) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let tree = tree::plain(&folder.path().join("tree"));
    for (options, state, mark) in [("-F 16", 37, 3), ("-F 32", 65, 7)] {
        let image = make(folder.path(), &tree, 64 * MIB, options);
        let whole = fs::read(&image).expect("it is there");
        let table = u64::from(u16::from_le_bytes(peek::<2>(&image, 14))) * 512;
        let [byte] = peek::<1>(&image, table + mark);
        let deep = listed(&image);
        let large = deep
            .iter()
            .find(|one| one.path == "/large")
            .expect("it is there");
        let entry = whole
            .windows(11)
            .position(|at| at == b"LARGE      ")
            .expect("it is there");
        assert!(!large.extents.is_empty());
        for (at, bytes, reason) in [
            (state, vec![1], "not left cleanly"),
            (table + mark, vec![byte & 0x3f & !0x0c], "not left cleanly"),
            (table + 4000, vec![7], "copies of its table differ"),
            // A file whose first cluster is far beyond what is in use.
            (entry as u64 + 26, vec![0, 0xf0], "which is not one"),
            (11, vec![0, 3], "it holds"),
            (14, vec![0, 0], "it holds"),
            (16, vec![9], "it holds"),
        ] {
            is_kept(&image, at, &bytes, reason);
        }
    }
}
