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

/// Starts an image of `disk`, a child if it has a parent.
///
/// # Errors
/// As [`driver_for`]; Usage, if something stands there that may not be replaced; Unsupported, if the format does not hold such sectors;
/// those of the driver.
pub fn create(spec: &OutputSpec, disk: DiskSpec, parent: Option<ParentSpec>) -> Result<Output> {
    create_beside(spec, disk, parent, &[])
}

/// As [`create`], while `inputs` are read: none of the image's files, nor any that goes with it, may take the place of one.
///
/// # Errors
/// As [`create`] and [`refuse_inputs`](crate::refuse_inputs).
pub fn create_beside(
    spec: &OutputSpec,
    disk: DiskSpec,
    parent: Option<ParentSpec>,
    inputs: &[FileVersion],
) -> Result<Output> {
    check_sector(driver_for(spec)?, spec, disk)?;
    check_place(&spec.path)?;
    let drafts = AtomicFileSet::create(&spec.path, spec.existing, inputs)?.owned(spec.ownership);
    let writer = create_in(&drafts, spec, disk, parent)?;
    Ok(Output { writer, drafts })
}

/// As [`create`], its files being `outputs`: the path in `spec` names nothing but a format.
///
/// # Errors
/// As [`create`].
pub fn create_in(
    outputs: &dyn Outputs,
    spec: &OutputSpec,
    disk: DiskSpec,
    parent: Option<ParentSpec>,
) -> Result<Box<dyn ImageWriter>> {
    start(driver_for(spec)?, outputs, spec, disk, parent, None)
}

