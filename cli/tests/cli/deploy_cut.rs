//! Lines that break off under the command, and programs that die at either end of one: what is said, what is left, and that the same command
//! goes on. Which frame it was, and what either end makes of it, the wire's own tests ask.

use std::{fs, os::unix::process::CommandExt};

use crate::{
    deploy_ssh::{HERE, over_command},
    far::{FRAME, add_site, headquarters, incoming, must_be_without, must_have, sent},
    place::{Place, Said, expect},
};

/// Stands for ssh: what comes through in either direction is written down too.
const OPEN: &str = "tee -a came | /bin/sh -c \"$2\" | tee said";

/// The same, and the line breaks off after `AT` bytes to the site.
const CUT_TO_SITE: &str = "stdbuf -o0 head -c AT | tee -a came | /bin/sh -c \"$2\"";

/// The same, after `AT` bytes to headquarters.
const CUT_TO_HEADQUARTERS: &str = "/bin/sh -c \"$2\" | { stdbuf -o0 head -c AT; kill -KILL $$; }";

/// After `AT` bytes the site's program dies; ssh then ends.
const SITE_DIES: &str = "mkfifo line; /bin/sh -c \"exec $2\" <line & \
     { stdbuf -o0 head -c AT; kill -KILL $!; } >line; wait $!";

/// After `AT` bytes headquarters' program dies; ssh then ends.
const HEADQUARTERS_DIES: &str = "{ stdbuf -o0 head -c AT; kill -KILL $PPID; } | /bin/sh -c \"$2\"";

/// After `AT` bytes somebody interrupts headquarters' program. It hears it on a thread of its own, which must have its turn before the rest
/// is through.
const STOPPED: &str =
    "{ stdbuf -o0 head -c AT; kill -INT $PPID; sleep 1; cat; } | /bin/sh -c \"$2\"";

/// The same as a terminal does it: ssh hears it too, and ends at once.
const STOPPED_WITH_SSH: &str =
    "{ stdbuf -o0 head -c AT; kill -INT 0; cat; } | setsid /bin/sh -c \"$2\"";

/// Where what is packed lies until it is sent.
const PACKING: &str = "packing";

/// Headquarters, a site, and a folder for what is packed.
fn scene() -> Place {
    let place = headquarters();
    add_site(&place, "site");
    fs::create_dir(place.path(PACKING)).expect("room");
    place
}

/// Runs a line through a stand-in for ssh.
fn through(place: &Place, (ssh, at): (&str, u64), line: &str) -> Said {
    let skip = HERE
        .strip_suffix("exec /bin/sh -c \"$2\"")
        .expect("it does");
    let script = format!("{skip}{}", ssh.replace("AT", &at.to_string()));
    place.write("ssh", script.as_bytes());
    let mut command = over_command(place, line);
    command
        .env("IMGDELTA_TMPDIR", place.path(PACKING))
        .process_group(0);
    Said::of(&command.output().expect("it starts"))
}

/// Deploys through a stand-in for ssh.
fn deploy(place: &Place, ssh: &str, at: u64) -> Said {
    let line = "deploy patched --repo hq --to ssh://there/site --json";
    through(place, (ssh, at), line)
}

/// What was written down of a direction since it was asked last.
fn overheard(place: &Place, name: &str) -> Vec<u8> {
    let bytes = place.read(name);
    fs::remove_file(place.path(name)).expect("it is there");
    bytes
}

/// Takes the image away from the site, for another try.
fn take_back(place: &Place) {
    place.ok("repo remove patched --repo site --yes");
}

/// What a whole conversation takes in each direction, in bytes.
fn undisturbed(place: &Place) -> (u64, Vec<u8>) {
    let (now, before) = sent(&deploy(place, OPEN, 0), "undisturbed");
    assert_eq!(before, 0);
    must_have(place, "site", "undisturbed");
    take_back(place);
    let whole = overheard(place, "came").len() as u64;
    assert!(now < whole && whole < now + FRAME, "{now} of {whole}");
    (whole, overheard(place, "said"))
}

/// Requires that the line broke off, as it is told, and that nothing is left where it was packed.
fn must_be_cut(place: &Place, said: &Said, why: &str) {
    let Said { exit, out, err } = said;
    assert_eq!((*exit, out.as_str()), (10, ""), "{why}: {err}");
    assert!(err.contains("\"code\":\"cut\""), "{why}: {err}");
    assert!(err.contains("the same command run again"), "{why}: {err}");
    assert_eq!(packed(place), 0, "{why}");
}

/// How much lies where it was packed.
fn packed(place: &Place) -> usize {
    let folder = fs::read_dir(place.path(PACKING));
    folder.expect("readable").count()
}

