//! Writes qcow2 images: whole ones and children, every cluster once, in order of address.
//!
//! Data come first, an L2 table behind its data, a refcount block behind what it counts; what names all that comes last, and
//! the header last of all. Making the file durable and giving it its name is the caller's work.

mod create_options;
mod encode;
mod header;
mod refcounts;
mod space;
mod tables;

use std::sync::Arc;

use imgdelta_core::{
    BlockState, Bytes, Create, Encoder, Error, FileOffset, FinishParams, ImageWriter, Kind,
    Payload, Placement, Reservation, Result, SECTOR, Sink, Unit, WriterLayout, write_without_zeros,
};

use self::{
    create_options::{Compression, CreateOptions},
    header::HeaderBuilder,
    space::{ClusterAllocator, Preallocation},
    tables::Tables,
};
use crate::layout::{L1Entry, L2Entry, Subclusters};

pub(crate) use self::create_options::OPTIONS;

/// Begins an image.
///
/// # Errors
/// Usage, if options are wrong; Unsupported, if there is no such qcow2; Host, if the host cannot make a file.
pub(crate) fn create(create: Create<'_>) -> Result<Box<dyn ImageWriter>> {
    let form = CreateOptions::take(create.options)?;
    let size = create.disk.size.round_up(Bytes(SECTOR));
    let parent = create.parent.as_ref();
    let head = HeaderBuilder::new(&form, size, parent)?;
    let data = match &form.data_file {
        Some(file) if file.is_raw && parent.is_some() => {
            return Err(Error::new(
                Kind::Usage,
                "data_file_raw=on does not go with a parent",
            ));
        }
        Some(file) => Some(create.outputs.other(&file.name)?),
        None => None,
    };
    let sink = create.outputs.main()?;
    if sink.is_sequential() {
        return Err(Error::new(
            Kind::Unsupported,
            "qcow2 cannot be written to a pipe",
        ));
    }
    let ahead = if form.compression != Compression::None {
        Preallocation::Off
    } else if form.extended_l2 && parent.is_some() {
        Preallocation::Rows(Reservation::new(FileOffset::ZERO, size, true))
    } else {
        Preallocation::Steps(0)
    };
    Ok(Box::new(Writer {
        space: ClusterAllocator::new(sink, form.cluster_bits, form.refcount_order, ahead),
        tables: Tables::new(&form),
        has_parent: parent.is_some(),
        next: 0,
        form,
        size,
        head,
        data,
    }))
}

/// An image in the making.
struct Writer {
    /// Which qcow2.
    form: CreateOptions,
    /// The size of the disk, a multiple of a sector.
    size: Bytes,
    /// Whether what is not written shows a parent.
    has_parent: bool,
    /// The first cluster.
    head: HeaderBuilder,
    /// Where data go if not to the image.
    data: Option<Arc<dyn Sink>>,
    /// The image's clusters.
    space: ClusterAllocator,
    /// What the guest's clusters are.
    tables: Tables,
    /// The first guest cluster that may still come.
    next: u64,
}

impl ImageWriter for Writer {
    fn shape(&self) -> WriterLayout {
        WriterLayout {
            size: self.size,
            unit: self.form.cluster(),
            grain: if self.has_parent {
                self.form.subcluster()
            } else {
                self.form.cluster()
            },
            marks_zero: self.form.version >= 3,
            wants_zeros: false,
            has_ids: false,
        }
    }

    fn encoder(&self) -> Box<dyn Encoder> {
        encode::encoder(&self.form)
    }

    fn place(
        &mut self,
        unit: &Unit<'_>,
        payload: Payload,
        stored: Bytes,
    ) -> Result<Option<Placement>> {
        let cluster = self.turn_to(unit)?;
        match payload {
            Payload::None => self.place_nothing(cluster, unit).map(|()| None),
            Payload::Plain => self.place_plain(cluster, unit).map(Some),
            Payload::Compressed => self.place_compressed(cluster, stored).map(Some),
        }
    }

