//! A transport file, open: its header and the index of its map in memory, all else read when it is asked for.

use std::sync::Arc;

use imgdelta_core::{Bytes, Error, FileOffset, Result, Source, read_array, read_vec};
use imgdelta_delta::{Digest, Manifest};
use sha2::{Digest as _, Sha256};

use crate::{
    entries::{SEGMENT, WINDOW, judge_record, judge_segments},
    fault::Fault,
    head::Head,
    layout::{
        LONGEST_WINDOW, MAGIC, SEGMENT_BLOCKS, SegmentEntry, WindowEntry, blocks_of, layer_size,
    },
    map::{Run, SegmentShape, decode},
    window::decompress,
};

/// How much of an index is read at once.
const TOGETHER: u64 = 1 << 16;

/// A transport file, open.
#[derive(Debug)]
pub struct TransportFile {
    source: Arc<dyn Source>,
    head: Head,
    segments: Vec<SegmentEntry>,
    manifest: Manifest,
}

/// Whether a file that begins so is a transport file, whole or damaged.
#[must_use]
pub fn is_transport(start: &[u8]) -> bool {
    start.starts_with(&MAGIC)
}

impl TransportFile {
    /// Opens it: header, indexes and manifest are held against their digests.
    ///
    /// # Errors
    /// Corrupt, if it is damaged or none; Unsupported, if it is of another version or too large; Host, if the host cannot read.
    pub fn open(source: Arc<dyn Source>) -> Result<Self> {
        let named = source.path().map(std::path::Path::to_owned);
        Self::read(source).map_err(|error| match named {
            Some(path) => error.in_file(&path),
            None => error,
        })
    }

    fn read(source: Arc<dyn Source>) -> Result<Self> {
        let head = Head::read(&*source)?;
        let header = head.fields();
        let index_len = |count: u64, each: usize| Bytes(count.saturating_mul(each as u64));
        prove(
            &*source,
            (
                header.window_index_at,
                index_len(header.windows, WindowEntry::SIZE),
            ),
            &header.window_index_digest,
            "index of windows",
        )?;
        let segments_at = FileOffset(header.segment_index_at);
        let len = index_len(header.segments, SegmentEntry::SIZE);
        prove(
            &*source,
            (segments_at.0, len),
            &header.segment_index_digest,
            "index of segments",
        )?;
        let bytes = read_vec(&*source, segments_at, len)?;
        let entries = bytes.chunks_exact(SegmentEntry::SIZE);
        let segments: Vec<_> = entries
            .filter_map(|entry| Some(SegmentEntry::parse(entry.try_into().ok()?)))
            .collect();
        judge_segments(&head, &segments)?;
        let manifest = read_manifest(&*source, &head)?;
        Ok(Self {
            source,
            head,
            segments,
            manifest,
        })
    }

    /// Its file.
    #[must_use]
    pub const fn source(&self) -> &Arc<dyn Source> {
        &self.source
    }

    /// Its header.
    #[must_use]
    pub const fn head(&self) -> &Head {
        &self.head
    }

    /// The manifest that travels in it.
    #[must_use]
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The index of the map's segments, in order.
    #[must_use]
    pub fn segments(&self) -> &[SegmentEntry] {
        &self.segments
    }

    /// A window as the index tells of it.
    ///
    /// # Errors
    /// Corrupt, if its record cannot be so long; Host, if the host cannot read.
    pub fn window_entry(&self, number: u64) -> Result<WindowEntry> {
        let header = self.head.fields();
        let skip = number.saturating_mul(WindowEntry::SIZE as u64);
        let at = FileOffset(header.window_index_at).saturating_add(Bytes(skip));
        let bytes: [u8; WindowEntry::SIZE] = read_array(&*self.source, at)?;
        let entry = WindowEntry::parse(&bytes);
        let area = (header.windows_at, header.map_at);
        judge_record(
            (WINDOW, number),
            (entry.at, entry.packed),
            area,
            LONGEST_WINDOW,
        )
        .map_err(|fault| Error::from(fault).at(at))?;
        Ok(entry)
    }

    /// The record of a window, as it was packed.
    ///
    /// # Errors
    /// As [`window_entry`](Self::window_entry); Corrupt, if it is damaged.
    pub fn window_record(&self, number: u64) -> Result<(WindowEntry, Vec<u8>)> {
        let entry = self.window_entry(number)?;
        let record = self.record((WINDOW, number), (entry.at, entry.packed, entry.crc))?;
        Ok((entry, record))
    }

