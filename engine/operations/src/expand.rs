//! `apply --form child`: a transport file and its base become a child of the base, in a hypervisor's own format.

use imgdelta_core::{Bytes, Error, Result, SECTOR};
use imgdelta_registry::{OpenSpec, OutputSpec};

use crate::{
    child_pair::{ChildPair, Evidence, distrust},
    context::{Context, Ids},
    disk::Disk,
    make::{ChildReport, Make},
    transport_file,
};

/// How a transport file is to become a child.
#[derive(Clone, Debug)]
pub struct Expand {
    file: OpenSpec,
    base: OpenSpec,
    make: Make,
}

impl Expand {
    /// The child at `output` of `base` that the transport file `file` tells of.
    #[must_use]
    pub fn new(file: OpenSpec, base: OpenSpec, output: OutputSpec) -> Self {
        Self {
            make: Make::new(base.clone(), file.clone(), output),
            file,
            base,
        }
    }

    /// Whether all is worked out and nothing is written.
    #[must_use]
    pub fn dry_run(mut self, dry_run: bool) -> Self {
        self.make = self.make.dry_run(dry_run);
        self
    }

    /// What the child's ids are made of.
    #[must_use]
    pub fn ids(mut self, ids: Ids) -> Self {
        self.make = self.make.ids(ids);
        self
    }

    /// Makes the child and its manifest: the same that `make` makes of base and target. Neither appears before both disks are proven.
    ///
    /// # Errors
    /// As [`Make::run`]; Chain, if the base is another disk, or the file is no transport file; Digest, if what comes out is not the promised disk.
    pub fn run(&self, context: &Context) -> Result<ChildReport> {
        if !transport_file::is_meant(&self.file) {
            return Err(transport_file::not_one(&self.file.path));
        }
        let pair = ChildPair::open(&self.file, &self.base, &Evidence::ManifestBeside)?;
        let refused = |error| self.explain(&pair, error, context);
        require_size(&pair, context).map_err(refused)?;
        let images = std::iter::once(&pair.child.top).chain(pair.base.images());
        let mut target = Disk::of_images(images.cloned().collect())?;
        if let Some(manifest) = &pair.manifest {
            target.chain = target.chain.resized(Bytes(manifest.result.size));
        }
        let disks = (&pair.base, &target);
        self.make
            .run_promised(disks, pair.manifest.as_ref(), context)
            .map_err(refused)
    }

    /// Why it cannot be: the base is doubted first.
    fn explain(&self, pair: &ChildPair, error: Error, context: &Context) -> Error {
        let error = match error.code() {
            // What it is instead takes another look.
            "base_mismatch" => pair.prove_base(context).err().unwrap_or(error),
            _ => pair.doubt(error, context),
        };
        match error.code() {
            "base_mismatch" | "base_is_result" => pair.explain(error, &self.file),
            _ => distrust(error),
        }
    }
}

/// Before a format refuses a base of another size: that it is another disk says more.
fn require_size(pair: &ChildPair, context: &Context) -> Result<()> {
    let sectors = |size: Bytes| size.pieces(Bytes(SECTOR));
    let needed = pair
        .manifest
        .as_ref()
        .map(|manifest| Bytes(manifest.base.size));
    if needed.is_some_and(|needed| sectors(needed) != sectors(pair.base.size())) {
        pair.prove_base(context)?;
    }
    Ok(())
}
