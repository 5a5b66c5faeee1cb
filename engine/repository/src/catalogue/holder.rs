//! Who holds a lock: which process on which host, since when, and what for. Taking a lock is the matter of `lock`.

use std::{fs, path::Path};

use serde::{Deserialize, Serialize};

use super::{rooms::read_small, timestamps};

/// The version of what the lock's file says.
const SCHEMA: &str = "imgdelta/lock/1";

/// Longest file that is read.
const LONGEST: u64 = 4096;

/// Who holds a lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Holder {
    /// [`SCHEMA`].
    pub(super) schema: String,
    /// The host's name.
    pub(super) host: String,
    /// Which run of the host's system: after a start all its processes are dead.
    pub(super) boot: String,
    /// The process there.
    pub(super) pid: i32,
    /// Tells two locks of one process apart.
    pub(super) token: String,
    /// Since when, as records write times.
    pub(super) since: String,
    /// What it is doing.
    pub(super) what: String,
}

impl Holder {
    /// This process.
    pub(super) fn this(what: &str) -> Self {
        let (host, boot) = (host(), boot());
        Self {
            schema: SCHEMA.to_owned(),
            host,
            boot,
            pid: rustix::process::getpid().as_raw_nonzero().get(),
            token: uuid::Uuid::new_v4().to_string(),
            since: timestamps::recorded(None),
            what: what.chars().filter(|c| !c.is_control()).take(200).collect(),
        }
    }

    /// As the file that says so.
    pub(super) fn to_json(&self) -> Vec<u8> {
        let mut json = serde_json::to_vec(self).unwrap_or_default();
        json.push(b'\n');
        json
    }

    /// Who holds it, if the file says so.
    pub(super) fn read(place: &Path) -> Option<Self> {
        let json = read_small(place, LONGEST).ok()??;
        serde_json::from_slice(&json).ok()
    }

    /// Whether it is known to be dead: a process of this host that is not there any more. Of other hosts nothing is known.
    pub(super) fn is_dead(&self) -> bool {
        if self.host != host() {
            return false;
        }
        if self.boot != boot() {
            return true;
        }
        let Some(pid) = rustix::process::Pid::from_raw(self.pid) else {
            return false;
        };
        rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::SRCH)
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

/// This host's name.
fn host() -> String {
    let name = rustix::system::uname();
    name.nodename().to_string_lossy().into_owned()
}

/// Which run of this host's system it is; nothing, where the host does not say.
fn boot() -> String {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
}
