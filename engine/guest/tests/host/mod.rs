//! Programs of the system that make file systems and say what is in them, and disks in files. A missing program fails the test where
//! `IMGDELTA_REQUIRE_PEERS=1` says that all must be there; elsewhere it is said out loud and the test may end early.

#![allow(dead_code, reason = "each test uses some of it")]
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a scene that cannot be set fails the test"
)]

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::FileExt,
    path::Path,
    process::{Command, Stdio},
};

use imgdelta_core::{Bytes, Result, VirtOffset};
use imgdelta_guest::{Disk, Entry, Run, Runs, Unused, Verdict, files, survey};

/// A disk in memory, with sectors of the given size.
#[derive(Clone)]
pub(crate) struct Memory(pub(crate) Vec<u8>, pub(crate) u64);

impl Disk for Memory {
    fn size(&self) -> Bytes {
        Bytes::from(self.0.len())
    }

    fn sector(&self) -> Bytes {
        Bytes(self.1)
    }

    fn read_at(&self, at: VirtOffset, buf: &mut [u8]) -> Result<()> {
        buf.fill(0);
        let from = (at.0 as usize).min(self.0.len());
        let len = buf.len().min(self.0.len() - from);
        buf[..len].copy_from_slice(&self.0[from..from + len]);
        Ok(())
    }
}

/// A disk in a file, with sectors of 512 bytes.
pub(crate) struct Image(File, u64);

impl Image {
    pub(crate) fn open(path: &Path) -> Self {
        let file = File::open(path).expect("the image is there");
        let len = file.metadata().expect("it has a length").len();
        Self(file, len)
    }
}

impl Disk for Image {
    fn size(&self) -> Bytes {
        Bytes(self.1)
    }

    fn sector(&self) -> Bytes {
        Bytes(512)
    }

    fn read_at(&self, at: VirtOffset, buf: &mut [u8]) -> Result<()> {
        buf.fill(0);
        let len = buf.len().min(self.1.saturating_sub(at.0) as usize);
        self.0.read_exact_at(&mut buf[..len], at.0).expect("reads");
        Ok(())
    }
}

/// An image of `len` bytes of zeros.
pub(crate) fn blank(path: &Path, len: u64) {
    let file = File::create(path).expect("an image can be made");
    file.set_len(len).expect("it can be as long");
}

/// Writes `bytes` at `at` of an image: what was there before.
pub(crate) fn poke(path: &Path, at: u64, bytes: &[u8]) -> Vec<u8> {
    let file = File::options().read(true).write(true).open(path);
    let file = file.expect("it opens");
    let mut before = vec![0; bytes.len()];
    file.read_exact_at(&mut before, at).expect("it is read");
    file.write_all_at(bytes, at).expect("it is written");
    before
}

/// Makes sure that nothing of an image is left out, for that reason, where `bytes` stand at `at`.
pub(crate) fn is_kept(path: &Path, at: u64, bytes: &[u8], reason: &str) {
    let before = poke(path, at, bytes);
    let Verdict::Kept(why) = verdict(path) else {
        panic!("{reason}: it is not kept")
    };
    assert!(why.contains(reason), "{why} instead of {reason}");
    poke(path, at, &before);
}

/// Reads `N` bytes at `at` of an image.
pub(crate) fn peek<const N: usize>(path: &Path, at: u64) -> [u8; N] {
    let mut bytes = [0; N];
    let file = File::open(path).expect("it opens");
    file.read_exact_at(&mut bytes, at).expect("it is read");
    bytes
}

/// Whether programs, given with the Debian packages that have them, are there.
pub(crate) fn are_there(programs: &[(&str, &str)]) -> bool {
    let path = path();
    let is_there = |program| std::env::split_paths(&path).any(|at| at.join(program).is_file());
    let missing = programs.iter().find(|(program, _)| !is_there(program));
    let Some((program, package)) = missing else {
        return true;
    };
    let required = std::env::var("IMGDELTA_REQUIRE_PEERS").is_ok_and(|value| value == "1");
    assert!(
        !required,
        "{program} is required and missing: run fixtures/peers/install.sh"
    );
    let _ = writeln!(
        io::stderr(),
        "skipped: no {program} (Debian package {package})"
    );
    false
}

/// Runs a command of words and paths to its end, `input` being typed into it: what it printed.
pub(crate) fn run(words: &[&str], input: &str) -> String {
    let [program, args @ ..] = words else {
        panic!("a command has a name")
    };
    let mut child = Command::new(program)
        .args(args)
        .env("PATH", path())
        .env("MTOOLS_SKIP_CHECK", "1")
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let mut typed = child.stdin.take().expect("it is piped");
    let _ = typed.write_all(input.as_bytes());
    drop(typed);
    let out = child.wait_with_output().expect("it ends");
    let (said, err) = (
        String::from_utf8_lossy(&out.stdout).into_owned(),
        String::from_utf8_lossy(&out.stderr),
    );
    assert!(out.status.success(), "{words:?}: {said}{err}");
    said
}

