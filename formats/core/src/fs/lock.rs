//! Locks of the host's on open files, which end with their process: one policy for all who lock, and the one loop that waits.
//!
//! A lock that another process holds is [`Busy`](LockAttempt::Busy). A file system that knows no locks, as some network and FUSE file
//! systems, is [`Unsupported`](LockAttempt::Unsupported), and whoever locks says what takes the lock's place there. Any other failure is an
//! error: a lock that may not hold is none.

use std::{
    fs::{self, File, Metadata, TryLockError},
    io,
    os::unix::fs::MetadataExt,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use rustix::io::Errno;

use super::held::HeldPlace;
use crate::{Error, Result};

/// What came of an attempt to lock a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum LockAttempt {
    /// It is locked, until it is unlocked or closed.
    Acquired,
    /// Another process holds it, or another open file of this one.
    Busy,
    /// The file system knows no locks.
    Unsupported,
}

/// Tries to lock an open file; `place` is where it stands, for messages.
///
/// # Errors
/// Host, if the host fails at it.
pub fn try_lock(file: &File, place: &Path) -> Result<LockAttempt> {
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(LockAttempt::Acquired),
            Err(TryLockError::WouldBlock) => return Ok(LockAttempt::Busy),
            Err(TryLockError::Error(cause)) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(TryLockError::Error(cause)) if has_no_locks(&cause) => {
                return Ok(LockAttempt::Unsupported);
            }
            Err(TryLockError::Error(cause)) => {
                return Err(Error::host("cannot lock", cause).in_file(place));
            }
        }
    }
}

/// Whether a file system knows no locks, as some network and FUSE file systems; any other failure is one.
#[must_use]
pub fn has_no_locks(cause: &io::Error) -> bool {
    cause.kind() == io::ErrorKind::Unsupported
        || matches!(
            Errno::from_io_error(cause),
            Some(Errno::NOLCK | Errno::NOSYS | Errno::OPNOTSUPP | Errno::INVAL)
        )
}

/// How long to wait for a lock.
#[derive(Clone, Copy, Debug)]
pub struct LockWait {
    /// `None`: without end.
    until: Option<Instant>,
}

impl LockWait {
    /// How often it is tried again.
    const PAUSE: Duration = Duration::from_millis(20);

    /// At most so long from now on. A time that no clock reaches is without end.
    #[must_use]
    pub fn at_most(wait: Duration) -> Self {
        Self {
            until: Instant::now().checked_add(wait),
        }
    }

    /// Tries at once, and again until it comes to something; `None`, if the time is over. Nothing else in the project waits for a lock.
    ///
    /// # Errors
    /// The first one of `attempt`.
    pub fn poll<T>(self, mut attempt: impl FnMut() -> Result<Option<T>>) -> Result<Option<T>> {
        loop {
            if let Some(done) = attempt()? {
                return Ok(Some(done));
            }
            let left = self
                .until
                .map(|until| until.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Ok(None);
            }
            thread::sleep(left.map_or(Self::PAUSE, |left| left.min(Self::PAUSE)));
        }
    }
}

/// An open file or folder that this process has locked, until this is dropped.
#[derive(Debug)]
pub struct FileLock {
    file: File,
    is_held: bool,
}

impl FileLock {
    /// Locks `file`, which stands at `place`; while another process holds it, waits at most so long.
    ///
    /// # Errors
    /// Host, if the host fails at it; that of `busy`, if it is held all that time.
    pub fn acquire(
        file: File,
        place: &Path,
        wait: LockWait,
        busy: impl FnOnce() -> Error,
    ) -> Result<Self> {
        let attempt = || match try_lock(&file, place)? {
            LockAttempt::Acquired => Ok(Some(true)),
            LockAttempt::Unsupported => Ok(Some(false)),
            LockAttempt::Busy => Ok(None),
        };
        match wait.poll(attempt)? {
            Some(is_held) => Ok(Self { file, is_held }),
            None => Err(busy()),
        }
    }

    /// Whether it keeps others out; false where the file system knows no locks.
    #[must_use]
    pub const fn is_held(&self) -> bool {
        self.is_held
    }

    /// The file.
    #[must_use]
    pub const fn file(&self) -> &File {
        &self.file
    }

    /// Whether the file still stands at `place`: whoever held it before may have taken it away, and then it keeps nobody out.
    #[must_use]
    pub fn stands_at(&self, place: &Path) -> bool {
        self.is_same(fs::symlink_metadata(place))
    }

    /// As [`stands_at`](Self::stands_at), of a place in a folder that is held open.
    #[must_use]
    pub fn stands_in(&self, place: &HeldPlace) -> bool {
        self.is_same(place.metadata())
    }

    fn is_same(&self, there: io::Result<Metadata>) -> bool {
        match (self.file.metadata(), there) {
            (Ok(ours), Ok(there)) => (ours.dev(), ours.ino()) == (there.dev(), there.ino()),
            _ => false,
        }
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // Closing it is not enough while a process that is just being started holds it too.
        if self.is_held {
            let _ = self.file.unlock();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    fn acquire(place: &Path, wait: Duration) -> Result<FileLock> {
        let file = File::open(place).expect("it is there");
        let busy = || Error::new(Kind::Busy, "held");
        FileLock::acquire(file, place, LockWait::at_most(wait), busy)
    }

    #[test]
    fn one_holds_it_and_the_next_one_waits_for_it() -> Result<()> {
        let folder = tempfile::tempdir().expect("a place");
        let held = acquire(folder.path(), Duration::ZERO)?;
        assert!(held.is_held() && held.stands_at(folder.path()));
        let error = acquire(folder.path(), Duration::from_millis(30)).expect_err("held");
        assert_eq!(error.kind(), Kind::Busy);
        thread::scope(|scope| {
            let waits = scope.spawn(|| acquire(folder.path(), Duration::MAX));
            thread::sleep(Duration::from_millis(50));
            drop(held);
            waits.join().expect("no panic")
        })?;
        acquire(folder.path(), Duration::ZERO)?;
        Ok(())
    }

    #[test]
    fn a_file_that_was_taken_away_keeps_nobody_out() -> Result<()> {
        let folder = tempfile::tempdir().expect("a place");
        let place = folder.path().join("lock");
        fs::write(&place, "").expect("room");
        let held = acquire(&place, Duration::ZERO)?;
        fs::remove_file(&place).expect("it is there");
        assert!(!held.stands_at(&place));
        fs::write(&place, "").expect("room");
        assert!(!held.stands_at(&place), "another file of that name");
        let in_folder = HeldPlace::at(&place).expect("it is there");
        assert!(!held.stands_in(&in_folder), "another file of that name");
        assert!(acquire(&place, Duration::ZERO)?.stands_in(&in_folder));
        Ok(())
    }

    #[test]
    fn only_a_file_system_without_locks_is_done_without() {
        for errno in [Errno::NOLCK, Errno::NOSYS, Errno::OPNOTSUPP, Errno::INVAL] {
            assert!(has_no_locks(&errno.into()), "{errno}");
        }
        for errno in [Errno::IO, Errno::AGAIN, Errno::ACCESS, Errno::BADF] {
            assert!(!has_no_locks(&errno.into()), "{errno}");
        }
    }
}
