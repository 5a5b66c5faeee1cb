//! Which disk of a package is meant: by its number, its id, or the name of its file.

use std::path::Path;

use imgdelta_core::{Bytes, Error, Kind, Result};
use imgdelta_packed::ovf::{Descriptor, PackageDisk, PackageFile};

/// A disk of a package, as a user chooses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedDisk {
    /// Its number, from 1 on.
    pub number: usize,
    /// Its id in the descriptor.
    pub id: String,
    /// The name of its file, as recorded; `None` for one that is made empty when the machine is.
    pub file: Option<String>,
    /// The size of the disk in bytes, if the descriptor says it.
    pub size: Option<Bytes>,
}

impl PackedDisk {
    fn of(index: usize, disk: &PackageDisk) -> Self {
        Self {
            number: index.saturating_add(1),
            id: disk.id.clone(),
            file: disk.file.as_ref().map(|file| file.href.clone()),
            size: disk.capacity,
        }
    }
}

/// The disks of a package, in the order of its descriptor.
pub(super) fn listed(descriptor: &Descriptor) -> Vec<PackedDisk> {
    let disks = descriptor.disks.iter().enumerate();
    disks
        .map(|(index, disk)| PackedDisk::of(index, disk))
        .collect()
}

/// The disk that the user means, and its file.
pub(super) fn chosen<'a>(
    descriptor: &'a Descriptor,
    wanted: Option<&str>,
) -> Result<(&'a PackageDisk, &'a PackageFile)> {
    let all = descriptor.disks.iter().enumerate();
    let found: Vec<_> = match wanted {
        None => all.filter(|(_, disk)| disk.file.is_some()).collect(),
        Some(wanted) => all
            .filter(|(index, disk)| is_meant(*index, disk, wanted))
            .collect(),
    };
    let one = match found.as_slice() {
        [(_, one)] => Some((*one, one.file.as_ref())),
        // A number is a number, also where a file is called so.
        several => {
            let number = wanted.and_then(|wanted| wanted.parse::<usize>().ok());
            let mut several = several.iter();
            let one = several.find(|(index, _)| number == Some(index.saturating_add(1)));
            one.map(|(_, one)| (*one, one.file.as_ref()))
        }
    };
    match one {
        Some((disk, Some(file))) => Ok((disk, file)),
        Some((disk, None)) => {
            let message = format!(
                "disk '{}' has no file: it is made empty when the machine is",
                disk.id.escape_debug()
            );
            Err(Error::new(Kind::Unsupported, message).with_code("ovf_empty_disk"))
        }
        None => Err(unclear(descriptor, wanted, found.len())),
    }
}

fn is_meant(index: usize, disk: &PackageDisk, wanted: &str) -> bool {
    let href = disk.file.as_ref().map(|file| file.href.as_str());
    let name = href.and_then(|href| Path::new(href).file_name());
    wanted.parse() == Ok(index.saturating_add(1))
        || disk.id == wanted
        || href == Some(wanted)
        || name.is_some_and(|name| name == wanted)
}

/// None or several are meant.
fn unclear(descriptor: &Descriptor, wanted: Option<&str>, found: usize) -> Error {
    let message = match (wanted, descriptor.disks.len()) {
        (_, 0) => "the package has no disks".to_owned(),
        (None, _) if found == 0 => "no disk of the package has a file".to_owned(),
        (None, count) => {
            format!("the package has {count} disks, and it is not said which is meant")
        }
        (Some(wanted), _) if found == 0 => {
            format!("the package has no disk '{}'", wanted.escape_debug())
        }
        (Some(wanted), _) => format!(
            "{found} disks of the package are called '{}'",
            wanted.escape_debug()
        ),
    };
    if descriptor.disks.is_empty() || wanted.is_none() && found == 0 {
        return Error::new(Kind::Unsupported, message).with_code("ovf_no_disks");
    }
    let error = Error::new(Kind::Usage, message).with_code("disk_choice");
    let lines = listed(descriptor).into_iter().map(|disk| {
        let file = disk
            .file
            .as_deref()
            .unwrap_or("no file")
            .escape_debug()
            .to_string();
        let size = disk
            .size
            .map_or_else(String::new, |size| format!(", {size}"));
        format!("{}: {file}{size}", disk.number)
    });
    lines
        .fold(error, Error::with_detail)
        .with_hint("choose with --disk, by number or by name")
}
