//! Starts new images: which format an output has, where it goes, what it must not be.
//!
//! The bytes are the driver's work, and the names of the files that of [`AtomicFileSet`].

use std::{
    fmt, fs,
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use imgdelta_core::{
    Bytes, Create, DiskSpec, Driver, Error, Existing, FileVersion, Format, ImageWriter, Kind,
    OneOutput, Options, Outputs, Ownership, ParentSpec, Result, SECTOR, Sectors, Sink,
};

use crate::{
    DRIVERS,
    atomic_file_set::AtomicFileSet,
    probe::{Registry, extension, promised, unsupported},
};

/// What is to be written, and where.
#[derive(Clone, Debug)]
pub struct OutputSpec {
    /// The image's file, or a block device.
    pub path: PathBuf,
    /// `--format`; without it the extension decides.
    pub format: Option<Format>,
    /// `--option`.
    pub options: Options,
    /// Whether what stands there may be replaced. A block device is only ever replaced.
    pub existing: Existing,
    /// Owner, group and permissions, where they are not to be those of what is replaced, or of any new file.
    pub ownership: Ownership,
}

impl OutputSpec {
    /// A new image at `path` in the format of its extension, with that format's defaults; nothing is replaced.
    #[must_use]
    pub fn of(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            format: None,
            options: Options::default(),
            existing: Existing::Keep,
            ownership: Ownership::default(),
        }
    }

    /// The same, where a link stands that may be replaced: what is replaced is what it leads to, in the format that the link's own name says.
    #[must_use]
    pub fn followed(self) -> Self {
        let is_link = fs::symlink_metadata(&self.path).is_ok_and(|one| one.is_symlink());
        let real = fs::canonicalize(&self.path).ok();
        match real.filter(|real| is_link && self.existing == Existing::Replace && real.is_file()) {
            Some(path) => Self {
                format: self.format.or_else(|| Some(driver_for(&self).ok()?.format)),
                path,
                ..self
            },
            None => self,
        }
    }
}

/// An image in the making.
pub struct Output {
    /// Takes the disk.
    pub writer: Box<dyn ImageWriter>,
    /// Its files. They are to be committed when the writer has finished.
    pub drafts: AtomicFileSet,
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output")
            .field("shape", &self.writer.shape())
            .field("drafts", &self.drafts)
            .finish()
    }
}

/// The driver for an output: that of the format that is asked for, else that of its extension.
///
/// # Errors
/// Unsupported, if that format has no driver or is only read; Usage, if neither says one.
pub fn driver_for(spec: &OutputSpec) -> Result<&'static Driver> {
    Registry(DRIVERS).driver_for(spec)
}

/// The driver of a format that new images are to have.
///
/// # Errors
/// Unsupported, if it has no driver or is only read.
pub fn driver_of_new(format: Format) -> Result<&'static Driver> {
    let formats = Registry(DRIVERS);
    formats.that_writes(formats.driver(format)?)
}

/// The formats that new images can have.
pub fn written_formats() -> impl Iterator<Item = Format> {
    let written = DRIVERS.iter().filter(|driver| driver.create.is_some());
    written.map(|driver| driver.format)
}

/// An output whose format is settled: worked out once, and used by all that write it.
#[derive(Clone)]
pub struct ResolvedOutput {
    spec: OutputSpec,
    driver: &'static Driver,
}

impl fmt::Debug for ResolvedOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResolvedOutput")
            .field("spec", &self.spec)
            .field("format", &self.driver.format)
            .finish()
    }
}

impl ResolvedOutput {
    /// The output that `spec` means: in the format that is asked for, else that of its extension.
    ///
    /// # Errors
    /// As [`driver_for`].
    pub fn of(spec: OutputSpec) -> Result<Self> {
        let driver = driver_for(&spec)?;
        Ok(Self { spec, driver })
    }

    /// What was asked for.
    #[must_use]
    pub const fn spec(&self) -> &OutputSpec {
        &self.spec
    }

