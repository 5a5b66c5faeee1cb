//! The region tables: where the BAT and the metadata stand. What they hold is read in `map` and `metadata`.

use std::ops::Range;

use imgdelta_core::{
    Bytes, Error, FileOffset, OnDisk, Result, Source, byteorder::LittleEndian, read_vec,
};

use crate::{
    fault::Fault,
    identity,
    layout::{
        BAT_REGION, METADATA_REGION, MIB, REGION_AT, REGION_ENTRIES, REGION_LEN, REGION_REQUIRED,
        REGION_SIGNATURE, RegionEntry, RegionHead, checksum,
    },
};

/// The largest BAT: 64 TiB in blocks of 1 MiB take 512 MiB and a few pages. openvmm draws the same line.
const MAX_BAT: u32 = 513 << 20;
/// The largest metadata region; openvmm draws the same line.
const MAX_METADATA: u32 = 128 << 20;

/// What the region table says, judged.
#[derive(Clone, Debug)]
pub(crate) struct Regions {
    /// Where the BAT stands.
    pub(crate) bat: Range<u64>,
    /// Where the metadata stand.
    pub(crate) metadata: Range<u64>,
    /// All regions, also those that nobody here knows.
    pub(crate) entries: Vec<RegionEntry>,
    /// Where the table stands that counts.
    pub(crate) at: u64,
    /// What is wrong with one of the tables, if something is.
    pub(crate) flaw: Option<String>,
    /// Whether both tables are whole and not the same.
    pub(crate) differ: bool,
}

/// A region table that is whole.
#[derive(Clone, Debug, PartialEq, Eq)]
struct RegionTable {
    /// Where it stands.
    at: u64,
    /// Its head.
    head: RegionHead,
    /// What follows the head.
    rest: Vec<u8>,
}

/// The table that counts.
struct Chosen {
    /// It.
    table: RegionTable,
    /// What is wrong with the other one, if something is.
    flaw: Option<String>,
    /// Whether the other one is whole and not the same.
    differ: bool,
}

/// Reads the first table that is whole, and judges it. `log` is where the log stands, `end` how long the file is.
///
/// # Errors
/// Corrupt or Unsupported, if there is none or what it says cannot be.
pub(crate) fn read(source: &dyn Source, log: &Range<u64>) -> Result<Regions> {
    let Chosen {
        table,
        flaw,
        differ,
    } = choose(source)?;
    let entries = entries_of(&table)?;
    for number in 0..entries.len() {
        validate(&entries, number, log, source.len().0)
            .map_err(|fault| in_entry(fault, &table, number))?;
    }
    let bat = find(&entries, BAT_REGION, "BAT", MAX_BAT, &table)?;
    let metadata = find(
        &entries,
        METADATA_REGION,
        "metadata region",
        MAX_METADATA,
        &table,
    )?;
    Ok(Regions {
        bat,
        metadata,
        entries,
        at: table.at,
        flaw,
        differ,
    })
}

/// Reads both tables: the first that is whole counts.
fn choose(source: &dyn Source) -> Result<Chosen> {
    let [first, second] = REGION_AT.map(|at| read_one(source, at));
    let alone = |table, number, flaw| Chosen {
        table,
        flaw: Some(format!("region table {number} is damaged: {flaw}")),
        differ: false,
    };
    match (first?, second?) {
        (Ok(first), Ok(second)) => Ok(Chosen {
            differ: (&first.head, &first.rest) != (&second.head, &second.rest),
            table: first,
            flaw: None,
        }),
        (Ok(table), Err(flaw)) => Ok(alone(table, 2, flaw)),
        (Err(flaw), Ok(table)) => Ok(alone(table, 1, flaw)),
        (Err(first), Err(second)) => {
            let [at, _] = REGION_AT;
            Err(Error::from(Fault::NoRegionTable { first, second })
                .in_field("region table", "checksum")
                .at(FileOffset(at)))
        }
    }
}

/// One table, or what is wrong with it.
fn read_one(source: &dyn Source, at: u64) -> Result<Result<RegionTable, String>> {
    if at.saturating_add(REGION_LEN as u64) > source.len().0 {
        return Ok(Err(format!("the file ends at {}", source.len().0)));
    }
    let bytes = read_vec(source, FileOffset(at), Bytes::from(REGION_LEN))?;
    let Some((head, rest)) = bytes.split_first_chunk::<{ RegionHead::SIZE }>() else {
        return Ok(Err("it has no head".into()));
    };
    let head = RegionHead::parse(head);
    if head.signature != REGION_SIGNATURE {
        let found = head.signature.escape_ascii();
        return Ok(Err(format!("signature is '{found}', 'regi' is required")));
    }
    let (found, computed) = (head.checksum, checksum(&bytes));
    if found != computed {
        return Ok(Err(format!(
            "checksum is {found:#010x}, computed {computed:#010x}"
        )));
    }
    let rest = rest.to_vec();
    Ok(Ok(RegionTable { at, head, rest }))
}