/// The same command once more, undisturbed; gives how many bytes of the difference it found at the site.
fn again(place: &Place, why: &str) -> u64 {
    must_be_without(place, "site", why);
    let (_, before) = sent(&deploy(place, OPEN, 0), why);
    must_have(place, "site", why);
    take_back(place);
    before
}

/// Where the first frame of a kind ends.
fn end_of(kind: u8, frames: &[u8]) -> u64 {
    let mut at = 0;
    loop {
        let length: [u8; 4] = frames[at..at + 4].try_into().expect("four bytes");
        let end = at + 5 + u32::from_be_bytes(length) as usize + 8;
        if frames[at + 4] == kind {
            return end as u64;
        }
        at = end;
    }
}

#[test]
fn a_cut_is_told_and_the_same_command_goes_on() {
    let place = scene();
    let line = "deploy patched --repo hq --to ssh://there/site";
    let mut told = String::new();
    for ssh in [CUT_TO_SITE, OPEN] {
        let Said { exit, out, err } = through(&place, (ssh, 3_000_000), line);
        told += &format!("$ imgdelta {line}\n{out}{err}");
        if exit != 0 {
            told += &format!("(exit {exit})\n");
        }
    }
    expect("deploy-cut.txt", &place.without_paths(&told));
    must_have(&place, "site", "after the cut");
}

#[test]
fn a_line_that_is_cut_anywhere_to_the_site_costs_no_more_than_a_frame() {
    let place = scene();
    let (whole, _) = undisturbed(&place);
    for at in [10, 2000, 1_500_000, 3_000_000, whole - 20] {
        let why = format!("cut after {at} bytes");
        must_be_cut(&place, &deploy(&place, CUT_TO_SITE, at), &why);
        let held = again(&place, &why);
        let came = overheard(&place, "came").len() as u64;
        assert!(came <= whole + FRAME, "{why}: {came} of {whole}");
        assert!(held <= at, "{why}: {held}");
        // The last cut is in the frame that says that all was sent.
        assert!(held + 2 * FRAME > at, "{why}: {held}");
    }
}

#[test]
fn a_line_that_is_cut_to_headquarters_leaves_the_site_what_it_has() {
    let place = scene();
    let (_, said) = undisturbed(&place);
    let held = end_of(12, &said);
    for at in [10, held - 3] {
        let why = format!("cut after {at} bytes");
        must_be_cut(&place, &deploy(&place, CUT_TO_HEADQUARTERS, at), &why);
        assert_eq!(again(&place, &why), 0, "{why}");
    }
    // All was sent by then, so that the site ends its work though nobody listens.
    let said = deploy(&place, CUT_TO_HEADQUARTERS, held + 5);
    must_be_cut(&place, &said, "cut in the answer");
    must_have(&place, "site", "cut in the answer");
    let said = through(
        &place,
        (OPEN, 0),
        "deploy patched --repo hq --to ssh://there/site",
    );
    assert_eq!(said.exit, 0, "{}", said.err);
    assert!(
        said.out.contains("patched: is there already"),
        "{}",
        said.out
    );
}

#[test]
fn a_site_whose_program_dies_has_what_it_wrote() {
    let place = scene();
    let said = deploy(&place, SITE_DIES, 3_000_000);
    must_be_cut(&place, &said, "the site died");
    assert_eq!(incoming(&place, "site"), 1);
    let held = again(&place, "the site died");
    assert!((FRAME..3_000_000).contains(&held), "{held}");
}

#[test]
fn headquarters_may_die_and_the_next_run_goes_on() {
    let place = scene();
    for (at, least) in [(10, 0), (3_000_000, FRAME)] {
        let why = format!("headquarters died after {at} bytes");
        let said = deploy(&place, HEADQUARTERS_DIES, at);
        assert_eq!((said.exit, said.out.as_str()), (-1, ""), "{}", said.err);
        let held = again(&place, &why);
        assert!((least..=at).contains(&held), "{why}: {held}");
    }
}

#[test]
fn who_interrupts_a_line_is_told_what_stays_and_goes_on_with_it() {
    let place = scene();
    for ssh in [STOPPED, STOPPED_WITH_SSH] {
        for (at, least) in [(10, 0), (1_200_000, FRAME)] {
            let why = format!("{ssh} after {at} bytes");
            let line = "deploy patched --repo hq --to ssh://there/site";
            let said = through(&place, (ssh, at), line);
            assert_eq!((said.exit, said.out.as_str()), (130, ""), "{}", said.err);
            assert!(
                said.err.contains("; the same command goes on\n"),
                "{}",
                said.err
            );
            assert_eq!(packed(&place), 0, "{why}");
            // What is on its way when the signal comes may still arrive.
            let held = again(&place, &why);
            assert!(held >= least, "{why}: {held}");
        }
    }
}
