//! One side of a measurement: commands that run one after the other, timed together up to durable.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};

use crate::report::Sample;

/// A command and its arguments.
pub(crate) type Step = Vec<OsString>;

/// What is run, and what it leaves.
#[derive(Clone, Default)]
pub(crate) struct Job {
    /// Untimed, before each run: the child that `apply` needs, digests that are to be remembered.
    pub(crate) before: Vec<Step>,
    /// Timed together.
    pub(crate) steps: Vec<Step>,
    /// Removed before each run, with its manifest; its size is reported.
    pub(crate) output: Option<PathBuf>,
    /// Untimed, after each run: proves the result where the job is a delivery, and prints how many bytes travelled.
    pub(crate) sent: Option<Step>,
    /// Made by `before` and removed at the end.
    pub(crate) scratch: Vec<PathBuf>,
    /// Where imgdelta remembers digests; this benchmark's own, never the user's.
    pub(crate) cache: PathBuf,
    /// After this it counts as not finished.
    pub(crate) limit: Option<Duration>,
}

impl Job {
    /// Removes the last run's output and runs what is not timed.
    pub(crate) fn prepare(&self) -> Result<(), String> {
        self.clear();
        self.before
            .iter()
            .try_for_each(|step| succeed(&mut self.command(step)?))
    }

    /// Removes whatever the job wrote, but not what it remembers.
    pub(crate) fn clear(&self) {
        for file in self.output.iter().chain(&self.scratch) {
            let mut manifest = file.clone().into_os_string();
            manifest.push(".manifest.json");
            // What is not there needs no removing.
            let _ = fs::remove_file(file).or_else(|_| fs::remove_dir_all(file));
            let _ = fs::remove_file(manifest);
        }
    }

    pub(crate) fn run(&self) -> Result<Sample, String> {
        let spent = processor_time()?;
        let begun = Instant::now();
        let mut peak_kib = 0;
        for step in &self.steps {
            peak_kib = peak_kib.max(self.step(step, begun)?);
        }
        let wall = begun.elapsed().as_secs_f64();
        let cpu = processor_time()? - spent;
        let output = self
            .output
            .as_ref()
            .map(|file| fs::metadata(file).map(|facts| facts.blocks() * 512));
        let output = output
            .transpose()
            .map_err(|error| format!("no output: {error}"))?;
        Ok(Sample {
            wall,
            cpu,
            peak_kib,
            output,
            sent: self
                .sent
                .as_ref()
                .map(|step| self.travelled(step))
                .transpose()?,
        })
    }

    fn travelled(&self, step: &Step) -> Result<u64, String> {
        let printed = said(&mut self.command(step)?)?;
        let number = printed.trim().parse();
        number.map_err(|error| format!("bytes that travelled are {printed:?}: {error}"))
    }

    /// Runs one step under `time` (and `timeout` where there is a limit); its peak resident set in KiB.
    fn step(&self, step: &Step, begun: Instant) -> Result<u64, String> {
        let report = tempfile::NamedTempFile::new().map_err(|error| error.to_string())?;
        let mut command = Command::new("/usr/bin/time");
        command
            .args(["--quiet", "-f", "%M", "-o"])
            .arg(report.path());
        if let Some(limit) = self.limit {
            let left = limit.saturating_sub(begun.elapsed()).as_secs_f64().max(0.1);
            command.arg("timeout").arg(left.to_string());
        }
        command.args(step).env("XDG_CACHE_HOME", &self.cache);
        let outcome = succeed(&mut command);
        if let Some(limit) = self
            .limit
            .filter(|&limit| outcome.is_err() && begun.elapsed() >= limit)
        {
            return Err(format!("not finished in {} s", limit.as_secs()));
        }
        outcome?;
        let written = fs::read_to_string(report.path()).map_err(|error| error.to_string())?;
        written
            .trim()
            .parse()
            .map_err(|error| format!("time wrote {written:?}: {error}"))
    }

    fn command(&self, step: &Step) -> Result<Command, String> {
        let (program, arguments) = step.split_first().ok_or("a step without a command")?;
        let mut command = Command::new(program);
        command.args(arguments).env("XDG_CACHE_HOME", &self.cache);
        Ok(command)
    }
}

/// Seconds of processor time that all commands have taken which have ended so far.
fn processor_time() -> Result<f64, String> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).map_err(|error| error.to_string())?;
    let times = [usage.user_time(), usage.system_time()];
    Ok(times
        .iter()
        .map(|time| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6)
        .sum())
}

/// Runs a command to success; else the last line that it said.
pub(crate) fn succeed(command: &mut Command) -> Result<(), String> {
    outcome(command.stdout(Stdio::null())).map(drop)
}

/// The same, with what it printed.
pub(crate) fn said(command: &mut Command) -> Result<String, String> {
    outcome(command.stdout(Stdio::piped()))
}

fn outcome(command: &mut Command) -> Result<String, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).stderr(Stdio::piped()).output();
    let output = output.map_err(|error| format!("failed: {program}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    // imgdelta's hint follows its error; the error is what matters here.
    let lines = || said.lines().filter(|line| !line.trim().is_empty());
    let said = lines()
        .find(|line| line.starts_with("error:"))
        .or_else(|| lines().next_back())
        .unwrap_or("nothing said");
    Err(format!("failed: {said} ({})", output.status))
}