    /// The runs of a segment of the map, by its place in the index.
    ///
    /// # Errors
    /// Corrupt or Digest, if it is damaged or breaks a rule; Host, if the host cannot read.
    pub fn runs(&self, place: usize) -> Result<Vec<Run>> {
        let Some(entry) = self.segments.get(place) else {
            return Ok(Vec::new());
        };
        let number = entry.number;
        let record = self.segment_record(place)?;
        let at = FileOffset(entry.at);
        let unpacked = decompress(&[], &record, Bytes(entry.len.into()).in_memory());
        let map = unpacked.map_err(|why| {
            let part = SEGMENT;
            Error::from(Fault::Frame { part, number, why }).at(at)
        })?;
        if map.len() as u64 != u64::from(entry.len) || Digest::plain(&map).0 != entry.digest {
            let part = SEGMENT;
            return Err(Error::from(Fault::Digest { part, number }).at(at));
        }
        decode(&map, &self.shape(place, entry)).map_err(|error| error.at(at))
    }

    /// The record of a segment of the map, by its place in the index; nothing where there is none.
    pub(crate) fn segment_record(&self, place: usize) -> Result<Vec<u8>> {
        let Some(entry) = self.segments.get(place) else {
            return Ok(Vec::new());
        };
        let (part, number) = (SEGMENT, entry.number);
        self.record((part, number), (entry.at, entry.packed, entry.crc))
    }

    fn shape(&self, place: usize, entry: &SegmentEntry) -> SegmentShape {
        let next = self.segments.get(place.saturating_add(1));
        let behind = next.map_or(self.head.fields().fresh_blocks, |next| next.fresh_before);
        let start = entry.number.saturating_mul(SEGMENT_BLOCKS);
        SegmentShape {
            number: entry.number,
            blocks: blocks_of(self.head.target_size())
                .saturating_sub(start)
                .min(SEGMENT_BLOCKS),
            base_blocks: blocks_of(self.head.base_size()),
            fresh_before: entry.fresh_before,
            fresh: behind.saturating_sub(entry.fresh_before),
        }
    }

    /// A record, held against its checksum.
    fn record(
        &self,
        (part, number): (&'static str, u64),
        (at, packed, required): (u64, u32, u32),
    ) -> Result<Vec<u8>> {
        let record = read_vec(&*self.source, FileOffset(at), Bytes(packed.into()))?;
        let found = crc32c::crc32c(&record);
        if found == required {
            return Ok(record);
        }
        let fault = Fault::Crc {
            part,
            number,
            found,
            required,
        };
        Err(Error::from(fault).at(FileOffset(at)))
    }
}

/// Holds a part of the file against its digest.
fn prove(
    source: &dyn Source,
    (at, len): (u64, Bytes),
    digest: &[u8; 32],
    part: &'static str,
) -> Result<()> {
    let mut hash = Sha256::new();
    let mut done = 0;
    while done < len.0 {
        let now = TOGETHER.min(len.0 - done);
        let at = FileOffset(at.saturating_add(done));
        hash.update(read_vec(source, at, Bytes(now))?);
        done += now;
    }
    if <[u8; 32]>::from(hash.finalize()) == *digest {
        return Ok(());
    }
    Err(Error::from(Fault::PartDigest { part }).at(FileOffset(at)))
}

/// The manifest, which is about the same disks as the header.
fn read_manifest(source: &dyn Source, head: &Head) -> Result<Manifest> {
    let header = head.fields();
    let at = FileOffset(header.manifest_at);
    let packed = read_vec(source, at, Bytes(header.manifest_packed.into()))?;
    let len = Bytes(header.manifest_len.into()).in_memory();
    let damaged = |_| Error::from(Fault::PartDigest { part: "manifest" }).at(at);
    let json = decompress(&[], &packed, len).map_err(damaged)?;
    if json.len() != len || Digest::plain(&json).0 != header.manifest_digest {
        return Err(damaged(String::new()));
    }
    let manifest = Manifest::from_json(&json).map_err(|error| error.at(at))?;
    let pairs = [
        (manifest.base.size == header.base_size, "the base's size"),
        (
            manifest.result.size == header.target_size,
            "the target's size",
        ),
        (
            manifest.child.size == layer_size(head.target_size()).0,
            "the child's size",
        ),
        (
            manifest.base.content_id.parse().ok() == Some(head.base_id()),
            "the base",
        ),
        (
            manifest.result_id().ok() == Some(head.target_id()),
            "the target",
        ),
    ];
    match pairs.into_iter().find(|(is_same, _)| !is_same) {
        Some((_, what)) => Err(Error::from(Fault::ManifestDiffers { what }).at(at)),
        None => Ok(manifest),
    }
}