    /// The driver of its format.
    #[must_use]
    pub const fn driver(&self) -> &'static Driver {
        self.driver
    }

    /// Starts an image of `disk`, a child if it has a parent, while `inputs` are read: none of the image's files, nor any that goes with it, may
    /// take the place of one.
    ///
    /// # Errors
    /// Usage, if something stands there that may not be replaced; Unsupported, if the format does not hold such sectors; as
    /// [`refuse_inputs`](crate::refuse_inputs); those of the driver.
    pub fn create_beside(
        &self,
        disk: DiskSpec,
        parent: Option<ParentSpec>,
        inputs: &[FileVersion],
    ) -> Result<Output> {
        let spec = &self.spec;
        check_sector(self.driver, spec, disk)?;
        check_place(&spec.path)?;
        let drafts =
            AtomicFileSet::create(&spec.path, spec.existing, inputs)?.owned(spec.ownership);
        let writer = self.create_in(&drafts, disk, parent)?;
        Ok(Output { writer, drafts })
    }

    /// As [`create_beside`](Self::create_beside), its files being `outputs`: its path names nothing but a format.
    ///
    /// # Errors
    /// As [`create_beside`](Self::create_beside).
    pub fn create_in(
        &self,
        outputs: &dyn Outputs,
        disk: DiskSpec,
        parent: Option<ParentSpec>,
    ) -> Result<Box<dyn ImageWriter>> {
        start(self.driver, outputs, &self.spec, disk, parent, None)
    }

    /// Starts an image that goes to `pipe`. Its path names nothing but a format; `seed` is what ids are made of, see [`Create::seed`].
    ///
    /// # Errors
    /// Unsupported, if the format is not written in order; those of the driver.
    pub fn create_stream(
        &self,
        pipe: Arc<dyn Sink>,
        disk: DiskSpec,
        seed: Option<[u8; 32]>,
    ) -> Result<Box<dyn ImageWriter>> {
        if !self.driver.streams {
            return Err(Error::new(
                Kind::Unsupported,
                format!(
                    "{} cannot be written to a pipe: its parts are not written in order",
                    self.driver.format
                ),
            )
            .with_code("not_a_stream")
            .with_hint("write it to a file with -o FILE"));
        }
        start(self.driver, &OneOutput(pipe), &self.spec, disk, None, seed)
    }
}

/// Starts an image of `disk`, a child if it has a parent.
///
/// # Errors
/// As [`driver_for`] and [`ResolvedOutput::create_beside`].
pub fn create(spec: &OutputSpec, disk: DiskSpec, parent: Option<ParentSpec>) -> Result<Output> {
    ResolvedOutput::of(spec.clone())?.create_beside(disk, parent, &[])
}

/// Whether an output is a package, by its name.
#[must_use]
pub fn is_package(spec: &OutputSpec) -> bool {
    extension(&spec.path).is_some_and(|extension| extension == "ova")
}

impl Registry {
    /// As [`driver_for`].
    fn driver_for(self, spec: &OutputSpec) -> Result<&'static Driver> {
        self.that_writes(self.named_by(spec)?)
            .map_err(|error| error.in_file(&spec.path))
    }

    /// The driver, if new images can have its format.
    fn that_writes(self, driver: &'static Driver) -> Result<&'static Driver> {
        if driver.create.is_some() {
            return Ok(driver);
        }
        let others = self.written();
        let hint = format!("{others} are written: choose one with -f or another extension");
        Err(driver.only_read().with_hint(hint))
    }

    /// The names of the formats that are written: `vhd, vhdx, raw`.
    fn written(self) -> String {
        let written = self.0.iter().filter(|driver| driver.create.is_some());
        let names: Vec<&str> = written.map(|driver| driver.format.name()).collect();
        names.join(", ")
    }

    /// The driver of the format that an output names.
    fn named_by(self, spec: &OutputSpec) -> Result<&'static Driver> {
        if let Some(format) = spec.format {
            let driver = self.driver(format)?;
            self.check_name(driver, &spec.path, spec.existing)?;
            return Ok(driver);
        }
        let extension = extension(&spec.path);
        let wanted = extension.as_deref().unwrap_or_default();
        let by_extension = self
            .0
            .iter()
            .find(|driver| driver.extensions.contains(&wanted));
        if let Some(driver) = by_extension {
            return Ok(driver);
        }
        if is_package(spec) {
            let message = "an .ova is a whole machine, and only a whole disk can be put into one";
            return Err(Error::new(Kind::Unsupported, message)
                .with_code("package")
                .with_hint("write an image, then 'imgdelta convert IMAGE -o NAME.ova'")
                .in_file(&spec.path));
        }
        if let Some(name) = promised(wanted) {
            return Err(unsupported(name).in_file(&spec.path));
        }
        Err(Error::new(Kind::Usage, "the name does not say a format")
            .with_code("format_missing")
            .in_file(&spec.path)
            .with_hint(format!("say one with -f: {}", self.written())))
    }

    /// As [`check_name`].
    fn check_name(self, driver: &Driver, path: &Path, existing: Existing) -> Result<()> {
        let Some(extension) = extension(path).filter(|_| existing == Existing::Keep) else {
            return Ok(());
        };
        let own = extension.as_str();
        // Any image may be called .img: what has a magic is known by it.
        let is_named = |other: &&&Driver| {
            other.exclusive_extensions.contains(&own)
                || other.format != Format::Raw && other.extensions.contains(&own)
        };
        let named = match self.0.iter().find(is_named) {
            Some(other) => Some(other.format.name()),
            None => promised(own),
        };
        match named {
            Some(named) if named != driver.format.name() && !is_device(path) => {
                Err(contradicting(driver, named, path))
            }
            _ => Ok(()),
        }
    }
}

