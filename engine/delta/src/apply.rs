//! `apply`: base and child together as a full image, the base proven before the first write, the result before it gets its name.

use imgdelta_core::{AtomicFile, Bytes, Error, ImageWriter, Kind, Result, SECTOR};

use crate::{
    base_check::BaseCheck,
    chain::Chain,
    convert::{Convert, Converted},
    digest::{prove_beside, prove_or_recall},
    digest_cache::{DigestCache, LeafWriter},
    disk_hasher::Proof,
    exec::ExecContext,
    manifest::Manifest,
};

/// How a child is to be applied.
#[derive(Clone, Copy, Debug)]
pub struct Apply<'a> {
    /// The base, alone.
    pub base: &'a Chain,
    /// The child over the base.
    pub disk: &'a Chain,
    /// What the child's maker promised; `None` if the user does without.
    pub manifest: Option<&'a Manifest>,
    /// Where leaf digests are remembered.
    pub memory: &'a DigestCache,
    /// Threads, counters, time.
    pub work: ExecContext<'a>,
}

impl Apply<'_> {
    /// Makes sure that the base is the one that the child was made from; true if its digests were remembered.
    ///
    /// # Errors
    /// Chain, if it is another one; those of the base's layers; Interrupted.
    pub fn prove_base(&self) -> Result<bool> {
        let Some(manifest) = self.manifest else {
            return Ok(false);
        };
        let needed = manifest.base.proof()?;
        if !is_same_size(needed.size, self.base.size()) {
            self.refuse_result(manifest)?;
            let (needed, given) = (needed.size.0, self.base.size().0);
            let sizes = format!("needed {needed} bytes, given {given} bytes");
            return Err(Proof::other_base().with_detail(sizes));
        }
        // A format that counts in sectors holds a disk of odd length rounded up: it is the same disk.
        let base = self.base.resized(needed.size);
        let (found, remembered) = prove_or_recall(&base, self.memory, self.work)?;
        if found.id != needed.id && found.id == manifest.result_id()? {
            return Err(is_result());
        }
        needed.require(&found)?;
        Ok(remembered)
    }

    /// Refuses a base that is not of the base's size but is what would come out: a mistake of its own, and a likely one.
    fn refuse_result(&self, manifest: &Manifest) -> Result<()> {
        let size = Bytes(manifest.result.size);
        if !is_same_size(size, self.base.size()) {
            return Ok(());
        }
        let (found, _) = prove_or_recall(&self.base.resized(size), self.memory, self.work)?;
        if found.id == manifest.result_id()? {
            return Err(is_result());
        }
        Ok(())
    }

    /// The size of the disk that comes out.
    #[must_use]
    pub fn result_size(&self) -> Bytes {
        self.manifest
            .map_or(self.disk.size(), |manifest| Bytes(manifest.result.size))
    }

    /// As [`prove_base`](Self::prove_base) and [`run`](Self::run) in one pass, for an output that nobody sees before all is proven; true if
    /// the base's digests were remembered.
    ///
    /// # Errors
    /// As both. A base that is another one is refused at the first region that differs.
    pub fn run_proving(&self, writer: Box<dyn ImageWriter>) -> Result<(Converted, bool)> {
        let Some(manifest) = self.manifest else {
            return Ok((self.run(writer)?, false));
        };
        let needed = manifest.base.proof()?;
        if self
            .memory
            .recall(&self.base.resized(needed.size))
            .is_some()
        {
            let is_remembered = self.prove_base()?;
            let copied = self.run(writer);
            return match copied {
                Err(error) if is_remembered => Err(self.doubted(error)),
                copied => Ok((copied?, is_remembered)),
            };
        }
        let (copied, _) = self.run_beside(writer, None, false)?;
        Ok((copied, false))
    }

    /// Writes the image and proves it. It is complete, but neither durable nor in its place.
    ///
    /// # Errors
    /// Digest, if it is not what the manifest promises; those of [`Convert::run`].
    pub fn run(&self, writer: Box<dyn ImageWriter>) -> Result<Converted> {
        let disk = self.disk.resized(self.result_size());
        let copied = self.copy(&disk).run(writer)?;
        copied
            .proof
            .as_ref()
            .map_or(Ok(()), |proof| self.require(proof))?;
        Ok(copied)
    }

    /// As [`prove_base`](Self::prove_base) and [`run`](Self::run) in one pass, for an output that nobody sees before all is proven. The
    /// image's leaves go to `leaves`, whose file is then complete, but neither durable nor in its place.
    ///
    /// # Errors
    /// As both; Host, if the leaves cannot be written. A base that is another one is refused at the first region that differs.
    pub fn run_keeping(
        &self,
        writer: Box<dyn ImageWriter>,
        leaves: LeafWriter,
    ) -> Result<(Converted, AtomicFile)> {
        with_leaves(self.run_beside(writer, Some(leaves), false)?)
    }

    /// As [`run_keeping`](Self::run_keeping), the output being a clone of the base's file in which the disk lies byte for byte: only what the
    /// child changes is written.
    ///
    /// # Errors
    /// As [`run_keeping`](Self::run_keeping).
    pub fn run_onto_base_keeping(
        &self,
        writer: Box<dyn ImageWriter>,
        leaves: LeafWriter,
    ) -> Result<(Converted, AtomicFile)> {
        with_leaves(self.run_beside(writer, Some(leaves), true)?)
    }

    /// As [`run_onto_base_keeping`](Self::run_onto_base_keeping), the leaves not being kept. The base is read, whatever is remembered of it.
    ///
    /// # Errors
    /// As [`run_proving`](Self::run_proving); Chain, if there is no manifest that says what the base must be.
    pub fn run_onto_base(&self, writer: Box<dyn ImageWriter>) -> Result<Converted> {
        if self.manifest.is_none() {
            let message = "nothing says what the base must be";
            return Err(Error::new(Kind::Chain, message).with_code("no_manifest"));
        }
        Ok(self.run_beside(writer, None, true)?.0)
    }

    fn run_beside(
        &self,
        writer: Box<dyn ImageWriter>,
        leaves: Option<LeafWriter>,
        is_under: bool,
    ) -> Result<(Converted, Option<AtomicFile>)> {
        let disk = self.disk.resized(self.result_size());
        let needed = self.manifest.map(|manifest| self.needed(manifest));
        let needed = needed.transpose()?;
        let beside = needed.as_ref();
        let beside = beside.map(|needed| BaseCheck::new(self.base, needed, self.memory, is_under));
        let copy = self.copy(&disk);
        let (copied, leaves) = copy
            .run_beside(writer, leaves, beside.as_ref())
            .map_err(|error| self.explained(error))?;
        copied
            .proof
            .as_ref()
            .map_or(Ok(()), |proof| self.require(proof))?;
        Ok((copied, leaves))
    }

    /// Proves base and result in one pass; nothing is written.
    ///
    /// # Errors
    /// As [`prove_base`](Self::prove_base); Digest, if the result is not what the manifest promises.
    pub(crate) fn prove_beside(&self, manifest: &Manifest) -> Result<()> {
        let disk = self.disk.resized(self.result_size());
        let needed = self.needed(manifest)?;
        let beside = BaseCheck::new(self.base, &needed, self.memory, false);
        let proof = prove_beside(&disk, &beside, self.work);
        self.require(&proof.map_err(|error| self.explained(error))?)
    }

    /// What the base must be; one of another size is refused here.
    fn needed(&self, manifest: &Manifest) -> Result<Proof> {
        let needed = manifest.base.proof()?;
        if !is_same_size(needed.size, self.base.size()) {
            self.prove_base()?;
        }
        Ok(needed)
    }

    /// Why the base was refused before all of it was read: what it is instead takes the rest of it to tell.
    fn explained(&self, error: Error) -> Error {
        match error.code() {
            "base_mismatch" => self.prove_base().err().unwrap_or(error),
            _ => error,
        }
    }

    /// Why the result is not what it must be, the base having been believed: it is read now, and remembered anew.
    pub(crate) fn doubted(&self, error: Error) -> Error {
        if error.code() != "result_mismatch" {
            return error;
        }
        let memory = &self.memory.clone().refreshed();
        let proving = Apply { memory, ..*self };
        proving.prove_base().err().unwrap_or(error)
    }

    /// How the result is written.
    const fn copy<'b>(&'b self, disk: &'b Chain) -> Convert<'b> {
        static NONE: DigestCache = DigestCache::none();
        Convert {
            disk,
            proves: self.manifest.is_some(),
            memory: &NONE,
            work: self.work,
        }
    }

    /// Makes sure that the result is what the manifest promises.
    pub(crate) fn require(&self, proof: &Proof) -> Result<()> {
        if let Some(manifest) = self.manifest {
            let promised = manifest.result_id()?;
            if promised != proof.id {
                return Err(Error::new(
                    Kind::Digest,
                    "the result is not what the manifest promises; the child is damaged",
                )
                .with_code("result_mismatch")
                .with_detail(format!("promised {promised}"))
                .with_detail(format!("found    {}", proof.id)));
            }
        }
        Ok(())
    }
}

/// What was written, and its leaves, which were asked for.
fn with_leaves(
    (copied, leaves): (Converted, Option<AtomicFile>),
) -> Result<(Converted, AtomicFile)> {
    let leaves = leaves.ok_or_else(|| Error::new(Kind::Host, "the leaves were not kept"))?;
    Ok((copied, leaves))
}

/// Whether a disk of one size can be held as one of the other: formats that count in sectors round up.
fn is_same_size(one: Bytes, other: Bytes) -> bool {
    let sectors = |size: Bytes| size.pieces(Bytes(SECTOR));
    sectors(one) == sectors(other)
}

fn is_result() -> Error {
    Error::new(
        Kind::Chain,
        "this is the target of this child, not its base",
    )
    .with_code("base_is_result")
}
