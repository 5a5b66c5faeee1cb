//! What happens when the host fails, the user changes their mind, or the reader goes away: nothing is left that looks finished.

use std::{
    io::{Read, Write},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use imgdelta_fixtures::{Fill, Recipe, golden};
use rustix::process::{Pid, Signal, kill_process};

use crate::place::{Place, Said};

/// The same command under the host's limit for the length of files, in units of 512 bytes.
pub(crate) fn limited(place: &Place, line: &str, limit: u32) -> Said {
    under(place, line, &format!("ulimit -f {limit}"))
}

/// The same command under a limit that is set by `limit`.
fn under(place: &Place, line: &str, limit: &str) -> Said {
    let inner = place.command(line);
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("{limit}; exec \"$@\""), "sh"])
        .arg(inner.get_program())
        .args(inner.get_args())
        .current_dir(place.path("."));
    for (name, value) in inner.get_envs() {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    Said::of(&command.output().expect("it starts"))
}

#[test]
fn a_file_that_may_not_grow_is_an_error_and_leaves_nothing() {
    let place = Place::golden();
    place.ok("make -b golden.vhd -t patched.vhd -o november.vhd");
    let child = place.read("november.vhd");
    let before = place.names();
    for line in [
        "convert golden.vhd -o full.raw",
        "convert golden.raw -o full.qcow2",
        "make -b golden.raw -t patched.raw -o c.qcow2",
        "apply november.vhd -b golden.vhd -o full.vhd",
        "attach november.vhd -b golden.vhd",
        "convert golden.raw -o patched.raw --force",
    ] {
        let said = limited(&place, line, 200);
        assert_eq!(said.exit, 8, "{line}\n{}{}", said.out, said.err);
        assert_eq!(said.out, "", "{line}");
        assert!(said.err.contains("nothing was changed: "), "{}", said.err);
        assert_eq!(place.names(), before, "{line}");
    }
    assert_eq!(place.read("november.vhd"), child);
    assert!(place.read("patched.raw") == golden::patched_bytes());
}

#[test]
fn an_image_of_more_files_than_may_be_open_says_how_many_it_takes() {
    const EXTENTS: u32 = 200;
    let place = Place::empty();
    let mut text =
        "# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\ncreateType=\"twoGbMaxExtentFlat\"\n"
            .to_owned();
    for number in 0..EXTENTS {
        place.write(&format!("f{number}.vmdk"), &[7; 512]);
        text += &format!("RW 1 FLAT \"f{number}.vmdk\" 0\n");
    }
    place.write("disk.vmdk", text.as_bytes());
    let said = under(&place, "convert disk.vmdk -o out.raw", "ulimit -n 100");
    assert_eq!(said.exit, 8, "{}", said.err);
    assert!(
        said.err
            .contains("hint: it takes 200 files at once: 'ulimit -n 264'"),
        "{}",
        said.err
    );
    // What the user alone has set low is raised.
    let said = under(&place, "convert disk.vmdk -o out.raw", "ulimit -S -n 100");
    assert_eq!(said.exit, 0, "{}", said.err);
    assert!(place.read("out.raw") == vec![7; 512 * EXTENTS as usize]);
}

#[test]
fn a_result_that_cannot_be_told_is_an_error_but_what_was_made_stands() {
    let place = Place::golden();
    let run = |line: &str| {
        let full = std::fs::File::options().write(true).open("/dev/full");
        let mut command = place.command(line);
        command
            .stdout(full.expect("it is there"))
            .stderr(Stdio::piped());
        Said::of(
            &command
                .spawn()
                .and_then(Child::wait_with_output)
                .expect("it starts"),
        )
    };
    let said = run("digest golden.vhd");
    assert_eq!(said.exit, 8);
    assert!(said.err.contains("cannot write the result"), "{}", said.err);
    let said = run("make -b golden.vhd -t patched.vhd -o c.vhd");
    assert_eq!(said.exit, 8);
    assert!(!said.err.contains("nothing was changed"), "{}", said.err);
    place.ok("apply c.vhd -b golden.vhd -o full.raw");
}

