//! The layer that an image holds: opened, mapped, read. Its parent is named and never opened.

use std::sync::Arc;

use imgdelta_core::{
    Bytes, Error, Extent, Image, ImageMetadata, Kind, Open, ParentLink, References, Result, Source,
    State, VirtOffset,
};

use crate::{
    check,
    compressed::{CompressedCluster, Unpacker},
    info,
    map::BlockTable,
    open_options::require_none,
    validate::ValidatedHeader,
};

/// An open image.
#[derive(Debug)]
struct Qcow1 {
    facts: ImageMetadata,
    parent: Option<ParentLink>,
    table: BlockTable,
    unpacker: Unpacker,
}

/// Opens an image.
pub(crate) fn open(open: Open<'_>) -> Result<Arc<dyn Image>> {
    require_none(open.options)?;
    if let Some(name) = open.snapshot {
        let message = format!("qcow1 has no internal snapshots, '{name}' was asked for");
        return Err(Error::new(Kind::Unsupported, message));
    }
    let source = open.source;
    let meta = ValidatedHeader::read(&*source)?;
    Ok(Arc::new(Qcow1 {
        facts: info::of(&meta, &source),
        parent: meta.link(),
        table: BlockTable::new(&meta, Arc::clone(&source)),
        unpacker: Unpacker::new(source, meta.cluster()),
    }))
}

/// The parent link alone. The tables are not looked at.
pub(crate) fn references(source: &Arc<dyn Source>) -> Result<References> {
    Ok(ValidatedHeader::read(&**source)?.references())
}

impl Image for Qcow1 {
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
                return Err(Error::new(Kind::Usage, "the extent is not compressed"));
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

    fn passed_over(&self) -> Result<Vec<String>> {
        match self.facts.files.first() {
            Some(source) => Ok(check::look(&self.table, &**source)?.summary(&[])),
            None => Ok(Vec::new()),
        }
    }

    fn compressed_unit(&self) -> Option<Bytes> {
        Some(self.table.cluster())
    }
}
