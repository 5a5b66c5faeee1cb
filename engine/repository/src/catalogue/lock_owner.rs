//! Who holds a lock: which process on which host, since when, and what for; and whether that process is known to be dead.
//!
//! Where a file stands for a lock, only death sets it free that its holder did not remove. So a process counts as alive unless it is proven
//! dead: of another host, and of a pid namespace that is not ours (another container), nothing is proven.

use std::fs;

use imgdelta_core::HeldPlace;
use rustix::{
    io::Errno,
    process::{Pid, getpid, test_kill_process},
};
use serde::{Deserialize, Serialize};

use super::timestamps;

/// The version of what the lock's file says.
const SCHEMA: &str = "imgdelta/lock/1";

/// Longest file that is read.
pub(super) const LONGEST: u64 = 4096;

/// The pid namespace that a Linux system starts with: its number is the kernel's `PROC_PID_INIT_INO`.
const FIRST_NAMESPACE: &str = "pid:[4026531836]";

/// Who holds a lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LockOwner {
    /// [`SCHEMA`].
    pub(super) schema: String,
    /// The host's name.
    pub(super) host: String,
    /// The host's machine id, which tells two of the same name apart; nothing, where there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) machine: String,
    /// Which run of the host's system: after a start all its processes are dead.
    pub(super) boot: String,
    /// The process there.
    pub(super) pid: i32,
    /// Where that number counts, and the next one: the namespaces of pids and of time.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) namespace: String,
    /// When the process started, in ticks since the system did: numbers of processes are used again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) start: Option<u64>,
    /// Tells two locks of one process apart.
    pub(super) token: String,
    /// Since when, as records write times.
    pub(super) since: String,
    /// What it is doing.
    pub(super) what: String,
    /// Every how many seconds its holder touches the file, where a file is the lock; versions that do not say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) beats: Option<u64>,
}

impl LockOwner {
    /// This process.
    pub(super) fn this(what: &str) -> Self {
        let pid = getpid();
        Self {
            schema: SCHEMA.to_owned(),
            host: host(),
            machine: machine(),
            boot: boot(),
            pid: pid.as_raw_nonzero().get(),
            namespace: namespace(),
            start: Process::look(pid).map(|process| process.start),
            token: uuid::Uuid::new_v4().to_string(),
            since: timestamps::recorded(None),
            what: what.chars().filter(|c| !c.is_control()).take(200).collect(),
            beats: None,
        }
    }

    /// As the file that says so.
    pub(super) fn to_json(&self) -> Vec<u8> {
        let mut json = serde_json::to_vec(self).unwrap_or_default();
        json.push(b'\n');
        json
    }

    /// Who holds it, if the file says so.
    pub(super) fn read(place: &HeldPlace) -> Option<Self> {
        let json = place.read(LONGEST).ok()??;
        serde_json::from_slice(&json).ok()
    }

    /// Whether its process is proven dead. A doubt says no: a lock that is kept too long can be removed by hand, two writers cannot be undone.
    pub(super) fn is_dead(&self) -> bool {
        let is_this_host = self.host == host() && self.machine_is(&machine());
        if !is_this_host || self.boot.is_empty() {
            return false;
        }
        let boot = boot();
        if self.boot != boot {
            return !boot.is_empty();
        }
        let here = namespace();
        let is_ours = match self.namespace.as_str() {
            // Said by a version that did not say it: it is believed to have been in no container, if we are in none.
            "" => here.starts_with(FIRST_NAMESPACE),
            namespace => namespace == here,
        };
        match Pid::from_raw(self.pid) {
            Some(pid) if is_ours => self.is_gone(pid),
            _ => false,
        }
    }

    /// Whether it is another host's, of which somebody must say that it is dead.
    pub(super) fn is_out_of_sight(&self) -> bool {
        self.host != host()
            || !self.machine_is(&machine())
            || (!self.namespace.is_empty() && self.namespace != namespace())
    }

    fn machine_is(&self, machine: &str) -> bool {
        self.machine == machine || self.is_of_old_version()
    }

