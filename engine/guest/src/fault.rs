//! Why a reader stops: the disk cannot be read, or what it holds is not certain.

use std::fmt;

use imgdelta_core::Error;

/// What a reader finds, or why it stops.
pub(crate) type Found<T> = Result<T, Fault>;

/// Why a reader stops.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The disk itself cannot be read: an error of the call.
    Disk(Error),
    /// The volume is not sound, not clean, or not understood: all of it is in use.
    Unsound(String),
    /// A system sleeps on this disk: nothing of the whole disk may change.
    Suspended(String),
}

impl Fault {
    /// A volume of which all is in use, and why.
    pub(crate) fn unsound(why: impl Into<String>) -> Self {
        Self::Unsound(why.into())
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Disk(error)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disk(error) => error.fmt(f),
            Self::Unsound(why) | Self::Suspended(why) => f.write_str(why),
        }
    }
}
