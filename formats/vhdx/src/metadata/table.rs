//! The metadata table: where each item stands. What the items say is judged in `metadata`.

use std::{collections::BTreeSet, ops::Range};

use imgdelta_core::{
    Bytes, Error, FileOffset, OnDisk, Result, Source, byteorder::LittleEndian, read_vec,
};

use crate::{
    fault::Fault,
    identity,
    layout::{
        FILE_PARAMETERS, GEOMETRY, INCOMPLETE_FILE, IS_REQUIRED, IS_USER, LOGICAL_SECTOR_SIZE,
        METADATA_ENTRIES, METADATA_SIGNATURE, METADATA_TABLE_LEN, MetadataEntry, MetadataHead,
        NO_GUID, PAGE_83_DATA, PARENT_LOCATOR, PHYSICAL_SECTOR_SIZE, PMEM_LABEL, VIRTUAL_DISK_SIZE,
    },
};

/// The largest item. [VHDX] 3.1.2.2
pub(crate) const MAX_ITEM: u32 = 1 << 20;

/// The table's head and entries.
pub(super) fn read(
    source: &dyn Source,
    region: &Range<u64>,
) -> Result<(MetadataHead, Vec<MetadataEntry>)> {
    let at = FileOffset(region.start);
    let bytes = read_vec(source, at, Bytes::from(METADATA_TABLE_LEN))?;
    let head: [u8; MetadataHead::SIZE] = bytes.first_chunk().copied().unwrap_or([0; 32]);
    let head = MetadataHead::parse(&head);
    if head.signature != METADATA_SIGNATURE {
        let found = head.signature.escape_ascii().to_string();
        return Err(Error::from(Fault::MetadataSignature { found })
            .in_field("metadata table", "signature")
            .at(at));
    }
    let (found, most) = (head.entry_count, METADATA_ENTRIES);
    if found > most {
        return Err(Error::from(Fault::TooManyItems { found, most })
            .in_field("metadata table", "entry_count")
            .at(at.saturating_add(Bytes(MetadataHead::at("entry_count")))));
    }
    let rest = bytes.get(MetadataHead::SIZE..).unwrap_or_default();
    let entries = rest
        .chunks_exact(MetadataEntry::SIZE)
        .take(usize::from(found))
        .map(<MetadataEntry as OnDisk<LittleEndian>>::take)
        .collect();
    Ok((head, entries))
}

/// Judges every entry by itself, and that no two share a name or bytes.
pub(super) fn validate(entries: &[MetadataEntry], region: &Range<u64>) -> Result<()> {
    let mut names = BTreeSet::new();
    for (number, entry) in entries.iter().enumerate() {
        let is_new = names.insert((entry.item_id, entry.flags & IS_USER));
        validate_entry(entry, is_new, region.end.saturating_sub(region.start))
            .map_err(|(fault, field)| in_entry(fault, field, region, number))?;
    }
    let mut places: Vec<&MetadataEntry> = entries.iter().filter(|entry| entry.length > 0).collect();
    places.sort_by_key(|entry| entry.offset);
    for pair in places.windows(2) {
        if let [one, next] = pair
            && one.offset.saturating_add(one.length) > next.offset
        {
            let [first, second] = [one, next].map(|entry| identity::text(entry.item_id));
            return Err(Error::from(Fault::ItemsOverlap { first, second })
                .in_field("metadata table entry", "offset")
                .at(FileOffset(region.start)));
        }
    }
    Ok(())
}

/// Judges one entry; `end` is the region's length.
fn validate_entry(
    entry: &MetadataEntry,
    is_new: bool,
    end: u64,
) -> Result<(), (Fault, &'static str)> {
    let guid = identity::text(entry.item_id);
    let (at, len, flags) = (entry.offset, entry.length, entry.flags);
    let is_user = flags & IS_USER != 0;
    if entry.item_id == NO_GUID || is_user && flags & IS_REQUIRED != 0 {
        return Err((Fault::ItemFlags { guid, flags }, "flags"));
    }
    if !is_new {
        return Err((Fault::ItemTwice { guid }, "item_id"));
    }
    if !is_user && entry.item_id == INCOMPLETE_FILE {
        return Err((Fault::Incomplete, "item_id"));
    }
    if !is_user && flags & IS_REQUIRED != 0 && !is_known(entry.item_id) {
        return Err((Fault::ItemUnknown { guid }, "item_id"));
    }
    if len > MAX_ITEM {
        let (found, most) = (len, MAX_ITEM);
        return Err((Fault::ItemTooLong { guid, found, most }, "length"));
    }
    let is_nowhere = at == 0 && len == 0;
    let is_behind_table = u64::from(at) >= METADATA_TABLE_LEN as u64;
    let is_inside = u64::from(at).saturating_add(u64::from(len)) <= end;
    if !(is_nowhere || is_behind_table && is_inside) {
        return Err((Fault::ItemOutside { guid, at, len, end }, "offset"));
    }
    Ok(())
}

/// Whether the item is one that is understood, or one that may be passed over though it says that it is required.
fn is_known(id: [u8; 16]) -> bool {
    matches!(
        id,
        FILE_PARAMETERS
            | VIRTUAL_DISK_SIZE
            | PAGE_83_DATA
            | LOGICAL_SECTOR_SIZE
            | PHYSICAL_SECTOR_SIZE
            | PARENT_LOCATOR
            | GEOMETRY
            | PMEM_LABEL
    )
}

fn in_entry(fault: Fault, field: &'static str, region: &Range<u64>, number: usize) -> Error {
    let skipped = MetadataHead::SIZE.saturating_add(number.saturating_mul(MetadataEntry::SIZE));
    let at = skipped as u64 + MetadataEntry::at(field);
    Error::from(fault)
        .in_field("metadata table entry", field)
        .at(FileOffset(region.start).saturating_add(Bytes(at)))
}
