//! What a disk is made of: extents, each addressed from its own start. Flat ones and zeros stand here, the others in files of their own.

use std::{fmt, sync::Arc};

use imgdelta_core::{
    Bytes, CheckReport, Extent, FileOffset, Result, SECTOR, Source, State, VirtOffset,
};

use crate::{caches::Caches, fault::Fault};

/// One extent of a disk.
pub(crate) trait VmdkExtent: fmt::Debug + Send + Sync {
    /// How much of the disk it is.
    fn size(&self) -> Bytes;

    /// The run from byte `at` on: how long it is, not beyond the extent, and what it is. A compressed unit is told from the extent's start.
    fn run(&self, at: u64) -> Result<(Bytes, State)>;

    /// Fills `buf` with the bytes of compressed extents of the disk, on which this one starts at `start`.
    fn read_compressed(&self, start: u64, extents: &[Extent], buf: &mut [u8]) -> Result<()> {
        let _ = (start, buf);
        let at = extents.first().map_or(VirtOffset::ZERO, |one| one.at);
        Err(Fault::NotStored { at }.into())
    }

    /// As `read_compressed`, of one whole unit, of which what it was unpacked from is appended to `packed` where its end is known.
    fn read_packed(
        &self,
        start: u64,
        unit: &Extent,
        buf: &mut [u8],
        packed: &mut Vec<u8>,
    ) -> Result<()> {
        let _ = packed;
        self.read_compressed(start, std::slice::from_ref(unit), buf)
    }

    /// The unit that is compressed as a whole; `None` where nothing is.
    fn compressed_unit(&self) -> Option<Bytes> {
        None
    }

    /// The unit in which it allocates; `None` where it does not.
    fn grain(&self) -> Option<Bytes> {
        None
    }

    /// What the user should know.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }

    /// What its header says, for `info`.
    fn details(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// Looks for what opening does not ask.
    fn check(&self, report: &mut CheckReport) -> Result<()> {
        let _ = report;
        Ok(())
    }
}

/// A file of an image: its place among [`ImageMetadata::files`](imgdelta_core::ImageMetadata::files).
#[derive(Clone, Debug)]
pub(crate) struct File {
    /// The file.
    pub(crate) source: Arc<dyn Source>,
    /// Its number.
    pub(crate) number: u16,
    /// What the image's extents keep together.
    pub(crate) caches: Caches,
}

/// The bytes of the disk as they are.
#[derive(Debug)]
pub(crate) struct Flat {
    file: File,
    start: FileOffset,
    size: Bytes,
}

impl Flat {
    /// `sectors` of `file` from sector `offset` on, which it must have.
    pub(crate) const fn new(file: File, offset: u64, sectors: u64) -> Self {
        Self {
            file,
            start: FileOffset(offset.saturating_mul(SECTOR)),
            size: Bytes(sectors.saturating_mul(SECTOR)),
        }
    }
}

impl VmdkExtent for Flat {
    fn size(&self) -> Bytes {
        self.size
    }

    /// What the host does not store is zero.
    fn run(&self, at: u64) -> Result<(Bytes, State)> {
        let left = Bytes(self.size.0.saturating_sub(at));
        let place = self.start.saturating_add(Bytes(at));
        let stored = self.file.source.stored_at(place)?;
        let len = stored.end.since(place).min(left);
        let data = State::Data {
            file: self.file.number,
            at: place,
        };
        if len == Bytes::ZERO {
            return Ok((left, data));
        }
        Ok((len, if stored.is_data { data } else { State::Zero }))
    }
}

/// Zeros without a file.
#[derive(Debug)]
pub(crate) struct Zeros(pub(crate) Bytes);

impl VmdkExtent for Zeros {
    fn size(&self) -> Bytes {
        self.0
    }

    fn run(&self, at: u64) -> Result<(Bytes, State)> {
        Ok((Bytes(self.0.0.saturating_sub(at)), State::Zero))
    }
}
