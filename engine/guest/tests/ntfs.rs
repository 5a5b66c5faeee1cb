//! NTFS as `mkntfs` makes it and ntfs-3g fills it, beside what partclone says.

mod host;
mod tree;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use host::{
    are_there, blank, contents, is_kept, listed, name, partclone, poke, run, unmount_served,
    unused, verdict,
};
use imgdelta_guest::{EntryKind, Run, Runs, Verdict};

const TOOLS: [(&str, &str); 3] = [
    ("mkntfs", "ntfs-3g"),
    ("ntfs-3g", "ntfs-3g"),
    ("partclone.ntfs", "partclone"),
];
const MIB: u64 = 1 << 20;

/// A volume with the tree in it, some of it taken out and put in again; empty, said out loud, where nothing can be mounted.
fn make(
    folder: &Path,
    tree: &Path,
    size: u64,
    options: &str,
    more: impl Fn(&Path),
) -> Option<PathBuf> {
    let path = folder.join("ntfs.raw");
    blank(&path, size);
    let mut words = vec!["mkntfs", "-q", "-F", "-f"];
    words.extend(options.split_whitespace());
    words.push(name(&path));
    run(&words, "");
    let mounted = folder.join("mounted");
    fs::create_dir_all(&mounted).expect("a folder");
    let mount = Command::new("ntfs-3g").args([&path, &mounted]).output();
    if !mount.is_ok_and(|mount| mount.status.success()) {
        eprintln!("skipped: NTFS cannot be mounted here");
        return None;
    }
    run(
        &["cp", "-r", &format!("{}/.", name(tree)), name(&mounted)],
        "",
    );
    let many = |number| format!("many/a file of a long and boring name {}", number * 9 + 1);
    let again = (0..40).map(many).filter(|path| tree.join(path).exists());
    for path in again.clone() {
        fs::remove_file(mounted.join(path)).expect("it is there");
    }
    // A file of many pieces: its list of clusters takes records of its own.
    let torn = vec![7; 4096];
    for number in 0..60 {
        fs::write(mounted.join(format!("torn {number}")), &torn).expect("it is written");
    }
    for number in 0..60 {
        if number % 2 == 0 {
            fs::remove_file(mounted.join(format!("torn {number}"))).expect("it is there");
        }
    }
    for path in again {
        fs::copy(tree.join(&path), mounted.join(&path)).expect("it is written");
    }
    fs::write(mounted.join("torn"), vec![9; 300_000]).expect("it is written");
    more(&mounted);
    unmount_served(&mounted);
    Some(path)
}

#[test]
fn what_is_free_is_what_partclone_says_and_files_hold_their_bytes() {
    if !are_there(&TOOLS) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let tree = tree::plain(&folder.path().join("tree"));
    for (size, options) in [
        (64, "-c 4096"),
        (64, "-c 512"),
        (300, "-c 65536"),
        (64, "-s 4096"),
        (300, "-c 1024 -s 1024"),
    ] {
        let Some(image) = make(folder.path(), &tree, size * MIB, options, |_| {}) else {
            return;
        };
        let found = unused(&image);
        let (free, right) = (found.free, partclone("ntfs", &image));
        assert!(free == right, "{options}:\n{free:x?}\n{right:x?}");
        assert!(found.page_files.is_empty());
        let entries = listed(&image);
        tree::same(&entries, options);
        let mut compared = 0;
        for entry in entries.iter().filter(|one| one.kind == EntryKind::File) {
            let Ok(right) = fs::read(tree.join(&entry.path[1..])) else {
                continue;
            };
            // Holes are in no extent, contents in a record neither, and who has a list of attributes has that among them.
            if entry.path != "/holes" && !entry.extents.is_empty() {
                assert!(
                    contents(&image, entry, right.len()) == right,
                    "{options}: {}",
                    entry.path
                );
                compared += 1;
            }
        }
        assert!(compared > 1, "{options}: {compared}");
        // Files and what the volume keeps are all that is not free.
        let all = Runs::of(entries.iter().flat_map(|one| one.extents.clone()).collect());
        assert!(all.without(&free) == all, "{options}");
        let forgotten = Runs::of(vec![Run::new(0, size * MIB)])
            .without(&all)
            .without(&free);
        assert!(forgotten.total().0 <= 65536, "{options}: {forgotten:x?}");
    }
}