/// Unmounts what a process serves by FUSE, and waits until that has ended: it writes down that all was left in order when the host has forgotten it.
pub(crate) fn unmount_served(mounted: &Path) {
    run(&["umount", name(mounted)], "");
    let is_its_server = |line: &[u8]| {
        let mut words = line.split(|byte| *byte == 0);
        words.any(|word| word == name(mounted).as_bytes())
    };
    for _ in 0..600 {
        let processes = fs::read_dir("/proc").expect("Linux has it").flatten();
        let mut lines = processes.filter_map(|one| fs::read(one.path().join("cmdline")).ok());
        if !lines.any(|line| is_its_server(&line)) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("what serves {} does not end", mounted.display());
}

/// Unmounts a loop mount of `image`, and waits until nobody has it: a mount namespace that another process began meanwhile keeps it mounted.
pub(crate) fn unmount(mounted: &Path, image: &Path) {
    run(&["umount", name(mounted)], "");
    for _ in 0..600 {
        if run(&["losetup", "-j", name(image)], "").trim().is_empty() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("{}: still mounted elsewhere", image.display());
}

/// The runs of an image that `partclone.FS` does not call used, up to the end of the file system.
pub(crate) fn partclone(system: &str, image: &Path) -> Runs {
    let read = partclone_within("600", system, image);
    read.unwrap_or_else(|| panic!("partclone.{system} does not read {}", image.display()))
}

/// As [`partclone`]; `None`, if it does not read the image, or not in so many seconds.
pub(crate) fn partclone_within(seconds: &str, system: &str, image: &Path) -> Option<Runs> {
    let (map, log) = (image.with_extension("map"), image.with_extension("log"));
    // It writes over nothing.
    let _ = fs::remove_file(&map);
    let program = format!("partclone.{system}");
    let [image, map_name, log] = [image, &map, &log].map(|path| path.to_str().expect("a name"));
    let done = Command::new("timeout")
        .args(["-s", "KILL", seconds, &program, "-D", "-q", "-s", image])
        .args(["-o", map_name, "-L", log])
        .env("PATH", path())
        .stdin(Stdio::null())
        .output()
        .expect("it runs");
    if !done.status.success() {
        return None;
    }
    let text = fs::read_to_string(&map).expect("it wrote a map");
    let number = |text: &str| u64::from_str_radix(text.trim_start_matches("0x"), 16);
    let rows = text.lines().filter_map(|line| {
        let [at, len, "?"] = line.split_whitespace().collect::<Vec<_>>()[..] else {
            return None;
        };
        Some(Run::new(number(at).ok()?, number(len).ok()?))
    });
    Some(Runs::of(rows.collect()))
}

/// A path as a word of a command.
pub(crate) fn name(path: &Path) -> &str {
    path.to_str().expect("a name")
}

/// What can be left out of an image that is one volume.
pub(crate) fn verdict(path: &Path) -> Verdict {
    let disk = Image::open(path);
    let mut survey = survey(&disk).expect("it is read");
    assert_eq!(survey.verdicts.len(), 1, "{:?}", survey.layout);
    survey.verdicts.remove(0)
}

/// What can be left out, if that is certain.
pub(crate) fn unused(path: &Path) -> Unused {
    match verdict(path) {
        Verdict::Known(unused) => unused,
        Verdict::Kept(why) => panic!("{why}"),
    }
}

/// The files of an image that is one volume.
pub(crate) fn listed(path: &Path) -> Vec<Entry> {
    let disk = Image::open(path);
    let survey = survey(&disk).expect("it is read");
    let files = files(&disk, &survey.layout.volumes[0]).expect("it is listed");
    files.map(|entry| entry.expect("it is sound")).collect()
}

/// The first `len` bytes of a file as its extents have them.
pub(crate) fn contents(image: &Path, entry: &Entry, len: usize) -> Vec<u8> {
    let file = File::open(image).expect("it opens");
    let mut bytes = Vec::new();
    for run in &entry.extents {
        let mut part = vec![0; run.len.in_memory()];
        file.read_exact_at(&mut part, run.start.0)
            .expect("it is read");
        bytes.extend(part);
    }
    bytes.truncate(len);
    bytes
}

/// Where programs are.
fn path() -> String {
    let path = std::env::var("PATH").unwrap_or_default();
    format!("{path}:/usr/sbin:/sbin")
}
