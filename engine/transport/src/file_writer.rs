//! Writes the file: windows as they come, then the map, the manifest, the indexes, and the header last, in front.

use imgdelta_core::{Bytes, FileOffset, Result, Sink};
use imgdelta_delta::{ContentId, Digest, Manifest};

use crate::{
    layout::{
        BLOCK, HEADER_DIGEST_AT, Header, MAGIC, PAGE, SEGMENT_BLOCKS, SegmentEntry, VERSION,
        WINDOW_BLOCKS, WindowEntry,
    },
    plan::PackedSegment,
    window::{PackedWindow, compress_alone},
};

/// How much of the indexes is written at once, in entries.
const TOGETHER: usize = 4096;

/// A file that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// How long it is.
    pub len: Bytes,
    /// What all windows take in it.
    pub windows: Bytes,
    /// What the map takes in it.
    pub map: Bytes,
}

/// A file in the making.
pub(crate) struct FileWriter<'a> {
    sink: &'a dyn Sink,
    at: FileOffset,
    windows: Vec<WindowEntry>,
    segments: Vec<SegmentEntry>,
    /// Where the map starts, once it has.
    map_at: Option<FileOffset>,
}

impl<'a> FileWriter<'a> {
    pub(crate) fn begin(sink: &'a dyn Sink) -> Self {
        Self {
            sink,
            at: FileOffset(Header::SIZE as u64),
            windows: Vec::new(),
            segments: Vec::new(),
            map_at: None,
        }
    }

    /// Appends bytes; where they stand.
    fn append(&mut self, bytes: &[u8]) -> Result<u64> {
        let at = self.at;
        self.sink.write_at(at, bytes)?;
        self.at = at.saturating_add(Bytes::from(bytes.len()));
        Ok(at.0)
    }

    /// The next window.
    pub(crate) fn window(&mut self, window: &PackedWindow) -> Result<()> {
        let at = self.append(&window.record)?;
        self.windows.push(WindowEntry {
            at,
            packed: window.record.len() as u32,
            crc: crc32c::crc32c(&window.record),
            digest: window.digest.0,
        });
        Ok(())
    }

    /// The next segment of the map; all windows have come.
    pub(crate) fn segment(&mut self, segment: &PackedSegment) -> Result<()> {
        self.map_at.get_or_insert(self.at);
        let at = self.append(&segment.frame)?;
        self.segments.push(SegmentEntry {
            number: segment.number,
            at,
            fresh_before: segment.fresh_before,
            packed: segment.frame.len() as u32,
            crc: crc32c::crc32c(&segment.frame),
            len: segment.len as u32,
            reserved: 0,
            digest: segment.digest.0,
        });
        Ok(())
    }

    /// What is left: `fresh` blocks were stored.
    pub(crate) fn finish(mut self, manifest: &Manifest, fresh: u64) -> Result<Written> {
        let map_at = self.map_at.unwrap_or(self.at);
        let manifest_at = self.at;
        let json = manifest.to_json()?;
        let packed = compress_alone(&json)?;
        self.append(&packed)?;
        let window_index_at = self.at;
        let (windows, segments) = (
            std::mem::take(&mut self.windows),
            std::mem::take(&mut self.segments),
        );
        let window_index_digest =
            self.index::<_, { WindowEntry::SIZE }>(&windows, WindowEntry::emit)?;
        let segment_index_at = self.at;
        let segment_index_digest =
            self.index::<_, { SegmentEntry::SIZE }>(&segments, SegmentEntry::emit)?;
        let header = Header {
            magic: MAGIC,
            version: VERSION,
            header_len: Header::SIZE as u32,
            block_size: BLOCK.0 as u32,
            page_size: PAGE.0 as u32,
            window_blocks: WINDOW_BLOCKS as u32,
            segment_blocks: SEGMENT_BLOCKS as u32,
            base_size: manifest.base.size,
            target_size: manifest.result.size,
            base_id: manifest.base.content_id.parse::<ContentId>()?.0.0,
            target_id: manifest.result_id()?.0.0,
            fresh_blocks: fresh,
            windows: windows.len() as u64,
            segments: segments.len() as u64,
            windows_at: Header::SIZE as u64,
            map_at: map_at.0,
            manifest_at: manifest_at.0,
            manifest_packed: packed.len() as u32,
            manifest_len: json.len() as u32,
            window_index_at: window_index_at.0,
            segment_index_at: segment_index_at.0,
            file_len: self.at.0,
            manifest_digest: Digest::plain(&json).0,
            window_index_digest,
            segment_index_digest,
            reserved: [0; 32],
            digest: [0; 32],
        };
        self.sink.write_at(FileOffset::ZERO, &sealed(header))?;
        Ok(Written {
            len: Bytes(self.at.0),
            windows: map_at.since(FileOffset(Header::SIZE as u64)),
            map: manifest_at.since(map_at),
        })
    }

    /// Writes an index; its SHA-256.
    fn index<T, const N: usize>(
        &mut self,
        entries: &[T],
        emit: impl Fn(&T) -> [u8; N],
    ) -> Result<[u8; 32]> {
        use sha2::{Digest as _, Sha256};
        let mut hash = Sha256::new();
        for part in entries.chunks(TOGETHER) {
            let bytes: Vec<u8> = part.iter().flat_map(&emit).collect();
            hash.update(&bytes);
            self.append(&bytes)?;
        }
        Ok(hash.finalize().into())
    }
}

/// The header with its digest.
pub(crate) fn sealed(mut header: Header) -> [u8; Header::SIZE] {
    let bytes = header.emit();
    let part = bytes.get(..HEADER_DIGEST_AT).unwrap_or(&bytes);
    header.digest = Digest::plain(part).0;
    header.emit()
}
