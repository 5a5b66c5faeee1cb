//! Layers, top first, whose union is a disk.
//!
//! A chain knows no format: it asks each layer in turn, and what no layer says is zero. Below a layer that is smaller than the
//! disk, what lies beyond that layer's end is hidden, as every hypervisor does it.

mod cursor;
mod files;
mod packed;
mod run;

use std::sync::Arc;

use imgdelta_core::{
    Bytes, DiskSpec, Error, Extent, FileVersion, Image, Kind, LayerId, Result, SECTOR, State,
    VirtOffset,
};

use crate::exec::Decoding;

pub use cursor::Cursor;
pub(crate) use cursor::SharedAnswers;
pub use run::{Origin, Run};

/// One layer of a chain.
#[derive(Clone, Debug)]
pub struct Layer {
    /// The open image.
    pub image: Arc<dyn Image>,
    /// Which layer it is.
    id: LayerId,
}

impl Layer {
    /// A layer from an open image, and which layer that is: both come from where it was opened.
    #[must_use]
    pub const fn new(image: Arc<dyn Image>, id: LayerId) -> Self {
        Self { image, id }
    }

    /// Which layer it is.
    #[must_use]
    pub const fn id(&self) -> &LayerId {
        &self.id
    }

    /// The version of each of its files when it was opened; none for images in memory.
    #[must_use]
    pub fn stamps(&self) -> &[FileVersion] {
        self.id.files()
    }

    /// Whether both are one layer: the same image in memory, or the same layer of files on the host.
    fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.image, &other.image) || self.id.is_same(&other.id)
    }

    /// Makes sure that none of its files has changed since it was opened. A device says nothing of that.
    fn prove_unchanged(&self) -> Result<()> {
        for file in &self.image.metadata().files {
            let Some(now) = file.stamp()? else { continue };
            if !now.is_device && file.opened() != Some(&now) {
                let error = Error::new(
                    Kind::Host,
                    "changed while it was read; the result is discarded",
                )
                .with_code("input_changed");
                return Err(match file.path() {
                    Some(path) => error.in_file(path),
                    None => error,
                });
            }
        }
        Ok(())
    }
}

/// Layers, top first.
#[derive(Clone, Debug)]
pub struct Chain {
    layers: Vec<Layer>,
    size: Bytes,
    /// How far each layer is seen from above: the least size of all layers down to it.
    seen: Vec<Bytes>,
}

impl Chain {
    /// The disk that `layers` make, as large as the top one.
    ///
    /// # Errors
    /// Usage, if there is no layer.
    pub fn new(layers: Vec<Layer>) -> Result<Self> {
        let size = layers
            .first()
            .map(|top| top.image.metadata().size)
            .ok_or_else(|| Error::new(Kind::Usage, "a chain needs a layer"))?;
        Ok(Self::sized(layers, size))
    }

    fn sized(layers: Vec<Layer>, size: Bytes) -> Self {
        let mut least = size;
        let seen = layers
            .iter()
            .map(|layer| {
                least = least.min(layer.image.metadata().size);
                least
            })
            .collect();
        Self { layers, size, seen }
    }

    /// The same layers as a disk of another size: cut, or grown with zeros. For images whose format could only hold a rounded size.
    #[must_use]
    pub fn resized(&self, size: Bytes) -> Self {
        Self::sized(self.layers.clone(), size)
    }

    /// One layer and those of `below`.
    ///
    /// # Errors
    /// Never now; the signature keeps room for it.
    pub fn over(top: Layer, below: &Self) -> Result<Self> {
        let mut layers = vec![top];
        layers.extend(below.layers.iter().cloned());
        Self::new(layers)
    }

    /// The size of the disk.
    #[must_use]
    pub const fn size(&self) -> Bytes {
        self.size
    }

    /// The disk as a new image is to hold it. Its sectors are the largest that a layer says: formats that do not say count 512 bytes.
    #[must_use]
    pub fn disk(&self) -> DiskSpec {
        let all = self.layers.iter();
        let sectors = all.map(|layer| layer.image.metadata().logical_sector);
        DiskSpec {
            size: self.size,
            sector: sectors.max().unwrap_or(Bytes(SECTOR)),
        }
    }

    /// The layers, top first.
    #[must_use]
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// What reading costs where layers hold compressed units.
    pub(crate) fn decoding(&self) -> Decoding {
        let layers = self.layers.iter();
        Decoding::of(
            layers
                .filter_map(|layer| layer.image.compressed_unit())
                .max(),
        )
    }

    /// The largest block of all layers: reading less of a compressed block decodes it more than once.
    #[must_use]
    pub fn block_size(&self) -> Bytes {
        self.layers
            .iter()
            .filter_map(|layer| layer.image.metadata().block_size)
            .max()
            .unwrap_or(Bytes::ZERO)
    }

    /// From which layer on both chains are the same: its number in each. `None` if they have nothing in common.
    #[must_use]
    pub fn shared_with(&self, other: &Self) -> Option<(usize, usize)> {
        let common = self
            .layers
            .iter()
            .rev()
            .zip(other.layers.iter().rev())
            .take_while(|(one, two)| one.is_same(two))
            .count();
        (common > 0).then(|| (self.layers.len() - common, other.layers.len() - common))
    }

    /// The run from `at` on, as long as is known without further I/O. Layers from `floor` on are not asked.
    ///
    /// # Errors
    /// Corrupt or Host, if a layer cannot say.
    pub fn run_above(&self, at: VirtOffset, floor: usize) -> Result<Run> {
        self.run_asking(at, (0, floor), |_, layer| layer.image.extent_at(at))
    }

