//! Disks as the systems' own programs make them, and what those think of them afterwards.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use crate::place::Place;

pub(super) const MIB: usize = 1 << 20;
/// The programs that make the disk of an installer, and look at it.
pub(super) const TOOLS: [&str; 9] = [
    "sfdisk", "mkfs.fat", "fsck.fat", "mcopy", "mdel", "mkswap", "mke2fs", "debugfs", "e2fsck",
];
/// Its partitions: what they hold, where they start and how long they are, in MiB.
pub(super) const PARTS: [(&str, usize, usize); 3] =
    [("fat", 1, 16), ("swap", 17, 8), ("ext", 25, 32)];

/// Where programs are.
fn path() -> String {
    let path = std::env::var("PATH").unwrap_or_default();
    format!("{path}:/usr/sbin:/sbin")
}

/// Whether programs are there (Debian packages fdisk, dosfstools, mtools, util-linux, e2fsprogs); if not, said out loud.
pub(super) fn are_there(programs: &[&str]) -> bool {
    let path = path();
    let is_there =
        |program: &str| std::env::split_paths(&path).any(|at| at.join(program).is_file());
    let missing = programs.iter().find(|program| !is_there(program));
    let required = std::env::var("IMGDELTA_REQUIRE_PEERS").is_ok_and(|value| value == "1");
    assert!(
        missing.is_none() || !required,
        "{missing:?} is required and missing"
    );
    if let Some(program) = missing {
        eprintln!("skipped: no {program}");
    }
    missing.is_none()
}

/// Runs a command in the folder of `place` to its end, `input` being typed into it.
fn tool(place: &Place, line: &str, input: &str) {
    let mut words = line.split(' ');
    let mut child = Command::new(words.next().expect("a program"))
        .args(words)
        .current_dir(place.path(""))
        .env("PATH", path())
        .env("MTOOLS_SKIP_CHECK", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{line}: {error}"));
    let typed = child
        .stdin
        .take()
        .expect("it is piped")
        .write_all(input.as_bytes());
    let out = child.wait_with_output().expect("it ends");
    assert!(
        out.status.success() && (typed.is_ok() || input.is_empty()),
        "{line}: {}{}",
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    );
}

/// A file of so many MiB of zeros.
fn blank(place: &Place, name: &str, mib: usize) {
    let file = File::create(place.path(name)).expect("room");
    file.set_len((mib * MIB) as u64).expect("room");
}

/// Makes an ext4 of 16 MiB that holds a folder.
pub(super) fn file_system(place: &Place, name: &str, folder: &str) {
    blank(place, name, 16);
    let id = "11111111-2222-3333-4444-555555555555";
    let line = format!("mke2fs -q -F -t ext4 -U {id} -E hash_seed={id} -d {folder} {name}");
    tool(place, &line, "");
}

/// Puts the partitions into a disk under a GPT.
fn assemble(place: &Place, disk: &str) {
    blank(place, disk, 60);
    let mut table = "label: gpt\nlabel-id: 11111111-2222-3333-4444-555555555555\n".to_owned();
    for (name, start, len) in PARTS {
        let id = format!("11111111-2222-3333-4444-{start:012}");
        table += &format!("start={start}MiB, size={len}MiB, uuid={id}, name={name}\n");
    }
    tool(place, &format!("sfdisk -q {disk}"), &table);
    let parts = PARTS.map(|(name, start, _)| (start * MIB, place.read(name)));
    place.change(disk, |bytes| {
        for (start, part) in &parts {
            bytes[*start..start + part.len()].copy_from_slice(part);
        }
    });
}

/// Two disks as they come to be: one that was installed, and the same with files written, changed and deleted, and pages swapped out.
pub(super) fn installed(place: &Place) {
    place.write("tree/etc/hosts", &[1; 20_000]);
    place.write("tree/old", &[2; 300_000]);
    place.write("new", &[3; 200_000]);
    let mut random = 1_u64;
    let noise = (0..3 * MIB).map(|_| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random >> 32) as u8
    });
    place.write("temporary", &noise.collect::<Vec<_>>());
    for (name, _, mib) in PARTS {
        blank(place, name, mib);
    }
    tool(place, "mkfs.fat -F 16 fat", "");
    tool(place, "mcopy -i fat -s tree/old tree/etc ::/", "");
    tool(place, "mkswap -q swap", "");
    tool(place, "mke2fs -q -F -t ext4 -d tree ext", "");
    assemble(place, "golden.raw");
    tool(place, "mdel -i fat ::/old", "");
    tool(place, "mcopy -i fat temporary new ::/", "");
    tool(place, "mdel -i fat ::/temporary", "");
    place.change("swap", |swap| swap[8192..8192 + MIB].fill(7));
    let typed = "rm old\nwrite temporary temporary\nwrite new new\nrm temporary\nmkdir more\n";
    tool(place, "debugfs -w -f - ext", typed);
    tool(place, "e2fsck -fp ext", "");
    assemble(place, "patched.raw");
}

/// All files below a folder, by path, with their bytes.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut left = vec![folder.to_owned()];
    while let Some(next) = left.pop() {
        for entry in fs::read_dir(&next).expect("a folder") {
            let path = entry.expect("it is read").path();
            if path.is_dir() {
                left.push(path);
            } else {
                let name = path.strip_prefix(folder).expect("below it").display();
                found.insert(name.to_string(), fs::read(&path).expect("it is read"));
            }
        }
    }
    found
}

/// The files of a disk's FAT and ext4, both being clean; what stands in the first page of its swap.
pub(super) fn contents(place: &Place, disk: &str) -> (BTreeMap<String, Vec<u8>>, Vec<u8>) {
    let bytes = place.read(disk);
    for (name, start, len) in PARTS {
        place.write(name, &bytes[start * MIB..(start + len) * MIB]);
    }
    tool(place, "fsck.fat -n fat", "");
    tool(place, "e2fsck -fn ext", "");
    let out = place.path(&format!("{disk}.files"));
    for name in ["fat", "ext"] {
        fs::create_dir_all(out.join(name)).expect("a folder");
    }
    tool(
        place,
        &format!("mcopy -i fat -s -Q ::/ {disk}.files/fat"),
        "",
    );
    let typed = format!("rdump / {disk}.files/ext\n");
    tool(place, "debugfs -f - ext", &typed);
    let swap = PARTS[1].1 * MIB;
    let found = files(&out);
    fs::remove_dir_all(out).expect("it is there");
    (found, bytes[swap..swap + 4096].to_vec())
}
