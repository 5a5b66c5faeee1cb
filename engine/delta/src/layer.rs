//! The layer digest: what proves a child's own layer, whatever path or parent it names.
//!
//! The tree of a content id, over the child's windows; each leaf hashes a map of what each 512-byte sector is (0 absent, 1 zero,
//! 2 data) and then the bytes of the sectors that are data. Link fields are no part of it, so `attach` leaves it true.

use imgdelta_core::{Bytes, Grain, Image, Result, SECTOR, VirtOffset};
use sha2::{Digest as _, Sha256};

use crate::{
    digest_cache::windows_of,
    exec::ExecContext,
    ordered::{self, Line},
    tree::{Builder, ContentId, Digest, Filler, WINDOW},
};

/// Sectors in a window.
const SECTORS: usize = (WINDOW.0 / SECTOR) as usize;

/// The leaf of a window: what each of its sectors is, and all its bytes.
pub(crate) fn leaf(sectors: &[Grain], bytes: &[u8]) -> Digest {
    let mut map = [0; SECTORS];
    for (place, sector) in map.iter_mut().zip(sectors) {
        *place = match sector {
            Grain::Absent => 0,
            Grain::Zero => 1,
            Grain::Data => 2,
        };
    }
    let map = map.get(..sectors.len()).unwrap_or(&map);
    let mut hash = Sha256::new().chain_update([0]).chain_update(map);
    let sector = SECTOR as usize;
    let mut from = 0;
    for run in sectors.chunk_by(|one, two| one == two) {
        let to = from + run.len() * sector;
        if run.first() == Some(&Grain::Data) {
            hash.update(bytes.get(from..to.min(bytes.len())).unwrap_or_default());
        }
        from = to;
    }
    Digest(hash.finalize().into())
}

/// Takes a layer's windows in order.
#[derive(Debug)]
pub(crate) struct LayerProver {
    size: Bytes,
    tree: Builder,
    absent: Filler,
}

impl LayerProver {
    pub(crate) fn new(size: Bytes) -> Self {
        Self {
            size,
            tree: Builder::new(None),
            absent: Filler::of(leaf(&[Grain::Absent; SECTORS], &[])),
        }
    }

    /// How many sectors of window `number` lie on the disk.
    pub(crate) fn sectors_of(size: Bytes, number: u64) -> usize {
        let left = Bytes(size.0.saturating_sub(number.saturating_mul(WINDOW.0)));
        Bytes(left.pieces(Bytes(SECTOR))).in_memory().min(SECTORS)
    }

    /// The next window; one beyond the disk's end is not taken.
    pub(crate) fn leaf(&mut self, leaf: &Digest) {
        if self.tree.leaves() < windows_of(self.size) {
            self.tree.push(*leaf);
        }
    }

    /// The next `count` windows, of which the layer says nothing; those beyond the disk's end are not taken.
    pub(crate) fn absent(&mut self, count: u64) {
        let from = self.tree.leaves();
        let to = from.saturating_add(count).min(windows_of(self.size));
        let whole = to.min(self.size.0 / WINDOW.0).saturating_sub(from);
        self.tree.push_run(&self.absent, whole);
        if from.saturating_add(whole) < to {
            let sectors = Self::sectors_of(self.size, to - 1);
            let map = [Grain::Absent; SECTORS];
            self.tree
                .push(leaf(map.get(..sectors).unwrap_or(&map), &[]));
        }
    }

    pub(crate) fn finish(mut self) -> Digest {
        self.absent(windows_of(self.size).saturating_sub(self.tree.leaves()));
        ContentId::new(self.size, &self.tree.finish().0).0
    }
}

/// The digest of the layer that `image` is, its parent apart.
///
/// # Errors
/// Corrupt or Host, if the image cannot be read; Interrupted.
pub fn layer_digest(image: &dyn Image, work: ExecContext<'_>) -> Result<Digest> {
    let size = image.facts().size;
    work.watch.begin(size);
    let line = Reader { image, size, work };
    let serial = Serial {
        at: VirtOffset::ZERO,
        prover: LayerProver::new(size),
    };
    let desks = work.desks(|| vec![0; WINDOW.in_memory()]);
    Ok(ordered::run(&line, desks, serial)?.prover.finish())
}

