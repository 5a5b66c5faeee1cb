//! What a run opens, as strace sees it. Where there is no strace, a run is believed.

use std::{
    fs, io,
    process::{Command, Stdio},
    sync::OnceLock,
};

use crate::{
    place::Place,
    watched::{self, Ended},
};

/// Runs a command line and requires that it opens no file whose path contains `forbidden`, whatever the name by which it gets there.
pub(crate) fn run(place: &Place, line: &str, forbidden: &str) -> io::Result<Ended> {
    if !is_there() {
        return place.run(line, "untraced");
    }
    let plain = place.command(line);
    let log = place.path("trace");
    let mut command = Command::new("strace");
    // With -y the result of a call shows where a name led.
    command
        .args([
            "-f",
            "-qq",
            "-y",
            "-e",
            "trace=open,openat,openat2,creat",
            "-o",
        ])
        .arg(&log)
        .arg(plain.get_program())
        .args(plain.get_args());
    command.current_dir(plain.get_current_dir().unwrap_or(".".as_ref()));
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let ended = watched::run(command)?;
    let trace = fs::read_to_string(&log)?;
    assert!(trace.contains("open"), "strace saw nothing: {trace}");
    for call in trace.lines() {
        let result = call.rsplit(" = ").next().unwrap_or_default();
        assert!(!result.contains(forbidden), "{line}: {call}");
    }
    fs::remove_file(log)?;
    Ok(ended)
}

/// Whether strace works here; says so once if not.
fn is_there() -> bool {
    static IS_THERE: OnceLock<bool> = OnceLock::new();
    *IS_THERE.get_or_init(|| {
        let tried = Command::new("strace")
            .args(["-qq", "-o", "/dev/null", "true"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        let works = tried.is_ok_and(|status| status.success());
        if !works {
            eprintln!("skipped: no strace to see what is opened; only the answers are judged");
        }
        works
    })
}
