//! Who may change a repository: one process at a time. Reading needs no lock.
//!
//! The lock is the host's own, on one file, and ends with its process, whatever ends that. The file says who holds it, for those who
//! wait. Where a file system has no locks, a file that must not be there yet takes its place; if its process is dead, it is taken over.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use imgdelta_core::{Error, Kind, Result, has_no_locks};

use super::{
    holder::Holder,
    rooms::{Rooms, remove},
};

/// How often it is tried again.
const PAUSE: Duration = Duration::from_millis(20);

/// How long a lock that was taken over from a dead process must stay ours, for two may find it dead at once.
const SETTLING: Duration = Duration::from_millis(150);

/// A lock that is held.
#[derive(Debug)]
pub(super) struct Lock {
    held: Held,
}

#[derive(Debug)]
enum Held {
    /// The host's lock on this open file.
    ByHost(File),
    /// The file at this place, which says `Holder`.
    ByFile(PathBuf, Holder),
}

impl Lock {
    /// Takes the lock; `what` is going to be done. If another process holds it, waits for it at most so long.
    ///
    /// # Errors
    /// Busy, if it is held all that time, with who holds it; Host, if the host cannot, as on a read-only medium.
    pub(super) fn take(rooms: &Rooms, wait: Duration, what: &str) -> Result<Self> {
        let holder = Holder::this(what);
        let place = rooms.lock();
        let file = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&place)
            .map_err(|cause| Error::host("cannot lock", cause).in_file(&place))?;
        let until = Instant::now() + wait;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => pause(until, || Holder::read(&place), &place)?,
                Err(TryLockError::Error(cause)) if cause.kind() == io::ErrorKind::Interrupted => {}
                Err(TryLockError::Error(cause)) if has_no_locks(&cause) => {
                    return Self::take_file(&by_file(&place), until, holder);
                }
                Err(TryLockError::Error(cause)) => {
                    return Err(Error::host("cannot lock", cause).in_file(&place));
                }
            }
        }
        // Who waits reads it; the lock holds without it.
        let _ = file
            .set_len(0)
            .and_then(|()| (&file).write_all(&holder.to_json()));
        Ok(Self {
            held: Held::ByHost(file),
        })
    }

    /// Takes a lock on a file system that has none: the file must not be there.
    fn take_file(place: &Path, until: Instant, holder: Holder) -> Result<Self> {
        loop {
            match File::options().create_new(true).write(true).open(place) {
                Ok(mut file) => {
                    let said = file.write_all(&holder.to_json());
                    if let Err(cause) = said.and_then(|()| file.sync_all()) {
                        // Nobody could tell whose it is, and all would have to wait until it is old.
                        let _ = remove(place);
                        return Err(Error::host("cannot lock", cause).in_file(place));
                    }
                    break;
                }
                Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {}
                Err(cause) => return Err(Error::host("cannot lock", cause).in_file(place)),
            }
            if is_abandoned(place) && holder.replaces_dead(place)? {
                break;
            }
            pause(until, || Holder::read(place), place)?;
        }
        Ok(Self {
            held: Held::ByFile(place.to_owned(), holder),
        })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        match &self.held {
            Held::ByHost(file) => {
                let _ = file.set_len(0);
                let _ = file.unlock();
            }
            Held::ByFile(place, holder) => {
                if Holder::read(place).as_ref() == Some(holder) {
                    let _ = remove(place);
                }
            }
        }
    }
}

impl Holder {
    /// Puts itself in the place of a dead process's lock; false if another one was quicker. Two may find it dead at once: the last one
    /// to write holds it, and each looks again when all have written.
    fn replaces_dead(&self, place: &Path) -> Result<bool> {
        let beside = place.with_file_name(format!("lock.{}", self.token));
        let failed = |cause| Error::host("cannot lock", cause).in_file(place);
        fs::write(&beside, self.to_json()).map_err(failed)?;
        if !is_abandoned(place) {
            remove(&beside)?;
            return Ok(false);
        }
        fs::rename(&beside, place).map_err(failed)?;
        thread::sleep(SETTLING);
        Ok(Self::read(place).as_ref() == Some(self))
    }
}

/// Whether the lock's process is dead: known to be, or killed a minute ago before it could say who it was.
fn is_abandoned(place: &Path) -> bool {
    const SPEECHLESS: Duration = Duration::from_secs(60);
    match Holder::read(place) {
        Some(holder) => holder.is_dead(),
        None => fs::symlink_metadata(place)
            .and_then(|metadata| metadata.modified())
            .is_ok_and(|since| since.elapsed().is_ok_and(|age| age > SPEECHLESS)),
    }
}

