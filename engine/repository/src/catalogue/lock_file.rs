//! A file that stands for a lock, where a file system has none: it must not be there yet, and says who holds it.
//!
//! What is there is there whole: the file is written under a name of its own and then linked, so that nobody finds a lock that does not say
//! whose it is. The lock of a dead process is taken over by *claim*: whoever may replace it is decided by a second lock file, named after the
//! dead one's token, which only one can make. Then the lock is looked at again: if it still is the dead one's, the claim takes its place, and
//! else somebody was quicker and the claim goes. No time decides, so nobody who was stalled in between robs the one who came later. A claim
//! whose process died is taken over in the same way.

use std::{
    io::{self, Write},
    time::Duration,
};

use imgdelta_core::{Error, HeldPlace, Kind, Result};
use rustix::io::Errno;

use super::{
    lock_beat::{BEAT, Heartbeat, Watching},
    lock_owner::LockOwner,
};

/// A lock that is held.
#[derive(Debug)]
pub(super) struct LockFile {
    place: HeldPlace,
    owner: LockOwner,
    /// Touches it as long as it is held.
    beat: Option<Heartbeat>,
}

/// What came of an attempt.
enum Attempt {
    /// It is ours.
    Acquired,
    /// A process holds it, or is taking it over, that is not known to be dead.
    Busy,
    /// It changed hands while it was looked at.
    Changed,
}

/// Whose lock it is that stands there.
#[derive(Debug, PartialEq, Eq)]
enum Holder {
    Nobody,
    Alive,
    /// A dead one's; the word tells it from every other lock.
    Dead(String),
}

/// How many claims on claims are followed: each is of a process that died while it took over another one's.
const DEEPEST: u32 = 32;

/// How often it is looked at again at once, when it changed hands.
const TRIES: u32 = 64;

impl LockFile {
    /// Takes the lock at `place`, if nobody holds it or its holder is dead; `None`, if it is held. Who waits asks again with the same `watching`: of a
    /// holder of which nothing else is known, silence says that it is dead.
    ///
    /// # Errors
    /// Host, if the host cannot.
    pub(super) fn try_acquire(
        place: &HeldPlace,
        owner: &LockOwner,
        watching: &mut Watching,
    ) -> Result<Option<Self>> {
        let owner = &LockOwner {
            beats: Some(BEAT.as_secs()),
            ..owner.clone()
        };
        for _ in 0..TRIES {
            match acquire(place, owner, DEEPEST, watching)? {
                Attempt::Acquired => {
                    let lock = Self {
                        place: place.clone(),
                        owner: owner.clone(),
                        beat: Heartbeat::begin(place, &owner.token, BEAT),
                    };
                    // Without a sign of life it would be taken for dead.
                    if lock.beat.is_none() {
                        let message = "cannot lock: the host starts no thread";
                        return Err(Error::new(Kind::Host, message).in_file(&place.path()));
                    }
                    return Ok(Some(lock));
                }
                Attempt::Busy => return Ok(None),
                Attempt::Changed => {}
            }
        }
        Ok(None)
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        self.beat = None;
        // Not synced: a power cut that brings it back has ended its process too.
        if LockOwner::read(&self.place).as_ref() == Some(&self.owner) {
            let _ = self.place.remove();
        }
    }
}

/// Takes the lock at `place`, which may be a claim on another one.
fn acquire(
    place: &HeldPlace,
    owner: &LockOwner,
    depth: u32,
    watching: &mut Watching,
) -> Result<Attempt> {
    if create(place, owner)? {
        return Ok(Attempt::Acquired);
    }
    let dead = match holder(place, watching) {
        Holder::Dead(dead) if depth > 0 => dead,
        Holder::Nobody => return Ok(Attempt::Changed),
        _ => return Ok(Attempt::Busy),
    };
    let claim = place.sibling(format!("lock.{dead}"));
    match acquire(&claim, owner, depth.saturating_sub(1), watching)? {
        Attempt::Acquired => {}
        other => return Ok(other),
    }
    // Only who holds the claim replaces the dead one's lock: what is seen now stays until we do.
    if holder(place, watching) != Holder::Dead(dead) {
        discard(&claim);
        return Ok(Attempt::Changed);
    }
    match claim.rename(place) {
        Ok(()) => Ok(Attempt::Acquired),
        Err(cause) => {
            discard(&claim);
            Err(Error::host("cannot lock", cause).in_file(&place.path()))
        }
    }
}

