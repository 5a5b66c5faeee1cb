//! A part of a file as a file: a member of an archive that is stored as it is.

use std::path::Path;
use std::sync::Arc;

use imgdelta_core::{AllocatedRange, Bytes, Error, FileOffset, FileVersion, Kind, Result, Source};

/// `len` bytes of a source, from `at` on. On the host it is known by that source's file.
#[derive(Debug)]
pub struct Window {
    source: Arc<dyn Source>,
    at: FileOffset,
    len: Bytes,
}

impl Window {
    /// That part of `source`.
    ///
    /// # Errors
    /// Corrupt, if the source ends before it does.
    pub fn new(source: Arc<dyn Source>, at: FileOffset, len: Bytes) -> Result<Self> {
        let end = at.0.checked_add(len.0);
        if end.is_none_or(|end| end > source.len().0) {
            return Err(Error::new(
                Kind::Corrupt,
                format!(
                    "the file ends at {}, {} bytes from there on are needed",
                    source.len().0,
                    len.0
                ),
            )
            .with_code("truncated")
            .at(at));
        }
        Ok(Self { source, at, len })
    }

    /// Where `len` bytes at `at` stand in the source.
    fn placed(&self, at: FileOffset, len: usize) -> Result<FileOffset> {
        let end = at.0.checked_add(len as u64);
        match end {
            Some(end) if end <= self.len.0 => Ok(self.at.saturating_add(Bytes(at.0))),
            _ => Err(Error::new(
                Kind::Corrupt,
                format!(
                    "the file ends at {}, {}..{} is needed",
                    self.len.0,
                    at.0,
                    at.0.saturating_add(len as u64)
                ),
            )
            .with_code("truncated")
            .at(at)),
        }
    }
}

impl Source for Window {
    fn len(&self) -> Bytes {
        self.len
    }

    fn read_at(&self, at: FileOffset, buf: &mut [u8]) -> Result<()> {
        let placed = self.placed(at, buf.len())?;
        self.source.read_at(placed, buf)
    }

    fn stored_at(&self, at: FileOffset) -> Result<AllocatedRange> {
        let stored = self.source.stored_at(self.placed(at, 0)?)?;
        let end = stored.end.0.saturating_sub(self.at.0).min(self.len.0);
        Ok(AllocatedRange {
            end: FileOffset(end),
            ..stored
        })
    }

    fn opened(&self) -> Option<&FileVersion> {
        self.source.opened()
    }

    fn stamp(&self) -> Result<Option<FileVersion>> {
        self.source.stamp()
    }

    fn path(&self) -> Option<&Path> {
        self.source.path()
    }
}

#[cfg(test)]
mod tests {
    use imgdelta_core::MemSource;

    use super::*;

    #[test]
    fn a_window_reads_its_part_and_nothing_beyond() -> Result<()> {
        let source: Arc<dyn Source> = Arc::new(MemSource((0..100).collect()));
        let window = Window::new(Arc::clone(&source), FileOffset(10), Bytes(20))?;
        let mut buf = [0; 4];
        window.read_at(FileOffset(16), &mut buf)?;
        assert_eq!(buf, [26, 27, 28, 29]);
        for at in [17, 20, u64::MAX] {
            let error = window
                .read_at(FileOffset(at), &mut buf)
                .expect_err("it ends at 20");
            assert_eq!(error.code(), "truncated");
        }
        assert_eq!(window.stored_at(FileOffset(3))?.end, FileOffset(20));
        for (at, len) in [(90, 11), (u64::MAX, 1), (0, 101)] {
            let error = Window::new(Arc::clone(&source), FileOffset(at), Bytes(len));
            assert_eq!(error.expect_err("it is too long").kind(), Kind::Corrupt);
        }
        Ok(())
    }
}
