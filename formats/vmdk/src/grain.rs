//! Compressed grains: a marker, then a zlib stream, unpacked into exactly one grain, the last used ones kept.
//!
//! \[TN\] says RFC 1951; VMware, VirtualBox and qemu all write RFC 1950. Where grains stand is decided in `map`.

use std::{fmt, sync::Arc};

use flate2::{Decompress, FlushDecompress, Status};
use imgdelta_core::{Bytes, Error, FileOffset, Result, SECTOR, Source, UnitCoding, read_vec};
use libdeflater::Decompressor;

use crate::{
    caches::{GrainPlace, Unpacked},
    extent::File,
    fault::Fault,
    layout::Marker,
};

/// What stands in front of a grain's data: the marker up to its type, which is the data's beginning.
pub(crate) const PREFIX: usize = 12;

/// How many bytes of packed grains are read at once.
const BATCH: u64 = 1 << 20;

/// How grains of `unit` bytes are compressed.
pub(crate) const fn coding(unit: Bytes) -> UnitCoding {
    UnitCoding {
        method: "zlib",
        unit,
    }
}

/// Unpacks the grains of one extent.
pub(crate) struct Unpacker {
    source: Arc<dyn Source>,
    /// The number of its file.
    number: u16,
    /// Bytes of a grain.
    grain: usize,
    /// Bytes of the extent: of its last grain only those are needed.
    size: Bytes,
    unpacked: Arc<Unpacked>,
}

impl fmt::Debug for Unpacker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unpacker({:?})", self.source)
    }
}

impl Unpacker {
    /// For grains of `grain` bytes in `file`, of an extent of `size`.
    pub(crate) fn new(file: &File, grain: Bytes, size: Bytes) -> Self {
        Self {
            source: Arc::clone(&file.source),
            number: file.number,
            grain: grain.in_memory(),
            size,
            unpacked: file.caches.unpacked(grain),
        }
    }

    /// Most bytes of data that a grain may have: what cannot be compressed becomes a little larger.
    fn most(&self) -> u64 {
        (self.grain as u64).saturating_mul(2).saturating_add(1024)
    }

    /// Fills `buf` with a part of one grain, from byte `inside` on.
    pub(crate) fn read_part(&self, place: GrainPlace, inside: usize, buf: &mut [u8]) -> Result<()> {
        let key = (self.number, place);
        let bytes = match self.unpacked.kept.get(&key) {
            Some(bytes) => bytes,
            None => {
                let mut bytes = vec![0; self.grain];
                self.read_one(place, &mut bytes)?;
                let bytes: Arc<[u8]> = bytes.into();
                self.unpacked.kept.insert(key, Arc::clone(&bytes));
                bytes
            }
        };
        if let Some(part) = bytes.get(inside..inside.saturating_add(buf.len())) {
            buf.copy_from_slice(part);
        }
        Ok(())
    }

    /// Fills `buf` with whole grains. Those that stand close together are read at once.
    pub(crate) fn read_whole(&self, places: &[GrainPlace], buf: &mut [u8]) -> Result<()> {
        let mut places = places;
        let mut buf = buf;
        while !places.is_empty() {
            let count = self.batch(places);
            let (now, later) = places.split_at(count);
            let (part, rest) = buf.split_at_mut(count.saturating_mul(self.grain).min(buf.len()));
            self.read_batch(now, part)?;
            (places, buf) = (later, rest);
        }
        Ok(())
    }

    /// How many of the places follow one another closely; at least 1.
    fn batch(&self, places: &[GrainPlace]) -> usize {
        let first = places.first().map_or(0, |place| place.1);
        let mut last = first;
        let close = places.iter().take_while(|(_, sector)| {
            let gap = sector.checked_sub(last).unwrap_or(u64::MAX);
            last = *sector;
            gap.saturating_mul(SECTOR) <= self.most()
                && (sector - first).saturating_mul(SECTOR) <= BATCH
        });
        close.count().max(1)
    }