/// Refuses an image of the format of `driver` under a name that says another format: whoever reads it, imgdelta too, would refuse it or take it
/// for something else. What may be replaced may also be called so.
///
/// # Errors
/// Usage (`name_and_format`).
pub fn check_name(driver: &Driver, path: &Path, existing: Existing) -> Result<()> {
    Registry(DRIVERS).check_name(driver, path, existing)
}

fn is_device(path: &Path) -> bool {
    let metadata = fs::metadata(path);
    metadata.is_ok_and(|metadata| metadata.file_type().is_block_device())
}

/// A name and a format that do not go together, with both readings of what was meant.
fn contradicting(driver: &Driver, named: &str, path: &Path) -> Error {
    let format = driver.format.name();
    let extension = driver.extensions.first().copied().unwrap_or(format);
    let leave_out = match Format::of_name(named) {
        Some(_) => {
            format!("for a {named} leave out -f (the format of an input is --input-format); ")
        }
        None => String::new(),
    };
    Error::new(
        Kind::Usage,
        format!("the format is to be {format}, the name says {named}"),
    )
    .with_code("name_and_format")
    .with_hint(format!(
        "{leave_out}for a {format} call it {}; --force writes it as it is",
        path.with_extension(extension).display()
    ))
    .in_file(path)
}

/// A pipe or a terminal has no room for an image, and a rename would put a file in its place.
fn check_place(place: &Path) -> Result<()> {
    let Ok(metadata) = fs::metadata(place) else {
        return Ok(());
    };
    let kind = metadata.file_type();
    if kind.is_file() || kind.is_dir() || kind.is_block_device() {
        return Ok(());
    }
    Err(
        Error::new(Kind::Usage, "is not a regular file or block device")
            .with_code("not_a_file")
            .in_file(place),
    )
}

/// Guests find their partitions by counting sectors.
fn check_sector(driver: &Driver, spec: &OutputSpec, disk: DiskSpec) -> Result<()> {
    if driver.sectors != Sectors::Fixed || disk.sector == Bytes(SECTOR) {
        return Ok(());
    }
    let others = DRIVERS
        .iter()
        .filter(|driver| driver.create.is_some() && driver.sectors != Sectors::Fixed);
    let others: Vec<&str> = others.map(|driver| driver.format.name()).collect();
    Err(Error::new(
        Kind::Unsupported,
        format!(
            "the disk has sectors of {} bytes, those of {} have {SECTOR}: its guest would not find its partitions",
            disk.sector.0, driver.format
        ),
    )
    .with_code("sector_size")
    .with_hint(format!("write it as {}", others.join(", ")))
    .in_file(&spec.path))
}

/// Has the driver start.
fn start(
    driver: &Driver,
    outputs: &dyn Outputs,
    spec: &OutputSpec,
    disk: DiskSpec,
    parent: Option<ParentSpec>,
    seed: Option<[u8; 32]>,
) -> Result<Box<dyn ImageWriter>> {
    check_sector(driver, spec, disk)?;
    driver
        .start(Create {
            outputs,
            disk,
            options: spec.options.clone(),
            parent,
            seed,
        })
        .map_err(|error| error.in_file(&spec.path))
}

#[cfg(test)]
mod tests;
