//! Hands a part of the disk to a writer: packs its units, has them placed, writes their bytes.
//!
//! Packing and writing are any thread's work; placing is done in order. What the child will say of the part is known once it is packed:
//! [`UnitWriter::read_back`].

mod shared;
mod writing;

use std::ops::Range;

use imgdelta_core::{
    AlignedBuffer, BlockState, Bytes, Encoded, Encoder, ImageWriter, Payload, Result, Unit,
    UnitCoding, VirtOffset, WriterLayout,
};
use sha2::{Digest as _, Sha256};
use xxhash_rust::xxh3::xxh3_128;

pub(crate) use self::shared::Standing;
use self::writing::Write;

/// One thread's part of the disk on its way to a writer.
pub(crate) struct UnitWriter {
    shape: WriterLayout,
    encoder: Box<dyn Encoder>,
    /// The disk's bytes; grains that are not data are zero.
    data: AlignedBuffer,
    /// What each grain of the part is.
    grains: Vec<BlockState>,
    /// What `data` holds besides zeros.
    filled: Filled,
    /// What the encoder made of one unit.
    out: Vec<u8>,
    /// What it compressed, one unit after another.
    compressed: Vec<u8>,
    /// Units whose bytes stand there as another image compressed them: where each starts in the part, and there, and how many bytes.
    adopted: Vec<(usize, usize, usize)>,
    /// What one of them was.
    packed: Vec<u8>,
    /// The part's units that are to be placed.
    units: Vec<Ready>,
    /// What is to be written, in order.
    writes: Vec<Write>,
    /// Where the part's bytes stand as they are in files, in order.
    standing: Vec<Standing>,
}

/// What a part's bytes hold besides zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Filled {
    /// At most the grains that are said to be something.
    Grains,
    /// Anything.
    All,
}

/// A unit that waits to be placed.
struct Ready {
    /// Where it starts on the disk.
    at: VirtOffset,
    /// Where it starts in the part.
    skip: usize,
    len: usize,
    encoded: Encoded,
    /// Where its bytes start in `compressed`, and how many there are.
    compressed: (usize, usize),
    /// What its bytes add to the seed.
    hash: u128,
}

/// What ids are made of, gathered in order from what is placed.
pub(crate) struct Seed(Sha256);

impl Seed {
    pub(crate) fn new(size: Bytes) -> Self {
        Self(
            Sha256::new()
                .chain_update(b"imgdelta seed 1")
                .chain_update(size.0.to_le_bytes()),
        )
    }

    pub(crate) fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

impl UnitWriter {
    /// For parts of at most `step` bytes.
    pub(crate) fn new(writer: &dyn ImageWriter, step: Bytes) -> Self {
        let shape = writer.shape();
        Self {
            shape,
            encoder: writer.encoder(),
            data: AlignedBuffer::zeroed(step),
            grains: Vec::new(),
            filled: Filled::Grains,
            out: Vec::new(),
            compressed: Vec::new(),
            adopted: Vec::new(),
            packed: Vec::new(),
            units: Vec::new(),
            writes: Vec::new(),
            standing: Vec::new(),
        }
    }

    /// Starts a part of `len` bytes: zero and absent.
    pub(crate) fn begin(&mut self, len: Bytes) {
        match self.filled {
            Filled::All => self.data.bytes_mut().fill(0),
            Filled::Grains => self.clear_grains(),
        }
        self.filled = Filled::Grains;
        self.reset(len);
    }

    /// Starts a part of `len` bytes that will all be filled in: what stands in the buffer stays.
    pub(crate) fn begin_full(&mut self, len: Bytes) {
        self.filled = Filled::All;
        self.reset(len);
    }

    /// Zeroes the grains that are said to be something.
    fn clear_grains(&mut self) {
        let grain = self.shape.grain.in_memory().max(1);
        let pieces = self.data.bytes_mut().chunks_mut(grain);
        for (piece, state) in pieces.zip(&self.grains) {
            if *state != BlockState::Absent {
                piece.fill(0);
            }
        }
    }

    fn reset(&mut self, len: Bytes) {
        self.compressed.clear();
        self.adopted.clear();
        self.units.clear();
        self.writes.clear();
        self.standing.clear();
        self.grains.clear();
        let grains = Bytes(len.pieces(self.shape.grain)).in_memory();
        self.grains.resize(grains, BlockState::Absent);
    }

    /// The part's bytes, to be filled in: after [`begin`](Self::begin) only those of grains that are said to be something.
    pub(crate) fn data_mut(&mut self) -> &mut [u8] {
        self.data.bytes_mut()
    }

    /// The part's bytes.
    pub(crate) fn data(&self) -> &[u8] {
        self.data.bytes()
    }

    /// Says where bytes of the part stand in files, in order: what is written of them may be shared.
    pub(crate) fn stand(&mut self, standing: Vec<Standing>) {
        self.standing = standing;
    }

    /// How units are compressed that can be [adopted](Self::adopt).
    pub(crate) fn coding(&self) -> Option<UnitCoding> {
        self.encoder.coding()
    }