#[test]
fn every_name_that_the_file_system_takes_can_be_an_output() {
    let place = Place::golden();
    for len in [230, 242, 255] {
        let name = format!("{}.qcow2", "n".repeat(len - ".qcow2".len()));
        place.ok(&format!("convert golden.raw -o {name}"));
        place.ok(&format!("convert golden.raw -o {name} --force"));
        place.ok(&format!("compare golden.raw {name} -q"));
    }
    // A child's manifest has the longer name.
    let child = format!("{}.qcow2", "c".repeat(255 - ".qcow2.manifest.json".len()));
    place.ok(&format!("make -b golden.raw -t patched.raw -o {child}"));
    place.ok(&format!("attach {child} -b golden.raw"));
    let hidden = place
        .names()
        .into_iter()
        .filter(|name| name.starts_with('.'));
    assert_eq!(hidden.count(), 0);
}

#[test]
fn no_file_of_an_output_takes_the_place_of_what_is_read_whatever_it_is_called() {
    let place = Place::golden();
    place.ok("make -b golden.raw -t patched.raw -o c.qcow2");
    std::fs::copy(
        place.path("golden.raw"),
        place.path("k.qcow2.manifest.json"),
    )
    .expect("room");
    let whole = "--option data_file_raw=on";
    for (input, line) in [
        (
            "golden.raw",
            "make -b golden.raw -t patched.raw -o x.qcow2 --option data_file=golden.raw --force"
                .to_owned(),
        ),
        (
            "c.qcow2",
            "apply c.qcow2 -b golden.raw -o z.qcow2 --option data_file=c.qcow2 --force".to_owned(),
        ),
        (
            "k.qcow2.manifest.json",
            "make -b k.qcow2.manifest.json --base-format raw -t patched.raw -o k.qcow2 --force"
                .to_owned(),
        ),
        (
            "golden.raw",
            format!("convert golden.raw -o d.qcow2 --option data_file=golden.raw {whole} --force"),
        ),
    ] {
        let before = place.read(input);
        let said = place.refused(&line, 2);
        assert!(said.contains("no input is ever changed"), "{line}: {said}");
        assert!(place.read(input) == before, "{line}");
    }
}

#[test]
fn names_of_files_that_are_not_finished_are_nobodys_to_take() {
    let place = Place::golden();
    for name in [
        ".imgdelta-commit",
        ".imgdelta-0123456789abcdef.tmp",
        ".imgdelta-0123456789abcdef-3.old",
    ] {
        let said = place.refused(&format!("convert golden.raw -f raw -o {name} --force"), 2);
        assert!(said.contains("a name of imgdelta's own"), "{said}");
        let line = format!("convert golden.raw -o v.qcow2 --option data_file={name} --force");
        let said = place.refused(&line, 2);
        assert!(said.contains("a name of imgdelta's own"), "{said}");
    }
    assert!(!place.path("v.qcow2").exists());
}

#[test]
fn a_folder_that_is_not_there_is_said() {
    let place = Place::golden();
    let said = place.refused("convert golden.vhd -o nowhere/full.raw", 8);
    assert!(said.contains("nowhere/full.raw"), "{said}");
}

/// Starts a conversion that takes a while, and waits until it has begun to write.
fn begin(place: &Place, flags: &str) -> Child {
    let disk = Recipe::of(64 << 20, [(0, 64 << 20, Fill::Text)]);
    place.write("long.raw", &disk.content(None));
    let line =
        format!("convert long.raw -o long.qcow2 -j 1 --option compression_type=zlib {flags}");
    let child = place
        .command(&line)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let begun = Instant::now();
    let is_draft = |name: &String| imgdelta::core::fs::draft_kind(name.as_ref()).is_some();
    while !place.names().iter().any(is_draft) {
        assert!(begun.elapsed() < Duration::from_secs(30), "it never began");
        thread::sleep(Duration::from_millis(1));
    }
    child
}