/// Waits a little, unless the time is over.
fn pause(until: Instant, holder: impl FnOnce() -> Option<Holder>, place: &Path) -> Result<()> {
    let now = Instant::now();
    if now < until {
        thread::sleep(PAUSE.min(until - now));
        return Ok(());
    }
    let who = holder().map_or_else(|| "another process".to_owned(), |holder| holder.shown());
    let folder = place.parent().and_then(Path::parent);
    Err(
        Error::new(Kind::Busy, format!("the repository is locked by {who}"))
            .with_code("locked")
            .in_file(folder.unwrap_or(place))
            .with_hint("wait with --wait 5m"),
    )
}

/// What is locked by where there are no locks.
fn by_file(place: &Path) -> PathBuf {
    place.with_file_name("lock.held")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A repository's rooms, empty.
    fn rooms(folder: &Path) -> Rooms {
        let rooms = Rooms::of(folder);
        rooms.make_folders().expect("room");
        rooms
    }

    fn at_once() -> Instant {
        Instant::now()
    }

    /// A holder that is no process any more.
    fn dead() -> Holder {
        Holder {
            // Linux gives no process such a number.
            pid: i32::MAX,
            ..Holder::this("die")
        }
    }

    #[test]
    fn one_holds_it_and_the_next_one_when_that_one_is_done() -> Result<()> {
        let folder = tempfile::tempdir().expect("a place");
        let rooms = rooms(folder.path());
        // What a killed process wrote there says nothing: the host's lock ended with it.
        fs::write(rooms.lock(), dead().to_json()).expect("room");
        let lock = Lock::take(&rooms, Duration::ZERO, "first")?;
        let error = Lock::take(&rooms, Duration::ZERO, "second").expect_err("it is held");
        assert_eq!(error.kind(), Kind::Busy);
        assert!(error.message().contains("(first)"), "{error}");
        drop(lock);
        Lock::take(&rooms, Duration::ZERO, "second")?;
        Ok(())
    }

    #[test]
    fn where_there_are_no_locks_a_file_takes_their_place() -> Result<()> {
        let folder = tempfile::tempdir().expect("a place");
        let place = by_file(&rooms(folder.path()).lock());
        let lock = Lock::take_file(&place, at_once(), Holder::this("first"))?;
        let error = Lock::take_file(&place, at_once(), Holder::this("second"));
        assert_eq!(error.expect_err("it is held").kind(), Kind::Busy);
        drop(lock);
        assert!(!place.exists());
        Lock::take_file(&place, at_once(), Holder::this("second"))?;
        Ok(())
    }

    #[test]
    fn the_lock_of_a_dead_process_is_taken_over_by_one_alone() {
        for holder in [
            dead(),
            Holder {
                boot: "an earlier start".to_owned(),
                ..Holder::this("die")
            },
        ] {
            let folder = tempfile::tempdir().expect("a place");
            let place = by_file(&rooms(folder.path()).lock());
            fs::write(&place, holder.to_json()).expect("room");
            let taken = thread::scope(|scope| {
                let threads: Vec<_> = (0..4)
                    .map(|_| {
                        scope.spawn(|| Lock::take_file(&place, at_once(), Holder::this("live")))
                    })
                    .collect();
                let taken = threads.into_iter().map(|one| one.join().expect("no panic"));
                taken.collect::<Vec<_>>()
            });
            assert_eq!(taken.iter().filter(|one| one.is_ok()).count(), 1);
            drop(taken);
            assert!(!place.exists());
            assert_eq!(
                fs::read_dir(folder.path().join(".imgdelta"))
                    .expect("readable")
                    .count(),
                4
            );
        }
    }

    #[test]
    fn of_a_process_on_another_host_nobody_knows_whether_it_lives() {
        let folder = tempfile::tempdir().expect("a place");
        let place = by_file(&rooms(folder.path()).lock());
        let far = Holder {
            host: "elsewhere".to_owned(),
            ..dead()
        };
        fs::write(&place, far.to_json()).expect("room");
        let error = Lock::take_file(&place, at_once(), Holder::this("wait")).expect_err("held");
        assert!(error.message().contains("on elsewhere"), "{error}");
        // One that was killed before it said who it was.
        fs::write(&place, "").expect("room");
        assert!(Lock::take_file(&place, at_once(), Holder::this("wait")).is_err());
        let long_ago = std::time::SystemTime::now() - Duration::from_secs(120);
        let file = File::options()
            .write(true)
            .open(&place)
            .expect("it is there");
        file.set_modified(long_ago).expect("it can be set");
        assert!(Lock::take_file(&place, at_once(), Holder::this("wait")).is_ok());
    }
}
