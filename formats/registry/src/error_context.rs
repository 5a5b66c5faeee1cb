//! A layer whose errors name its file: what goes wrong long after opening, in a table or in a compressed block, is told with the path too.
//!
//! Nothing of what the layer says is changed. Plain data are read from the layer's files, whose errors name them already.

use std::{path::PathBuf, sync::Arc};

use imgdelta_core::{
    Bytes, Error, Extent, Image, ImageMetadata, ParentLink, Result, UnitCoding, VirtOffset,
};

/// A layer and the path of its file.
#[derive(Debug)]
pub(crate) struct NamedLayer {
    /// The layer.
    pub(crate) image: Arc<dyn Image>,
    /// Its file, unless an error knows better: data may stand in another one.
    pub(crate) path: PathBuf,
}

impl NamedLayer {
    /// The error with the path.
    fn named(&self, error: Error) -> Error {
        error.in_file(&self.path)
    }
}

impl Image for NamedLayer {
    fn metadata(&self) -> &ImageMetadata {
        self.image.metadata()
    }

    fn parent(&self) -> Option<&ParentLink> {
        self.image.parent()
    }

    fn extent_at(&self, at: VirtOffset) -> Result<Extent> {
        self.image.extent_at(at).map_err(|error| self.named(error))
    }

    fn coding(&self) -> Option<UnitCoding> {
        self.image.coding()
    }

    fn read_packed(&self, unit: &Extent, buf: &mut [u8], packed: &mut Vec<u8>) -> Result<()> {
        self.image
            .read_packed(unit, buf, packed)
            .map_err(|error| self.named(error))
    }

    fn read_compressed(&self, extents: &[Extent], buf: &mut [u8]) -> Result<()> {
        self.image
            .read_compressed(extents, buf)
            .map_err(|error| self.named(error))
    }

    fn passed_over(&self) -> Result<Vec<String>> {
        self.image.passed_over().map_err(|error| self.named(error))
    }

    fn compressed_unit(&self) -> Option<Bytes> {
        self.image.compressed_unit()
    }
}
