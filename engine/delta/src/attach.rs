//! `attach`: a child may name the local copy of its base once both have been proven, here the child. Writing the link is `patch`'s work.

use imgdelta_core::{Error, Image, Kind, Result};

use crate::{exec::ExecContext, layer::layer_digest, manifest::Manifest};

/// Makes sure that `child` is the layer that its manifest promises.
///
/// # Errors
/// Digest, if it is not; those of the image; Interrupted.
pub fn prove_layer(child: &dyn Image, manifest: &Manifest, work: ExecContext<'_>) -> Result<()> {
    let (promised, found) = (manifest.layer()?.0, layer_digest(child, work)?);
    if promised == found {
        return Ok(());
    }
    Err(
        Error::new(Kind::Digest, "the child is not what its manifest promises")
            .with_code("layer_mismatch")
            .with_detail(format!("promised imgdelta1-layer:{promised}"))
            .with_detail(format!("found    imgdelta1-layer:{found}")),
    )
}