    fn read_batch(&self, places: &[GrainPlace], buf: &mut [u8]) -> Result<()> {
        let (Some((_, first)), Some((_, last))) = (places.first(), places.last()) else {
            return Ok(());
        };
        let start = FileOffset(first.saturating_mul(SECTOR));
        // The last one is seldom larger than a grain; if it is, it is read again.
        let end = last
            .saturating_mul(SECTOR)
            .saturating_add((self.grain + PREFIX) as u64)
            .min(self.source.len().0);
        let bytes = read_vec(&*self.source, start, Bytes(end.saturating_sub(start.0)))?;
        for (place, into) in places.iter().zip(buf.chunks_mut(self.grain)) {
            let skip = Bytes((place.1 - first).saturating_mul(SECTOR)).in_memory();
            let there = bytes.get(skip..).unwrap_or_default();
            match self.data_of(*place, there)? {
                Some(data) => self.unpack(*place, data, into)?,
                None => self.read_one(*place, into)?,
            }
        }
        Ok(())
    }

    /// Reads and unpacks one grain.
    fn read_one(&self, place: GrainPlace, into: &mut [u8]) -> Result<()> {
        let start = place.1.saturating_mul(SECTOR);
        let left = self.source.len().0.saturating_sub(start);
        let len = left.min(self.most().saturating_add(PREFIX as u64));
        let bytes = read_vec(&*self.source, FileOffset(start), Bytes(len))?;
        match self.data_of(place, &bytes)? {
            Some(data) => self.unpack(place, data, into),
            None => Err(self.at(
                place,
                Fault::GrainPastEnd {
                    grain: place.0,
                    sector: place.1,
                    grain_end: self.end_of(place, &bytes),
                    end: self.source.len().0,
                },
            )),
        }
    }

    /// Fills `into` with a whole grain, and appends to `kept` the zlib stream that it was unpacked from, if it is known where that ends.
    pub(crate) fn read_keeping(
        &self,
        place: GrainPlace,
        into: &mut [u8],
        kept: &mut Vec<u8>,
    ) -> Result<()> {
        let start = place.1.saturating_mul(SECTOR);
        let left = self.source.len().0.saturating_sub(start);
        let len = left.min((self.grain + PREFIX) as u64);
        let bytes = read_vec(&*self.source, FileOffset(start), Bytes(len))?;
        let Some(data) = self.data_of(place, &bytes)? else {
            return self.read_one(place, into);
        };
        self.unpack(place, data, into)?;
        // The stream's checksum is its end: what is behind it would not be that of these bytes.
        let sum = simd_adler32::adler32(&&*into).to_be_bytes();
        if data.ends_with(&sum) {
            kept.extend_from_slice(data);
        }
        Ok(())
    }

