//! An image that came from elsewhere, as a disk: whole, or as a child over a base that is here. Deployments make a site's images of these.
//!
//! [`apply`](crate::apply) does the same for its user's files. Here the base may itself be a disk that is written nowhere, the manifest has
//! been read and held against a delivery's list, and the image gets its name from its keeper.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use imgdelta_core::{
    AtomicFile, Bytes, Error, FileSource, Format, ImageWriter, Kind, Result, SECTOR, Source,
};
use imgdelta_delta::{
    Apply, Chain, Converted, DigestCache, ExecContext, Layer, Manifest, digest_cache::LeafWriter,
};
use imgdelta_registry::{OpenSpec, open_source};

use crate::{stored_image::whole_copy, transport_file};

/// A site proves a base by reading it, whatever is remembered of its file.
static NOTHING_KNOWN: DigestCache = DigestCache::none();

/// A file that came, open: its bytes, wherever they lie, and what it is called.
#[derive(Clone, Debug)]
pub struct ReceivedFile {
    /// What messages call it; of a file in pieces, nothing need stand there.
    pub path: PathBuf,
    /// Its bytes.
    pub bytes: Arc<dyn Source>,
}

impl ReceivedFile {
    /// The file at `path`.
    ///
    /// # Errors
    /// Host, if the host cannot open it.
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            bytes: Arc::new(FileSource::open(path)?),
        })
    }
}

/// An image that came, open as a disk.
#[derive(Clone, Debug)]
pub struct ReceivedImage {
    disk: Chain,
    /// Its base, and what the child's maker promised; of a whole image there is none.
    base: Option<(Chain, Manifest)>,
    /// Whether the base is the one that it must be.
    is_proven: bool,
    /// Its file, if that is a transport file: what that holds is unpacked over the base.
    transport: Option<PathBuf>,
}

impl ReceivedImage {
    /// The whole image in `file`, of a disk of `size` bytes.
    ///
    /// # Errors
    /// As [`open_source`]; Corrupt, if its disk has another size.
    pub fn whole(file: &ReceivedFile, format: Format, size: Bytes) -> Result<Self> {
        Ok(Self {
            disk: sized(&Chain::new(vec![layer(file, format)?])?, size, &file.path)?,
            base: None,
            is_proven: true,
            transport: None,
        })
    }

    /// The disk of `size` bytes that the child in `file` and `base` make, as `manifest` promises. Whom the child names does not matter.
    ///
    /// # Errors
    /// As [`open_source`]; Corrupt, if their disk has another size; Chain, if the two do not fit.
    pub fn over(
        file: &ReceivedFile,
        format: Format,
        size: Bytes,
        base: &Chain,
        manifest: Manifest,
    ) -> Result<Self> {
        let disk = Chain::over(layer(file, format)?, base)?;
        Ok(Self {
            disk: sized(&disk, size, &file.path)?,
            base: Some((base.clone(), manifest)),
            is_proven: false,
            transport: None,
        })
    }

    /// The disk of `size` bytes that the transport file in `file` and `base` make. The manifest travels in it; `accept` says whether it is one of the
    /// image that was listed.
    ///
    /// # Errors
    /// Those of `accept`; Corrupt, if the file is damaged or no transport file, or their disk has another size; Unsupported, if it is of another
    /// version; Chain, if the two do not fit.
    pub fn of_transport(
        file: &ReceivedFile,
        size: Bytes,
        base: &Chain,
        accept: impl FnOnce(&Manifest) -> Result<()>,
    ) -> Result<Self> {
        let (opened, manifest) =
            transport_file::open_over(Arc::clone(&file.bytes), &file.path, base)?;
        accept(&manifest).map_err(|error| error.in_file(&file.path))?;
        let disk = Chain::over(Layer::new(opened.image, opened.id), base)?;
        Ok(Self {
            disk: sized(&disk, size, &file.path)?,
            base: Some((base.clone(), manifest)),
            is_proven: false,
            transport: Some(file.path.clone()),
        })
    }