fn send(child: &Child, signal: Signal) {
    let pid = i32::try_from(child.id()).expect("a pid");
    kill_process(Pid::from_raw(pid).expect("a pid"), signal).expect("it is there");
}

#[test]
fn a_run_that_is_stopped_leaves_nothing() {
    for (signal, exit) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let place = Place::empty();
        let child = begin(&place, "");
        send(&child, signal);
        let said = Said::of(&child.wait_with_output().expect("it ends"));
        assert_eq!(said.exit, exit, "{}{}", said.out, said.err);
        assert!(
            said.err.starts_with("cancelled") && said.err.ends_with("nothing was changed\n"),
            "{}",
            said.err
        );
        assert_eq!(place.names(), ["long.raw"]);
    }
}

#[test]
fn a_run_that_was_killed_is_followed_by_one_that_succeeds() {
    let place = Place::empty();
    let mut child = begin(&place, "");
    child.kill().expect("it is there");
    child.wait().expect("it ends");
    assert!(!place.path("long.qcow2").exists());
    place.ok("convert long.raw -o long.qcow2");
    assert_eq!(place.names(), ["long.qcow2", "long.raw"]);
    place.ok("compare long.raw long.qcow2 -q");
}

#[test]
fn a_stream_that_never_ends_can_be_left() {
    let place = Place::empty();
    let mut child = place
        .command("convert - -o disk.qcow2")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut input = child.stdin.take().expect("a pipe");
    // More than a pipe holds: when it has been taken, it is being read.
    input.write_all(&[1; 1 << 20]).expect("it reads");
    send(&child, Signal::INT);
    let said = Said::of(&child.wait_with_output().expect("it ends"));
    drop(input);
    assert_eq!(said.exit, 130, "{}", said.err);
    assert_eq!(said.err, "cancelled; nothing was changed\n");
    assert_eq!(place.names(), Vec::<String>::new());
}

#[test]
fn a_disk_comes_and_goes_through_pipes() {
    let place = Place::golden();
    let mut child = place
        .command("convert - -o disk.qcow2 -q")
        .stdin(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(&golden::base_bytes()).expect("it reads");
    drop(input);
    assert!(child.wait().expect("it ends").success());
    place.ok("compare disk.qcow2 golden.raw -q");

    let out = place
        .command("convert disk.qcow2 -o -")
        .output()
        .expect("it starts");
    assert!(out.stdout == golden::base_bytes());
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(said.contains("12 MiB raw disk"), "{said}");
    let said = place.refused("convert disk.qcow2 -o - -f vhd", 4);
    assert!(said.contains("pipe"), "{said}");
}

#[test]
fn a_reader_that_goes_away_has_seen_enough() {
    let place = Place::golden();
    for line in [
        "convert golden.raw -o -",
        "compare golden.raw noise.raw --list",
        "map scatter.qcow2 --json=lines",
    ] {
        place.write("noise.raw", &Recipe::sectors(12 << 20, 5).content(None));
        let scatter = Recipe::scatter(1 << 20, 512, 3);
        let scatter = imgdelta_fixtures::qcow2::Qcow2Spec::new(scatter, 9);
        place.write("scatter.qcow2", &scatter.build());
        let mut child = place
            .command(line)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut first = [0];
        let mut out = child.stdout.take().expect("a pipe");
        out.read_exact(&mut first).expect("it writes");
        drop(out);
        let said = Said::of(&child.wait_with_output().expect("it ends"));
        // A list that fits into the pipe may end with its own status.
        assert!(said.exit <= 1, "{line}: {}", said.err);
        assert!(!said.err.contains("error"), "{line}: {}", said.err);
    }
}

#[test]
fn an_input_that_is_no_file_is_refused_at_once() {
    let place = Place::golden();
    let made = Command::new("mkfifo").arg(place.path("pipe.raw")).status();
    assert!(made.expect("it starts").success());
    let begun = Instant::now();
    place.refused("digest pipe.raw", 8);
    place.refused("digest .", 8);
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert!(Path::new("/dev/null").exists());
    place.refused("convert golden.raw -o pipe.raw --force", 2);
}
