//! exFAT as `mkfs.exfat` makes it and FUSE fills it, beside what partclone says.

mod host;
mod tree;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use host::{
    are_there, blank, contents, is_kept, listed, name, partclone, peek, run, unmount_served, unused,
};
use imgdelta_guest::{EntryKind, Run, Runs};

const TOOLS: [(&str, &str); 3] = [
    ("mkfs.exfat", "exfatprogs"),
    ("mount.exfat-fuse", "exfat-fuse"),
    ("partclone.exfat", "partclone"),
];
const MIB: u64 = 1 << 20;

/// A loop device over an image, where there may be one.
fn attached(image: &Path) -> Option<String> {
    let mut command = Command::new("/usr/sbin/losetup");
    let done = command.args(["--show", "-f"]).arg(image).output().ok()?;
    let device = String::from_utf8_lossy(&done.stdout).trim().to_owned();
    done.status.success().then_some(device)
}

/// A volume with the tree in it, some of it taken out and put in again; empty, said out loud, where nothing can be mounted.
fn make(folder: &Path, tree: &Path, size: u64, options: &str) -> (PathBuf, bool) {
    let path = folder.join("exfat.raw");
    blank(&path, size);
    let mut words = vec!["mkfs.exfat"];
    words.extend(options.split_whitespace());
    words.push(name(&path));
    run(&words, "");
    let mounted = folder.join("mounted");
    fs::create_dir_all(&mounted).expect("a folder");
    if let Some(device) = attached(&path) {
        run(&["mount.exfat-fuse", &device, name(&mounted)], "");
        let inside = mounted.join("large");
        run(
            &["cp", "-r", &format!("{}/.", name(tree)), name(&mounted)],
            "",
        );
        for number in 0..100 {
            let path = format!("many/a file of a long and boring name {}", number * 3 + 1);
            fs::remove_file(mounted.join(path)).expect("it is there");
        }
        fs::remove_file(&inside).expect("it is there");
        fs::copy(tree.join("large"), &inside).expect("it is written");
        for number in 0..100 {
            let path = format!("many/a file of a long and boring name {}", number * 3 + 1);
            fs::copy(tree.join(&path), mounted.join(&path)).expect("it is written");
        }
        unmount_served(&mounted);
        run(&["losetup", "-d", &device], "");
        return (path, true);
    }
    eprintln!("skipped: exFAT cannot be mounted here, so it is empty");
    (path, false)
}

#[test]
fn what_is_free_is_what_partclone_says_and_files_hold_their_bytes() {
    if !are_there(&TOOLS) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let tree = tree::plain(&folder.path().join("tree"));
    for (size, options) in [
        (64, "-c 4K"),
        (64, "-c 512"),
        (200, "-c 128K"),
        (64, "-b 64K"),
    ] {
        let (image, is_full) = make(folder.path(), &tree, size * MIB, options);
        let free = unused(&image).free;
        let right = partclone("exfat", &image);
        assert!(free == right, "{options}:\n{free:x?}\n{right:x?}");
        let entries = listed(&image);
        let all: Vec<Run> = entries.iter().flat_map(|one| one.extents.clone()).collect();
        let all = Runs::of(all);
        assert!(all.without(&free) == all, "{options}");
        if !is_full {
            continue;
        }
        tree::same(&entries, options);
        for entry in entries.iter().filter(|one| one.kind == EntryKind::File) {
            let right = fs::read(tree.join(&entry.path[1..])).expect("it was put in");
            let found = contents(&image, entry, right.len());
            assert!(found == right, "{options}: {}", entry.path);
        }
    }
}

#[test]
fn what_was_not_left_cleanly_is_kept() {
    if !are_there(&TOOLS) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let tree = tree::plain(&folder.path().join("tree"));
    let (image, _) = make(folder.path(), &tree, 64 * MIB, "-c 4K");
    let [flags] = peek::<1>(&image, 106);
    assert_eq!(flags, 0, "it was left cleanly");
    for (at, bytes, reason) in [
        (106, vec![2], "not left cleanly"),
        (72, vec![1], "checksum of its boot region"),
        (600, vec![1], "checksum of its boot region"),
    ] {
        is_kept(&image, at, &bytes, reason);
    }
}
