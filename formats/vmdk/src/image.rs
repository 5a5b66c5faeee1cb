//! The layer that a VMDK holds: opened, mapped, read. Its parent is named and never opened.

use std::sync::Arc;

use imgdelta_core::{
    Bytes, CheckReport, Error, Extent, Image, ImageMetadata, Kind, Open, ParentLink, References,
    Result, Source, State, UnitCoding, VirtOffset,
};

use crate::{
    disk::{self, Disk, aux_files, reading},
    extent::VmdkExtent,
    fault::Fault,
    image_kind::ImageFile,
    info, link,
    sparse::OpenOptions,
};

/// An open VMDK.
#[derive(Debug)]
struct Vmdk {
    disk: Disk,
    facts: ImageMetadata,
    parent: Option<ParentLink>,
}

/// Opens an image.
pub(crate) fn open(open: Open<'_>) -> Result<Arc<dyn Image>> {
    Ok(Arc::new(Vmdk::read(open, |reading| reading)?))
}

/// Looks for faults in all extents.
pub(crate) fn check(open: Open<'_>) -> Result<CheckReport> {
    let image = Vmdk::read(open, OpenOptions::for_check)?;
    let mut report = CheckReport::default();
    report.notes.extend(image.facts.notes.iter().cloned());
    for fault in &image.disk.faults {
        report.fault(Error::from(fault.clone()).in_structure("descriptor"));
    }
    for (_, piece) in &image.disk.pieces {
        piece.check(&mut report)?;
    }
    report.counts = summed(&report.counts);
    Ok(report)
}

/// The parent link and the names of the extents' files. Nothing else is opened.
pub(crate) fn references(source: &Arc<dyn Source>) -> Result<References> {
    let front = ImageFile::read(source)?;
    let in_descriptor = |fault: Fault| Error::from(fault).in_structure("descriptor");
    let parent = match &front.descriptor {
        Some(descriptor) => link::parent(descriptor).map_err(in_descriptor)?,
        None => None,
    };
    Ok(References {
        parent,
        aux_files: aux_files(&front).map_err(in_descriptor)?,
    })
}

/// The counts of several extents, added up by name.
fn summed(counts: &[(&'static str, u64)]) -> Vec<(&'static str, u64)> {
    let mut sums: Vec<(&'static str, u64)> = Vec::new();
    for (name, count) in counts {
        match sums.iter_mut().find(|(known, _)| known == name) {
            Some((_, sum)) => *sum = sum.saturating_add(*count),
            None => sums.push((name, *count)),
        }
    }
    sums
}

impl Vmdk {
    fn read(open: Open<'_>, meant: impl FnOnce(OpenOptions) -> OpenOptions) -> Result<Self> {
        let reading = meant(reading(open.options)?);
        if let Some(name) = open.snapshot {
            let message = format!("VMDK has no internal snapshots, '{name}' was asked for");
            return Err(Error::new(Kind::Unsupported, message));
        }
        let disk = Disk::open(&open.source, open.aux_files, reading)?;
        let parent = match &disk.descriptor {
            Some(descriptor) => link::parent(descriptor)
                .map_err(|fault| Error::from(fault).in_structure("descriptor"))?,
            None => None,
        };
        let facts = info::of(&disk)?;
        Ok(Self {
            disk,
            facts,
            parent,
        })
    }

    /// The extent that holds byte `at` of the disk: its start and itself.
    fn piece(&self, at: VirtOffset) -> Result<(u64, &dyn VmdkExtent)> {
        let after = self
            .disk
            .pieces
            .partition_point(|(start, _)| *start <= at.0);
        let piece = after.checked_sub(1).and_then(|at| self.disk.pieces.get(at));
        match piece {
            Some((start, piece)) if at < VirtOffset(self.disk.size.0) => Ok((*start, &**piece)),
            _ => Err(Fault::NotStored { at }.into()),
        }
    }
}

impl Image for Vmdk {
    fn metadata(&self) -> &ImageMetadata {
        &self.facts
    }

    fn parent(&self) -> Option<&ParentLink> {
        self.parent.as_ref()
    }

    fn extent_at(&self, at: VirtOffset) -> Result<Extent> {
        let (start, piece) = self.piece(at)?;
        let (len, state) = piece.run(at.0.saturating_sub(start))?;
        let state = match state {
            State::Compressed { unit, at, len } => State::Compressed {
                unit: unit.saturating_add(Bytes(start)),
                at,
                len,
            },
            state => state,
        };
        Ok(Extent { at, len, state })
    }

    fn read_compressed(&self, extents: &[Extent], buf: &mut [u8]) -> Result<()> {
        let (mut left, mut rest) = (extents, buf);
        while let Some(first) = left.first() {
            let (start, piece) = self.piece(first.at)?;
            let end = VirtOffset(start.saturating_add(piece.size().0));
            let count = left.iter().take_while(|one| one.at < end).count().max(1);
            let (units, later) = left.split_at(count);
            let len: u64 = units.iter().map(|one| one.len.0).sum();
            let (now, behind) = rest.split_at_mut(Bytes(len).in_memory().min(rest.len()));
            piece.read_compressed(start, units, now)?;
            (left, rest) = (later, behind);
        }
        Ok(())
    }

    /// Of a disk of one extent: those of several may have grains of several sizes.
    fn coding(&self) -> Option<UnitCoding> {
        match self.disk.pieces.as_slice() {
            [(_, piece)] => piece.compressed_unit().map(crate::grain::coding),
            _ => None,
        }
    }

    fn read_packed(&self, unit: &Extent, buf: &mut [u8], packed: &mut Vec<u8>) -> Result<()> {
        let (start, piece) = self.piece(unit.at)?;
        piece.read_packed(start, unit, buf, packed)
    }

    fn compressed_unit(&self) -> Option<Bytes> {
        let pieces = self.disk.pieces.iter();
        pieces
            .filter_map(|(_, piece)| piece.compressed_unit())
            .max()
    }
}

/// The names of the options that reading knows.
pub(crate) const OPTIONS: &[&str] = disk::OPTIONS;
