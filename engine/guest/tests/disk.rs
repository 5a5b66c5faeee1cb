//! Whole disks: several volumes under one table, and what one of them means for the others.

#![allow(clippy::indexing_slicing, reason = "the scene is made here")]

mod host;

use std::{fs, path::Path};

use host::{Memory, are_there, blank, name, partclone, run};
use imgdelta_guest::{Run, Runs, Survey, Verdict, survey};

const TOOLS: [(&str, &str); 5] = [
    ("sfdisk", "fdisk"),
    ("mkfs.fat", "dosfstools"),
    ("mkswap", "util-linux"),
    ("mke2fs", "e2fsprogs"),
    ("partclone.extfs", "partclone"),
];
const MIB: u64 = 1 << 20;
/// Where the partitions are, in MiB: EFI, swap, root.
const PLACES: [u64; 3] = [1, 40, 60];

/// A disk of 128 MiB as an installer makes it, and what partclone calls free of its first and third partition.
fn disk(folder: &Path) -> (Memory, [Runs; 2]) {
    let table = "label: gpt\nstart=1MiB, size=38MiB, type=uefi\nstart=40MiB, size=16MiB, type=swap\nstart=60MiB, size=64MiB, type=linux\n";
    let path = folder.join("disk.raw");
    blank(&path, 128 * MIB);
    run(&["sfdisk", "-q", name(&path)], table);
    let mut bytes = fs::read(&path).expect("it is there");
    let mut parts = Vec::new();
    for (at, size, words) in [
        (PLACES[0], 38, "mkfs.fat -F 32"),
        (PLACES[1], 16, "mkswap -q"),
        (PLACES[2], 64, "mke2fs -q -F -t ext4"),
    ] {
        let part = folder.join(format!("part{at}.raw"));
        blank(&part, size * MIB);
        let mut words: Vec<&str> = words.split(' ').collect();
        words.push(name(&part));
        run(&words, "");
        let place = (at * MIB) as usize;
        let part_bytes = fs::read(&part).expect("it is there");
        bytes[place..place + part_bytes.len()].copy_from_slice(&part_bytes);
        parts.push(part);
    }
    let moved = |runs: Runs, by: u64| {
        let runs = runs.as_slice().iter();
        Runs::of(
            runs.map(|run| Run::new(run.start.0 + by * MIB, run.len.0))
                .collect(),
        )
    };
    let right = [
        moved(partclone("fat", &parts[0]), PLACES[0]),
        moved(partclone("extfs", &parts[2]), PLACES[2]),
    ];
    (Memory(bytes, 512), right)
}

fn looked(disk: &Memory) -> Survey {
    survey(disk).expect("it is read")
}

#[test]
fn each_volume_of_a_disk_is_told_in_bytes_of_the_disk() {
    if !are_there(&TOOLS) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (disk, right) = disk(folder.path());
    let found = looked(&disk);
    assert_eq!(found.layout.doubt, None);
    let [
        Verdict::Known(efi),
        Verdict::Known(swap),
        Verdict::Known(root),
    ] = &found.verdicts[..]
    else {
        panic!("{:?}", found.verdicts)
    };
    assert_eq!(efi.free, right[0]);
    assert_eq!(root.free, right[1]);
    assert_eq!(
        swap.swap.as_slice(),
        [Run::new(40 * MIB + 4096, 16 * MIB - 4096)]
    );
}

#[test]
fn a_system_that_sleeps_or_a_table_in_doubt_keeps_all_volumes() {
    if !are_there(&TOOLS) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (sound, _) = disk(folder.path());
    let kept = |disk: &Memory, why: &str| {
        let found = looked(disk);
        assert!(!found.verdicts.is_empty() || found.layout.doubt.is_some());
        for verdict in &found.verdicts {
            assert!(
                matches!(verdict, Verdict::Kept(one) if one.contains(why)),
                "{verdict:?}"
            );
        }
    };
    let mut asleep = sound.clone();
    let signature = (40 * MIB + 4086) as usize;
    asleep.0[signature..signature + 9].copy_from_slice(b"S1SUSPEND");
    kept(&asleep, "hibernated");
    // Hashes of the blocks of another volume, free ones too.
    let mut hashed = sound.clone();
    let swap = (40 * MIB) as usize;
    hashed.0[swap..swap + 65536].fill(0);
    hashed.0[swap..swap + 8].copy_from_slice(b"verity\0\0");
    let found = looked(&hashed);
    let [Verdict::Kept(efi), Verdict::Kept(_), Verdict::Kept(root)] = &found.verdicts[..] else {
        panic!("{:?}", found.verdicts)
    };
    assert_eq!(
        efi,
        "volume 2 holds hashes of all blocks of another (dm-verity)"
    );
    assert_eq!(efi, root);
    // A file system over the whole disk, too.
    let mut two = sound.clone();
    two.0[1080..1082].copy_from_slice(&[0x53, 0xef]);
    let found = looked(&two);
    assert!(
        found
            .verdicts
            .iter()
            .all(|one| matches!(one, Verdict::Kept(_))),
        "{found:?}"
    );
    // One volume that is not clean does not keep the others.
    let mut dirty = sound;
    dirty.0[(60 * MIB) as usize + 1024 + 58] = 0;
    let found = looked(&dirty);
    let [Verdict::Known(_), Verdict::Known(_), Verdict::Kept(_)] = &found.verdicts[..] else {
        panic!("{:?}", found.verdicts)
    };
}
