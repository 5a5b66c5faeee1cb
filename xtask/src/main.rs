//! `cargo xtask TASK`: what takes too long for every change, each task one command.

mod dist;
mod run;

use std::{
    env,
    process::{Command, ExitCode},
    time::Instant,
};

/// What can be asked for, and what it does.
const TASKS: [(&str, &str); 3] = [
    (
        "dist",
        "what users install: a static program, a Debian package, checksums; --check builds twice",
    ),
    (
        "soak",
        "every format with every set of options over every pair of disks, held against other readers",
    ),
    (
        "package",
        "every crate packed and built from its package alone",
    ),
];

fn main() -> ExitCode {
    let task = env::args().nth(1).unwrap_or_default();
    let started = Instant::now();
    let done = match task.as_str() {
        "soak" => soak(),
        "dist" => dist::dist(&env::args().skip(2).collect::<Vec<_>>())
            .inspect_err(|why| eprintln!("error: {why}"))
            .is_ok(),
        "package" => cargo(&["package", "--workspace"], &[]),
        _ => return usage(),
    };
    eprintln!("{task}: {} s", started.elapsed().as_secs());
    if done {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: cargo xtask TASK");
    for (name, what) in TASKS {
        eprintln!("  {name:<8} {what}");
    }
    ExitCode::from(2)
}

/// The conformance matrix in full; its normal run meets each set of options once.
fn soak() -> bool {
    let test = [
        "test",
        "-p",
        "imgdelta-cli",
        "--test",
        "cli",
        "conformance",
        "--",
        "--nocapture",
    ];
    cargo(&test, &[("IMGDELTA_SOAK", "1")])
}

fn cargo(words: &[&str], environment: &[(&str, &str)]) -> bool {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(words).envs(environment.iter().copied());
    match command.status() {
        Ok(status) => status.success(),
        Err(cause) => {
            eprintln!("error: cannot start cargo: {cause}");
            false
        }
    }
}
