//! Where an image is to be written, and in which format.

use std::os::unix::fs::FileTypeExt;

use imgdelta_core::{AtomicFile, Driver, Result};
use imgdelta_registry::{OutputSpec, PackageSpec, ResolvedOutput, is_package, refuse_inputs};

use crate::{context::Ids, disk::Disk};

/// An image that is to be written.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// Where, in which format, and whether it may replace something.
    pub(crate) spec: OutputSpec,
    /// Whether it is only worked out.
    pub(crate) dry_run: bool,
    /// What its ids are made of.
    pub(crate) ids: Ids,
}

impl Target {
    /// The image that `spec` says, written for real, its ids made of its content.
    pub(crate) fn of(spec: OutputSpec) -> Self {
        Self {
            spec: spec.followed(),
            dry_run: false,
            ids: Ids::OfContent,
        }
    }

    /// The same with its format settled: an image, and no package.
    ///
    /// # Errors
    /// As [`ResolvedOutput::of`].
    pub(crate) fn resolve_image(&self) -> Result<ResolvedTarget> {
        Ok(ResolvedTarget {
            target: self.clone(),
            image: ResolvedOutput::of(self.spec.clone())?,
            package: None,
        })
    }

    /// The same with its format settled, that of its disk if it is a package.
    ///
    /// # Errors
    /// As [`ResolvedOutput::of`] and [`PackageSpec::of`].
    pub(crate) fn resolve(&self) -> Result<ResolvedTarget> {
        if !is_package(&self.spec) {
            return self.resolve_image();
        }
        let package = PackageSpec::of(&self.spec)?;
        Ok(ResolvedTarget {
            target: self.clone(),
            image: package.disk.clone(),
            package: Some(package),
        })
    }

    /// Refuses a place where the image cannot stand: taken, or one of the inputs. Nothing is begun.
    pub(crate) fn check_place(&self, inputs: &[&Disk]) -> Result<()> {
        let versions: Vec<_> = inputs.iter().flat_map(|disk| disk.versions()).collect();
        refuse_inputs(&self.spec.path, &versions)?;
        AtomicFile::check_place(&self.spec.path, self.spec.existing)
    }

    /// Whether the image is written over what stands in its place, as on a device, and not beside it.
    pub(crate) fn is_in_place(&self) -> bool {
        let metadata = std::fs::metadata(&self.spec.path);
        metadata.is_ok_and(|metadata| metadata.file_type().is_block_device())
    }
}

/// An image that is to be written, its format settled.
#[derive(Debug)]
pub(crate) struct ResolvedTarget {
    target: Target,
    /// The image, or the disk of the package.
    pub(crate) image: ResolvedOutput,
    package: Option<PackageSpec>,
}

impl std::ops::Deref for ResolvedTarget {
    type Target = Target;

    fn deref(&self) -> &Target {
        &self.target
    }
}

impl ResolvedTarget {
    /// The driver of its format.
    pub(crate) const fn driver(&self) -> &'static Driver {
        self.image.driver()
    }

    /// The package, if it is one.
    pub(crate) const fn package(&self) -> Option<&PackageSpec> {
        self.package.as_ref()
    }
}
