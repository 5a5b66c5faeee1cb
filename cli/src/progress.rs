//! How far a run is: a bar on a terminal, a line now and then for logs, one JSON object a line for programs. All on standard error.

use std::{
    io::{self, IsTerminal, Write},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, RecvTimeoutError},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use imgdelta::core::Bytes;
use imgdelta::engine::RunProgress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::{job, report::clean};

/// Work that is over sooner shows nothing.
const QUIET_START: Duration = Duration::from_millis(500);
/// How often a bar moves.
const TICK: Duration = Duration::from_millis(100);
/// How often a program is told.
const JSON_TICK: Duration = Duration::from_millis(500);
/// How often a log is told, if nobody asked for more.
const LOG_TICK: Duration = Duration::from_secs(30);
/// How often a log is told if it was asked for.
const ASKED_TICK: Duration = Duration::from_secs(1);

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Visibility {
    /// Not at all.
    Silent,
    /// A bar that moves.
    Bar,
    /// A line as often as this.
    Log(Duration),
    /// A JSON object a line.
    Json,
}

/// What a program is told.
#[derive(Serialize)]
struct Event<'a> {
    event: &'static str,
    phase: &'a str,
    done: u64,
    total: u64,
    changed: u64,
}

/// A run's progress, shown until this is dropped.
#[derive(Debug)]
pub(crate) struct ProgressDisplay {
    phase: Arc<Mutex<String>>,
    end: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl ProgressDisplay {
    /// Shows what `run_progress` counts.
    pub(crate) fn start(
        when: job::Progress,
        loudness: i8,
        run_progress: &Arc<RunProgress>,
    ) -> Self {
        let manner = manner(when, loudness, io::stderr().is_terminal());
        let phase = Arc::<Mutex<String>>::default();
        if manner == Visibility::Silent {
            return Self {
                phase,
                end: None,
                thread: None,
            };
        }
        let (end, ended) = mpsc::channel();
        let shown = Shown {
            phase: Arc::clone(&phase),
            run_progress: Arc::clone(run_progress),
        };
        let thread = thread::spawn(move || match manner {
            Visibility::Bar => shown.bar(&ended),
            Visibility::Log(tick) => shown.log(&ended, tick),
            Visibility::Json => shown.json(&ended),
            Visibility::Silent => {}
        });
        Self {
            phase,
            end: Some(end),
            thread: Some(thread),
        }
    }

    /// Says what is being done now: `make november.vhd`.
    pub(crate) fn phase(&self, phase: impl Into<String>) {
        self.phases().begin(phase);
    }

    /// Where others say what is being done.
    pub(crate) fn phases(&self) -> Phases {
        Phases(Arc::clone(&self.phase))
    }

    /// Ends it, and takes the bar away.
    pub(crate) fn stop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            // A thread that shows nothing more has nothing to say.
            let _ = thread.join();
        }
    }
}

/// What is being done now, said by whoever does it.
#[derive(Clone, Debug)]
pub(crate) struct Phases(Arc<Mutex<String>>);

impl Phases {
    /// This begins.
    pub(crate) fn begin(&self, phase: impl Into<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = phase.into();
    }
}

impl Drop for ProgressDisplay {
    fn drop(&mut self) {
        self.stop();
    }
}

fn manner(when: job::Progress, loudness: i8, is_terminal: bool) -> Visibility {
    match when {
        job::Progress::Json => Visibility::Json,
        _ if loudness < 0 => Visibility::Silent,
        job::Progress::Auto | job::Progress::Always if is_terminal => Visibility::Bar,
        job::Progress::Always => Visibility::Log(ASKED_TICK),
        job::Progress::Auto if loudness > 0 => Visibility::Log(LOG_TICK),
        job::Progress::Auto | job::Progress::Never => Visibility::Silent,
    }
}

/// What the display thread looks at.
struct Shown {
    phase: Arc<Mutex<String>>,
    run_progress: Arc<RunProgress>,
}

impl Shown {
    fn phase(&self) -> String {
        let phase = self.phase.lock().unwrap_or_else(PoisonError::into_inner);
        clean(&phase).into_owned()
    }

    fn bar(&self, ended: &mpsc::Receiver<()>) {
        if !goes_on(ended, QUIET_START) {
            return;
        }
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr_with_hz(10));
        let template = "{prefix}  {percent:>3} % {bar:24} {bytes}/{total_bytes}  {bytes_per_sec}  ETA {eta}  {msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("━╸─"));
        }
        let mut phase = String::new();
        loop {
            let now = self.phase();
            if now != phase {
                bar.reset();
                bar.set_prefix(now.clone());
                phase = now;
            }
            bar.set_length(self.run_progress.total().0);
            bar.set_position(self.run_progress.done().0);
            bar.set_message(format!("changed {}", self.run_progress.changed()));
            if !goes_on(ended, TICK) {
                break;
            }
        }
        bar.finish_and_clear();
    }

    fn log(&self, ended: &mpsc::Receiver<()>, tick: Duration) {
        let begun = Instant::now();
        while goes_on(ended, tick) {
            let (done, total) = (self.run_progress.done(), self.run_progress.total());
            let percent = percent(done, total).unwrap_or_default();
            let line = format!(
                "{}: {percent} %, {done} of {total}, changed {}, {} s\n",
                self.phase(),
                self.run_progress.changed(),
                begun.elapsed().as_secs()
            );
            // Nobody may be listening; that is no reason to stop.
            let _ = io::stderr().write_all(line.as_bytes());
        }
    }

    fn json(&self, ended: &mpsc::Receiver<()>) {
        while goes_on(ended, JSON_TICK) {
            self.event("progress");
        }
        self.event("summary");
    }

    fn event(&self, event: &'static str) {
        let phase = self.phase();
        let event = Event {
            event,
            phase: &phase,
            done: self.run_progress.done().0,
            total: self.run_progress.total().0,
            changed: self.run_progress.changed().0,
        };
        if let Ok(json) = serde_json::to_string(&event) {
            let _ = io::stderr().write_all((json + "\n").as_bytes());
        }
    }
}

/// Waits; false if it is over.
fn goes_on(ended: &mpsc::Receiver<()>, time: Duration) -> bool {
    matches!(ended.recv_timeout(time), Err(RecvTimeoutError::Timeout))
}

/// How far `done` is of `total`.
pub(crate) fn percent(done: Bytes, total: Bytes) -> Option<u64> {
    let share = u128::from(done.0) * 100 / u128::from(total.0.max(1));
    (total.0 > 0).then(|| u64::try_from(share.min(100)).unwrap_or(100))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_wants_quiet_gets_it_but_programs_are_always_told() {
        use job::Progress::{Always, Auto, Json, Never};
        assert_eq!(manner(Auto, 0, true), Visibility::Bar);
        assert_eq!(manner(Auto, 0, false), Visibility::Silent);
        assert_eq!(manner(Auto, 1, false), Visibility::Log(LOG_TICK));
        assert_eq!(manner(Always, 0, false), Visibility::Log(ASKED_TICK));
        assert_eq!(manner(Always, -1, true), Visibility::Silent);
        assert_eq!(manner(Never, 1, true), Visibility::Silent);
        assert_eq!(manner(Json, -2, false), Visibility::Json);
    }

    #[test]
    fn nothing_of_nothing_has_no_share() {
        assert_eq!(percent(Bytes(0), Bytes(0)), None);
        assert_eq!(percent(Bytes(61), Bytes(100)), Some(61));
        assert_eq!(percent(Bytes(9), Bytes(3)), Some(100));
    }
}
