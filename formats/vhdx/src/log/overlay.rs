//! A file as it is once its log is replayed: of each page either the log's or the file's. The file is never written.

use std::{collections::BTreeMap, ops::Range, path::Path, sync::Arc};

use imgdelta_core::{
    AllocatedRange, Bytes, Error, FileOffset, FileVersion, Kind, Result, Source, read_array,
};

use crate::{
    fault::Fault,
    layout::{DATA_DESCRIPTOR, DataPage, Descriptor, MIB, PAGE, REGION_AT},
};

use super::{
    entry::{Ring, SelectedFooter},
    in_entry, page_of,
};

/// The most descriptors that are replayed: more than a log of 1 GiB has pages of data.
const MAX_DESCRIPTORS: u64 = 1 << 20;

/// What stands in a run of pages.
#[derive(Clone, Copy, Debug)]
enum PageSource {
    /// Zeros, up to this page.
    Zero { end: u64 },
    /// One page.
    Page(Kept),
}

/// A page that the log holds: where, and what its descriptor keeps of it.
#[derive(Clone, Copy, Debug)]
struct Kept {
    /// Where the page stands in the file's log.
    at: FileOffset,
    /// Its first bytes.
    leading: [u8; 8],
    /// Its last bytes.
    trailing: [u8; 4],
}

/// A source over a source.
#[derive(Debug)]
pub(super) struct Overlay {
    source: Arc<dyn Source>,
    log: Range<u64>,
    end: u64,
    /// By the number of their first page; none overlaps the next.
    pieces: BTreeMap<u64, PageSource>,
    descriptors: u64,
}

impl PageSource {
    /// The first page behind a piece that starts at page `start`.
    const fn end(&self, start: u64) -> u64 {
        match self {
            Self::Zero { end } => *end,
            Self::Page(_) => start + 1,
        }
    }
}

impl Overlay {
    /// The file as it is, `end` bytes long; `log` is what the log takes of it.
    pub(super) fn new(source: &Arc<dyn Source>, log: Range<u64>, end: u64) -> Self {
        Self {
            source: Arc::clone(source),
            log,
            end,
            pieces: BTreeMap::new(),
            descriptors: 0,
        }
    }

    /// Writes what an entry says.
    pub(super) fn apply(&mut self, ring: &Ring<'_>, entry: &SelectedFooter) -> Result<()> {
        let fail = |fault| in_entry(fault, "descriptors", ring, entry);
        let count = u64::from(entry.head.descriptor_count);
        self.descriptors = self.descriptors.saturating_add(count);
        if self.descriptors > MAX_DESCRIPTORS {
            let (found, most) = (self.descriptors, MAX_DESCRIPTORS);
            return Err(fail(Fault::LogTooMany { found, most }));
        }
        // What a file had before it was shrunk may be written by an entry from then, and is cut off.
        let own = Bytes(entry.head.last_file_offset).round_up(Bytes(MIB)).0;
        let most = self.end.max(own);
        ring.descriptors(entry, |descriptor, data| {
            let len = length_of(descriptor);
            self.validate(descriptor.file_offset, len, most)
                .map_err(fail)?;
            let pages = page_of(descriptor.file_offset)..page_of(descriptor.file_offset + len);
            let piece = if descriptor.signature == DATA_DESCRIPTOR {
                PageSource::Page(Kept {
                    at: FileOffset(data),
                    leading: descriptor.leading,
                    trailing: descriptor.trailing,
                })
            } else {
                PageSource::Zero { end: pages.end }
            };
            self.put(pages, piece);
            Ok(())
        })
    }

    /// Judges where a descriptor writes.
    fn validate(&self, at: u64, len: u64, most: u64) -> Result<(), Fault> {
        let place = FileOffset(at);
        let Some(end) = at.checked_add(len).filter(|end| *end <= most) else {
            let (at, end) = (place, most);
            return Err(Fault::LogOutside { at, len, end });
        };
        let [first, ..] = REGION_AT;
        let other = if at < first {
            "the headers"
        } else if at < self.log.end && self.log.start < end {
            "the log itself"
        } else if !at.is_multiple_of(PAGE) || !len.is_multiple_of(PAGE) {
            return Err(Fault::LogUnaligned { at: place, len });
        } else {
            return Ok(());
        };
        Err(Fault::LogProtected {
            at: place,
            len,
            other,
        })
    }