    /// Fills in the whole unit at `at`, which starts at `skip` of the part, by `read`, which also says what another image of the same
    /// coding has compressed it to. That is written if the unit is all data; units are adopted in order.
    pub(crate) fn adopt(
        &mut self,
        at: VirtOffset,
        skip: usize,
        read: impl FnOnce(&mut [u8], &mut Vec<u8>) -> Result<()>,
    ) -> Result<()> {
        let end = skip.saturating_add(self.shape.unit.in_memory());
        self.packed.clear();
        let mut packed = std::mem::take(&mut self.packed);
        read(
            self.data_mut().get_mut(skip..end).unwrap_or_default(),
            &mut packed,
        )?;
        let start = self.compressed.len();
        if !packed.is_empty() && self.encoder.adopt(at, &packed, &mut self.compressed) {
            let len = self.compressed.len() - start;
            self.adopted.push((skip, start, len));
        }
        self.packed = packed;
        Ok(())
    }

    /// What each grain is.
    pub(crate) fn grains(&self) -> &[BlockState] {
        &self.grains
    }

    /// What each grain is, to be filled in.
    pub(crate) fn grains_mut(&mut self) -> &mut [BlockState] {
        &mut self.grains
    }

    /// Packs every unit that says anything of the part of `len` bytes; `address_of` says where on the disk a unit lies, given where it starts in
    /// the part.
    pub(crate) fn pack(
        &mut self,
        len: Bytes,
        address_of: impl Fn(Bytes) -> VirtOffset,
    ) -> Result<()> {
        let (unit, grain) = (
            self.shape.unit.in_memory().max(1),
            self.shape.grain.in_memory().max(1),
        );
        let bytes = self.data.bytes().get(..len.in_memory()).unwrap_or_default();
        let per_unit = (unit / grain).max(1);
        for (number, (bytes, grains)) in bytes
            .chunks(unit)
            .zip(self.grains.chunks(per_unit))
            .enumerate()
        {
            if grains.iter().all(|grain| *grain == BlockState::Absent) {
                continue;
            }
            let skip = number * unit;
            let at = address_of(Bytes::from(skip));
            let one = Unit { at, bytes, grains };
            let (encoded, compressed) = match adopted_of(&self.adopted, skip, grains) {
                Some(compressed) => (Encoded::COMPRESSED, compressed),
                None => {
                    let start = self.compressed.len();
                    self.out.clear();
                    let encoded = self.encoder.encode(&one, &mut self.out)?;
                    self.compressed.append(&mut self.out);
                    (encoded, (start, self.compressed.len() - start))
                }
            };
            let hash = if self.shape.has_ids {
                xxh3_128(bytes)
            } else {
                0
            };
            self.units.push(Ready {
                at,
                skip,
                len: bytes.len(),
                encoded,
                compressed,
                hash,
            });
        }
        Ok(())
    }

    /// What the child will say of each grain once the part, which is packed, is placed.
    pub(crate) fn read_back(&self) -> Vec<BlockState> {
        let mut grains = self.grains.clone();
        for ready in &self.units {
            let range = self.grains_of(ready);
            for grain in grains.get_mut(range).unwrap_or_default() {
                *grain = ready.encoded.reads_as.of(*grain);
            }
        }
        grains
    }

    /// Which of the part's grains a unit has.
    fn grains_of(&self, ready: &Ready) -> Range<usize> {
        let grain = self.shape.grain.in_memory().max(1);
        let end = ready.skip.saturating_add(ready.len).div_ceil(grain);
        ready.skip / grain..end
    }

    /// How many units of the part are to be placed.
    pub(crate) fn units(&self) -> u64 {
        self.units.len() as u64
    }

    /// Has the units placed, in order; returns how many bytes are to be written.
    pub(crate) fn place(&mut self, writer: &mut dyn ImageWriter, seed: &mut Seed) -> Result<Bytes> {
        let mut total = 0;
        for ready in &self.units {
            let bytes = self
                .data
                .bytes()
                .get(ready.skip..ready.skip + ready.len)
                .unwrap_or_default();
            let unit = Unit {
                at: ready.at,
                bytes,
                grains: self.grains.get(self.grains_of(ready)).unwrap_or_default(),
            };
            if self.shape.has_ids {
                seed.0.update(unit.at.0.to_le_bytes());
                seed.0.update(ready.hash.to_le_bytes());
            }
            let is_compressed = ready.encoded.payload == Payload::Compressed;
            let (skip, len) = if is_compressed {
                ready.compressed
            } else {
                (ready.skip, ready.len)
            };
            if let Some(placed) = writer.place(&unit, ready.encoded.payload, Bytes::from(len))? {
                total += len as u64;
                if placed.sink.is_sequential() {
                    placed
                        .sink
                        .write_at(placed.at, self.bytes_of(skip, len, is_compressed))?;
                } else {
                    self.writes.push(Write {
                        placed,
                        skip,
                        len,
                        is_compressed,
                    });
                }
            }
        }
        Ok(Bytes(total))
    }

    fn bytes_of(&self, skip: usize, len: usize, is_compressed: bool) -> &[u8] {
        let from = if is_compressed {
            self.compressed.as_slice()
        } else {
            self.data.bytes()
        };
        from.get(skip..skip.saturating_add(len)).unwrap_or_default()
    }
}

/// Where the bytes stand of the unit at `skip` of a part, if it was adopted and is all data.
fn adopted_of(
    adopted: &[(usize, usize, usize)],
    skip: usize,
    grains: &[BlockState],
) -> Option<(usize, usize)> {
    let number = adopted
        .binary_search_by_key(&skip, |(skip, ..)| *skip)
        .ok()?;
    let (_, start, len) = adopted.get(number)?;
    let is_data = grains.iter().all(|grain| *grain == BlockState::Data);
    is_data.then_some((*start, *len))
}