#[test]
fn page_files_are_told_and_a_windows_that_sleeps_keeps_its_disk() {
    if !are_there(&TOOLS) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let tree = folder.path().join("tree");
    fs::create_dir_all(tree.join("many")).expect("a folder");
    for (head, sleeps) in [
        (&b"\0\0\0\0"[..], false),
        (b"wake", false),
        (b"HIBR", true),
        (b"hibr", true),
        (b"RSTR", true),
    ] {
        let image = make(folder.path(), &tree, 64 * MIB, "-c 4096", |root| {
            fs::write(root.join("pagefile.sys"), vec![1; 5 << 20]).expect("it is written");
            fs::write(root.join("many/pagefile.sys"), vec![1; 5 << 20]).expect("it is written");
            let mut bytes = vec![0; 1 << 20];
            bytes[..4].copy_from_slice(head);
            fs::write(root.join("hiberfil.sys"), bytes).expect("it is written");
        });
        let Some(image) = image else {
            return;
        };
        match verdict(&image) {
            Verdict::Known(unused) => {
                assert!(!sleeps, "{head:?}");
                assert_eq!(unused.page_files.total().0, 5 << 20);
                assert!(unused.page_files.without(&unused.free) == unused.page_files);
            }
            Verdict::Kept(why) => {
                assert!(sleeps && why.contains("hiberfil.sys"), "{head:?}: {why}");
            }
        }
    }
}

#[test]
fn what_was_not_left_cleanly_is_kept() {
    if !are_there(&TOOLS) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let tree = folder.path().join("tree");
    fs::create_dir_all(tree.join("many")).expect("a folder");
    let Some(image) = make(folder.path(), &tree, 64 * MIB, "-c 4096", |_| {}) else {
        return;
    };
    let whole = fs::read(&image).expect("it is there");
    let mft = u64::from_le_bytes(whole[48..56].try_into().expect("eight bytes")) * 4096;
    // The attribute of $Volume that holds the flags.
    let volume = &whole[mft as usize + 3 * 1024..][..1024];
    let facts = volume
        .windows(8)
        .position(|at| at == [0x70, 0, 0, 0, 0x28, 0, 0, 0]);
    let facts = mft + 3 * 1024 + facts.expect("it has one") as u64 + 24;
    let log = listed(&image);
    let log = log
        .iter()
        .find(|one| one.path == "/$LogFile")
        .expect("it has one");
    let log = log.extents[0].start.0;
    for (at, bytes, reason) in [
        (facts + 10, vec![1], "its flags are 0x1"),
        (log, b"RSTR".to_vec(), "its log was not closed"),
        (
            mft + 6 * 1024 + 510,
            vec![0xaa, 0x55],
            "record 6 is missing",
        ),
        (mft, b"BAAD".to_vec(), "MFT does not begin"),
        (40, vec![0xff; 4], "impossible number of sectors"),
    ] {
        is_kept(&image, at, &bytes, reason);
    }
}

#[test]
fn shadow_copies_keep_what_is_free() {
    if !are_there(&[("mkntfs", "ntfs-3g")]) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let image = folder.path().join("ntfs.raw");
    blank(&image, 64 * MIB);
    run(&["mkntfs", "-q", "-F", "-f", name(&image)], "");
    let free = unused(&image).free;
    let widest = free.as_slice().iter().max_by_key(|run| run.len);
    let catalogue = widest.expect("it is empty").start.0 + MIB;
    // [libvshadow] GUID, version, kind, two places, the next block, and in the head where the catalogue begins.
    let head = |kind: u32, next: u64, catalogue: u64| {
        let mut bytes = vec![
            0x6b, 0x87, 0x08, 0x38, 0x76, 0xc1, 0x48, 0x4e, 0xb7, 0xae, 0x04, 0x04, 0x6e, 0x6c,
            0xc7, 0x52,
        ];
        bytes.extend(1_u32.to_le_bytes());
        bytes.extend(kind.to_le_bytes());
        bytes.extend([0; 16]);
        bytes.extend(next.to_le_bytes());
        bytes.extend(catalogue.to_le_bytes());
        bytes
    };
    // Without a catalogue, or with one in which nothing stands any more, there are none.
    poke(&image, 0x1e00, &head(1, 0, 0));
    assert!(unused(&image).free == free);
    poke(&image, 0x1e00, &head(1, 0, catalogue));
    poke(&image, catalogue, &head(2, catalogue + 16384, 0));
    poke(&image, catalogue + 16384, &head(2, 0, 0));
    poke(&image, catalogue + 128, &1_u64.to_le_bytes());
    assert!(unused(&image).free == free);
    let entry = catalogue + 16384 + 5 * 128;
    for (at, bytes, reason) in [
        (entry, 2_u64.to_le_bytes().to_vec(), "it has shadow copies"),
        (catalogue + 20, vec![4], "is not sound"),
        (catalogue + 16384, vec![0], "is not sound"),
        (0x1e00 + 20, vec![2], "is not sound"),
        // In a circle, and behind the end.
        (
            catalogue + 16384 + 40,
            catalogue.to_le_bytes().to_vec(),
            "is not sound",
        ),
        (catalogue + 40, vec![0xff; 8], "beyond the volume"),
    ] {
        is_kept(&image, at, &bytes, reason);
    }
}
