//! `attach`: a child may name the local copy of its base once both, and the disk that they make, have been proven. Writing the link is
//! `patch`'s work.

use imgdelta_core::{Bytes, Error, Image, Kind, Result, VirtOffset};

use crate::{
    apply::Apply, digest::prove_over, exec::ExecContext, layer::layer_digest, manifest::Manifest,
};

/// By how much a format may round a disk up: a cylinder of the largest geometry is shorter.
const MOST_ROUNDED: Bytes = Bytes::mib(4);

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

impl Apply<'_> {
    /// Makes sure that the base is the one that the child was made from, and that both make the disk that the manifest promises; true if the
    /// base's digests were remembered. Of a base that is remembered only what the child touches is read.
    ///
    /// # Errors
    /// As [`prove_base`](Self::prove_base); Corrupt, if child and manifest do not agree on the size of the disk; Digest, if the disk is
    /// another one.
    pub fn prove_disk(&self) -> Result<bool> {
        let Some(manifest) = self.manifest else {
            return Ok(false);
        };
        self.require_size(manifest)?;
        let disk = self.disk.resized(self.result_size());
        let base = self.base.resized(manifest.base.proof()?.size);
        if let Some(known) = self.memory.recall(&base)
            && self.prove_base()?
        {
            match prove_over(&disk, &base, known, None, self.work) {
                // What is remembered is damaged: everything is read.
                Err(error) if error.code() == "leaves" => {}
                found => {
                    let required = self.require(&found?.0);
                    return required.map(|()| true).map_err(|error| self.doubted(error));
                }
            }
        }
        self.prove_beside(manifest)?;
        Ok(false)
    }

    /// A hypervisor sees the disk in the child's size: it must be the promised one, and what is rounded up beyond that zero.
    fn require_size(&self, manifest: &Manifest) -> Result<()> {
        let (found, child, result) = (
            self.disk.size(),
            Bytes(manifest.child.size),
            Bytes(manifest.result.size),
        );
        let beyond = child.0.checked_sub(result.0).map(Bytes);
        let Some(beyond) = beyond.filter(|beyond| child == found && *beyond <= MOST_ROUNDED) else {
            return Err(wrong_size(format!(
                "the child has {}, its manifest says {} for a disk of {}",
                found.0, child.0, result.0
            )));
        };
        let mut rest = vec![0; beyond.in_memory()];
        self.disk.read_at(VirtOffset(result.0), &mut rest)?;
        if rest.iter().any(|byte| *byte != 0) {
            return Err(wrong_size(format!(
                "beyond the {} bytes of the promised disk the child holds data",
                result.0
            )));
        }
        Ok(())
    }
}

/// Child and manifest contradict each other.
fn wrong_size(detail: String) -> Error {
    Error::new(
        Kind::Corrupt,
        "the child's disk does not have the size that its manifest promises",
    )
    .with_code("size_mismatch")
    .with_detail(detail)
}
