//! Deployments that meet: several processes at once that send to one repository, the same image and others, by path and by a line. What one
//! process does while another holds a lock, the repository's own tests ask.

use std::{
    fs,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{
    deploy_ssh::{HERE, over_command},
    far::{add_site, headquarters, incoming, must_have},
    place::Said,
    repo::names,
};

/// Runs commands at the same time, to their ends.
pub(crate) fn at_once(commands: Vec<Command>) -> Vec<Said> {
    let running: Vec<_> = commands
        .into_iter()
        .map(|mut command| {
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().expect("it starts")
        })
        .collect();
    let ended = running.into_iter().map(|child| child.wait_with_output());
    ended
        .map(|output| Said::of(&output.expect("it ends")))
        .collect()
}

/// Requires that all ended well.
pub(crate) fn must_be_well(all: &[Said]) {
    for Said { exit, out, err } in all {
        assert_eq!(*exit, 0, "{out}{err}");
    }
}

#[test]
fn two_images_that_come_by_path_at_once_both_arrive() {
    let place = headquarters();
    add_site(&place, "site");
    place.write("third.raw", &[3; 3 << 20]);
    place.ok("repo add third.raw --repo hq");
    let lines = ["patched", "third", "patched third"]
        .map(|images| format!("deploy {images} --repo hq --to site --wait 60s"));
    must_be_well(&at_once(
        lines.iter().map(|line| place.command(line)).collect(),
    ));
    assert_eq!(names(&place, "site"), ["golden", "patched", "third"]);
    place.ok("repo verify --repo site");
}

#[test]
fn one_image_that_comes_twice_at_once_is_there_once() {
    let place = headquarters();
    add_site(&place, "site");
    place.ok("deploy patched --repo hq --for site -o stick");
    let lines = [
        "deploy patched --repo hq --to site --wait 60s",
        "deploy patched --repo hq --to site --wait 60s --format vhdx",
        "receive stick --repo site --wait 60s",
    ];
    must_be_well(&at_once(
        lines.iter().map(|line| place.command(line)).collect(),
    ));
    must_have(&place, "site", "three times at once");
}

#[test]
fn a_line_and_a_path_at_once_bring_one_image() {
    let place = headquarters();
    add_site(&place, "site");
    place.write("ssh", HERE.as_bytes());
    place.write("third.raw", &[3; 3 << 20]);
    place.ok("repo add third.raw --repo hq");
    must_be_well(&at_once(vec![
        over_command(&place, "deploy patched --repo hq --to ssh://there/site"),
        over_command(&place, "deploy third --repo hq --to ssh://there/site"),
        place.command("deploy patched --repo hq --to site --wait 60s"),
    ]));
    assert_eq!(names(&place, "site"), ["golden", "patched", "third"]);
    place.ok("repo verify --repo site");
    assert_eq!(incoming(&place, "site"), 0);
}

/// Waits until something is there.
fn wait_for(what: &str, is_there: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !is_there() {
        assert!(Instant::now() < until, "{what} never came");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn who_sends_what_another_one_is_sending_is_told_and_the_first_goes_on() {
    let place = headquarters();
    add_site(&place, "site");
    // Stands for ssh: after the first frames of the difference the line is still until `gate` is there.
    let skip = HERE
        .strip_suffix("exec /bin/sh -c \"$2\"")
        .expect("it does");
    let still = format!(
        "{skip}{{ stdbuf -o0 head -c 3000000; : >reached; until [ -e gate ]; do sleep 0.05; done; cat; }} | /bin/sh -c \"$2\""
    );
    place.write("ssh", still.as_bytes());
    let line = "deploy patched --repo hq --to ssh://there/site";
    let first = over_command(&place, line)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    wait_for("the first line's stop", || place.path("reached").exists());
    wait_for("the first bytes", || incoming(&place, "site") == 1);
    place.write("ssh", HERE.as_bytes());
    let second = Said::of(&over_command(&place, line).output().expect("it starts"));
    assert_eq!(second.exit, 10, "{}{}", second.out, second.err);
    let told = "another deployment is sending the same image";
    assert!(second.err.contains(told), "{}", second.err);
    fs::write(place.path("gate"), "").expect("room");
    let first = Said::of(&first.wait_with_output().expect("it ends"));
    must_be_well(&[first]);
    must_have(&place, "site", "the first one");
}
