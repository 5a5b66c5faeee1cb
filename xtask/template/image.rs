//! The layer that an image holds: opened, mapped, read.

use std::sync::Arc;

use imgdelta_core::{
    Error, Extent, Image, ImageMetadata, Kind, Open, ParentLink, References, Result, Source,
    VirtOffset,
};

use crate::{info, map::Table, open_options::require_none, validate::ValidatedHeader};

/// An open image.
#[derive(Debug)]
struct TYPE {
    metadata: ImageMetadata,
    table: Table,
}

/// Opens an image.
pub(crate) fn open(open: Open<'_>) -> Result<Arc<dyn Image>> {
    require_none(open.options)?;
    if let Some(name) = open.snapshot {
        let message = format!("NAME has no internal snapshots, '{name}' was asked for");
        return Err(Error::new(Kind::Unsupported, message));
    }
    let source = open.source;
    let header = ValidatedHeader::read(&*source)?;
    Ok(Arc::new(TYPE {
        metadata: info::of(&header, &source),
        table: Table::new(&header, source),
    }))
}

/// What the image names outside itself: nothing.
pub(crate) fn references(source: &Arc<dyn Source>) -> Result<References> {
    ValidatedHeader::read(&**source).map(|_| References::default())
}

impl Image for TYPE {
    fn metadata(&self) -> &ImageMetadata {
        &self.metadata
    }

    fn parent(&self) -> Option<&ParentLink> {
        None
    }

    fn extent_at(&self, at: VirtOffset) -> Result<Extent> {
        self.table.extent_at(at)
    }
}
