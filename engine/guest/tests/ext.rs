//! ext2, ext3 and ext4 as `mke2fs` makes them, beside what partclone and debugfs say.

mod host;
mod tree;

use std::{
    collections::BTreeMap,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
};

use host::{
    are_there, blank, is_kept, listed, name, partclone, peek, run, unmount, unused, verdict,
};
use imgdelta_guest::{EntryKind, Run, Runs, Verdict};

const TOOLS: [(&str, &str); 5] = [
    ("dumpe2fs", "e2fsprogs"),
    ("mke2fs", "e2fsprogs"),
    ("debugfs", "e2fsprogs"),
    ("e2fsck", "e2fsprogs"),
    ("partclone.extfs", "partclone"),
];
const MIB: u64 = 1 << 20;

/// A file system of `size` bytes, made with `options`, that holds the tree.
fn make(folder: &Path, tree: &Path, size: u64, options: &str) -> PathBuf {
    let path = folder.join("ext.raw");
    blank(&path, size);
    let mut words = vec!["mke2fs", "-q", "-F"];
    words.extend(options.split_whitespace());
    words.extend(["-d", name(tree), name(&path)]);
    run(&words, "");
    path
}

/// The blocks of a file, those that map others too, as debugfs says.
fn debugfs_blocks(image: &Path, path: &str, block: u64) -> Runs {
    let said = run(
        &["debugfs", "-R", &format!("blocks \"{path}\""), name(image)],
        "",
    );
    let blocks = said
        .split_whitespace()
        .filter_map(|word| word.parse::<u64>().ok());
    Runs::of(blocks.map(|one| Run::new(one * block, block)).collect())
}

/// The free blocks as dumpe2fs lists them, group by group: of a range of clusters it tells the first block of the first and of the last one.
fn dumpe2fs(image: &Path) -> Runs {
    let said = run(&["dumpe2fs", name(image)], "");
    let field = |field: &str| {
        let line = said.lines().find(|line| line.starts_with(field));
        let value = line.and_then(|line| line.split_whitespace().last());
        value
            .and_then(|value| value.parse::<u64>().ok())
            .expect("a number")
    };
    let (block, cluster) = (field("Block size:"), field("Cluster size:"));
    let mut runs = Vec::new();
    for line in said.lines() {
        let Some(list) = line.strip_prefix("  Free blocks: ") else {
            continue;
        };
        for range in list.split(", ").filter(|range| !range.is_empty()) {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let [first, last] = [first, last].map(|one| one.parse::<u64>().expect("a block"));
            runs.push(Run::new(first * block, (last - first) * block + cluster));
        }
    }
    Runs::of(runs)
}

const OPTIONS: [(u64, &str); 24] = [
    (64, "-t ext2"),
    (64, "-t ext2 -b 1024 -r 0 -O none"),
    (64, "-t ext2 -b 4096 -O ^sparse_super,^resize_inode"),
    (64, "-t ext3"),
    (64, "-t ext3 -b 4096"),
    (64, "-t ext4"),
    (64, "-t ext4 -b 4096"),
    (96, "-t ext4 -b 2048 -O ^64bit,^metadata_csum,uninit_bg"),
    (
        96,
        "-t ext4 -b 1024 -O ^64bit,^metadata_csum,uninit_bg,^flex_bg",
    ),
    (
        96,
        "-t ext4 -b 1024 -O metadata_csum,64bit,metadata_csum_seed",
    ),
    (200, "-t ext4 -b 1024 -O meta_bg,^resize_inode"),
    (
        200,
        "-t ext4 -b 1024 -O meta_bg,^resize_inode,^flex_bg,^64bit,^metadata_csum",
    ),
    (300, "-t ext4 -b 1024 -O ^meta_bg,^resize_inode -g 1024"),
    (300, "-t ext4 -b 1024 -O meta_bg,^resize_inode -g 1024"),
    (300, "-t ext4 -b 4096 -G 4 -g 4096"),
    (64, "-t ext4 -O sparse_super2,^resize_inode -b 1024"),
    (64, "-t ext4 -O inline_data -I 256"),
    (
        64,
        "-t ext4 -O inline_data,large_dir,casefold,project,quota,verity,ea_inode,mmp",
    ),
    (64, "-t ext4 -O orphan_file"),
    (64, "-t ext4 -O fast_commit,stable_inodes"),
    (64, "-t ext4 -I 128 -O ^extents,^64bit"),
    (128, "-t ext4 -b 65536"),
    (128, "-t ext4 -O bigalloc -C 16384 -b 4096"),
    (128, "-t ext4 -O bigalloc -C 65536 -b 1024"),
];

