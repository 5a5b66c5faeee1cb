//! Whose the bytes of a disk are, beside the lists of files and the free map that it is made of.

mod host;
mod tree;

use std::collections::BTreeMap;

use host::{Image, are_there, blank, listed, name, poke, run, unused};
use imgdelta_core::Bytes;
use imgdelta_guest::{OwnerKind, Owners, Run, survey};

const MIB: u64 = 1 << 20;
const TOOLS: [(&str, &str); 1] = [("mke2fs", "e2fsprogs")];

/// The bytes of each kind and path among `runs`; all of them must be told, in order and once.
fn sums(image: &Image, runs: &[Run]) -> BTreeMap<(OwnerKind, Option<String>), u64> {
    let survey = survey(image).expect("it is read");
    let owners = Owners::of(image, &survey, runs).expect("it is read");
    let mut sums = BTreeMap::new();
    for run in runs {
        let mut at = run.start.0;
        owners.each(*run, &mut |piece, owner| {
            assert_eq!(piece.start.0, at);
            assert!(piece.len > Bytes::ZERO);
            at = piece.end();
            *sums.entry((owner.kind, owner.path.clone())).or_default() += piece.len.0;
        });
        assert_eq!(at, run.end());
    }
    sums
}

#[test]
fn every_byte_has_the_owner_that_the_lists_say() {
    if !are_there(&TOOLS) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let tree = tree::make(&folder.path().join("tree"));
    let path = folder.path().join("ext.raw");
    blank(&path, 64 * MIB);
    run(
        &[
            "mke2fs",
            "-q",
            "-F",
            "-t",
            "ext4",
            "-d",
            name(&tree),
            name(&path),
        ],
        "",
    );
    let image = Image::open(&path);
    let whole = sums(&image, &[Run::new(0, 64 * MIB)]);
    assert_eq!(whole.values().sum::<u64>(), 64 * MIB);
    assert_eq!(
        whole.get(&(OwnerKind::Free, None)).copied(),
        Some(unused(&path).free.total().0)
    );
    let mut files = 0;
    for entry in listed(&path)
        .iter()
        .filter(|entry| entry.path == "/large" || entry.path == "/holes")
    {
        let len: u64 = entry.extents.iter().map(|run| run.len.0).sum();
        let key = (OwnerKind::File, Some(entry.path.clone()));
        assert_eq!(whole.get(&key), Some(&len), "{}", entry.path);
        files += 1;
    }
    assert_eq!(files, 2);
    // Asked in pieces, it says the same.
    let pieces: Vec<Run> = (0..64 * MIB / 1536)
        .map(|at| Run::new(at * 1536, 1536))
        .collect();
    let rest = 64 * MIB % 1536;
    let mut pieced = sums(&image, &pieces);
    for (key, bytes) in sums(&image, &[Run::new(64 * MIB - rest, rest)]) {
        *pieced.entry(key).or_default() += bytes;
    }
    assert_eq!(pieced, whole);

    // Needing recovery: what is free is not known, the files are.
    poke(&path, 1024 + 0x60, &[0x46]);
    let dirty = sums(&Image::open(&path), &[Run::new(0, 64 * MIB)]);
    assert_eq!(dirty.get(&(OwnerKind::Free, None)), None);
    let free = whole.get(&(OwnerKind::Free, None)).expect("there was some");
    assert!(
        dirty
            .get(&(OwnerKind::Unknown, None))
            .is_some_and(|bytes| bytes >= free)
    );
}
