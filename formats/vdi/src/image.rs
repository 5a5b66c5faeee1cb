//! The layer that a VDI holds: opened, mapped, read. Its parent is named and never opened.

use std::sync::Arc;

use imgdelta_core::{
    Bytes, Error, Extent, Image, ImageMetadata, Kind, Open, PagedTable, ParentLink, References,
    Result, Source, State, VirtOffset,
};

use crate::{
    check, info,
    map::{BlockEntry, Map},
    open_options::require_none,
    validate::ValidatedHeader,
};

/// An open VDI.
#[derive(Debug)]
struct Vdi {
    facts: ImageMetadata,
    parent: Option<ParentLink>,
    map: Map,
    pages: PagedTable,
    source: Arc<dyn Source>,
}

/// Opens an image.
pub(crate) fn open(open: Open<'_>) -> Result<Arc<dyn Image>> {
    require_none(open.options)?;
    if let Some(name) = open.snapshot {
        let message = format!("VDI has no internal snapshots, '{name}' was asked for");
        return Err(Error::new(Kind::Unsupported, message));
    }
    let source = open.source;
    let mut meta = ValidatedHeader::read(&*source)?;
    let map = Map::of(&meta);
    if let Some(index) = map.validate_all(&*source)?
        && index >= meta.header.blocks_allocated
    {
        meta.notes.push(format!(
            "cBlocksAllocated is {}, but block index {index} is used: a crash came between map and counter",
            meta.header.blocks_allocated
        ));
    }
    Ok(Arc::new(Vdi {
        facts: info::of(&meta, &source),
        parent: meta.link(),
        pages: PagedTable::new(Arc::clone(&source)),
        map,
        source,
    }))
}

/// The parent link alone. The map is not looked at.
pub(crate) fn references(source: &Arc<dyn Source>) -> Result<References> {
    Ok(ValidatedHeader::read(&**source)?.references())
}

impl Image for Vdi {
    fn metadata(&self) -> &ImageMetadata {
        &self.facts
    }

    fn parent(&self) -> Option<&ParentLink> {
        self.parent.as_ref()
    }

    fn extent_at(&self, at: VirtOffset) -> Result<Extent> {
        let left = Bytes(self.map.size.0.saturating_sub(at.0));
        let (block, inside) = self.map.split(at.0);
        let entry = self.map.entry(&self.pages, block)?;
        let blocks = self.map.run(&self.pages, block, entry)?;
        let len = self.map.block_size.0.saturating_mul(blocks);
        let state = match entry {
            BlockEntry::Free => State::Absent,
            BlockEntry::Zero => State::Zero,
            BlockEntry::Index(index) => State::Data {
                file: 0,
                at: self.map.data_at(index).saturating_add(Bytes(inside)),
            },
        };
        Ok(Extent {
            at,
            len: Bytes(len.saturating_sub(inside)).min(left),
            state,
        })
    }

    fn passed_over(&self) -> Result<Vec<String>> {
        // Ids that are missing are noted when it opens.
        Ok(check::look(&*self.source)?.summary(&["vdi_null_uuid"]))
    }
}