fn entries_of(table: &RegionTable) -> Result<Vec<RegionEntry>> {
    let found = table.head.entry_count;
    if found > REGION_ENTRIES {
        let most = REGION_ENTRIES;
        return Err(Error::from(Fault::TooManyRegions { found, most })
            .in_field("region table", "entry_count")
            .at(FileOffset(table.at).saturating_add(Bytes(RegionHead::at("entry_count")))));
    }
    Ok(table
        .rest
        .chunks_exact(RegionEntry::SIZE)
        .take(Bytes(u64::from(found)).in_memory())
        .map(<RegionEntry as OnDisk<LittleEndian>>::take)
        .collect())
}

/// Where a region stands in the file.
pub(crate) fn range_of(entry: &RegionEntry) -> Range<u64> {
    entry.file_offset..entry.file_offset.saturating_add(u64::from(entry.length))
}

/// What people call a region.
const fn name_of(guid: [u8; 16]) -> &'static str {
    match guid {
        BAT_REGION => "BAT",
        METADATA_REGION => "metadata region",
        _ => "region",
    }
}

/// Judges region `number` by itself, against the log and against those before it.
fn validate(
    entries: &[RegionEntry],
    number: usize,
    log: &Range<u64>,
    end: u64,
) -> Result<(), Fault> {
    let Some((entry, before)) = entries.get(..=number).and_then(<[_]>::split_last) else {
        return Ok(());
    };
    let (at, len) = (FileOffset(entry.file_offset), entry.length);
    let (range, guid) = (range_of(entry), entry.guid);
    let is_known = matches!(guid, BAT_REGION | METADATA_REGION);
    if before.iter().any(|other| other.guid == guid) {
        let guid = identity::text(guid);
        return Err(Fault::RegionTwice { guid });
    }
    if !is_known && entry.flags & REGION_REQUIRED != 0 {
        let guid = identity::text(guid);
        return Err(Fault::RegionUnknown { guid });
    }
    if at.0 < MIB || !at.is_aligned(Bytes(MIB)) || len == 0 || !u64::from(len).is_multiple_of(MIB) {
        return Err(Fault::RegionPlace { number, at, len });
    }
    if range.start < log.end && log.start < range.end {
        let other = "the log".into();
        return Err(Fault::RegionsOverlap { number, at, other });
    }
    let shares = |other: &RegionEntry| {
        let other = range_of(other);
        range.start < other.end && other.start < range.end
    };
    if let Some(other) = before.iter().position(shares) {
        let other = format!("region {other}");
        return Err(Fault::RegionsOverlap { number, at, other });
    }
    if range.end > end {
        let name = name_of(guid);
        return Err(Fault::RegionPastEnd { name, at, len, end });
    }
    Ok(())
}

/// The region that every file must have.
fn find(
    entries: &[RegionEntry],
    guid: [u8; 16],
    name: &'static str,
    most: u32,
    table: &RegionTable,
) -> Result<Range<u64>> {
    let Some(number) = entries.iter().position(|entry| entry.guid == guid) else {
        return Err(Error::from(Fault::RegionMissing { name })
            .in_structure("region table")
            .at(FileOffset(table.at)));
    };
    let Some(entry) = entries.get(number).filter(|entry| entry.length <= most) else {
        let found = entries.get(number).map_or(0, |entry| entry.length);
        return Err(in_entry(
            Fault::RegionTooLong { name, found, most },
            table,
            number,
        ));
    };
    Ok(range_of(entry))
}

fn in_entry(fault: Fault, table: &RegionTable, number: usize) -> Error {
    let field = match fault {
        Fault::RegionTwice { .. } | Fault::RegionUnknown { .. } => "guid",
        Fault::RegionTooLong { .. } => "length",
        _ => "file_offset",
    };
    let skipped = RegionHead::SIZE.saturating_add(number.saturating_mul(RegionEntry::SIZE)) as u64;
    let at = skipped + RegionEntry::at(field);
    Error::from(fault)
        .in_field("region table entry", field)
        .at(FileOffset(table.at).saturating_add(Bytes(at)))
}