/// Starts an image that goes to `pipe`. The path in `spec` names nothing but a format; `seed` is what ids are made of, see
/// [`Create::seed`].
///
/// # Errors
/// As [`driver_for`]; Unsupported, if the format is not written in order; those of the driver.
pub fn create_stream(
    pipe: Arc<dyn Sink>,
    spec: &OutputSpec,
    disk: DiskSpec,
    seed: Option<[u8; 32]>,
) -> Result<Box<dyn ImageWriter>> {
    let driver = driver_for(spec)?;
    if !driver.streams {
        return Err(Error::new(
            Kind::Unsupported,
            format!(
                "{} cannot be written to a pipe: its parts are not written in order",
                driver.format
            ),
        )
        .with_code("not_a_stream")
        .with_hint("write it to a file with -o FILE"));
    }
    start(driver, &OneOutput(pipe), spec, disk, None, seed)
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
mod tests {
    use std::os::unix::fs::symlink;

    use imgdelta_core::{FileOffset, FinishParams, MemSink};

    use super::*;
    use crate::refuse_inputs;

    fn spec(path: impl Into<PathBuf>) -> OutputSpec {
        OutputSpec::of(path)
    }

    #[test]
    fn the_format_is_what_is_asked_for_else_what_the_extension_says() -> Result<()> {
        for (name, format) in [
            ("a.raw", Format::Raw),
            ("a.IMG", Format::Raw),
            ("a.vhd", Format::Vhd),
            ("a.b.qcow2", Format::Qcow2),
            ("a.avhdx", Format::Vhdx),
        ] {
            assert_eq!(driver_for(&spec(name))?.format, format, "{name}");
        }
        let asked = OutputSpec {
            format: Some(Format::Vhd),
            ..spec("a.img")
        };
        assert_eq!(driver_for(&asked)?.format, Format::Vhd);
        for name in ["a", "a.xyz", "raw", ".raw"] {
            let error = driver_for(&spec(name)).expect_err("it says nothing");
            assert_eq!(error.kind(), Kind::Usage, "{name}");
            assert_eq!(
                error.hint(),
                Some("say one with -f: vhd, vhdx, qcow2, vmdk, vdi, raw")
            );
        }
        let error = driver_for(&spec("a.qed")).expect_err("it is only read");
        assert_eq!(
            (error.kind(), error.code(), error.hint()),
            (
                Kind::Unsupported,
                Driver::ONLY_READ,
                Some(
                    "vhd, vhdx, qcow2, vmdk, vdi, raw are written: choose one with -f or another extension"
                )
            )
        );
        Ok(())
    }

    #[test]
    fn a_name_and_a_format_that_contradict_each_other_are_refused() -> Result<()> {
        let place = tempfile::tempdir().expect("a place");
        let spec_of = |format, name: &str, existing| OutputSpec {
            format: Some(format),
            existing,
            ..spec(place.path().join(name))
        };
        let owners = [
            ("vhd", Some(Format::Vhd)),
            ("AVHD", Some(Format::Vhd)),
            ("vhdx", Some(Format::Vhdx)),
            ("vmdk", Some(Format::Vmdk)),
            ("vdi", Some(Format::Vdi)),
            ("qcow2", Some(Format::Qcow2)),
            ("raw", Some(Format::Raw)),
            ("gz", None),
            ("zip", None),
            ("xz", None),
        ];
        for driver in DRIVERS.iter().filter(|driver| driver.create.is_some()) {
            for (extension, owner) in owners {
                let name = format!("a.b.{extension}");
                let asked = driver_for(&spec_of(driver.format, &name, Existing::Keep));
                if owner == Some(driver.format) {
                    assert_eq!(asked?.format, driver.format);
                    continue;
                }
                let error = asked.expect_err(&name);
                assert_eq!(
                    (error.kind(), error.code()),
                    (Kind::Usage, "name_and_format"),
                    "{driver:?} {name}"
                );
                let hint = error.hint().unwrap_or_default();
                assert!(hint.contains("--force"), "{hint}");
                assert_eq!(hint.contains("--input-format"), owner.is_some(), "{hint}");
                driver_for(&spec_of(driver.format, &name, Existing::Replace))?;
            }
            // These names say nothing.
            for name in [
                "a",
                "a.img",
                "a.bin",
                "a.dd",
                "a.iso",
                "a.foo",
                "web.example.org",
            ] {
                driver_for(&spec_of(driver.format, name, Existing::Keep))?;
            }
        }
        Ok(())
    }

    #[test]
    fn an_image_has_its_name_when_it_is_committed_and_not_before() -> Result<()> {
        let folder = tempfile::tempdir().expect("a place");
        let path = folder.path().join("disk.raw");
        let output = create(&spec(&path), Bytes(1000).into(), None)?;
        output.writer.finish(&FinishParams::default())?;
        assert!(!path.exists());
        output.drafts.commit()?;
        assert_eq!(fs::read(&path).expect("it is there"), [0; 1000]);
        let error = create(&spec(&path), Bytes(1000).into(), None).expect_err("it exists");
        assert_eq!(error.kind(), Kind::Usage);
        Ok(())
    }

    #[test]
    fn what_the_driver_refuses_leaves_nothing_and_names_the_output() {
        let folder = tempfile::tempdir().expect("a place");
        let path = folder.path().join("disk.raw");
        let error = create(
            &spec(&path),
            Bytes(1000).into(),
            Some(ParentSpec::default()),
        )
        .expect_err("raw has no children");
        assert_eq!(error.location().file.as_deref(), Some(path.as_path()));
        assert_eq!(fs::read_dir(folder.path()).expect("it is there").count(), 0);
    }

    #[test]
    fn sectors_that_a_format_does_not_hold_are_refused_before_anything_is_made() -> Result<()> {
        let folder = tempfile::tempdir().expect("a place");
        let at = |name: &str| spec(folder.path().join(name));
        let disk = DiskSpec {
            size: Bytes::mib(4),
            sector: Bytes(4096),
        };
        for name in ["a.vhd", "a.vmdk", "a.vdi"] {
            let error = create(&at(name), disk, None).expect_err("it has 512 only");
            assert_eq!(
                (error.kind(), error.code(), error.hint()),
                (
                    Kind::Unsupported,
                    "sector_size",
                    Some("write it as vhdx, qcow2, raw")
                )
            );
        }
        assert_eq!(fs::read_dir(folder.path()).expect("it is there").count(), 0);
        for name in ["a.vhdx", "a.qcow2", "a.raw"] {
            drop(create(&at(name), disk, None)?);
        }
        Ok(())
    }

    #[test]
    fn only_a_format_that_is_written_in_order_goes_through_a_pipe() -> Result<()> {
        let sink = Arc::new(MemSink::default());
        let writer = create_stream(sink.clone(), &spec("x.raw"), Bytes(700).into(), None)?;
        writer.finish(&FinishParams::default())?;
        assert_eq!(sink.bytes().len(), 700);
        sink.write_at(FileOffset::ZERO, b"untouched")?;
        let error = create_stream(sink.clone(), &spec("x.vhd"), Bytes(700).into(), None).err();
        let error = error.expect("a VHD has its tables in front");
        assert_eq!(error.code(), "not_a_stream");
        assert_eq!(&sink.bytes()[..9], b"untouched");
        Ok(())
    }

    #[test]
    fn an_output_that_is_an_input_is_refused_by_whatever_name() -> Result<()> {
        let folder = tempfile::tempdir().expect("a place");
        let at = |name: &str| folder.path().join(name);
        fs::write(at("base.vhd"), "base").expect("room");
        fs::write(at("other.vhd"), "other").expect("room");
        fs::create_dir(at("deep")).expect("room");
        symlink(at("base.vhd"), at("link.vhd")).expect("links");
        fs::hard_link(at("base.vhd"), at("hard.vhd")).expect("links");
        let inputs = [FileVersion::at(&at("base.vhd")).expect("it is there")];
        for name in ["base.vhd", "link.vhd", "hard.vhd", "deep/../base.vhd"] {
            let error = refuse_inputs(&at(name), &inputs).expect_err("it is an input");
            assert_eq!(error.kind(), Kind::Usage, "{name}");
            assert_eq!(error.code(), "output_is_input", "{name}");
        }
        refuse_inputs(&at("other.vhd"), &inputs)?;
        refuse_inputs(&at("new.vhd"), &inputs)
    }

    #[test]
    fn no_file_is_renamed_over_a_pipe_or_a_terminal() {
        let folder = tempfile::tempdir().expect("a place");
        let link = folder.path().join("null.raw");
        symlink("/dev/null", &link).expect("links");
        let output = OutputSpec {
            existing: Existing::Replace,
            ..spec(&link)
        };
        let error =
            create(&output, Bytes(512).into(), None).expect_err("it is no place for an image");
        assert_eq!((error.kind(), error.code()), (Kind::Usage, "not_a_file"));
        assert!(
            fs::symlink_metadata(&link)
                .expect("it is there")
                .is_symlink()
        );
    }
}
