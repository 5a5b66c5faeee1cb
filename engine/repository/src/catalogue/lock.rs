//! Who may change a repository: one process at a time. Reading needs no lock.
//!
//! The lock is the host's own, on one file, and ends with its process, whatever ends that. The file says who holds it, for those who
//! wait. Where a file system has no locks, a file takes its place that must not be there yet.

use std::{
    fs::File,
    io::Write,
    time::{Duration, Instant},
};

use imgdelta_core::{Error, FileLock, HeldPlace, Kind, LockWait, Result};
use imgdelta_delta::RunProgress;
use rustix::io::Errno;

use super::{layout::RepoPaths, lock_beat::Watching, lock_file::LockFile, lock_owner::LockOwner};

/// A lock that is held.
#[derive(Debug)]
pub(super) enum Lock {
    /// The host's lock on this open file.
    ByHost(FileLock),
    /// A file, where the host has none.
    ByFile { _file: Box<LockFile> },
}

impl Lock {
    /// Takes the lock; `what` is going to be done. If another process holds it, waits for it at most so long.
    ///
    /// # Errors
    /// Busy, if it is held all that time, with who holds it; Reference, if no regular file stands for it; Host, if the host cannot, as on a
    /// read-only medium.
    pub(super) fn take(paths: &RepoPaths, wait: Duration, what: &str) -> Result<Self> {
        let owner = LockOwner::this(what);
        let place = paths.lock();
        let wait = LockWait::at_most(wait);
        let lock = FileLock::acquire(open(&place)?, &place.path(), wait, || busy(&place, false))?;
        if !lock.is_held() {
            return Self::take_file(&by_file(&place), wait, &owner);
        }
        // Who waits reads it; the lock holds without it.
        let mut file = lock.file();
        let _ = file
            .set_len(0)
            .and_then(|()| file.write_all(&owner.to_json()));
        Ok(Self::ByHost(lock))
    }

    /// Takes a lock on a file system that has none.
    fn take_file(place: &HeldPlace, wait: LockWait, owner: &LockOwner) -> Result<Self> {
        Self::take_file_watching(place, wait, owner, &mut Watching::begin())
    }

    fn take_file_watching(
        place: &HeldPlace,
        wait: LockWait,
        owner: &LockOwner,
        watching: &mut Watching,
    ) -> Result<Self> {
        match wait.poll(|| LockFile::try_acquire(place, owner, watching))? {
            Some(file) => Ok(Self::ByFile {
                _file: Box::new(file),
            }),
            None => Err(busy(place, true)),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if let Self::ByHost(lock) = self {
            let _ = lock.file().set_len(0);
        }
    }
}

/// Waits, for a while, until nobody is changing the repository, as far as the lock's file says; nothing is written and no lock is taken.
///
/// # Errors
/// Interrupted.
pub(super) fn await_change(paths: &RepoPaths, progress: &RunProgress) -> Result<()> {
    /// One change takes far less.
    const LONGEST: Duration = Duration::from_secs(10);
    const PAUSE: Duration = Duration::from_millis(20);
    let place = paths.lock();
    let is_held = |place: &HeldPlace| LockOwner::read(place).is_some_and(|owner| !owner.is_dead());
    let since = Instant::now();
    while (is_held(&place) || is_held(&by_file(&place))) && since.elapsed() < LONGEST {
        progress.go_on()?;
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

/// Opens the file that is locked. It is written to, so no link is followed: a repository may come from anywhere.
fn open(place: &HeldPlace) -> Result<File> {
    let is_none = || {
        Error::new(
            Kind::Reference,
            "is not a regular file, and would be written to",
        )
        .with_code("not_a_file")
        .in_file(&place.path())
    };
    match place.open_or_create() {
        Ok(file) if file.metadata().is_ok_and(|metadata| metadata.is_file()) => Ok(file),
        Ok(_) => Err(is_none()),
        Err(cause) if cause.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => Err(is_none()),
        Err(cause) => Err(Error::host("cannot lock", cause).in_file(&place.path())),
    }
}

/// Another process holds it.
fn busy(place: &HeldPlace, is_file: bool) -> Error {
    let owner = LockOwner::read(place);
    let who = owner
        .as_ref()
        .map_or_else(|| "another process".to_owned(), LockOwner::shown);
    let path = place.path();
    let folder = place.folder().path().parent();
    let error = Error::new(Kind::Busy, format!("the repository is locked by {who}"))
        .with_code("locked")
        .in_file(folder.unwrap_or(&path));
    match owner {
        // Nobody here can tell whether it has died.
        Some(owner) if is_file && owner.is_out_of_sight() => error.with_hint(format!(
            "wait with --wait 15m, which takes it over if nobody gives a sign of life for ten minutes; or if that process is no more, remove {}",
            path.display()
        )),
        _ => error.with_hint("wait with --wait 5m"),
    }
}

/// What is locked by where there are no locks.
fn by_file(place: &HeldPlace) -> HeldPlace {
    place.sibling("lock.held")
}

#[cfg(test)]
#[path = "lock/tests.rs"]
mod tests;
