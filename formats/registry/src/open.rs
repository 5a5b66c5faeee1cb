//! Opens an image, or a chain of them: each layer with the driver that is due to it, each parent under the policy.
//!
//! How one layer is opened stands in `layer`, how a parent is chosen among what its child names in `parent`.

use std::{
    borrow::Cow,
    path::{Path, PathBuf},
    sync::Arc,
};

use imgdelta_core::{
    CheckReport, Driver, Error, FileSource, FileVersion, Kind, Repair, Result, Source,
};

use crate::{
    DRIVERS,
    layer::{Layer, Opened, Packed},
    listing::Listings,
    open_spec::OpenSpec,
    parent::ParentSearch,
    probe::Registry,
    unpack::Bare,
};

/// The most layers that a chain may have.
pub const MOST_LAYERS: usize = 256;

/// Opens one layer; its parent is not looked for.
///
/// # Errors
/// Host, if there is no such file; those of [`probe`](fn@crate::probe) and of the driver; Reference or Chain, if another file that the image
/// is made of may not be opened or is missing.
pub fn open_image(spec: &OpenSpec) -> Result<Opened> {
    Registry(DRIVERS).open_image(spec)
}

/// Opens a chain, top first, down to the layer that names no parent.
///
/// # Errors
/// As [`open_image`], for each layer, with the layer's own path. Chain, if a parent is missing, has another identity or leads back into
/// the chain; Reference, if only unsafe paths name it or nobody says its format; Unsupported, if there are more than [`MOST_LAYERS`];
/// Usage, if more `--parent`s are given than there are parents.
pub fn open_chain(spec: &OpenSpec) -> Result<Vec<Opened>> {
    Registry(DRIVERS).open_chain(spec)
}

/// Opens the image that stands in `bytes`, unpacked as far as `spec` says; its path is only what messages call it. Where no format is said the
/// bytes are probed as a file's without an extension. What it names outside itself is not followed.
///
/// # Errors
/// As [`open_image`]; Reference, if it names a parent.
pub fn open_bytes(bytes: Arc<dyn Source>, spec: &OpenSpec) -> Result<Opened> {
    Registry(DRIVERS)
        .open_bytes(bytes, spec)
        .map_err(|error| error.in_file(&spec.path))
}

/// Opens the image whose file is `bytes`, wherever they lie; its path says what it is called. Its parent is not looked for.
///
/// # Errors
/// As [`open_image`].
pub fn open_source(bytes: Arc<dyn Source>, spec: &OpenSpec) -> Result<Opened> {
    Registry(DRIVERS)
        .layer_in(bytes, &spec.path, spec)?
        .open(&spec.policy)
}

/// The driver of the image that the user names.
///
/// # Errors
/// As [`probe`](crate::probe()); Host, if its file cannot be opened.
pub fn driver_of_image(spec: &OpenSpec) -> Result<&'static Driver> {
    Ok(Registry(DRIVERS).layer(spec)?.driver)
}

/// Looks for faults in one image; its parent is not looked for.
///
/// # Errors
/// As [`open_image`].
pub fn check_image(spec: &OpenSpec) -> Result<CheckReport> {
    Registry(DRIVERS).check_image(spec)
}

/// An image that is to be mended, open.
#[derive(Debug)]
pub struct OpenedRepair {
    /// How it is mended.
    pub repair: Repair,
    /// Its file.
    pub file: Arc<dyn Source>,
    /// Which file on the host that is, in which version, as it was opened.
    pub stamp: Option<FileVersion>,
}

/// Works out how one image is mended; its parent is not looked for.
///
/// # Errors
/// As [`open_image`]; Unsupported, if nothing can be mended in its format.
pub fn repair_image(spec: &OpenSpec) -> Result<OpenedRepair> {
    let layer = Registry(DRIVERS).layer(spec)?;
    if let Some(packing) = layer.packed.within.first() {
        let message = format!("is packed ({packing}), and what is packed cannot be mended");
        return Err(Error::new(Kind::Unsupported, message)
            .with_code("packed")
            .with_hint("'imgdelta convert' writes it as an image")
            .in_file(&spec.path));
    }
    let Some(repair) = layer.driver.repair else {
        return Err(Error::new(
            Kind::Unsupported,
            format!("a {} cannot be mended", layer.driver.format),
        )
        .with_code("no_repair")
        .with_hint("'imgdelta convert' writes a new image of all that can be read of it")
        .in_file(&spec.path));
    };
    let file = Arc::clone(&layer.source);
    let stamp = file.opened().cloned();
    Ok(OpenedRepair {
        repair: layer.hand_to(&spec.policy, repair)?.0,
        file,
        stamp,
    })
}

