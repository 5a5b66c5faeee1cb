//! An OVF package in the making: a disk as one .ova, with a machine around it.

use std::sync::Arc;

use imgdelta_core::{
    Bytes, DiskSpec, Error, FileVersion, Format, ImageWriter, Kind, Options, Result, Sink,
};
use imgdelta_packed::{
    archive::ova::NewOva,
    ovf::machine::{Firmware, Machine},
};

use crate::{
    atomic_file_set::AtomicFileSet,
    create::{OutputSpec, ResolvedOutput, driver_for, driver_of_new, is_package},
};

/// A package that is to be written.
#[derive(Clone, Debug)]
pub struct PackageSpec {
    machine: Machine,
    stem: String,
    /// Its disk: a stream whose path names nothing but a format.
    pub disk: ResolvedOutput,
}

/// Refuses an output that cannot be written, whatever disk it is to hold.
///
/// # Errors
/// As [`driver_for`] and [`PackageSpec::of`].
pub fn check_output(spec: &OutputSpec) -> Result<()> {
    if is_package(spec) {
        PackageSpec::of(spec).map(drop)
    } else {
        driver_for(spec).map(drop)
    }
}

impl PackageSpec {
    /// The package that `spec` means: the options of its machine, and those of its disk.
    ///
    /// # Errors
    /// Usage, if one is none, or another format is asked for; Unsupported, if this build does not write VMDK.
    pub fn of(spec: &OutputSpec) -> Result<Self> {
        let named = |error: Error| error.in_file(&spec.path);
        if let Some(format) = spec.format.filter(|format| *format != Format::Vmdk) {
            let message = format!("the disk of an .ova is a VMDK, the format is to be {format}");
            return Err(
                named(Error::new(Kind::Usage, message).with_code("name_and_format"))
                    .with_hint("leave out -f"),
            );
        }
        driver_of_new(Format::Vmdk).map_err(named)?;
        let stem = spec.path.file_stem().and_then(|stem| stem.to_str());
        let stem = stem.ok_or_else(|| named(Error::new(Kind::Usage, "its name is not UTF-8")))?;
        let mut options = spec.options.clone();
        let machine = Machine::take(&mut options, stem).map_err(named)?;
        match options.take("subformat").as_deref() {
            None | Some("streamOptimized") => {}
            Some(other) => {
                let message = format!(
                    "option subformat is '{}', the disk of an .ova is streamOptimized",
                    other.escape_debug()
                );
                return Err(named(Error::new(Kind::Usage, message)));
            }
        }
        let disk: Vec<String> = options
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .chain(["subformat=streamOptimized".to_owned()])
            .collect();
        Ok(Self {
            machine,
            stem: stem.to_owned(),
            disk: ResolvedOutput::of(OutputSpec {
                format: Some(Format::Vmdk),
                path: spec.path.with_extension("vmdk"),
                options: Options::parse(&disk)?,
                existing: spec.existing,
                ownership: spec.ownership,
            })?,
        })
    }

    /// What the user should know of the machine.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let efi = (self.machine.firmware == Firmware::Efi).then(|| {
            "that the machine starts by UEFI is said as VMware reads it; VirtualBox must be told in the settings of the machine".to_owned()
        });
        efi.into_iter().collect()
    }

    /// Starts it in `sink`: what takes the disk, and what ends the package. `seed` is what ids are made of, `time` that of its members in
    /// seconds since 1970.
    ///
    /// # Errors
    /// As [`ResolvedOutput::create_stream`].
    pub fn begin(
        &self,
        sink: Arc<dyn Sink>,
        disk: DiskSpec,
        seed: Option<[u8; 32]>,
        time: Option<u64>,
    ) -> Result<(Box<dyn ImageWriter>, NewPackage)> {
        let ova = NewOva::new(sink, self.machine.clone(), &self.stem, time.unwrap_or(0));
        let writer = self.disk.create_stream(ova.disk(), disk, seed)?;
        let capacity = writer.shape().size;
        Ok((writer, NewPackage { ova, capacity }))
    }
}

/// A package whose disk is being written.
#[derive(Debug)]
pub struct NewPackage {
    ova: NewOva,
    capacity: Bytes,
}

impl NewPackage {
    /// Ends it, its disk being whole. Returns its length.
    ///
    /// # Errors
    /// Host, if it cannot be written.
    pub fn finish(self) -> Result<Bytes> {
        self.ova.finish(self.capacity)
    }
}

/// The file of a package, refused if it is one of the `inputs`.
///
/// # Errors
/// As [`create`](fn@crate::create).
pub fn package_file(spec: &OutputSpec, inputs: &[FileVersion]) -> Result<AtomicFileSet> {
    let file = AtomicFileSet::create(&spec.path, spec.existing, inputs)?;
    Ok(file.owned(spec.ownership))
}
