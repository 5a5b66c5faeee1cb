//! Files one behind the other as one file: the pieces into which a disk was cut.

use std::sync::Arc;

use imgdelta_core::{AllocatedRange, Bytes, Error, FileOffset, FileVersion, Kind, Result, Source};

/// Pieces, in order.
#[derive(Debug)]
pub struct Joined {
    /// Each with the address behind its last byte.
    pieces: Vec<(Arc<dyn Source>, u64)>,
}

impl Joined {
    /// The file whose pieces these are, in order. All but the last have one length, and the last is not longer.
    ///
    /// # Errors
    /// Corrupt, if they do not: one is cut short or of another file, and all behind it would stand in the wrong place.
    pub fn of(pieces: Vec<Arc<dyn Source>>) -> Result<Self> {
        let whole = pieces.first().map_or(0, |first| first.len().0);
        let last = pieces.len().saturating_sub(1);
        let mut end = 0_u64;
        let mut joined = Vec::with_capacity(pieces.len());
        for (index, piece) in pieces.into_iter().enumerate() {
            let len = piece.len().0;
            let is_right = len == whole || index == last && len <= whole;
            end = match end.checked_add(len) {
                Some(end) if is_right => end,
                _ => return Err(uneven(&*piece, whole)),
            };
            joined.push((piece, end));
        }
        Ok(Self { pieces: joined })
    }

    /// The versions of the pieces' files, as they were opened.
    #[must_use]
    pub fn versions(&self) -> Vec<FileVersion> {
        let versions = self.pieces.iter().filter_map(|(piece, _)| piece.opened());
        versions.cloned().collect()
    }

    /// The piece in which `at` lies, where it starts and where it ends.
    fn piece_at(&self, at: u64) -> Option<(&dyn Source, u64, u64)> {
        let index = self.pieces.partition_point(|(_, end)| *end <= at);
        let (piece, end) = self.pieces.get(index)?;
        Some((&**piece, end.saturating_sub(piece.len().0), *end))
    }
}

/// A piece has not the length that it must have.
fn uneven(piece: &dyn Source, whole: u64) -> Error {
    let message = format!(
        "is a piece of {} bytes, the first has {whole}: only the last may be shorter, and none longer",
        piece.len().0
    );
    let error = Error::new(Kind::Corrupt, message)
        .with_code("piece_length")
        .with_hint("copy it once more");
    match piece.path() {
        Some(path) => error.in_file(path),
        None => error,
    }
}

impl Source for Joined {
    fn len(&self) -> Bytes {
        Bytes(self.pieces.last().map_or(0, |(_, end)| *end))
    }

    fn read_at(&self, at: FileOffset, mut buf: &mut [u8]) -> Result<()> {
        let mut at = at.0;
        while !buf.is_empty() {
            let Some((piece, start, end)) = self.piece_at(at) else {
                let message = format!("the pieces end at {}, more is needed", self.len().0);
                return Err(Error::new(Kind::Corrupt, message).with_code("truncated"));
            };
            let len = Bytes(end.saturating_sub(at)).in_memory().min(buf.len());
            let (part, rest) = buf.split_at_mut(len);
            piece.read_at(FileOffset(at.saturating_sub(start)), part)?;
            at = at.saturating_add(len as u64);
            buf = rest;
        }
        Ok(())
    }

    fn stored_at(&self, at: FileOffset) -> Result<AllocatedRange> {
        let Some((piece, start, _)) = self.piece_at(at.0) else {
            let end = FileOffset(self.len().0);
            return Ok(AllocatedRange {
                is_data: false,
                end,
            });
        };
        let stored = piece.stored_at(FileOffset(at.0.saturating_sub(start)))?;
        Ok(AllocatedRange {
            end: FileOffset(stored.end.0.saturating_add(start)),
            ..stored
        })
    }

    fn opened(&self) -> Option<&FileVersion> {
        self.pieces.first()?.0.opened()
    }

    /// That of the first piece; if another has changed since it was opened, of that one: it differs from the first as it was opened.
    fn stamp(&self) -> Result<Option<FileVersion>> {
        let mut first = None;
        for (piece, _) in &self.pieces {
            let now = piece.stamp()?;
            if now.as_ref() != piece.opened() {
                return Ok(now);
            }
            first = first.or(now);
        }
        Ok(first)
    }
}

#[cfg(test)]
mod tests {
    use imgdelta_core::MemSource;

    use super::*;

    fn pieces(lens: &[usize]) -> Vec<Arc<dyn Source>> {
        let mut next = 0_u8;
        let mut piece = |len: &usize| -> Arc<dyn Source> {
            let bytes = (0..*len).map(|_| {
                next = next.wrapping_add(1);
                next
            });
            Arc::new(MemSource(bytes.collect()))
        };
        lens.iter().map(&mut piece).collect()
    }

    #[test]
    fn reads_go_across_pieces() -> Result<()> {
        let joined = Joined::of(pieces(&[10, 10, 10, 3]))?;
        assert_eq!(joined.len(), Bytes(33));
        for (at, len) in [(0, 33), (9, 2), (10, 10), (19, 12), (32, 1), (33, 0)] {
            let mut buf = vec![0; len];
            joined.read_at(FileOffset(at), &mut buf)?;
            let right: Vec<u8> = (at + 1..=at + len as u64).map(|byte| byte as u8).collect();
            assert_eq!(buf, right, "{at} {len}");
        }
        let error = joined
            .read_at(FileOffset(30), &mut [0; 4])
            .expect_err("it ends at 33");
        assert_eq!(error.kind(), Kind::Corrupt);
        assert_eq!(joined.stored_at(FileOffset(12))?.end, FileOffset(20));
        Ok(())
    }

    #[test]
    fn a_piece_that_is_cut_short_is_no_piece() {
        for lens in [&[10, 9, 10][..], &[10, 10, 11], &[10, 11, 1], &[10, 0, 3]] {
            let error = Joined::of(pieces(lens)).expect_err("one is uneven");
            assert_eq!(
                (error.kind(), error.code()),
                (Kind::Corrupt, "piece_length")
            );
        }
        assert!(Joined::of(pieces(&[10])).is_ok());
        assert!(Joined::of(Vec::new()).is_ok_and(|joined| joined.is_empty()));
    }
}
