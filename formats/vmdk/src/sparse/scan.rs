//! A stream that lost its end, gone through marker by marker. Only where the user asks for it: what is missing reads as zero.

use std::sync::Arc;

use imgdelta_core::{Bytes, Error, FileOffset, Result, SECTOR, Source, read_array};

use crate::{
    fault::Fault,
    grain::PREFIX,
    layout::{END_OF_STREAM, FOOTER, GRAIN_DIRECTORY, GRAIN_TABLE, Marker, PROGRESS, SparseHeader},
    map::GrainMapping,
};

/// The grains of a stream by number, with their sectors: 16 bytes for at least 512 of the file.
#[derive(Debug)]
pub(super) struct Scanned(Vec<(u64, u64)>);

impl Scanned {
    /// What the stream has of a grain.
    pub(super) fn cell(&self, grain: u64) -> GrainMapping {
        match self.0.binary_search_by_key(&grain, |one| one.0) {
            Ok(at) => self
                .0
                .get(at)
                .map_or(GrainMapping::Absent, |one| GrainMapping::At(one.1)),
            Err(_) => GrainMapping::Absent,
        }
    }

    /// How many grains from `grain` on are not there; 1, if that one is: each is compressed by itself.
    pub(super) fn run(&self, grain: u64) -> u64 {
        match self.0.binary_search_by_key(&grain, |one| one.0) {
            Err(next) => self.0.get(next).map_or(u64::MAX, |one| one.0 - grain),
            Ok(_) => 1,
        }
    }

    /// All of them.
    pub(super) fn each(&self) -> impl Iterator<Item = (u64, u64)> {
        self.0.iter().copied()
    }
}

/// The markers of a stream, each found by the length of what the one in front of it announces.
pub(super) struct Markers<'a> {
    source: &'a dyn Source,
    at: u64,
}

impl<'a> Markers<'a> {
    pub(super) fn of(source: &'a dyn Source, header: &SparseHeader) -> Self {
        Self {
            source,
            at: header.overhead.max(1).saturating_mul(SECTOR),
        }
    }

    /// The next marker and where it stands; nothing at the end of the stream or of the file, and behind a marker that nobody knows.
    pub(super) fn next(&mut self) -> Result<Option<(FileOffset, Marker)>> {
        let at = FileOffset(self.at);
        if at.saturating_add(Bytes(Marker::SIZE as u64)).0 > self.source.len().0 {
            return Ok(None);
        }
        let marker = Marker::parse(&read_array(self.source, at)?);
        let sectors = marker.value.saturating_mul(SECTOR);
        let len = match (marker.size, marker.kind) {
            (0, END_OF_STREAM) => return Ok(None),
            (0, GRAIN_TABLE | GRAIN_DIRECTORY) => sectors.saturating_add(SECTOR),
            // A footer, or what VirtualBox and open-vmdk put in between.
            (0, FOOTER | PROGRESS) => 2 * SECTOR,
            (0, _) => u64::MAX,
            (size, _) => u64::from(size).saturating_add(PREFIX as u64),
        };
        let next = Bytes(self.at.saturating_add(len)).round_up(Bytes(SECTOR));
        self.at = next.0;
        Ok(Some((at, marker)))
    }
}

/// Follows the markers up to the end of the stream or of the file. A grain that the file cuts is left out.
pub(super) fn scan(
    source: &Arc<dyn Source>,
    header: &SparseHeader,
    size: Bytes,
) -> Result<Scanned> {
    let end = source.len().0;
    let mut markers = Markers::of(&**source, header);
    let mut grains: Vec<(u64, u64)> = Vec::new();
    while let Some((at, marker)) = markers.next()? {
        let in_stream = |fault: Fault| Error::from(fault).in_structure("stream").at(at);
        if marker.size == 0 {
            if marker.kind > PROGRESS {
                let found = marker.kind;
                return Err(in_stream(Fault::MarkerKind { found }));
            }
            continue;
        }
        let grain = header.grain_size;
        let (number, rest) = (marker.value / grain, marker.value % grain);
        if rest != 0 || marker.value.saturating_mul(SECTOR) >= size.0 {
            let found = marker.value;
            return Err(in_stream(Fault::MarkerPlace { found }));
        }
        let len = u64::from(marker.size).saturating_add(PREFIX as u64);
        if at.0.saturating_add(len) > end {
            break;
        }
        grains.push((number, at.0 / SECTOR));
    }
    // Of a grain that was written twice the last counts.
    grains.reverse();
    grains.sort_by_key(|one| one.0);
    grains.dedup_by_key(|one| one.0);
    Ok(Scanned(grains))
}
