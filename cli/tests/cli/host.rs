//! Programs of the system that some tests set the scene with: found, run, and said out loud where there are none. What scene they set is
//! the tests' own.

use std::{
    ffi::OsString,
    fs,
    io::{self, Write},
    path::Path,
    process::{Command, Stdio},
};

/// Whether programs, given with the Debian packages that have them, are there. A missing one fails the test where `IMGDELTA_REQUIRE_PEERS=1`
/// says that all must be there; elsewhere it is said out loud and the test may end early.
///
/// # Panics
/// When one is missing and required.
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
    skipped(&format!("no {program} (Debian package {package})"));
    false
}

/// A program of the system, also one that users' paths do not lead to.
pub(crate) fn tool(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env("PATH", path()).stdin(Stdio::null());
    command
}

/// Runs a command to its end: what it printed, or what it said when it failed. What stays behind of it must not hold a pipe.
pub(crate) fn done(command: &mut Command) -> Result<String, String> {
    let words = [command.get_program()]
        .into_iter()
        .chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    let shown = words.join(" ");
    let mut run = || -> io::Result<(bool, String, String)> {
        let out = tempfile::NamedTempFile::new()?;
        let err = tempfile::NamedTempFile::new()?;
        let status = command
            .stdout(out.reopen()?)
            .stderr(err.reopen()?)
            .status()?;
        let said = |path: &Path| fs::read_to_string(path);
        Ok((status.success(), said(out.path())?, said(err.path())?))
    };
    match run() {
        Ok((true, out, _)) => Ok(out),
        Ok((false, _, err)) => Err(format!("{shown}: {}", err.trim())),
        Err(cause) => Err(format!("{shown}: {cause}")),
    }
}

/// Says that a test did not look at something, past the harness, which would keep it.
pub(crate) fn skipped(why: &str) {
    let _ = writeln!(io::stderr(), "skipped: {why}");
}

/// Where programs are.
fn path() -> OsString {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/sbin:/sbin");
    path
}
