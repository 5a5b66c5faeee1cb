//! What TAB offers, asked as bash asks for it: by the script that `completions bash` prints.

use std::{path::Path, process::Command};

use crate::place::Place;

/// The images that bash offers: flags may stand behind them.
fn images(place: &Place, line: &str) -> Vec<String> {
    let all = offered(place, line).into_iter();
    all.filter(|word| !word.starts_with('-') && !word.is_empty())
        .collect()
}

/// What bash offers behind the words of `line`, the last of which is being typed (`_` for one that is not begun).
fn offered(place: &Place, line: &str) -> Vec<String> {
    let program = Path::new(env!("CARGO_BIN_EXE_imgdelta"));
    let path = std::env::var("PATH").unwrap_or_default();
    let folder = program.parent().expect("a folder").display();
    let words: Vec<&str> = line
        .split_whitespace()
        .map(|word| if word == "_" { "" } else { word })
        .collect();
    let script = "source <(imgdelta completions bash)
        COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); COMP_TYPE=9
        _clap_complete_imgdelta imgdelta \"${COMP_WORDS[COMP_CWORD]}\" \"${COMP_WORDS[COMP_CWORD - 1]}\"
        printf '%s\\n' \"${COMPREPLY[@]}\"";
    let said = Command::new("bash")
        .args(["-c", script, "bash"])
        .args(words)
        .env("PATH", format!("{folder}:{path}"))
        .env_remove("IMGDELTA_REPO")
        .current_dir(place.path(""))
        .output()
        .expect("bash is there");
    assert!(said.status.success(), "{said:?}");
    let out = String::from_utf8(said.stdout).expect("text");
    out.lines().map(str::to_owned).collect()
}

#[test]
fn commands_flags_and_formats_are_offered() {
    let place = Place::empty();
    assert_eq!(offered(&place, "imgdelta conv"), ["convert"]);
    assert_eq!(
        offered(&place, "imgdelta convert a.raw -f vh"),
        ["vhd", "vhdx"]
    );
    let flags = offered(&place, "imgdelta make --thr");
    assert_eq!(flags, ["--threads"]);
}

#[test]
fn keys_of_options_are_those_of_the_format_that_is_written() {
    let place = Place::empty();
    let keys = |line: &str| offered(&place, line);
    let of_vhd = keys("imgdelta convert a.raw -f vhd --option _");
    assert!(of_vhd.contains(&"block_size=".to_owned()), "{of_vhd:?}");
    assert!(
        !of_vhd.contains(&"compression_type=".to_owned()),
        "{of_vhd:?}"
    );
    assert_eq!(
        keys("imgdelta convert a.raw -o b.qcow2 --option compression_t"),
        ["compression_type="]
    );
    let reading = keys("imgdelta info a.vhd --input-option _");
    assert!(reading.contains(&"checksum=".to_owned()), "{reading:?}");
}

#[test]
fn images_of_the_repository_are_offered() {
    let place = Place::golden();
    place.ok("repo init hq");
    place.ok("repo add golden.vhd --repo hq --name web-golden");
    place.ok("repo add patched.vhd --repo hq --name db --tag production");
    let repo = "imgdelta repo show --repo hq";
    assert_eq!(images(&place, &format!("{repo} _")), ["db", "web-golden"]);
    assert_eq!(images(&place, &format!("{repo} w")), ["web-golden"]);
    let deployed = images(&place, "imgdelta deploy --repo=hq d");
    assert_eq!(deployed, ["db"]);
    // Where there is none, nothing is offered, and nothing is said.
    assert_eq!(
        images(&place, "imgdelta repo show --repo nowhere _"),
        [""; 0]
    );
}

#[test]
fn what_is_no_shell_is_an_error_and_nothing_is_done() {
    let place = Place::golden();
    let said = place
        .command("convert golden.raw -o out.vhd")
        .env("IMGDELTA_COMPLETE", "nonsense")
        .output()
        .expect("it starts");
    assert_eq!(said.status.code(), Some(2), "{said:?}");
    assert!(!said.stderr.is_empty());
    assert!(!place.path("out.vhd").exists());
}
