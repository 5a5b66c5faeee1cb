//! `attach`: a child that names the local copy of its base, after both have been proven.
//!
//! Only link fields change, and only in a copy beside the child, which takes its name when it is whole.

use std::{path::Path, sync::Arc};

use imgdelta_core::{Draft, Error, FileOffset, Image, Kind, Patch, Result, Source};

use crate::{
    apply::Apply, layer::layer_digest, manifest::Manifest, remembered::Memory, work::Work,
};

/// Makes sure that `child` is the layer that its manifest promises.
///
/// # Errors
/// Digest, if it is not; those of the image; Interrupted.
pub fn prove_layer(child: &dyn Image, manifest: &Manifest, work: Work<'_>) -> Result<()> {
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

/// Makes sure that base and child are those that the manifest names; true if the base's digests were remembered.
///
/// # Errors
/// Chain, if the base is another one; Digest, if the child is; those of the images; Interrupted.
pub fn prove(apply: &Apply<'_>, child: &dyn Image, memory: &Memory) -> Result<bool> {
    let Some(manifest) = apply.manifest else {
        return Ok(false);
    };
    let remembered = Apply { memory, ..*apply }.prove_base()?;
    prove_layer(child, manifest, apply.work)?;
    Ok(remembered)
}

/// Writes `patches` over a copy of the child and lets it take the child's place.
///
/// # Errors
/// Host, if the host cannot, or if the child changed meanwhile.
pub fn relink(child: &Path, source: &Arc<dyn Source>, patches: &[Patch]) -> Result<()> {
    let before = source.stamp()?;
    let draft = Draft::of_existing(child, &**source)?;
    let sink = draft.sink();
    for Patch { at, bytes } in patches {
        sink.write_at(FileOffset(at.0), bytes)?;
    }
    if source.stamp()? != before {
        return Err(Error::new(
            Kind::Host,
            "changed while it was read; the result is discarded",
        )
        .with_code("input_changed")
        .in_file(child));
    }
    draft.commit()
}