    /// Said by a version that knew a host by its name alone, and of no namespaces.
    const fn is_of_old_version(&self) -> bool {
        self.machine.is_empty() && self.namespace.is_empty()
    }

    /// Whether no process has that number, or one that started at another time, or one that has ended and was not waited for.
    fn is_gone(&self, pid: Pid) -> bool {
        if test_kill_process(pid) == Err(Errno::SRCH) {
            return true;
        }
        let Some(process) = Process::look(pid) else {
            return false;
        };
        let is_another = match self.start {
            Some(start) => start != process.start,
            None if self.is_of_old_version() => process
                .started()
                .is_some_and(|started| started > self.since),
            None => false,
        };
        is_another || process.has_ended
    }

    /// For those who wait: `imgdelta pid 4121 on nas01 since 2026-11-24T14:02:00Z (add golden)`.
    pub(super) fn shown(&self) -> String {
        let Self {
            host,
            pid,
            since,
            what,
            ..
        } = self;
        let text = format!("imgdelta pid {pid} on {host} since {since} ({what})");
        text.chars().filter(|c| !c.is_control()).take(400).collect()
    }
}

/// A process of this namespace, as `/proc` shows it.
#[derive(Clone, Copy, Debug)]
struct Process {
    /// When it started, in ticks since the system did.
    start: u64,
    /// Whether it has ended, and its parent has not asked.
    has_ended: bool,
}

impl Process {
    /// `None`, if it is not there or the host does not say. A `/proc` of another namespace counts otherwise.
    fn look(pid: Pid) -> Option<Self> {
        let this = fs::read_link("/proc/self").ok()?;
        if this.to_str()?.parse() != Ok(getpid().as_raw_nonzero().get()) {
            return None;
        }
        let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
        Self::parse(&stat)
    }

    /// Of proc_pid_stat(5): the name, in brackets, may hold anything; the fields behind it are counted from 3.
    fn parse(stat: &str) -> Option<Self> {
        let (_, behind) = stat.rsplit_once(')')?;
        let mut fields = behind.split_ascii_whitespace();
        let state = fields.next()?;
        let threads: u64 = fields.nth(16)?.parse().ok()?;
        let start = fields.nth(1)?.parse().ok()?;
        // The first thread may have ended while others run.
        let has_ended = matches!(state, "Z" | "X") && threads <= 1;
        Some(Self { start, has_ended })
    }

    /// When it started, as records write times, and a minute more: the clock may have been set meanwhile.
    fn started(&self) -> Option<String> {
        /// Linux shows times to user space in hundredths of a second.
        const TICKS: u64 = 100;
        let stat = fs::read_to_string("/proc/stat").ok()?;
        let boot = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
        let boot: u64 = boot.trim().parse().ok()?;
        let started = boot.saturating_add(self.start / TICKS);
        Some(timestamps::recorded(Some(started.saturating_sub(60))))
    }
}

/// This host's name.
fn host() -> String {
    let name = rustix::system::uname();
    name.nodename().to_string_lossy().into_owned()
}

/// This host's machine id; nothing, where it has none.
fn machine() -> String {
    first_line("/etc/machine-id")
}

/// Which run of this host's system it is; nothing, where the host does not say.
fn boot() -> String {
    first_line("/proc/sys/kernel/random/boot_id")
}

/// The namespaces that this process counts pids and time in; nothing, where the host does not say.
fn namespace() -> String {
    let link = |name: &str| {
        let link = fs::read_link(format!("/proc/self/ns/{name}")).unwrap_or_default();
        link.to_string_lossy().into_owned()
    };
    format!("{} {}", link("pid"), link("time"))
        .trim()
        .to_owned()
}

fn first_line(place: &str) -> String {
    let text = fs::read_to_string(place).unwrap_or_default();
    text.lines()
        .next()
        .unwrap_or_default()
        .trim()
        .chars()
        .take(128)
        .collect()
}

#[cfg(test)]
#[path = "lock_owner/tests.rs"]
mod tests;
