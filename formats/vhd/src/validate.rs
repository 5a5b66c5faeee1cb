//! What a file says of itself, read and judged: what leaves here is true of it. Of the dynamic header `header` judges, of blocks `map`,
//! of the parent link `locator`.

use std::ops::Range;

use imgdelta_core::{Bytes, Error, FileOffset, ParentLink, Result, SECTOR, Source};

use crate::{
    batmap,
    fault::Fault,
    footer::{self, SelectedFooter},
    geometry::Geometry,
    header,
    layout::{DIFFERENCING, DYNAMIC, DynamicHeader, FIXED, Footer, VERSION},
    locator,
    map::Tables,
    open_options::OpenOptions,
};

/// The largest disk that a BAT is read for, in blocks of the largest size. Writers stop at 2040 GiB, VirtualBox at 2 TiB; what is needed in
/// memory follows from the entries of the BAT alone.
const MAX_SIZE: Bytes = Bytes(header::MAX_ENTRIES as u64 * header::MAX_BLOCK as u64);

/// What is known of an image before its blocks are looked at.
#[derive(Clone, Debug)]
pub(crate) struct ValidatedHeader {
    /// The footer that counts, and its copy.
    pub(crate) found: SelectedFooter,
    /// The dynamic header; `None` in fixed images.
    pub(crate) header: Option<DynamicHeader>,
    /// The size of the disk.
    pub(crate) size: Bytes,
    /// What the user should know.
    pub(crate) notes: Vec<String>,
}

impl ValidatedHeader {
    /// Reads and judges what `source` says of itself.
    pub(crate) fn read(source: &dyn Source, reading: OpenOptions) -> Result<Self> {
        let found = footer::find(source, reading.ignores_checksum)?;
        let mut notes = found.notes.clone();
        let size = validate_footer(&found, reading, &mut notes)?;
        let end = found.data_end(source.len().0);
        let header = if found.footer.disk_type == FIXED {
            if size.0 > end {
                return Err(in_footer(
                    Fault::FixedTooShort {
                        found: size.0,
                        held: end,
                    },
                    "current_size",
                    &found,
                ));
            }
            None
        } else {
            let header = header::read(source, &found.footer, end)?;
            header::validate(&header, &found.footer, reading, &mut notes)?;
            header::validate_table(&header, &found.footer, size, end, &mut notes)?;
            batmap::refuse_encrypted(source, &found.footer, &header)?;
            Some(header)
        };
        if reading.ignores_bitmaps {
            validate_without_bitmaps(&found, &mut notes)?;
        }
        Ok(Self {
            found,
            header,
            size,
            notes,
        })
    }

    /// The footer.
    pub(crate) const fn footer(&self) -> &Footer {
        &self.found.footer
    }

    /// Where things are, in images that have a BAT; `len` is the file's length.
    pub(crate) fn tables(&self, len: Bytes) -> Option<Tables> {
        let header = self.header.as_ref()?;
        Some(Tables {
            header_at: FileOffset(self.footer().data_offset),
            bat_at: FileOffset(header.table_offset),
            entries: header.max_table_entries,
            block_size: Bytes(u64::from(header.block_size)),
            size: self.size,
            data_end: self.found.data_end(len.0),
            file_end: len.0,
        })
    }

    /// How a child names its parent; what is odd about it becomes a note.
    pub(crate) fn read_link(&mut self, source: &dyn Source) -> Result<Option<ParentLink>> {
        let Some(header) = self.header.as_ref().filter(|_| self.is_child()) else {
            return Ok(None);
        };
        let at = FileOffset(self.footer().data_offset);
        let mut notes = Vec::new();
        let link = locator::read_link(source, header, at, &mut notes)?;
        self.notes.append(&mut notes);
        Ok(Some(link))
    }

    /// The bytes of the file that the data of a child's locators take.
    pub(crate) fn locators(&self) -> Vec<Range<u64>> {
        let header = self.header.as_ref().filter(|_| self.is_child());
        header.map(locator::taken).unwrap_or_default()
    }

    /// Whether the layer is one over a parent.
    pub(crate) const fn is_child(&self) -> bool {
        self.found.footer.disk_type == DIFFERENCING
    }
}