    /// Its disk. What it holds is proven when the image is written, or used as a base.
    #[must_use]
    pub const fn disk(&self) -> &Chain {
        &self.disk
    }

    /// Whether the base has been proven, or there is none.
    #[must_use]
    pub const fn is_proven(&self) -> bool {
        self.is_proven
    }

    /// Reads the base and makes sure that it is the one that the manifest names.
    ///
    /// # Errors
    /// Chain, if it is another disk; those of its images; Interrupted.
    pub fn prove_base(&mut self, exec: ExecContext<'_>) -> Result<()> {
        if let (false, Some(apply)) = (self.is_proven, self.apply(exec)) {
            apply.prove_base()?;
        }
        self.is_proven = true;
        Ok(())
    }

    /// Writes the disk as one image, its leaves beside it; a base that has not been proven is proven in the same pass. `is_clone`: the output
    /// began as a clone of the base's file, in which the base lies byte for byte.
    ///
    /// # Errors
    /// Chain, if the base is another disk; Digest, if the image is another one; those of the disk and of the writer; Interrupted.
    pub fn write(
        &self,
        writer: Box<dyn ImageWriter>,
        leaves: LeafWriter,
        is_clone: bool,
        exec: ExecContext<'_>,
    ) -> Result<(Converted, AtomicFile)> {
        let exec = self.exec(exec);
        let written = match self.apply(exec) {
            Some(apply) if is_clone => apply.run_onto_base_keeping(writer, leaves),
            Some(apply) if !self.is_proven => apply.run_keeping(writer, leaves),
            _ => whole_copy(&self.disk, exec).run_keeping(writer, leaves),
        };
        written.map_err(|error| self.doubt(error, exec))
    }

    /// What went wrong where the disk was read. Over another base the windows of a transport file unpack to something else: the base is doubted first,
    /// and else it is the file.
    #[must_use]
    pub fn doubt(&self, error: Error, exec: ExecContext<'_>) -> Error {
        let Some(file) = self.transport.as_ref() else {
            return error;
        };
        if !transport_file::may_be_of_base(&error) {
            return error;
        }
        let apply = self.apply(exec).filter(|_| !self.is_proven);
        let of_base = apply.and_then(|apply| apply.prove_base().err());
        of_base.unwrap_or_else(|| error.in_file(file))
    }

    /// How it is read: a transport file in as little memory as a small site has.
    #[must_use]
    pub fn exec<'a>(&self, exec: ExecContext<'a>) -> ExecContext<'a> {
        match self.transport {
            Some(_) => transport_file::at_site(exec),
            None => exec,
        }
    }

    /// Base and child as the engine applies them; of a whole image there is nothing to apply.
    fn apply<'a>(&'a self, exec: ExecContext<'a>) -> Option<Apply<'a>> {
        let (base, manifest) = self.base.as_ref()?;
        Some(Apply {
            base,
            disk: &self.disk,
            manifest: Some(manifest),
            memory: &NOTHING_KNOWN,
            work: exec,
        })
    }
}

/// The image alone, in the format in which it was sent.
fn layer(file: &ReceivedFile, format: Format) -> Result<Layer> {
    let spec = OpenSpec {
        format: Some(format),
        ..OpenSpec::of(&file.path)
    };
    let opened = open_source(Arc::clone(&file.bytes), &spec)?;
    Ok(Layer::new(opened.image, opened.id))
}

/// The disk in its exact size, which its format may have rounded up to whole sectors.
fn sized(disk: &Chain, size: Bytes, file: &Path) -> Result<Chain> {
    if size == disk.size() || size.round_up(Bytes(SECTOR)) == disk.size() {
        return Ok(disk.resized(size));
    }
    let (found, promised) = (disk.size().0, size.0);
    Err(Error::new(
        Kind::Corrupt,
        format!("its disk has {found} bytes, {promised} were promised"),
    )
    .with_code("size_mismatch")
    .in_file(file))
}
