//! ESXi's seSparse extents: entries of 64 bits, every field as ESXi writes it or refused, as qemu does. Read only, never written.

use imgdelta_core::{Bytes, Error, FileOffset, Result, SECTOR, Source, read_array};

use crate::{
    cowd::Grained,
    extent::File,
    fault::Fault,
    layout::{SE_MAGIC, SE_VERSION, SE_VOLATILE_MAGIC, SeHeader, SeVolatile},
    map::{Form, Tables},
};

/// Sectors of a grain.
const GRAIN: u64 = 8;
/// Sectors of a grain table.
const TABLE: u64 = 64;

/// Opens an seSparse extent. `line` is what the descriptor says of its size in sectors.
pub(crate) fn open(file: File, line: Option<u64>) -> Result<Grained> {
    let source = &file.source;
    let (end, needed) = (source.len().0, SeHeader::SIZE as u64);
    if end < needed {
        return Err(Fault::HeaderCut { end, needed }.into());
    }
    let header = SeHeader::parse(&read_array(&**source, FileOffset::ZERO)?);
    validate(&header)?;
    validate_volatile(&**source, &header)?;
    let size = Grained::size_of(line, header.capacity)?;
    let grain = Bytes(GRAIN * SECTOR);
    let form = Form::SeSparse {
        tables: header.tables_offset,
        grains: header.grains_offset,
    };
    let directory = header.directory_offset;
    let tables = Tables::new(&file, form, directory, grain, size);
    let (found, required) = (
        header.directory_size.saturating_mul(SECTOR / 8),
        tables.tables(),
    );
    if found < required {
        let fault = Fault::DirectoryEntries { found, required };
        return Err(Error::from(fault).in_field("header", "grain_dir_size"));
    }
    let notes = Grained::validate(&tables, source, grain)?;
    let details = vec![
        ("capacity", header.capacity.to_string()),
        ("grainSize", GRAIN.to_string()),
    ];
    Ok(Grained::new(file, tables, (size, grain), notes, details).sized(line, header.capacity))
}

fn validate(header: &SeHeader) -> Result<()> {
    let reserved = header.reserved.iter().fold(0, |all, one| all | one);
    let padding = header.padding.iter().fold(0, |all, one| all | one);
    let fixed = [
        ("magic", header.magic, SE_MAGIC),
        ("version", header.version, SE_VERSION),
        ("grain_size", header.grain_size, GRAIN),
        ("grain_table_size", header.table_size, TABLE),
        ("flags", header.flags, 0),
        ("reserved", reserved, 0),
        ("pad", u64::from(padding), 0),
    ];
    for (field, found, required) in fixed {
        if found == required {
            continue;
        }
        let fault = match field {
            "magic" => Fault::Magic { found, required },
            "version" => Fault::Version {
                structure: "seSparse extent",
                found,
                required: "0x200000001 (2.1)",
            },
            field => Fault::SeField {
                field,
                found,
                required,
            },
        };
        return Err(Error::from(fault).in_structure("constant header"));
    }
    Ok(())
}

/// The journal is what ESXi has promised and not yet done.
fn validate_volatile(source: &dyn Source, header: &SeHeader) -> Result<()> {
    let at = FileOffset(header.volatile_offset.saturating_mul(SECTOR));
    let volatile = SeVolatile::parse(&read_array(source, at)?);
    let refuse = |fault: Fault| Err(Error::from(fault).in_structure("volatile header").at(at));
    if volatile.magic != SE_VOLATILE_MAGIC {
        let (found, required) = (volatile.magic, SE_VOLATILE_MAGIC);
        return refuse(Fault::Magic { found, required });
    }
    if volatile.replay_journal != 0 {
        let found = volatile.replay_journal;
        return refuse(Fault::Journal { found });
    }
    let found = volatile.padding.iter().fold(0, |all, one| all | one);
    if found != 0 {
        let (field, found, required) = ("pad", u64::from(found), 0);
        return refuse(Fault::SeField {
            field,
            found,
            required,
        });
    }
    Ok(())
}
