//! The dynamic header, read and judged: where it is, what it says, where the BAT is. The BAT's entries are judged in `map`.

use imgdelta_core::{Bytes, Error, FileOffset, Result, SECTOR, Source, read_array};

use crate::{
    fault::Fault,
    layout::{DynamicHeader, Footer, HEADER_COOKIE, VERSION},
    open_options::OpenOptions,
};

/// The largest block that is read. Every tool writes 2 MiB or less.
pub(crate) const MAX_BLOCK: u32 = 256 << 20;
/// Most BAT entries: a BAT of 64 MiB, and as much in memory. A disk of 2 TiB has a quarter of that in blocks of 512 KiB.
pub(crate) const MAX_ENTRIES: u32 = 1 << 24;

/// The dynamic header, wherever the footer says; `end` is where it must end.
pub(crate) fn read(source: &dyn Source, footer: &Footer, end: u64) -> Result<DynamicHeader> {
    let found = FileOffset(footer.data_offset);
    let fault = if found.0 < SECTOR {
        Some(Fault::HeaderInFooter { found })
    } else if !found.is_aligned(Bytes(SECTOR)) {
        Some(Fault::HeaderUnaligned { found })
    } else if found.0.saturating_add(DynamicHeader::SIZE as u64) > end {
        Some(Fault::HeaderPastEnd { found, end })
    } else {
        None
    };
    if let Some(fault) = fault {
        return Err(Error::from(fault).in_field("footer", "data_offset"));
    }
    let header = DynamicHeader::parse(&read_array(source, found)?);
    if header.cookie != HEADER_COOKIE {
        let cookie = header.cookie.escape_ascii().to_string();
        return Err(Error::from(Fault::HeaderCookie { found: cookie })
            .in_field("dynamic header", "cookie")
            .at(found));
    }
    Ok(header)
}

fn in_header(fault: Fault, field: &'static str, footer: &Footer) -> Error {
    let at = FileOffset(footer.data_offset).saturating_add(Bytes(DynamicHeader::at(field)));
    Error::from(fault).in_field("dynamic header", field).at(at)
}

/// Judges what the dynamic header says by itself.
pub(crate) fn validate(
    header: &DynamicHeader,
    footer: &Footer,
    reading: OpenOptions,
    notes: &mut Vec<String>,
) -> Result<()> {
    let computed = header.computed_checksum();
    if header.checksum != computed {
        if !reading.ignores_checksum {
            let fault = Fault::HeaderChecksum {
                found: header.checksum,
                computed,
            };
            return Err(in_header(fault, "checksum", footer));
        }
        notes.push("the dynamic header's checksum is wrong and was ignored".into());
    }
    if header.header_version != VERSION {
        let fault = Fault::HeaderVersion {
            found: header.header_version,
        };
        return Err(in_header(fault, "header_version", footer));
    }
    let found = header.block_size;
    if found > MAX_BLOCK && found.is_power_of_two() {
        let most = MAX_BLOCK;
        return Err(in_header(
            Fault::BlockTooLarge { found, most },
            "block_size",
            footer,
        ));
    }
    if !found.is_power_of_two() || u64::from(found) < SECTOR {
        return Err(in_header(Fault::BlockSize { found }, "block_size", footer));
    }
    Ok(())
}

/// Judges where the BAT is and what it covers, before anything of it is read.
pub(crate) fn validate_table(
    header: &DynamicHeader,
    footer: &Footer,
    size: Bytes,
    end: u64,
    notes: &mut Vec<String>,
) -> Result<()> {
    let entries = header.max_table_entries;
    if entries > MAX_ENTRIES {
        let fault = Fault::TooManyEntries {
            found: entries,
            most: MAX_ENTRIES,
        };
        return Err(in_header(fault, "max_table_entries", footer));
    }
    let found = FileOffset(header.table_offset);
    let bat_end = found.0.saturating_add(u64::from(entries) * 4);
    let header_end = footer
        .data_offset
        .saturating_add(DynamicHeader::SIZE as u64);
    let fault = if found.0 < SECTOR {
        let other = "footer copy";
        Some(Fault::BatOverlap { found, other })
    } else if !found.is_aligned(Bytes(SECTOR)) {
        Some(Fault::BatUnaligned { found })
    } else if found.0 < header_end && bat_end.max(found.0 + 1) > footer.data_offset {
        let other = "dynamic header";
        Some(Fault::BatOverlap { found, other })
    } else if bat_end > end {
        let at = found;
        Some(Fault::BatPastEnd { entries, at, end })
    } else {
        None
    };
    if let Some(fault) = fault {
        return Err(in_header(fault, "table_offset", footer));
    }
    let covered = u64::from(entries) * u64::from(header.block_size);
    if covered < size.0 {
        let size = size.0;
        return Err(in_header(
            Fault::BatTooSmall { covered, size },
            "max_table_entries",
            footer,
        ));
    }
    let needed = size.pieces(Bytes(u64::from(header.block_size)));
    if u64::from(entries) > needed {
        notes.push(format!(
            "the BAT has {entries} entries, the disk needs {needed}"
        ));
    }
    Ok(())
}