impl Registry {
    /// As [`open_image`].
    pub(crate) fn open_image(self, spec: &OpenSpec) -> Result<Opened> {
        self.layer(spec)?.open(&spec.policy)
    }

    /// As [`open_chain`].
    pub(crate) fn open_chain(self, spec: &OpenSpec) -> Result<Vec<Opened>> {
        let mut chain = vec![self.open_image(spec)?];
        let mut listings = Listings::default();
        while let Some(child) = chain.last()
            && let Some(link) = child.image.parent()
        {
            if chain.len() >= MOST_LAYERS {
                return Err(Error::new(
                    Kind::Unsupported,
                    format!("the chain has more than {MOST_LAYERS} layers"),
                )
                .with_code("chain_depth")
                .in_file(&spec.path));
            }
            let parent =
                ParentSearch::new(self, spec, &chain, child, link, &mut listings).find()?;
            chain.push(parent);
        }
        match spec.policy.parent.get(chain.len().saturating_sub(1)) {
            None => Ok(chain),
            Some(extra) => {
                let named = chain.last().map_or(spec.path.as_path(), |root| &root.path);
                Err(Error::new(
                    Kind::Usage,
                    format!("has no parent, --parent says {}", extra.display()),
                )
                .with_code("no_parent")
                .in_file(named))
            }
        }
    }

    /// As [`check_image`].
    fn check_image(self, spec: &OpenSpec) -> Result<CheckReport> {
        let layer = self.layer(spec)?;
        let driver = layer.driver;
        let (mut report, notes) = layer.hand_to(&spec.policy, driver.check)?;
        report.notes.extend(notes);
        Ok(report)
    }

    /// As [`open_bytes`].
    fn open_bytes(self, bytes: Arc<dyn Source>, spec: &OpenSpec) -> Result<Opened> {
        let bare = Bare {
            name: PathBuf::new(),
            is_member: true,
            ..Bare::of(bytes, &spec.path)
        };
        let bare = self.unpacked(bare, spec)?;
        let driver = self
            .probe(&*bare.source, &bare.name, spec.format)
            .map_err(|error| bare.placed(error))?;
        let opened = layer_of(bare, driver, spec).open(&spec.policy)?;
        if opened.image.parent().is_none() {
            return Ok(opened);
        }
        let message = "names a parent, and one from a stream is not followed";
        Err(Error::new(Kind::Reference, message)
            .with_code("reference")
            .with_hint("keep it as a file beside its parent"))
    }

    /// The layer that the user names.
    fn layer(self, spec: &OpenSpec) -> Result<Layer<'_>> {
        let path = self.file_of(&spec.path);
        let source: Arc<dyn Source> = Arc::new(FileSource::open(&path)?);
        self.layer_in(source, &path, spec)
    }

    /// The layer in `source`, the file at `path`.
    fn layer_in<'a>(
        self,
        source: Arc<dyn Source>,
        path: &Path,
        spec: &OpenSpec,
    ) -> Result<Layer<'a>> {
        let bare = self
            .unpacked(Bare::of(source, path), spec)
            .map_err(|error| error.in_file(path))?;
        let driver = self
            .probe(&*bare.source, &bare.name, spec.format)
            .map_err(|error| bare.placed(error))?;
        Ok(layer_of(bare, driver, spec))
    }
}

/// The layer in `bare`, opened as `spec` says.
fn layer_of<'a>(bare: Bare, driver: &'static Driver, spec: &OpenSpec) -> Layer<'a> {
    Layer {
        source: bare.source,
        path: Cow::Owned(bare.path),
        driver,
        options: spec.options.clone(),
        snapshot: spec.snapshot.clone(),
        packed: Packed {
            within: bare.within,
            holders: bare.versions,
            is_member: bare.is_member,
            notes: bare.notes,
        },
    }
}
