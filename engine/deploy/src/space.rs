//! Free space on a file system, and what something needs of it: checked before anything is sent or written.
//!
//! What certainly does not fit is refused; what exceeds an estimate only is noted. Where the file system compresses or shares blocks by itself,
//! nothing is certain.

use std::path::Path;

use imgdelta_core::{Bytes, Error, FreeSpace, Kind};
use imgdelta_repository::planning::BESIDE;

/// How the line begins that says what is free.
const FREE: &str = "free  ";

/// What helps where a file would be too long.
const SHORTER: &str = "onto a medium it goes in pieces: 'imgdelta deploy --piece 1GiB'; else choose a place with exFAT, ext4, XFS or NTFS, and see that 'ulimit -f' allows it";

/// What files of disks take at least: header, tables and one manifest.
const LEAST_FILE: Bytes = Bytes::kib(16);

/// The space on a file system, here or where a site says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// What may still be written.
    pub free: Bytes,
    /// The longest file that it takes, where that is less than any disk.
    pub longest_file: Option<Bytes>,
    /// Whether what is written may take less than its length there.
    pub shrinks: bool,
}

impl Space {
    /// That of the file system that holds `path`, or would: of what is not there, the nearest folder above it. `None` where the host does not say.
    #[must_use]
    pub fn at(path: &Path) -> Option<Self> {
        let above = path.ancestors().find(|one| one.exists());
        let standing = above.unwrap_or_else(|| Path::new("."));
        let found = FreeSpace::at(standing)?;
        Some(Self {
            free: found.free,
            longest_file: found.longest_file,
            shrinks: found.shrinks,
        })
    }
}

/// Whether the host had no more room for what was written, or the file became longer than the file system takes.
fn is_full(error: &Error) -> bool {
    [Error::NO_SPACE, Error::FILE_TOO_LONG].contains(&error.code())
}

/// How much space something takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SpaceNeed {
    /// At least so much.
    pub(crate) least: Bytes,
    /// At most so much, if nothing else is there: an estimate.
    pub(crate) most: Bytes,
    /// The longest file of it is at least so long.
    pub(crate) longest: Bytes,
    /// And at most so long.
    pub(crate) longest_at_most: Bytes,
}

impl SpaceNeed {
    /// Nothing but one file.
    pub(crate) const fn of_file(least: Bytes, most: Bytes) -> Self {
        Self {
            least,
            most,
            longest: least,
            longest_at_most: most,
        }
    }

    /// A file that travels, of which there is only an estimate before compression.
    pub(crate) fn of_estimate(bytes: Bytes) -> Self {
        Self::of_file(LEAST_FILE, Bytes(bytes.0.saturating_add(BESIDE.0)))
    }

    /// A file whose length is known.
    pub(crate) const fn exactly(bytes: Bytes) -> Self {
        Self::of_file(bytes, bytes)
    }

    /// The same in files that are no longer than that.
    pub(crate) fn in_pieces(self, size: Bytes) -> Self {
        Self {
            longest: self.longest.min(size),
            longest_at_most: self.longest_at_most.min(size),
            ..self
        }
    }

    /// That and more.
    pub(crate) fn and(self, other: Self) -> Self {
        let sum = |one: Bytes, two: Bytes| Bytes(one.0.saturating_add(two.0));
        Self {
            least: sum(self.least, other.least),
            most: sum(self.most, other.most),
            longest: self.longest.max(other.longest),
            longest_at_most: self.longest_at_most.max(other.longest_at_most),
        }
    }