fn in_footer(fault: Fault, field: &'static str, found: &SelectedFooter) -> Error {
    let at = found.at.saturating_add(Bytes(Footer::at(field)));
    Error::from(fault).in_field("footer", field).at(at)
}

/// Judges everything that the footer says by itself; the disk's size comes out.
fn validate_footer(
    found: &SelectedFooter,
    reading: OpenOptions,
    notes: &mut Vec<String>,
) -> Result<Bytes> {
    let footer = &found.footer;
    if footer.file_format_version >> 16 != VERSION >> 16 {
        let fault = Fault::FooterVersion {
            found: footer.file_format_version,
        };
        return Err(in_footer(fault, "file_format_version", found));
    }
    if !matches!(footer.disk_type, FIXED | DYNAMIC | DIFFERENCING) {
        let fault = Fault::DiskType {
            found: footer.disk_type,
            name: type_name(footer.disk_type),
        };
        return Err(in_footer(fault, "disk_type", found));
    }
    if footer.disk_type != FIXED
        && footer.creator_application == *b"tap\0"
        && footer.creator_version == 1
    {
        return Err(in_footer(
            Fault::LittleEndianBitmaps,
            "creator_version",
            found,
        ));
    }
    let size = validate_size(found, reading, notes)?;
    if footer.features & 2 == 0 || footer.features > 3 {
        notes.push(format!(
            "features are {:#x}, 2 or 3 is usual",
            footer.features
        ));
    }
    if footer.unique_id == [0; 16] {
        notes.push("the unique id is zero: no child can name this image for certain".into());
    }
    if footer.saved_state != 0 {
        notes.push(
            "a virtual machine was saved while it used this disk (saved_state is set)".into(),
        );
    }
    Ok(size)
}

/// In a child the bitmaps say what is the parent's: there they cannot be ignored.
fn validate_without_bitmaps(found: &SelectedFooter, notes: &mut Vec<String>) -> Result<()> {
    match found.footer.disk_type {
        DIFFERENCING => {
            let fault = Fault::BitmapsOfChild;
            Err(in_footer(fault, "disk_type", found))
        }
        DYNAMIC => {
            notes.push(
                "the sector bitmaps were ignored: all of every block that is there is read".into(),
            );
            Ok(())
        }
        _ => Ok(()),
    }
}

/// What people call a disk type.
pub(crate) const fn type_name(disk_type: u32) -> &'static str {
    match disk_type {
        0 => "none",
        FIXED => "fixed",
        DYNAMIC => "dynamic",
        DIFFERENCING => "differencing",
        1 | 5 | 6 => "reserved, deprecated",
        _ => "unknown",
    }
}

/// The size is what `current_size` says, as all readers but qemu have it. qemu goes by the geometry for some creators.
fn validate_size(
    found: &SelectedFooter,
    reading: OpenOptions,
    notes: &mut Vec<String>,
) -> Result<Bytes> {
    let footer = &found.footer;
    let (current, geometry) = (Bytes(footer.current_size), Geometry::of(footer));
    let says_something = geometry != Geometry::MAX;
    let size = if reading.size_by_chs && says_something {
        geometry.size()
    } else {
        current
    };
    if !size.is_multiple_of(Bytes(SECTOR)) {
        let fault = Fault::SizeUnaligned { found: size.0 };
        return Err(in_footer(fault, "current_size", found));
    }
    if footer.disk_type != FIXED && size > MAX_SIZE {
        let fault = Fault::SizeTooLarge {
            found: size.0,
            most: MAX_SIZE.0,
        };
        return Err(in_footer(fault, "current_size", found));
    }
    let goes_by_chs = matches!(&footer.creator_application, b"vpc " | b"qemu");
    let apart = geometry.size().0.abs_diff(current.0);
    if says_something
        && apart
            > if goes_by_chs {
                0
            } else {
                geometry.cylinder().0
            }
    {
        notes.push(format!(
            "geometry {geometry} gives {} bytes, current_size is {}; using {} (--input-option size={})",
            geometry.size().0,
            current.0,
            if reading.size_by_chs { "the geometry" } else { "current_size" },
            if reading.size_by_chs { "current" } else { "chs" },
        ));
    }
    if size == Bytes::ZERO {
        notes.push("the disk is empty: its size is 0".into());
    }
    Ok(size)
}