#[test]
fn what_is_free_is_what_partclone_says() {
    if !are_there(&TOOLS) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let tree = tree::make(&folder.path().join("tree"));
    for (size, options) in OPTIONS {
        let image = make(folder.path(), &tree, size * MIB, options);
        let free = unused(&image).free;
        // partclone does not know clusters.
        let right = if options.contains("bigalloc") {
            dumpe2fs(&image)
        } else {
            partclone("extfs", &image)
        };
        assert!(free == right, "{options}:\n{free:x?}\n{right:x?}");
        assert!(free.total().0 > size * MIB / 8, "{options}: {free:?}");
        // Nothing that is listed is free, and all that is in use is listed.
        let entries = listed(&image);
        let all: Vec<Run> = entries.iter().flat_map(|one| one.extents.clone()).collect();
        assert!(all.iter().all(|run| !free.meets(*run)), "{options}");
        tree::same(&entries, options);
    }
}

#[test]
fn every_files_blocks_are_what_debugfs_says() {
    if !are_there(&TOOLS) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let tree = tree::make(&folder.path().join("tree"));
    for (block, options) in [
        (1024, "-t ext2 -b 1024"),
        (1024, "-t ext4 -b 1024"),
        (4096, "-t ext4 -b 4096"),
    ] {
        let image = make(folder.path(), &tree, 64 * MIB, options);
        // Hashed directories.
        run(&["e2fsck", "-fyD", name(&image)], "");
        let entries = listed(&image);
        tree::same(&entries, options);
        let mut asked = 0;
        for entry in entries {
            let is_asked =
                asked < 40 || entry.path.contains("large") || entry.kind == EntryKind::Directory;
            if matches!(entry.kind, EntryKind::Metadata | EntryKind::Symlink)
                || entry.path.contains("many/")
                || !is_asked
            {
                continue;
            }
            asked += 1;
            let right = debugfs_blocks(&image, &entry.path, block);
            let found = Runs::of(entry.extents.clone());
            assert_eq!(found, right, "{options}: {}", entry.path);
        }
        assert!(asked > 10);
    }
}

#[test]
fn what_the_kernel_wrote_is_listed_and_kept_while_it_is_mounted() {
    if !are_there(&TOOLS) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let tree = tree::make(&folder.path().join("tree"));
    let empty = folder.path().join("empty");
    std::fs::create_dir_all(&empty).expect("a folder");
    for options in ["-t ext4 -b 1024", "-t ext4 -b 4096 -O bigalloc"] {
        let image = make(folder.path(), &empty, 128 * MIB, options);
        let mount = Command::new("mount")
            .args(["-o", "loop"])
            .args([&image, &empty])
            .output();
        if !mount.as_ref().is_ok_and(|mount| mount.status.success()) {
            eprintln!("skipped: ext4 cannot be mounted here: {options} {mount:?}");
            continue;
        }
        run(
            &["cp", "-a", &format!("{}/.", name(&tree)), name(&empty)],
            "",
        );
        let torn = std::fs::File::create(empty.join("torn")).expect("a file");
        for number in 0..600 {
            let written = torn.write_all_at(&[7; 4096], number * 70_000);
            written.expect("it is written");
        }
        drop(torn);
        std::fs::remove_file(empty.join("small")).expect("it is there");
        std::fs::copy(tree.join("small"), empty.join("small")).expect("it is written");
        run(&["sync", "-f", name(&empty)], "");
        let mounted = verdict(&image);
        unmount(&empty, &image);
        let Verdict::Kept(why) = mounted else {
            panic!("it was mounted")
        };
        assert!(why.contains("must be replayed"), "{why}");
        let free = unused(&image).free;
        let right = if options.contains("bigalloc") {
            dumpe2fs(&image)
        } else {
            partclone("extfs", &image)
        };
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
    }
}

#[test]
fn what_was_not_left_cleanly_is_kept() {
    if !are_there(&TOOLS) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let tree = tree::make(&folder.path().join("tree"));
    let image = make(
        folder.path(),
        &tree,
        64 * MIB,
        "-t ext4 -O ^metadata_csum -b 1024",
    );
    let journal = listed(&image);
    let journal = journal
        .iter()
        .find(|one| one.path == "journal")
        .expect("it has one");
    let [low] = peek::<1>(&image, 1024 + 96);
    let cases: BTreeMap<&str, (u64, Vec<u8>)> = [
        ("its journal must be replayed", (1024 + 96, vec![low | 4])),
        ("its state is 0", (1024 + 58, vec![0])),
        ("its state is 3", (1024 + 58, vec![3])),
        ("yet to be deleted", (1024 + 232, vec![12])),
        ("are not known", (1024 + 98, vec![0x80])),
        ("more than the volume", (1024 + 4, vec![1])),
        (
            "journal is not empty",
            (journal.extents[0].start.0 + 31, vec![1]),
        ),
    ]
    .into();
    for (reason, (at, bytes)) in cases {
        is_kept(&image, at, &bytes, reason);
    }
}
