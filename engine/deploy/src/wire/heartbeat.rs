//! A connection that is alive: both sides say so while they have nothing else to say, and who hears nothing for too long gives the other one up.
//! Without it a connection that died silently holds what it held until its transport notices, which may take hours.

use std::{
    io::{self, Read},
    os::fd::AsFd,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};

/// How long a side that beats may be silent.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// How many beats there are in that time: a few may be late.
const BEATS: u32 = 8;

/// How long silence is borne, once it was said that the other side beats.
#[derive(Clone, Debug)]
pub struct Patience {
    limit: Duration,
    is_limited: Arc<AtomicBool>,
}

impl Patience {
    /// So long, once `begin` was called; for ever before.
    #[must_use]
    pub fn of(limit: Duration) -> Self {
        Self {
            limit,
            is_limited: Arc::default(),
        }
    }

    /// From now on the other side beats.
    pub(super) fn begin(&self) {
        self.is_limited.store(true, Ordering::Relaxed);
    }

    /// How long to be silent oneself.
    pub(super) fn period(&self) -> Duration {
        self.limit / BEATS
    }

    fn limit(&self) -> Option<Duration> {
        self.is_limited
            .load(Ordering::Relaxed)
            .then_some(self.limit)
    }
}

impl Default for Patience {
    /// [`PATIENCE`].
    fn default() -> Self {
        Self::of(PATIENCE)
    }
}

/// A pipe that is read with patience.
#[derive(Debug)]
pub struct PatientReader<R> {
    from: R,
    patience: Patience,
}

impl<R: Read + AsFd> PatientReader<R> {
    /// What `from` brings, which keeps nothing back in a buffer of its own.
    pub const fn new(from: R, patience: Patience) -> Self {
        Self { from, patience }
    }
}

impl<R: Read + AsFd> Read for PatientReader<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if let Some(limit) = self.patience.limit() {
            let limit = Timespec {
                tv_sec: limit.as_secs().try_into().unwrap_or(i64::MAX),
                tv_nsec: limit.subsec_nanos().into(),
            };
            let mut pipe = [PollFd::new(&self.from, PollFlags::IN)];
            match poll(&mut pipe, Some(&limit)) {
                Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
                Err(Errno::INTR) => return Err(io::ErrorKind::Interrupted.into()),
                _ => {}
            }
        }
        self.from.read(to)
    }
}
