//! OVF descriptors (DSP0243): the disks of a virtual machine and the files that hold them.
//!
//! Names of files are text here: nothing is opened.

pub mod machine;

use imgdelta_core::{Bytes, Error, FileOffset, Kind, Result, Source, read_vec, xml::Element};

/// The longest descriptor that is read.
const LONGEST: Bytes = Bytes::mib(4);
/// Most files and most disks of a descriptor.
const MOST: usize = 4096;

/// A file of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageFile {
    /// Its name, as recorded.
    pub href: String,
    /// How long it is, if that is said.
    pub size: Option<Bytes>,
    /// The length of the pieces into which it is cut, if it is.
    pub chunk_size: Option<Bytes>,
}

/// A disk of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageDisk {
    /// Its id in the descriptor.
    pub id: String,
    /// The file that holds it; `None` for a disk that is made empty when the machine is.
    pub file: Option<PackageFile>,
    /// The size of the disk in bytes, if it is said in a unit that is known.
    pub capacity: Option<Bytes>,
    /// Whether it is the difference from another disk of the package.
    pub is_child: bool,
}

/// What a descriptor says of disks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Descriptor {
    /// In its order.
    pub disks: Vec<PackageDisk>,
}

impl Descriptor {
    /// Reads a descriptor.
    ///
    /// # Errors
    /// Corrupt, if it is none, or a disk names a file that it does not list; Unsupported, if it is larger than any that is meant.
    pub fn read(source: &dyn Source) -> Result<Self> {
        let placed = |error: Error| error.in_structure("OVF descriptor");
        if source.len() > LONGEST {
            let message = format!(
                "the descriptor has {} bytes, at most {} are read",
                source.len().0,
                LONGEST.0
            );
            return Err(placed(Error::new(Kind::Unsupported, message)));
        }
        let bytes = read_vec(source, FileOffset::ZERO, source.len())?;
        let root = Element::parse(&decoded(bytes))
            .map_err(|why| placed(corrupt(format!("the descriptor is no XML: {why}"))))?;
        Self::of(&root).map_err(placed)
    }

    fn of(root: &Element) -> Result<Self> {
        if root.name != "Envelope" {
            let found = root.name.escape_debug();
            return Err(corrupt(format!(
                "the element is <{found}>, <Envelope> is required"
            )));
        }
        let listed: Vec<&Element> = root
            .child("References")
            .into_iter()
            .flat_map(|one| one.all("File"))
            .collect();
        let disks: Vec<&Element> = root
            .child("DiskSection")
            .into_iter()
            .flat_map(|one| one.all("Disk"))
            .collect();
        if listed.len().max(disks.len()) > MOST {
            let message = format!("the descriptor lists more than {MOST} files or disks");
            return Err(Error::new(Kind::Unsupported, message).with_code("too_many_members"));
        }
        let disks = disks.into_iter().map(|disk| disk_of(disk, &listed));
        Ok(Self {
            disks: disks.collect::<Result<_>>()?,
        })
    }
}

/// Some programs write UTF-16, with a mark.
fn decoded(bytes: Vec<u8>) -> Vec<u8> {
    let (pairs, _) = bytes.as_chunks::<2>();
    let wide = |unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = pairs.iter().map(|pair| unit(*pair)).collect();
        String::from_utf16_lossy(&units).into_bytes()
    };
    match pairs.first() {
        Some([0xff, 0xfe]) => wide(u16::from_le_bytes),
        Some([0xfe, 0xff]) => wide(u16::from_be_bytes),
        _ => bytes,
    }
}

fn corrupt(message: String) -> Error {
    Error::new(Kind::Corrupt, message).with_code("ovf")
}

fn disk_of(disk: &Element, listed: &[&Element]) -> Result<PackageDisk> {
    let id = required(disk, "diskId")?;
    let file = match disk.attribute("fileRef") {
        None => None,
        Some(wanted) => {
            let found = listed
                .iter()
                .find(|file| file.attribute("id") == Some(wanted));
            let Some(file) = found else {
                let (id, wanted) = (id.escape_debug(), wanted.escape_debug());
                return Err(corrupt(format!(
                    "disk '{id}' stands in the file '{wanted}', which is not listed"
                ))
                .in_field("OVF descriptor", "fileRef"));
            };
            Some(file_of(file)?)
        }
    };
    Ok(PackageDisk {
        id: id.to_owned(),
        file,
        capacity: capacity_of(disk)?,
        is_child: disk
            .attribute("parentRef")
            .is_some_and(|parent| !parent.is_empty()),
    })
}

fn file_of(file: &Element) -> Result<PackageFile> {
    Ok(PackageFile {
        href: required(file, "href")?.to_owned(),
        size: number(file, "size")?.map(Bytes),
        chunk_size: number(file, "chunkSize")?
            .filter(|size| *size > 0)
            .map(Bytes),
    })
}

