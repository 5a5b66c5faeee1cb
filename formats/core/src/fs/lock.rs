//! What it means when the host does not lock a file. Nothing is locked here.

use std::io;

use rustix::io::Errno;

/// Whether a file system knows no locks, as some network and FUSE file systems; any other failure is one.
#[must_use]
pub fn has_no_locks(cause: &io::Error) -> bool {
    cause.kind() == io::ErrorKind::Unsupported
        || matches!(
            Errno::from_io_error(cause),
            Some(Errno::NOLCK | Errno::NOSYS | Errno::OPNOTSUPP | Errno::INVAL)
        )
}