    /// The run from `at` on, each layer from `top` to above `floor` being asked through `ask`, by its number, until one says something.
    fn run_asking(
        &self,
        at: VirtOffset,
        (top, floor): (usize, usize),
        mut ask: impl FnMut(usize, &Layer) -> Result<Extent>,
    ) -> Result<Run> {
        let mut len = Bytes(self.size.0.saturating_sub(at.0));
        let run = |len, origin, state| {
            Ok(Run {
                at,
                len,
                origin,
                state,
            })
        };
        let layers = self.layers.iter().zip(&self.seen).enumerate();
        for (number, (layer, seen)) in layers.take(floor).skip(top) {
            if at.0 >= seen.0 {
                return run(len, Origin::Zero, State::Zero);
            }
            let extent = ask(number, layer)?;
            len = len.min(extent.len).min(Bytes(seen.0 - at.0));
            match extent.state {
                State::Absent => {}
                State::Zero => return run(len, Origin::Zero, State::Zero),
                state => return run(len, Origin::Layer(number), state),
            }
        }
        match self.seen.get(floor) {
            Some(seen) if at.0 < seen.0 => {
                let len = len.min(Bytes(seen.0 - at.0));
                run(len, Origin::Below(floor), State::Absent)
            }
            Some(_) => run(len, Origin::Zero, State::Zero),
            None => run(len, Origin::Zero, State::Absent),
        }
    }

    /// The run from `at` on: from which layer, and what that one says.
    ///
    /// # Errors
    /// As [`run_above`](Self::run_above).
    pub fn run_at(&self, at: VirtOffset) -> Result<Run> {
        self.run_above(at, self.layers.len())
    }

    /// The run from `at` on as an extent of the disk.
    ///
    /// # Errors
    /// As [`run_above`](Self::run_above).
    pub fn extent_at(&self, at: VirtOffset) -> Result<(Origin, Extent)> {
        let run = self.run_at(at)?;
        Ok((
            run.origin,
            Extent {
                at,
                len: run.len,
                state: run.state,
            },
        ))
    }

    /// Fills `buf` from runs that lie one behind the other, none being asked for again: plain bytes are read from the layers' files, in one
    /// piece where they go on in the file. Behind the last run it is zero.
    ///
    /// # Errors
    /// Corrupt or Host, if a layer cannot be read.
    pub(crate) fn read_runs(&self, runs: impl Iterator<Item = Run>, buf: &mut [u8]) -> Result<()> {
        let mut runs = runs.peekable();
        let mut rest = buf;
        let mut compressed = Vec::new();
        while let Some(first) = runs.next() {
            let mut run = first;
            let is_compressed = matches!(run.state, State::Compressed { .. });
            if is_compressed {
                compressed.clear();
                compressed.push(run.extent());
            }
            while let Some(next) = runs.peek() {
                if is_compressed
                    && next.origin == run.origin
                    && matches!(next.state, State::Compressed { .. })
                {
                    compressed.push(next.extent());
                    run.len = Bytes(run.len.0.saturating_add(next.len.0));
                } else if let Some(both) = run.joined(next).filter(|_| !is_compressed) {
                    run = both;
                } else {
                    break;
                }
                runs.next();
            }
            let (now, later) = rest.split_at_mut(run.len.in_memory().min(rest.len()));
            if is_compressed {
                self.layer(run.origin)?
                    .image
                    .read_compressed(&compressed, now)?;
            } else {
                self.read_run(&run, now)?;
            }
            rest = later;
        }
        rest.fill(0);
        Ok(())
    }

    /// Fills `buf` from a run.
    fn read_run(&self, run: &Run, buf: &mut [u8]) -> Result<()> {
        match run.origin {
            Origin::Zero => {
                buf.fill(0);
                Ok(())
            }
            Origin::Layer(_) => {
                let layer = self.layer(run.origin)?;
                layer.image.read_extent(&run.extent(), buf)
            }
            Origin::Below(top) => self.read_from(top, run.at, buf),
        }
    }

    fn layer(&self, origin: Origin) -> Result<&Layer> {
        let number = match origin {
            Origin::Layer(number) => self.layers.get(number),
            Origin::Zero | Origin::Below(_) => None,
        };
        let error = || Error::new(Kind::Usage, format!("the chain has no {origin:?}"));
        number.ok_or_else(error)
    }

    /// Fills `buf` with the disk's bytes from `at` on; beyond its end they are zero.
    ///
    /// # Errors
    /// Corrupt or Host, if a layer cannot be read.
    pub fn read_at(&self, at: VirtOffset, buf: &mut [u8]) -> Result<()> {
        self.read_from(0, at, buf)
    }

    /// As [`read_at`](Self::read_at), the layers above `top` being silent.
    fn read_from(&self, top: usize, at: VirtOffset, buf: &mut [u8]) -> Result<()> {
        let (mut at, mut rest) = (at, buf);
        while !rest.is_empty() {
            if at.0 >= self.size.0 {
                rest.fill(0);
                return Ok(());
            }
            let ask = |_, layer: &Layer| layer.image.extent_at(at);
            let mut run = self.run_asking(at, (top, self.layers.len()), ask)?;
            run.len = run.len.min(Bytes::from(rest.len()));
            let (now, later) = rest.split_at_mut(run.len.in_memory());
            self.read_run(&run, now)?;
            at = at.saturating_add(run.len);
            rest = later;
        }
        Ok(())
    }

    /// Makes sure that no file of the chain has changed since it was opened.
    ///
    /// # Errors
    /// Host, if one has: what was read of it is worth nothing.
    pub fn prove_unchanged(&self) -> Result<()> {
        self.layers.iter().try_for_each(Layer::prove_unchanged)
    }
}
