//! `cargo xtask TASK`: what takes too long for every change, each task one command.

mod dist;
mod new_format;
mod run;

use std::{
    env,
    path::Path,
    process::{Command, ExitCode},
    time::Instant,
};

/// What can be asked for, and what it does.
const TASKS: [(&str, &str); 6] = [
    (
        "dist [--check]",
        "what users install: a static program, a Debian package, checksums; --check builds twice",
    ),
    (
        "soak formats",
        "every format with every set of options over every pair of disks, held against other readers",
    ),
    (
        "soak faults",
        "every call of a command that changes a file, each failing in every way; the tests take two ways in turn",
    ),
    (
        "soak repository [--seconds N] [--seed N]",
        "eight processes on one repository, some of them killed, for so long (600), with what that seed draws (1)",
    ),
    (
        "new-format NAME",
        "a crate for a format, from a template that compiles, entered wherever formats are listed",
    ),
    (
        "package",
        "every crate packed and built from its package alone",
    ),
];

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let started = Instant::now();
    let done = match words.as_slice() {
        ["soak", "formats"] => formats(),
        ["soak", "faults"] => faults(),
        ["soak", "repository", settings @ ..] => match settings_of(settings) {
            Some(settings) => repository(&settings),
            None => return usage(),
        },
        // All of it.
        ["soak"] => formats() && faults() && repository(&Settings::default()),
        ["dist", how @ ..] => dist::dist(how)
            .inspect_err(|why| eprintln!("error: {why}"))
            .is_ok(),
        ["new-format", name @ ..] => new_format::new_format(name, Path::new("."))
            .inspect_err(|why| eprintln!("error: {why}"))
            .is_ok(),
        ["package"] => cargo(&["package", "--workspace"], &[]),
        _ => return usage(),
    };
    let task = words.join(" ");
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
        eprintln!("  {name}\n      {what}");
    }
    ExitCode::from(2)
}

/// The conformance matrix in full; its normal run meets each set of options once.
fn formats() -> bool {
    soak("cli", "conformance", &[("IMGDELTA_SOAK", "1")])
}

/// The sweeps of faults in full.
fn faults() -> bool {
    soak("faults", "", &[("IMGDELTA_SOAK", "1")])
}

/// How long, and what is drawn.
struct Settings {
    seconds: u64,
    seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seconds: 600,
            seed: 1,
        }
    }
}

/// What `--seconds N` and `--seed N` say, in any order.
fn settings_of(words: &[&str]) -> Option<Settings> {
    let mut settings = Settings::default();
    for pair in words.chunks(2) {
        match pair {
            ["--seconds", number] => settings.seconds = number.parse().ok()?,
            ["--seed", number] => settings.seed = number.parse().ok()?,
            _ => return None,
        }
    }
    Some(settings)
}

/// Processes that meet on one repository; the tests do it for 20 seconds.
fn repository(settings: &Settings) -> bool {
    let (seconds, seed) = (settings.seconds.to_string(), settings.seed.to_string());
    let environment = [
        ("IMGDELTA_SOAK_SECONDS", seconds.as_str()),
        ("IMGDELTA_SOAK_SEED", &seed),
    ];
    soak("crowd", "", &environment)
}

/// Tests that are told to do more.
fn soak(target: &str, filter: &str, environment: &[(&str, &str)]) -> bool {
    let mut words = vec!["test", "-p", "imgdelta-cli", "--test", target];
    if !filter.is_empty() {
        words.push(filter);
    }
    words.extend(["--", "--nocapture"]);
    cargo(&words, environment)
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