struct Reader<'a> {
    image: &'a dyn Image,
    size: Bytes,
    work: ExecContext<'a>,
}

struct Serial {
    at: VirtOffset,
    prover: LayerProver,
}

/// A run of windows: silent ones are counted, others are read.
struct Piece {
    first: u64,
    count: u64,
    is_absent: bool,
    leaves: Vec<Digest>,
}

impl Line for Reader<'_> {
    type Piece = Piece;
    type Desk = Vec<u8>;
    type Serial = Serial;

    fn next(&self, serial: &mut Serial) -> Result<Option<Piece>> {
        self.work.watch.go_on()?;
        if serial.at.0 >= self.size.0 {
            return Ok(None);
        }
        let first = serial.at.0 / WINDOW.0;
        let silent = self.silent_until(serial.at)?;
        let whole = if silent.0 >= self.size.0 {
            windows_of(self.size)
        } else {
            silent.0 / WINDOW.0
        };
        let (count, is_absent) = match whole.saturating_sub(first) {
            0 => (16.min(windows_of(self.size) - first), false),
            count => (count, true),
        };
        serial.at = VirtOffset((first + count).saturating_mul(WINDOW.0));
        Ok(Some(Piece {
            first,
            count,
            is_absent,
            leaves: Vec::new(),
        }))
    }

    fn work(&self, buf: &mut Vec<u8>, piece: &mut Piece) -> Result<()> {
        if piece.is_absent {
            return Ok(());
        }
        for number in piece.first..piece.first + piece.count {
            let sectors = self.read_window(number, buf)?;
            piece.leaves.push(leaf(&sectors, buf));
        }
        Ok(())
    }

    fn turn(&self, _: &mut Vec<u8>, piece: &mut Piece, serial: &mut Serial) -> Result<()> {
        if piece.is_absent {
            serial.prover.absent(piece.count);
        }
        piece
            .leaves
            .iter()
            .for_each(|leaf| serial.prover.leaf(leaf));
        self.work
            .watch
            .advance(Bytes(piece.count.saturating_mul(WINDOW.0)), Bytes::ZERO);
        Ok(())
    }

    fn after(&self, _: &mut Vec<u8>, _: Piece) -> Result<()> {
        Ok(())
    }
}

impl Reader<'_> {
    /// Up to where the layer says nothing from `at` on.
    fn silent_until(&self, at: VirtOffset) -> Result<VirtOffset> {
        let mut at = at;
        while at.0 < self.size.0 {
            let extent = self.image.extent_at(at)?;
            if Grain::from(extent.state) != Grain::Absent {
                break;
            }
            at = extent.end();
        }
        Ok(at)
    }

    /// What each sector of a window is; its data go to `buf`.
    fn read_window(&self, number: u64, buf: &mut [u8]) -> Result<Vec<Grain>> {
        let start = VirtOffset(number.saturating_mul(WINDOW.0));
        let end = start.saturating_add(WINDOW).min(VirtOffset(self.size.0));
        let mut sectors = vec![Grain::Absent; LayerProver::sectors_of(self.size, number)];
        let mut at = start;
        while at < end {
            let extent = self.image.extent_at(at)?;
            let to = extent.end().min(end);
            let grain = Grain::from(extent.state);
            let range = at.since(start).in_memory()..to.since(start).in_memory();
            if grain == Grain::Data
                && let Some(part) = buf.get_mut(range.clone())
            {
                self.image.read_data(at, part)?;
            }
            let sector = SECTOR as usize;
            if let Some(part) = sectors.get_mut(range.start / sector..range.end.div_ceil(sector)) {
                part.fill(grain);
            }
            at = to;
        }
        Ok(sectors)
    }
}
