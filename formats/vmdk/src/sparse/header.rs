//! The header of a hosted sparse extent, and its footer's likeness: read, and judged by itself. What it describes is looked at elsewhere.

use imgdelta_core::{Bytes, Error, FileOffset, Result, Source, read_array};

use super::MOST_SECTORS;
use crate::{
    fault::Fault,
    layout::{
        COMPRESSED, DEFLATE, KNOWN_FLAGS, NEWLINE_TEST, NEWLINES, SPARSE_MAGIC, SparseHeader,
        TABLE_ENTRIES,
    },
};

/// The largest grain that is read, in sectors, as in qemu.
pub(crate) const MOST_GRAIN: u64 = 1 << 21;
/// The largest compressed one: it is held in memory as a whole, and by every thread.
const MOST_COMPRESSED: u64 = 1 << 16;

/// Reads and judges the header of an extent.
pub(crate) fn read(source: &dyn Source) -> Result<SparseHeader> {
    let end = source.len().0;
    let needed = SparseHeader::SIZE as u64;
    if end < needed {
        return Err(Fault::HeaderCut { end, needed }.into());
    }
    let header = SparseHeader::parse(&read_array(source, FileOffset::ZERO)?);
    validate(&header, FileOffset::ZERO)?;
    Ok(header)
}

/// Rules that hold for header and footer alike.
pub(super) fn validate(header: &SparseHeader, at: FileOffset) -> Result<()> {
    let refuse = |fault: Fault, name: &'static str, field: &str| {
        let at = at.saturating_add(Bytes(SparseHeader::at(field)));
        Err(Error::from(fault).in_field("header", name).at(at))
    };
    if header.magic != SPARSE_MAGIC {
        let (found, required) = (u64::from(header.magic), u64::from(SPARSE_MAGIC));
        return refuse(Fault::Magic { found, required }, "magicNumber", "magic");
    }
    if !(1..=3).contains(&header.version) {
        let fault = Fault::Version {
            structure: "sparse extent",
            found: u64::from(header.version),
            required: "1, 2 or 3",
        };
        return refuse(fault, "version", "version");
    }
    if header.flags & NEWLINE_TEST != 0 && header.newlines != NEWLINES {
        let found = header.newlines.escape_ascii().to_string();
        return refuse(Fault::Newlines { found }, "newline test", "newlines");
    }
    if header.capacity > MOST_SECTORS {
        let (found, most) = (header.capacity, MOST_SECTORS);
        return refuse(Fault::Capacity { found, most }, "capacity", "capacity");
    }
    let found = header.grain_size;
    if !found.is_power_of_two() || found > MOST_GRAIN {
        let (least, most) = (1, MOST_GRAIN);
        let fault = Fault::GrainSize { found, least, most };
        return refuse(fault, "grainSize", "grain_size");
    }
    if header.flags & COMPRESSED != 0 && found > MOST_COMPRESSED {
        let most = MOST_COMPRESSED;
        let fault = Fault::GrainTooLarge { found, most };
        return refuse(fault, "grainSize", "grain_size");
    }
    let (found, most) = (header.entries_per_table, TABLE_ENTRIES);
    if found == 0 || found > most {
        let (found, most) = (u64::from(found), u64::from(most));
        let fault = Fault::TableEntries { found, most };
        return refuse(fault, "numGTEsPerGT", "entries_per_table");
    }
    let found = header.compress_algorithm;
    if header.flags & COMPRESSED != 0 && found != DEFLATE || found > DEFLATE {
        return refuse(
            Fault::Algorithm { found },
            "compressAlgorithm",
            "compress_algorithm",
        );
    }
    Ok(())
}

/// What is odd in a header and no fault.
pub(super) fn notes(header: &SparseHeader) -> Vec<String> {
    let mut notes = Vec::new();
    if header.unclean_shutdown != 0 {
        notes.push("the extent was not closed cleanly: check it".into());
    }
    let unknown = header.flags & !KNOWN_FLAGS;
    if unknown != 0 {
        notes.push(format!("flags {unknown:#x} of the header are not known"));
    }
    notes
}