    /// The data of a grain among `bytes`, which begin with its marker; `None` if they end too early.
    fn data_of<'a>(&self, place: GrainPlace, bytes: &'a [u8]) -> Result<Option<&'a [u8]>> {
        let Some(marker) = bytes
            .get(..Marker::SIZE)
            .and_then(|head| head.try_into().ok())
        else {
            return Ok(None);
        };
        let marker = Marker::parse(marker);
        let required = place.0.saturating_mul(self.grain as u64 / SECTOR);
        if marker.value != required {
            let found = marker.value;
            return Err(self.at(place, Fault::MarkerAddress { found, required }));
        }
        let (found, most) = (u64::from(marker.size), self.most());
        if found == 0 || found > most {
            let fault = Fault::MarkerSize {
                grain: place.0,
                found,
                most,
            };
            return Err(self.at(place, fault));
        }
        let end = PREFIX.saturating_add(Bytes(found).in_memory());
        Ok(bytes.get(PREFIX..end))
    }

    /// Where the data of a grain should end.
    fn end_of(&self, place: GrainPlace, bytes: &[u8]) -> u64 {
        let size = bytes.get(8..PREFIX).and_then(|size| size.try_into().ok());
        let size = u64::from(size.map_or(0, u32::from_le_bytes));
        place
            .1
            .saturating_mul(SECTOR)
            .saturating_add(PREFIX as u64)
            .saturating_add(size)
    }

    fn unpack(&self, place: GrainPlace, data: &[u8], into: &mut [u8]) -> Result<()> {
        let mut context = self.unpacked.idle.take().unwrap_or_default();
        let unpacked = self.inflate(&mut context, place.0, data, into);
        self.unpacked.idle.put_back(context);
        unpacked.map_err(|fault| self.at(place, fault))
    }

    /// Unpacks a zlib stream.
    fn inflate(
        &self,
        context: &mut Decompressor,
        grain: u64,
        data: &[u8],
        into: &mut [u8],
    ) -> Result<(), Fault> {
        match context.zlib_decompress(data, into) {
            Ok(found) if found >= self.needed(grain) => {
                // The rest of the disk's last grain belongs to nobody.
                into.get_mut(found..).unwrap_or_default().fill(0);
                Ok(())
            }
            _ => self.inflate_judging(grain, data, into),
        }
    }

    /// As [`inflate`](Self::inflate), saying what is wrong. Its frame is looked at here: the checksum is worked out far faster than by the
    /// unpacker.
    fn inflate_judging(&self, grain: u64, data: &[u8], into: &mut [u8]) -> Result<(), Fault> {
        let garbage = |why: &str| Fault::GrainGarbage {
            grain,
            why: why.to_owned(),
        };
        let raw = raw_of(data).ok_or_else(|| garbage("no zlib header"))?;
        let mut context = Decompress::new(false);
        let unpack = |context: &mut Decompress, from: &[u8], into: &mut [u8]| {
            context
                .decompress(from, into, FlushDecompress::Finish)
                .map_err(|cause| garbage(&cause.to_string()))
        };
        let mut status = unpack(&mut context, raw, into)?;
        let found = Bytes(context.total_out()).in_memory();
        let required = self.needed(grain);
        if found < required {
            return Err(Fault::GrainShort {
                grain,
                found,
                required,
            });
        }
        if status != Status::StreamEnd {
            let read = Bytes(context.total_in()).in_memory();
            status = unpack(&mut context, raw.get(read..).unwrap_or_default(), &mut [0])?;
            if Bytes(context.total_out()).in_memory() > found {
                let required = self.grain;
                return Err(Fault::GrainLong { grain, required });
            }
        }
        let read = Bytes(context.total_in()).in_memory();
        let (unpacked, rest) = into.split_at_mut(found.min(into.len()));
        // The rest of the disk's last grain belongs to nobody.
        rest.fill(0);
        let sum = raw.get(read..).and_then(|rest| rest.first_chunk::<4>());
        match (status, sum) {
            (Status::StreamEnd, Some(sum))
                if *sum == simd_adler32::adler32(&&*unpacked).to_be_bytes() =>
            {
                Ok(())
            }
            (Status::StreamEnd, Some(_)) => Err(garbage("the checksum is another one")),
            _ => Err(garbage("the stream does not end")),
        }
    }

    /// The bytes of a grain that the disk has.
    fn needed(&self, grain: u64) -> usize {
        let start = grain.saturating_mul(self.grain as u64);
        let left = Bytes(self.size.0.saturating_sub(start)).in_memory();
        left.min(self.grain)
    }

    fn at(&self, place: GrainPlace, fault: Fault) -> Error {
        Error::from(fault)
            .in_structure("compressed grain")
            .at(FileOffset(place.1.saturating_mul(SECTOR)))
    }
}

/// What stands behind the header of a zlib stream (RFC 1950); `None` if there is none, or a dictionary would be needed.
fn raw_of(data: &[u8]) -> Option<&[u8]> {
    let ([method, flags], raw) = data.split_first_chunk::<2>()?;
    let is_whole = u16::from_be_bytes([*method, *flags]) % 31 == 0;
    (is_whole && method & 0x0f == 8 && flags & 0x20 == 0).then_some(raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_takes_no_more_than_4_mib_or_one_grain() {
        for (grain, kept) in [
            (4096, 8),
            (1 << 16, 8),
            (1 << 20, 4),
            (1 << 22, 1),
            (1 << 26, 1),
        ] {
            let unpacked = Unpacked::of(Bytes(grain));
            assert_eq!(
                format!("{:?}", unpacked.kept),
                format!("BlockCache(0 of {kept})")
            );
        }
    }
}