/// `capacity` in the unit of `capacityAllocationUnits`: bytes, or `byte * 2^30`. One in another unit is not known.
fn capacity_of(disk: &Element) -> Result<Option<Bytes>> {
    let Some(count) = number(disk, "capacity")? else {
        return Ok(None);
    };
    let unit = disk.attribute("capacityAllocationUnits").unwrap_or("byte");
    let unit: String = unit.chars().filter(|one| !one.is_whitespace()).collect();
    let power = match unit.to_ascii_lowercase().as_str() {
        "" | "byte" | "bytes" => Some(0),
        "kilobytes" => Some(10),
        "megabytes" => Some(20),
        "gigabytes" => Some(30),
        other => other
            .strip_prefix("byte*2^")
            .and_then(|power| power.parse().ok()),
    };
    let size = power.and_then(|power| 1_u64.checked_shl(power)?.checked_mul(count));
    Ok(size.map(Bytes))
}

fn required<'a>(element: &'a Element, name: &'static str) -> Result<&'a str> {
    element
        .attribute(name)
        .filter(|value| !value.is_empty())
        .ok_or_else(|| {
            let element = element.name.escape_debug();
            corrupt(format!("<{element}> has no {name}")).in_field("OVF descriptor", name)
        })
}

/// A number, if the attribute is there. `${...}` stands for a choice of the user's, and says none.
fn number(element: &Element, name: &'static str) -> Result<Option<u64>> {
    let Some(text) = element.attribute(name).map(str::trim) else {
        return Ok(None);
    };
    if text.is_empty() || text.starts_with("${") {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| {
        let text = text.escape_debug();
        corrupt(format!("{name} is '{text}', a number is required"))
            .in_field("OVF descriptor", name)
    })
}

#[cfg(test)]
mod tests {
    use imgdelta_core::MemSource;

    use super::*;

    fn read(text: &str) -> Result<Descriptor> {
        Descriptor::read(&MemSource(text.into()))
    }

    fn envelope(files: &str, disks: &str) -> String {
        format!(
            "<?xml version=\"1.0\"?><Envelope xmlns:ovf=\"http://schemas.dmtf.org/ovf/envelope/1\">\
             <References>{files}</References><DiskSection><Info/>{disks}</DiskSection></Envelope>"
        )
    }

    #[test]
    fn disks_are_listed_with_their_files_and_sizes() -> Result<()> {
        let text = envelope(
            "<File ovf:id='f1' ovf:href='a.vmdk' ovf:size='4096'/><File ovf:id='f2' ovf:href='b.vmdk' ovf:chunkSize='1000'/>",
            "<Disk ovf:diskId='d1' ovf:fileRef='f2' ovf:capacity='4' ovf:capacityAllocationUnits='byte * 2^30'/>\
             <Disk ovf:diskId='d2' ovf:fileRef='f1' ovf:capacity='512' ovf:parentRef='d1'/>\
             <Disk ovf:diskId='d3' ovf:capacity='${size}'/>",
        );
        let disks = read(&text)?.disks;
        let file = |href: &str, size, chunk_size| {
            Some(PackageFile {
                href: href.to_owned(),
                size,
                chunk_size,
            })
        };
        assert_eq!(disks.len(), 3);
        assert_eq!(disks[0].file, file("b.vmdk", None, Some(Bytes(1000))));
        assert_eq!(
            (disks[0].capacity, disks[0].is_child),
            (Some(Bytes(4 << 30)), false)
        );
        assert_eq!(disks[1].file, file("a.vmdk", Some(Bytes(4096)), None));
        assert_eq!(
            (disks[1].capacity, disks[1].is_child),
            (Some(Bytes(512)), true)
        );
        assert_eq!((&disks[2].file, disks[2].capacity), (&None, None));
        // The same in UTF-16.
        let mut wide = vec![0xff, 0xfe];
        wide.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
        assert_eq!(Descriptor::read(&MemSource(wide))?.disks, disks);
        Ok(())
    }

    #[test]
    fn what_contradicts_itself_is_refused_by_name() {
        let file = "<File ovf:id='f' ovf:href='a.vmdk'/>";
        for (text, says) in [
            ("<a/>".to_owned(), "<Envelope> is required"),
            ("no".to_owned(), "no XML"),
            (
                envelope(file, "<Disk ovf:diskId='d' ovf:fileRef='g'/>"),
                "not listed",
            ),
            (envelope(file, "<Disk ovf:fileRef='f'/>"), "has no diskId"),
            (
                envelope(
                    "<File ovf:id='f'/>",
                    "<Disk ovf:diskId='d' ovf:fileRef='f'/>",
                ),
                "has no href",
            ),
            (
                envelope(file, "<Disk ovf:diskId='d' ovf:capacity='-1'/>"),
                "a number is required",
            ),
        ] {
            let error = read(&text).expect_err(&text);
            assert_eq!(error.kind(), Kind::Corrupt, "{text}");
            assert!(error.message().contains(says), "{error}");
        }
        let many = "<File ovf:id='f' ovf:href='a'/>".repeat(MOST + 1);
        let error = read(&envelope(&many, "")).expect_err("too many");
        assert_eq!(error.kind(), Kind::Unsupported);
    }
}
