//! A sign of life for a lock that is a file: its holder touches it every few seconds, so that those on another host, or in another container, who
//! cannot ask whether its process lives, see when nobody touches it any more.
//!
//! The file's time is set by one host and read by another, whose clocks may differ. So age alone proves nothing: whoever waits also has watched the
//! time stand still for several beats. A holder that is stopped for so long, and goes on after that, has lost its lock: it does not find out before it
//! is done, which is why the limit is as long as it is.

use std::{
    collections::HashMap,
    io::Read,
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread::{Builder, JoinHandle},
    time::{Duration, Instant, SystemTime},
};

use imgdelta_core::HeldPlace;

use super::lock_owner::{LONGEST, LockOwner};

/// How often a lock is touched.
pub(super) const BEAT: Duration = Duration::from_secs(5);

/// How old the last beat of a dead holder is at least: ten minutes.
pub(super) const SILENT: Duration = Duration::from_secs(600);

/// For how long it was watched that none came: six beats.
pub(super) const WATCHED: Duration = Duration::from_secs(30);

/// Touches a lock until it is dropped.
#[derive(Debug)]
pub(super) struct Heartbeat {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Heartbeat {
    /// For the lock at `place` that has that token, every `every`; the first time when that has passed. `None`, if the host starts no thread.
    pub(super) fn begin(place: &HeldPlace, token: &str, every: Duration) -> Option<Self> {
        let (stop, stopped) = mpsc::channel();
        let (place, token) = (place.clone(), token.to_owned());
        let beats = move || {
            while stopped.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                beat(&place, &token);
            }
        };
        let thread = Builder::new().name("lock".to_owned()).spawn(beats).ok()?;
        Some(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Touches the lock, if it still is the one of that token; the file that was looked into is the one that is touched.
fn beat(place: &HeldPlace, token: &str) {
    let Ok(file) = place.open_to_write() else {
        return;
    };
    let mut json = Vec::new();
    if (&file).take(LONGEST).read_to_end(&mut json).is_err() {
        return;
    }
    let owner: Option<LockOwner> = serde_json::from_slice(&json).ok();
    if owner.is_some_and(|owner| owner.token == token) {
        let _ = file.set_modified(SystemTime::now());
    }
}

/// What the host's clocks say: one that only goes forward, and the one that files are dated by.
type Clock = Box<dyn Fn() -> (Duration, SystemTime)>;

/// Locks that are watched by somebody who waits.
pub(super) struct Watching {
    clock: Clock,
    /// By token: the time of the last beat that was seen, and since when it stands still.
    seen: HashMap<String, (SystemTime, Duration)>,
}

impl Watching {
    /// From now on, by the host's clocks.
    pub(super) fn begin() -> Self {
        let since = Instant::now();
        Self::by(Box::new(move || (since.elapsed(), SystemTime::now())))
    }

    /// From now on, by that clock.
    pub(super) fn by(clock: Clock) -> Self {
        Self {
            clock,
            seen: HashMap::new(),
        }
    }

    /// Whether the holder of the lock at `place`, of which nothing else is known, has fallen silent. One that never said that it gives signs of life
    /// has not.
    pub(super) fn is_silent(&mut self, place: &HeldPlace, owner: &LockOwner) -> bool {
        if owner.beats.is_none() || !owner.is_out_of_sight() {
            return false;
        }
        let modified = place.metadata().and_then(|found| found.modified());
        let Ok(modified) = modified else { return false };
        let (now, date) = (self.clock)();
        let seen = self.seen.entry(owner.token.clone());
        let seen = seen.or_insert((modified, now));
        if seen.0 != modified {
            *seen = (modified, now);
        }
        let age = date.duration_since(modified).unwrap_or_default();
        now.saturating_sub(seen.1) >= WATCHED && age >= SILENT
    }
}

#[cfg(test)]
mod tests {
    use std::{
        cell::Cell,
        fs::{self, File},
        path::Path,
        rc::Rc,
    };

    use super::*;

    fn held(place: &Path) -> HeldPlace {
        HeldPlace::at(place).expect("its folder is there")
    }

    /// A lock of a host that nobody here knows, last touched long ago.
    fn far(place: &Path, beats: Option<u64>) -> LockOwner {
        let owner = LockOwner {
            host: "elsewhere".to_owned(),
            machine: "another".to_owned(),
            beats,
            ..LockOwner::this("add")
        };
        fs::write(place, owner.to_json()).expect("room");
        owner
    }

    fn touched(place: &Path, ago: Duration) -> SystemTime {
        let when = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000) - ago;
        let file = File::options().write(true).open(place).expect("there");
        file.set_modified(when).expect("ours");
        when
    }

    #[test]
    fn silence_is_long_and_was_watched() {
        let folder = tempfile::tempdir().expect("a place");
        let place = folder.path().join("lock.held");
        let owner = far(&place, Some(5));
        let passed = Rc::new(Cell::new(0_u64));
        let clock = Rc::clone(&passed);
        let mut watching = Watching::by(Box::new(move || {
            let passed = Duration::from_secs(clock.get());
            let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
            (passed, start + passed)
        }));
        touched(&place, SILENT);
        assert!(
            !watching.is_silent(&held(&place), &owner),
            "nobody has watched yet"
        );
        passed.set(29);
        assert!(!watching.is_silent(&held(&place), &owner));
        passed.set(30);
        assert!(watching.is_silent(&held(&place), &owner));
        // A beat, though by a clock that is far behind: it lives.
        touched(&place, SILENT * 2);
        assert!(!watching.is_silent(&held(&place), &owner));
        passed.set(60);
        assert!(watching.is_silent(&held(&place), &owner));
        // One whose clock goes ahead is not old.
        touched(&place, Duration::ZERO);
        passed.set(70);
        assert!(!watching.is_silent(&held(&place), &owner));
        passed.set(110);
        assert!(
            !watching.is_silent(&held(&place), &owner),
            "it is not old enough"
        );
    }

    #[test]
    fn of_those_that_never_promised_a_beat_or_are_near_silence_says_nothing() {
        let folder = tempfile::tempdir().expect("a place");
        let place = folder.path().join("lock.held");
        let far = far(&place, None);
        let near = LockOwner {
            beats: Some(5),
            ..LockOwner::this("add")
        };
        let later = Cell::new(0);
        let mut watching = Watching::by(Box::new(move || {
            later.set(later.get() + 3600);
            (
                Duration::from_secs(later.get()),
                SystemTime::now() + Duration::from_secs(later.get()),
            )
        }));
        for owner in [&far, &near] {
            for _ in 0..3 {
                assert!(!watching.is_silent(&held(&place), owner));
            }
        }
    }

    #[test]
    fn the_holder_touches_its_lock_and_no_other() {
        let folder = tempfile::tempdir().expect("a place");
        let place = folder.path().join("lock.held");
        let owner = far(&place, Some(5));
        let old = touched(&place, SILENT);
        let time = || {
            fs::metadata(&place)
                .and_then(|found| found.modified())
                .expect("there")
        };
        let other = Heartbeat::begin(&held(&place), "another token", Duration::from_millis(1));
        std::thread::sleep(Duration::from_millis(50));
        drop(other);
        assert_eq!(time(), old);
        let beat = Heartbeat::begin(&held(&place), &owner.token, Duration::from_millis(1));
        let until = Instant::now() + Duration::from_secs(20);
        while time() == old && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_ne!(time(), old);
        drop(beat);
        assert_eq!(
            LockOwner::read(&held(&place)),
            Some(owner),
            "what it says stays"
        );
    }
}