    /// Makes sure that it may fit into `space` at `place`; a note where that is not certain.
    ///
    /// # Errors
    /// Host (`no_space`), if it certainly does not.
    pub(crate) fn require(
        &self,
        what: &str,
        space: Option<Space>,
        place: &str,
    ) -> Result<Option<String>, Error> {
        let Some(space) = space else {
            return Ok(None); // Then it shows when it is written.
        };
        let (free, needed) = (space.free, self.least);
        if !space.shrinks && needed > free {
            let exact = if self.least == self.most {
                ""
            } else {
                "at least "
            };
            let message = format!("{what} needs {exact}{needed}, {free} are free in {place}");
            return Err(Error::new(Kind::Host, message)
                .with_code(Error::NO_SPACE)
                .with_detail(format!("needed {} bytes", needed.0))
                .with_detail(format!("{FREE} {} bytes", free.0))
                .with_hint("make room there, or choose another place"));
        }
        if let Some(most) = space.longest_file.filter(|most| self.longest > *most) {
            return Err(too_long(what, self.longest, most, place));
        }
        let long = space
            .longest_file
            .filter(|longest| self.longest_at_most > *longest);
        Ok(match long {
            _ if self.most > free => Some(format!(
                "{what} may not fit: it takes up to {} (an estimate), {free} are free in {place}",
                self.most
            )),
            Some(longest) => Some(format!(
                "{what} may hold a file of up to {} (an estimate), the file system of {place} takes files of at most {longest}",
                self.longest_at_most
            )),
            None => None,
        })
    }
}

/// A file that no longer fits in one, whatever is free.
fn too_long(what: &str, needed: Bytes, most: Bytes, place: &str) -> Error {
    let message = format!(
        "{what} has a file of {} bytes or more, the file system of {place} takes files of at most {} bytes",
        needed.0, most.0
    );
    Error::new(Kind::Host, message)
        .with_code(Error::FILE_TOO_LONG)
        .with_hint(SHORTER)
}

/// Says of a file system that became full what was needed and what is free, and what was left there; other errors stay as they are. What was
/// half-written must be gone by now.
pub(crate) fn explain_full(
    error: Error,
    what: &str,
    need: SpaceNeed,
    place: &Path,
    left: &str,
) -> Error {
    let is_told = error.details().iter().any(|line| line.starts_with(FREE));
    if error.kind() != Kind::Host || is_told || !is_full(&error) {
        return error;
    }
    let Some(space) = Space::at(place) else {
        return error;
    };
    let longest = space.longest_file.filter(|longest| space.free > *longest);
    let why = match longest {
        Some(longest) if need.longest_at_most > longest => {
            Some(format!("no file is longer than {longest} there"))
        }
        _ if need.most > space.free => Some(format!(
            "{what} takes up to {} there (an estimate)",
            need.most
        )),
        _ => None,
    };
    let error = match error.code() {
        Error::FILE_TOO_LONG => error,
        _ => error.with_code(Error::NO_SPACE),
    };
    let error = why.into_iter().fold(error, Error::with_detail);
    let hint = match error.code() {
        Error::FILE_TOO_LONG => SHORTER,
        _ => "make room there, and run the same command again",
    };
    error
        .with_detail(format!(
            "without it {} ({} bytes) are free in {}",
            space.free,
            space.free.0,
            place.display()
        ))
        .with_detail(left)
        .with_hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPACE: Space = Space {
        free: Bytes(1000),
        longest_file: None,
        shrinks: false,
    };

    #[test]
    fn what_is_certain_is_refused_and_what_is_not_is_told() {
        let judged = |least, most, space| {
            let need = SpaceNeed::of_file(Bytes(least), Bytes(most));
            let judged = need.require("it", Some(space), "there");
            judged.map_err(|error| (error.kind(), error.code()))
        };
        let refused = Err((Kind::Host, "no_space"));
        assert_eq!(judged(1000, 1000, SPACE), Ok(None));
        assert_eq!(judged(1001, 1001, SPACE), refused);
        assert!(judged(1000, 1001, SPACE).is_ok_and(|note| note.is_some()));
        let packing = Space {
            shrinks: true,
            ..SPACE
        };
        assert!(judged(1001, 1001, packing).is_ok_and(|note| note.is_some()));
        let fat = Space {
            longest_file: Some(Bytes(500)),
            ..SPACE
        };
        assert_eq!(judged(501, 501, fat), Err((Kind::Host, "file_too_long")));
        assert_eq!(judged(500, 500, fat), Ok(None));
        assert!(judged(400, 501, fat).is_ok_and(|note| note.is_some()));
        let unknown = SpaceNeed::exactly(Bytes(u64::MAX)).require("it", None, "there");
        assert!(unknown.is_ok_and(|note| note.is_none()));
    }
}