    /// Puts a piece in the place of what stood there.
    fn put(&mut self, pages: Range<u64>, piece: PageSource) {
        if pages.is_empty() {
            return;
        }
        let before = self.pieces.range_mut(..pages.start).next_back();
        if let Some((_, PageSource::Zero { end })) = before
            && *end > pages.start
        {
            let rest = *end;
            *end = pages.start;
            if rest > pages.end {
                self.pieces
                    .insert(pages.end, PageSource::Zero { end: rest });
            }
        }
        while let Some((start, old)) = self.pieces.range(pages.clone()).next() {
            let (start, end) = (*start, old.end(*start));
            self.pieces.remove(&start);
            // Only zeros are longer than a page, so that what is left of them is zeros.
            if end > pages.end {
                self.pieces.insert(pages.end, PageSource::Zero { end });
            }
        }
        self.pieces.insert(pages.start, piece);
    }

    /// The piece that `page` lies in, and the first page that this is not true of any more.
    fn piece_at(&self, page: u64) -> (Option<&PageSource>, u64) {
        if let Some((start, piece)) = self.pieces.range(..=page).next_back()
            && piece.end(*start) > page
        {
            return (Some(piece), piece.end(*start));
        }
        let next = self.pieces.range(page..).next();
        (None, next.map_or(u64::MAX, |(start, _)| *start))
    }

    /// A page of the log, put together.
    fn page(&self, kept: &Kept) -> Result<[u8; DataPage::SIZE]> {
        let mut bytes: [u8; DataPage::SIZE] = read_array(&*self.source, kept.at)?;
        if let Some(place) = bytes.first_chunk_mut() {
            *place = kept.leading;
        }
        if let Some(place) = bytes.last_chunk_mut() {
            *place = kept.trailing;
        }
        Ok(bytes)
    }
}

/// How many bytes a descriptor writes.
fn length_of(descriptor: &Descriptor) -> u64 {
    if descriptor.signature == DATA_DESCRIPTOR {
        PAGE
    } else {
        u64::from_le_bytes(descriptor.leading)
    }
}

impl Source for Overlay {
    fn len(&self) -> Bytes {
        Bytes(self.end)
    }

    fn read_at(&self, at: FileOffset, buf: &mut [u8]) -> Result<()> {
        let len = Bytes::from(buf.len());
        if at.checked_add(len).is_none_or(|end| end.0 > self.end) {
            let message = format!(
                "the file ends at {}, {len} from {} on are needed",
                self.end, at.0
            );
            let error = Error::new(Kind::Corrupt, message)
                .with_code("truncated")
                .at(at);
            return Err(match self.path() {
                Some(path) => error.in_file(path),
                None => error,
            });
        }
        let (mut at, mut rest) = (at, buf);
        while !rest.is_empty() {
            let (piece, end) = self.piece_at(page_of(at.0));
            let run = Bytes(end.saturating_mul(PAGE).saturating_sub(at.0)).in_memory();
            let (part, later) = rest.split_at_mut(run.min(rest.len()));
            match piece {
                None => self.source.read_padded_at(at, part)?,
                Some(PageSource::Zero { .. }) => part.fill(0),
                Some(PageSource::Page(kept)) => {
                    let page = self.page(kept)?;
                    let inside = Bytes(at.0 % PAGE).in_memory();
                    let bytes = page.get(inside..).unwrap_or_default();
                    part.iter_mut()
                        .zip(bytes)
                        .for_each(|(place, byte)| *place = *byte);
                }
            }
            at = at.saturating_add(Bytes::from(part.len()));
            rest = later;
        }
        Ok(())
    }

    fn stored_at(&self, at: FileOffset) -> Result<AllocatedRange> {
        let (piece, end) = self.piece_at(page_of(at.0));
        let end = FileOffset(end.saturating_mul(PAGE).min(self.end));
        let is_data = match piece {
            Some(PageSource::Page(_)) => true,
            Some(PageSource::Zero { .. }) => false,
            None if at.0 >= self.source.len().0 => false,
            None => {
                let stored = self.source.stored_at(at)?;
                return Ok(AllocatedRange {
                    end: stored.end.min(end),
                    ..stored
                });
            }
        };
        Ok(AllocatedRange { is_data, end })
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
