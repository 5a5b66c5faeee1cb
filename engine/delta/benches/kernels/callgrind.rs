//! This program under callgrind.

use std::{
    fs,
    process::{Command, Stdio},
};

/// Whether it is installed.
pub(crate) fn is_there() -> bool {
    let asked = Command::new("valgrind").arg("--version").output();
    asked.is_ok_and(|answer| answer.status.success())
}

/// What the program prints under valgrind, which shows it another processor.
pub(crate) fn said(words: &[&str]) -> Result<String, String> {
    run(&["--tool=none", "-q"], words)
}

/// How many instructions a kernel takes, what it is made ready with aside.
pub(crate) fn count(kernel: &str) -> Result<u64, String> {
    let file = tempfile::NamedTempFile::new().map_err(|error| error.to_string())?;
    let out = format!("--callgrind-out-file={}", file.path().display());
    let options = [
        "--tool=callgrind",
        "-q",
        "--toggle-collect=*kernels::measured*",
        &out,
    ];
    run(&options, &["--kernel", kernel])?;
    let text = fs::read_to_string(file.path()).map_err(|error| error.to_string())?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
    match total.and_then(|total| total.trim().parse().ok()) {
        Some(count) if count > 0 => Ok(count),
        _ => Err(format!("{kernel}: callgrind counted nothing")),
    }
}

fn run(options: &[&str], words: &[&str]) -> Result<String, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new("valgrind");
    command.args(options).arg(program).args(words);
    let done = command.stdin(Stdio::null()).output();
    let done = done.map_err(|error| format!("valgrind: {error}"))?;
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    Err(format!("under valgrind: {}", said.trim()))
}
