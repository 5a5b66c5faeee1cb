//! One run of the command, watched from outside: how it ended, what it said, how long it took, how much memory it held.
//!
//! Nothing here judges what it did.

use std::{
    ffi::OsStr,
    fmt, fs,
    fs::File,
    io::{self, Read, Seek},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// No run of these tests may take longer: whoever does hangs.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a run is looked at. Memory cannot grow much in so short a time.
const GLANCE: Duration = Duration::from_micros(500);

/// A run that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Its exit status; `None` if a signal ended it, or our patience.
    pub(crate) code: Option<i32>,
    /// What it said on standard output and standard error.
    pub(crate) said: String,
    /// The most memory that it held at once, in bytes.
    pub(crate) peak: u64,
    /// From its start to its end.
    pub(crate) took: Duration,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (code, took, peak) = (self.code, self.took, self.peak >> 10);
        write!(f, "exit {code:?} after {took:?}, {peak} KiB: {}", self.said)
    }
}

/// A run under way.
#[derive(Debug)]
pub(crate) struct Running {
    /// The process.
    pub(crate) child: Child,
    started: Instant,
    said: File,
}

/// The command with these arguments, and nothing of the caller's settings.
pub(crate) fn imgdelta<S: AsRef<OsStr>>(args: &[S]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_imgdelta"));
    command.args(args);
    without_settings(&mut command);
    command
}

/// Takes away what the environment would say to imgdelta.
fn without_settings(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("IMGDELTA_") {
            command.env_remove(name);
        }
    }
    command.env_remove("SOURCE_DATE_EPOCH");
}

/// Starts a command.
pub(crate) fn start(mut command: Command) -> io::Result<Running> {
    let said = tempfile::tempfile()?;
    command
        .stdin(Stdio::null())
        .stdout(said.try_clone()?)
        .stderr(said.try_clone()?);
    Ok(Running {
        child: command.spawn()?,
        started: Instant::now(),
        said,
    })
}

/// Runs a command to its end.
pub(crate) fn run(command: Command) -> io::Result<Ended> {
    start(command)?.wait()
}

impl Running {
    /// Waits for its end; ends it when it hangs.
    pub(crate) fn wait(mut self) -> io::Result<Ended> {
        let status = format!("/proc/{}/status", self.child.id());
        let mut peak = 0;
        let code = loop {
            peak = peak.max(held(&status));
            if let Some(status) = self.child.try_wait()? {
                break status.code();
            }
            if self.started.elapsed() > PATIENCE {
                self.child.kill()?;
                self.child.wait()?;
                break None;
            }
            thread::sleep(GLANCE);
        };
        let took = self.started.elapsed();
        let mut said = Vec::new();
        self.said.rewind()?;
        self.said.read_to_end(&mut said)?;
        Ok(Ended {
            code,
            said: String::from_utf8_lossy(&said).into_owned(),
            peak,
            took,
        })
    }
}

/// The most memory that the command has held so far, in bytes; 0 while its process is still a copy of ours, and once it is gone.
fn held(status: &str) -> u64 {
    let text = fs::read_to_string(status).unwrap_or_default();
    if !text.starts_with("Name:\timgdelta\n") {
        return 0;
    }
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) << 10
}
