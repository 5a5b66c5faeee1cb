//! A transport file that came damaged: which of its windows are, and the file once these have come anew.

use std::{path::Path, sync::Arc};

use imgdelta_core::{AtomicFile, Error, Existing, Kind, Result};
use imgdelta_delta::Chain;
use imgdelta_transport::{Refill, WindowsFile};

pub use imgdelta_transport::WantedWindows;

use crate::{received_image::ReceivedFile, transport_file::file_in};

/// What of a transport file is damaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DamagedParts {
    /// These windows, and nothing else of what was looked at.
    Windows(WantedWindows),
    /// Its map, or more windows than can be asked for.
    Elsewhere,
    /// Its header, its manifest or its indexes: of the rest nothing can be said.
    Unreadable,
}

impl DamagedParts {
    /// The windows, if they are all that is damaged; `None`: all of the file is to be sent again.
    #[must_use]
    pub fn windows(self) -> Option<WantedWindows> {
        match self {
            Self::Windows(windows) => Some(windows),
            Self::Elsewhere | Self::Unreadable => None,
        }
    }
}

/// What is damaged of the transport file in `file`, as far as it is here: `is_here` says that of a run of its bytes, by its start and its length.
///
/// # Errors
/// Host, if the host cannot read.
pub fn damaged_parts(
    file: &ReceivedFile,
    is_here: &dyn Fn(u64, u64) -> bool,
) -> Result<DamagedParts> {
    match file_in(Arc::clone(&file.bytes), &file.path) {
        Ok(opened) => {
            let windows = WantedWindows::within(&opened, is_here)?;
            Ok(windows.map_or(DamagedParts::Elsewhere, DamagedParts::Windows))
        }
        Err(error) if error.kind() == Kind::Host => Err(error),
        Err(_) => Ok(DamagedParts::Unreadable),
    }
}

/// Writes to `to` the transport file in `file` with the windows of `windows` in place of its own. Each is unpacked over `base` and held against what
/// the file itself promises.
///
/// # Errors
/// Corrupt or Digest, if one of the two is damaged where the other does not help, or they are of different images; those of the base; Host.
pub fn refill(file: &ReceivedFile, windows: &ReceivedFile, base: &Chain, to: &Path) -> Result<()> {
    let damaged = file_in(Arc::clone(&file.bytes), &file.path)?;
    let (source, windows) = (Arc::clone(&windows.bytes), &windows.path);
    let came = WindowsFile::open(source).map_err(|error| error.in_file(windows))?;
    if !came.is_of(&damaged) {
        return Err(Error::new(Kind::Corrupt, "holds windows of another image")
            .with_code("transport_windows")
            .in_file(windows));
    }
    let anew = |number: u64| came.record(number).map_err(|error| error.in_file(windows));
    let refill = Refill {
        file: &damaged,
        base,
        anew: &anew,
    };
    let draft = AtomicFile::create(to, Existing::Replace)?;
    refill
        .write(&*draft.sink())
        .map_err(|error| error.in_file(&file.path))?;
    draft.commit()
}
