//! A qcow2 image as a layer.
//!
//! Its metadata are judged in `validate`, its map is in `map`, compressed clusters are unpacked in `compressed`.

use std::sync::Arc;

use imgdelta_core::{
    Bytes, Extent, FileOffset, Image, ImageMetadata, Open, ParentLink, References, Result, Source,
    State, UnitCoding, VirtOffset,
};

use crate::{
    check,
    compressed::{CompressedCluster, Unpacker},
    fault::Fault,
    geometry::Geometry,
    info,
    map::ClusterTable,
    open_options::OpenOptions,
    validate::ValidatedHeader,
};

/// An open image.
#[derive(Debug)]
struct Qcow2 {
    facts: ImageMetadata,
    parent: Option<ParentLink>,
    geometry: Geometry,
    table: ClusterTable,
    unpacker: Unpacker,
    /// All that is known of it, for who looks closer.
    meta: ValidatedHeader,
    choices: OpenOptions,
}

/// Opens an image, or a snapshot in it.
pub(crate) fn open(open: Open<'_>) -> Result<Arc<dyn Image>> {
    let choices = OpenOptions::of(open.options)?;
    let source = open.source;
    let meta = ValidatedHeader::read(&*source)?;
    meta.refuse_unreadable()?;
    if !choices.ignores_corrupt {
        meta.refuse_corrupt()?;
    }
    let parent = meta.parent()?;
    let mut reserved = meta.reserved();
    let (l1, size) = match &open.snapshot {
        None => (
            FileOffset(meta.header.l1_table_offset),
            Bytes(meta.header.size),
        ),
        Some(wanted) => {
            let snapshot = meta.snapshots.find(wanted)?;
            let l1 = snapshot.l1(meta.geometry, source.len())?;
            reserved.add("L1 table of the snapshot", l1, snapshot.l1_len());
            (l1, snapshot.size)
        }
    };
    let mut files = vec![Arc::clone(&source)];
    let mut data = (0, source.len());
    if let Some(name) = meta.data_file()? {
        let file = open.aux_files.open(name)?;
        data = (1, file.len());
        files.push(file);
    }
    let mut facts = info::facts(&meta, size, files);
    if choices.ignores_dirty {
        facts
            .notes
            .retain(|note| !note.starts_with("the dirty bit"));
    }
    let geometry = meta.geometry;
    Ok(Arc::new(Qcow2 {
        facts,
        parent,
        geometry,
        table: ClusterTable::new(Arc::clone(&source), geometry, reserved, (l1, size), data),
        unpacker: Unpacker::new(source, meta.compression, geometry.cluster()),
        meta,
        choices,
    }))
}

/// What an image names outside itself.
pub(crate) fn references(source: &Arc<dyn Source>) -> Result<References> {
    let meta = ValidatedHeader::read(&**source)?;
    Ok(References {
        parent: meta.parent()?,
        aux_files: meta.data_file()?.map(str::to_owned).into_iter().collect(),
    })
}

impl Image for Qcow2 {
    fn metadata(&self) -> &ImageMetadata {
        &self.facts
    }

    fn parent(&self) -> Option<&ParentLink> {
        self.parent.as_ref()
    }

    fn extent_at(&self, at: VirtOffset) -> Result<Extent> {
        self.table.extent_at(at)
    }

    fn read_compressed(&self, extents: &[Extent], buf: &mut [u8]) -> Result<()> {
        let mut rest = buf;
        for extent in extents {
            let State::Compressed { unit, at, len } = extent.state else {
                return Err(Fault::NoData { guest: extent.at }.into());
            };
            let (now, later) = rest.split_at_mut(extent.len.in_memory().min(rest.len()));
            let packed = CompressedCluster {
                guest: unit,
                host: at,
                len,
            };
            self.unpacker.read(packed, extent.at.since(unit), now)?;
            rest = later;
        }
        Ok(())
    }

    fn coding(&self) -> Option<UnitCoding> {
        self.compressed_unit()
            .map(|unit| self.unpacker.coding(unit))
    }

    fn read_packed(&self, unit: &Extent, buf: &mut [u8], packed: &mut Vec<u8>) -> Result<()> {
        match unit.state {
            State::Compressed {
                unit: guest,
                at,
                len,
            } if guest == unit.at && Bytes::from(buf.len()) == self.geometry.cluster() => {
                let cluster = CompressedCluster {
                    guest,
                    host: at,
                    len,
                };
                self.unpacker.unpack_keeping(cluster, buf, packed)
            }
            _ => self.read_compressed(std::slice::from_ref(unit), buf),
        }
    }

    fn passed_over(&self) -> Result<Vec<String>> {
        let files = &self.facts.files;
        let (Some(source), Some(data)) = (files.first(), files.last()) else {
            return Ok(Vec::new());
        };
        Ok(check::look(source, &self.meta, self.choices, data.len())?.summary(&[]))
    }

    fn compressed_unit(&self) -> Option<Bytes> {
        (!self.geometry.data_file).then(|| self.geometry.cluster())
    }
}