/// Makes the file, which says whose it is from the first moment on; false, if there is one.
fn create(place: &HeldPlace, owner: &LockOwner) -> Result<bool> {
    let failed = |cause| Error::host("cannot lock", cause).in_file(&place.path());
    match place.metadata() {
        Ok(_) => return Ok(false),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
        Err(cause) => return Err(failed(cause)),
    }
    let draft = place.sibling(format!("lock.{}.new", owner.token));
    let written = write_new(&draft, owner).and_then(|()| link(&draft, place));
    let is_made = match written {
        Ok(Some(is_made)) => Ok(is_made),
        // No file system of today, but some that are made of programs.
        Ok(None) => create_in_place(place, owner),
        Err(cause) => Err(cause),
    };
    discard(&draft);
    match is_made {
        // Of a link over a network only the answer may have been lost.
        Ok(false) => Ok(LockOwner::read(place).as_ref() == Some(owner)),
        other => other.map_err(failed),
    }
}

/// Writes a file that is not there yet.
fn write_new(place: &HeldPlace, owner: &LockOwner) -> io::Result<()> {
    let mut file = place.create_new()?;
    file.write_all(&owner.to_json())?;
    file.sync_all()
}

/// Gives the draft its name, if nothing has that; `None`, where the file system can do it in no way that nobody comes between.
fn link(draft: &HeldPlace, place: &HeldPlace) -> io::Result<Option<bool>> {
    match draft.link(place) {
        Ok(()) => return Ok(Some(true)),
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => return Ok(Some(false)),
        Err(cause) if cannot(&cause) => {}
        Err(cause) => return Err(cause),
    }
    match draft.rename_new(place) {
        Ok(()) => Ok(Some(true)),
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => Ok(Some(false)),
        Err(cause) if cannot(&cause) => Ok(None),
        Err(cause) => Err(cause),
    }
}

/// Whether a file system does not know what is asked.
fn cannot(cause: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(cause),
        Some(Errno::PERM | Errno::NOSYS | Errno::OPNOTSUPP | Errno::INVAL | Errno::MLINK)
    )
}

/// Makes the file and then writes it: who dies in between leaves one that says nothing.
fn create_in_place(place: &HeldPlace, owner: &LockOwner) -> io::Result<bool> {
    match write_new(place, owner) {
        // Who was stalled for long in between may have been taken for dead.
        Ok(()) => Ok(LockOwner::read(place).as_ref() == Some(owner)),
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(cause) => {
            discard(place);
            Err(cause)
        }
    }
}

/// Whose lock stands there.
fn holder(place: &HeldPlace, watching: &mut Watching) -> Holder {
    /// How long a lock that does not say whose it is is kept for a process that may be about to say so.
    const SPEECHLESS: Duration = Duration::from_secs(60);
    if let Some(owner) = LockOwner::read(place) {
        return match owner.is_dead() || watching.is_silent(place, &owner) {
            true => Holder::Dead(plain(&owner.token)),
            false => Holder::Alive,
        };
    }
    let metadata = match place.metadata() {
        Ok(metadata) => metadata,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Holder::Nobody,
        Err(_) => return Holder::Alive,
    };
    let modified = metadata.modified().ok();
    let age = modified.and_then(|modified| modified.elapsed().ok());
    if !metadata.is_file() || age.is_none_or(|age| age <= SPEECHLESS) {
        return Holder::Alive;
    }
    use std::os::unix::fs::MetadataExt;
    let (inode, time) = (metadata.ino(), metadata.mtime());
    Holder::Dead(format!("unsaid-{inode}-{time}"))
}

/// A token as a part of a file's name, whatever somebody wrote there.
fn plain(token: &str) -> String {
    let plain = |c: &char| c.is_ascii_alphanumeric() || *c == '-';
    token.chars().filter(plain).take(64).collect()
}

/// Takes away what nobody needs any more; what stays, `gc` finds.
fn discard(place: &HeldPlace) {
    let _ = place.remove();
}
