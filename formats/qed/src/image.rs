//! The layer that an image holds: opened, mapped, read. Its parent is named and never opened.

use std::sync::Arc;

use imgdelta_core::{
    Error, Extent, Image, ImageMetadata, Kind, Open, ParentLink, References, Result, Source,
    VirtOffset,
};

use crate::{check, info, map::BlockTable, open_options::require_none, validate::ValidatedHeader};

/// An open image.
#[derive(Debug)]
struct Qed {
    facts: ImageMetadata,
    parent: Option<ParentLink>,
    table: BlockTable,
    /// All that is known of it, for who looks closer.
    meta: ValidatedHeader,
}

/// Opens an image.
pub(crate) fn open(open: Open<'_>) -> Result<Arc<dyn Image>> {
    require_none(open.options)?;
    if let Some(name) = open.snapshot {
        let message = format!("QED has no internal snapshots, '{name}' was asked for");
        return Err(Error::new(Kind::Unsupported, message));
    }
    let source = open.source;
    let meta = ValidatedHeader::read(&*source)?;
    Ok(Arc::new(Qed {
        facts: info::of(&meta, &source),
        parent: meta.link(),
        table: BlockTable::new(&meta, source),
        meta,
    }))
}

/// The parent link alone. The tables are not looked at.
pub(crate) fn references(source: &Arc<dyn Source>) -> Result<References> {
    Ok(ValidatedHeader::read(&**source)?.references())
}

impl Image for Qed {
    fn metadata(&self) -> &ImageMetadata {
        &self.facts
    }

    fn parent(&self) -> Option<&ParentLink> {
        self.parent.as_ref()
    }

    fn extent_at(&self, at: VirtOffset) -> Result<Extent> {
        self.table.extent_at(at)
    }

    fn passed_over(&self) -> Result<Vec<String>> {
        match self.facts.files.first() {
            Some(source) => Ok(check::look(&self.meta, &self.table, &**source)?.summary(&[])),
            None => Ok(Vec::new()),
        }
    }
}