    fn finish(mut self: Box<Self>, _seal: &FinishParams) -> Result<()> {
        self.tables.close(&mut self.space)?;
        let l1 = Bytes(u64::from(self.head.l1_size()) * L1Entry::SIZE);
        let l1_clusters = l1.pieces(self.form.cluster());
        let ends = self.space.finish(l1_clusters)?;
        let sink = self.space.sink();
        let l1_len = Bytes(l1_clusters << self.form.cluster_bits);
        self.tables.write_l1(&**sink, ends.l1, l1_len)?;
        write_without_zeros(&**sink, FileOffset::ZERO, &self.head.emit(&ends))?;
        if let Some(data) = &self.data {
            data.set_len(self.size)?;
        }
        sink.set_len(ends.len)
    }
}

impl Writer {
    /// Which guest cluster a unit is. Each comes once, in order.
    fn turn_to(&mut self, unit: &Unit<'_>) -> Result<u64> {
        let cluster = unit.at.0 >> self.form.cluster_bits;
        let is_whole = unit.at.is_aligned(self.form.cluster()) && unit.at.0 < self.size.0;
        if !is_whole || cluster < self.next {
            return Err(Error::new(
                Kind::Unsupported,
                format!(
                    "a unit at {} comes after cluster {} of a disk of {} bytes",
                    unit.at, self.next, self.size.0
                ),
            ));
        }
        self.next = cluster + 1;
        Ok(cluster)
    }

    /// Marks what is zero and hides the parent.
    fn place_nothing(&mut self, cluster: u64, unit: &Unit<'_>) -> Result<()> {
        if !self.has_parent || !unit.grains.contains(&BlockState::Zero) {
            return Ok(());
        }
        if self.form.version < 3 {
            return Err(Error::new(
                Kind::Unsupported,
                "a child of version 2 has no mark for zeros",
            ));
        }
        let subclusters = self.subclusters(unit);
        let entry = if self.form.extended_l2 {
            L2Entry::default()
        } else {
            L2Entry::ZERO
        };
        self.tables.turn_to(cluster, &mut self.space)?;
        self.tables.set(cluster, entry, subclusters);
        Ok(())
    }

    /// Gives a cluster of the guest one of the file; in a data file it has the guest's address.
    fn place_plain(&mut self, cluster: u64, unit: &Unit<'_>) -> Result<Placement> {
        self.tables.turn_to(cluster, &mut self.space)?;
        let placed = match &self.data {
            Some(data) => Placement {
                sink: Arc::clone(data),
                at: FileOffset(unit.at.0),
                padding: Bytes::ZERO,
            },
            None => Placement {
                at: self.space.take_for(unit)?,
                sink: Arc::clone(self.space.sink()),
                padding: Bytes(
                    self.form
                        .cluster()
                        .0
                        .saturating_sub(unit.bytes.len() as u64),
                ),
            },
        };
        let entry = L2Entry::of_data(placed.at);
        self.tables.set(cluster, entry, self.subclusters(unit));
        Ok(placed)
    }

    /// Gives compressed bytes the room that they need.
    fn place_compressed(&mut self, cluster: u64, stored: Bytes) -> Result<Placement> {
        self.tables.turn_to(cluster, &mut self.space)?;
        let at = self.space.take_packed(stored)?;
        let entry =
            L2Entry::of_compressed(at, stored, self.form.cluster_bits).ok_or_else(|| {
                Error::new(
                    Kind::Unsupported,
                    format!(
                        "{} packed bytes at {at} are out of an L2 entry's reach",
                        stored.0
                    ),
                )
                .with_hint("use a smaller --option cluster_size")
            })?;
        self.tables.set(cluster, entry, Subclusters::default());
        Ok(Placement {
            sink: Arc::clone(self.space.sink()),
            at,
            padding: Bytes::ZERO,
        })
    }

    /// What the subclusters of a unit are: each a grain, or all of them one.
    fn subclusters(&self, unit: &Unit<'_>) -> Subclusters {
        if !self.form.extended_l2 {
            return Subclusters::default();
        }
        let each = if self.has_parent { 1 } else { u32::MAX };
        let those = |wanted: BlockState| {
            let bits = (0..u32::BITS).zip(unit.grains);
            bits.fold(0, |all, (place, grain)| {
                all | ((each * u32::from(*grain == wanted)) << place)
            })
        };
        Subclusters {
            allocated: those(BlockState::Data),
            zero: those(BlockState::Zero),
        }
    }
}
