//! The layer of a raw image: data where the host stores bytes, zero where it does not.
//!
//! Nothing here is cached; the host knows its holes better than we would.

use std::sync::Arc;

use imgdelta_core::{
    Bytes, Error, Extent, FileOffset, Image, ImageMetadata, Kind, Open, Result, Source, State,
    VirtOffset,
};

use crate::{DRIVER, meta};

/// Opens a raw image. Every file is one.
///
/// # Errors
/// Usage, if an option or a snapshot is asked for; Host, if the host cannot say what kind of file it is.
pub(crate) fn open(open: Open<'_>) -> Result<Arc<dyn Image>> {
    open.options.finish("raw", DRIVER.open_options)?;
    if let Some(name) = open.snapshot {
        return Err(Error::new(
            Kind::Usage,
            format!("snapshot '{name}' was asked for, raw images have none"),
        ));
    }
    Ok(Arc::new(RawImage {
        facts: meta::facts(Arc::clone(&open.source))?,
        source: open.source,
    }))
}

/// An open raw image.
#[derive(Debug)]
struct RawImage {
    /// The file; guest address = file offset.
    source: Arc<dyn Source>,
    /// What was learnt when it was opened.
    facts: ImageMetadata,
}

impl Image for RawImage {
    fn metadata(&self) -> &ImageMetadata {
        &self.facts
    }

    /// A raw disk has no parent, so a hole is zero and not absent.
    fn extent_at(&self, at: VirtOffset) -> Result<Extent> {
        let stored = self.source.stored_at(FileOffset(at.0))?;
        let end = stored.end.0.min(self.facts.size.0);
        let (state, end) = if end <= at.0 {
            // The host changed its mind between two questions: to read it is right whatever stands there.
            (data(at), self.facts.size.0)
        } else if stored.is_data {
            (data(at), end)
        } else {
            (State::Zero, end)
        };
        Ok(Extent {
            at,
            len: Bytes(end.saturating_sub(at.0)),
            state,
        })
    }
}

/// Data at its own address in the only file.
const fn data(at: VirtOffset) -> State {
    State::Data {
        file: 0,
        at: FileOffset(at.0),
    }
}
