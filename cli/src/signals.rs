//! Ctrl-C and its kin: the run is asked to stop, takes its drafts away, and the exit status says which signal it was.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI32, Ordering},
    },
    thread,
};

use imgdelta::core::{Error, Result};
use imgdelta::engine::RunProgress;
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ},
    iterator::Signals as Arriving,
};

/// The exit status of a run that Ctrl-C stopped.
const INTERRUPTED: u8 = 130;
/// The exit status of a run that was told to end.
const TERMINATED: u8 = 143;

/// What has arrived.
#[derive(Clone, Debug)]
pub(crate) struct Signals {
    /// The last signal; 0: none.
    arrived: Arc<AtomicI32>,
    /// Whether one has come, known before the thread that listens has had its turn.
    has_come: Arc<AtomicBool>,
    /// Whether there is nothing to be taken away, so that the process may end at once.
    may_end: Arc<AtomicBool>,
}

impl Signals {
    /// Listens from now on. If the process is ended at once, `last_words` are said, given the exit status.
    ///
    /// # Errors
    /// Host, if the host does not let it.
    pub(crate) fn listen(
        run_progress: Arc<RunProgress>,
        last_words: impl Fn(u8) + Send + 'static,
    ) -> Result<Self> {
        let failed = |cause| Error::host("cannot listen to signals", cause);
        // Beyond the host's limit for files a write then fails, with a message, instead of killing the process.
        signal_hook::flag::register(SIGXFSZ, Arc::default()).map_err(failed)?;
        let signals = Self {
            arrived: Arc::default(),
            has_come: Arc::default(),
            may_end: Arc::default(),
        };
        const STOPPING: [i32; 3] = [SIGINT, SIGTERM, SIGHUP];
        for signal in STOPPING {
            signal_hook::flag::register(signal, Arc::clone(&signals.has_come)).map_err(failed)?;
        }
        let mut arriving = Arriving::new(STOPPING).map_err(failed)?;
        let here = signals.clone();
        thread::spawn(move || {
            for signal in arriving.forever() {
                let again = here.arrived.swap(signal, Ordering::Relaxed) != 0;
                run_progress.stop();
                // Who asks twice does not want to wait; the draft of a dead run is taken over by the next one.
                if again || here.may_end.load(Ordering::Relaxed) {
                    last_words(here.exit());
                    std::process::exit(here.exit().into());
                }
            }
        });
        Ok(signals)
    }

    /// Says whether the process may end at once, having nothing that must be taken away: it may be waiting for a pipe.
    pub(crate) fn may_end_at_once(&self, may: bool) {
        self.may_end.store(may, Ordering::Relaxed);
    }

    /// Set as soon as one has come.
    pub(crate) fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.has_come)
    }

    /// The exit status of a run that was stopped.
    pub(crate) fn exit(&self) -> u8 {
        match self.arrived.load(Ordering::Relaxed) {
            SIGTERM | SIGHUP => TERMINATED,
            _ => INTERRUPTED,
        }
    }
}
