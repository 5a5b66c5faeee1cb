//! Works out how a damaged image is mended: what stands twice is made alike from the copy that counts, the log is played, what means nothing
//! is cleared. Nothing is guessed: an image that does not open, since two blocks share bytes or a table is lost, stays as it is.
//!
//! The disk is the same before and after, so its data write GUID stays and its children fit it still.

use std::collections::BTreeMap;

use imgdelta_core::{Bytes, Error, FileOffset, Kind, Open, Patch, Repair, Result, read_vec};

use crate::{
    header::renewed,
    layout::{BatEntry, MIB, NO_GUID, REGION_AT, REGION_LEN},
    map::{
        Slot, Tables,
        validate::{FileRanges, OccupiedRanges},
    },
    open_options::OpenOptions,
    validate::ValidatedHeader,
};

/// The most entries of the BAT that are mended in one go: beyond it the table as a whole is in doubt.
const MOST_ENTRIES: usize = 1 << 20;

/// How the image is mended.
pub(crate) fn repair(open: Open<'_>) -> Result<Repair> {
    let reading = OpenOptions::take(open.options)?;
    let meta = ValidatedHeader::read(&open.source, reading)?;
    meta.validate_blocks(FileRanges::GivenUp)?;
    let mut repair = Repair {
        source: std::sync::Arc::clone(&meta.source),
        patches: Vec::new(),
        len: meta.source.len(),
        done: Vec::new(),
    };
    tell_log(&meta, reading, &mut repair);
    mend_regions(&meta, &mut repair)?;
    let end = mend_bat(&meta, &mut repair)?;
    mend_len(end, &mut repair);
    mend_headers(&meta, &mut repair)?;
    Ok(repair)
}

/// The log was replayed when the file was read, and the new headers say that it is empty.
fn tell_log(meta: &ValidatedHeader, reading: OpenOptions, repair: &mut Repair) {
    if meta.headers.has_log() {
        repair.done.push(if reading.ignores_log {
            "the log was dropped, as log=ignore asks for".into()
        } else {
            "the log was replayed into the file".into()
        });
    }
}

/// Both tables as the one that counts.
fn mend_regions(meta: &ValidatedHeader, repair: &mut Repair) -> Result<()> {
    let regions = &meta.regions;
    if regions.flaw.is_none() && !regions.differ {
        return Ok(());
    }
    let len = Bytes::from(REGION_LEN);
    let table = read_vec(&*meta.source, FileOffset(regions.at), len)?;
    let [first, second] = REGION_AT;
    let (other, number) = if regions.at == first {
        (second, 2)
    } else {
        (first, 1)
    };
    repair.patches.push(Patch {
        at: FileOffset(other),
        bytes: table,
    });
    repair.done.push(format!(
        "region table {number} was written anew from the other one"
    ));
    Ok(())
}

/// Clears what means nothing in the BAT; where the last block or bitmap ends.
fn mend_bat(meta: &ValidatedHeader, repair: &mut Repair) -> Result<u64> {
    let tables = meta.tables();
    let (needed, mut end) = (tables.entries(), 0);
    let mut mended = BTreeMap::new();
    let mut taken = taken(meta, &tables)?;
    let len = meta.source.len().0;
    tables.each(&*meta.source, 0..tables.room(), |index, entry| {
        let slot = tables.slot(index);
        // What has no data keeps its room only where nothing else is.
        let mut is_free = || {
            let range = tables.range(slot, entry);
            range.end <= len && taken.take(&range, len)
        };
        let right = if index < needed {
            mended_entry(&tables, slot, entry, &mut is_free)
        } else {
            BatEntry(0)
        };
        if right.state() >= BatEntry::FULLY_PRESENT {
            end = end.max(tables.range(slot, right).end);
        }
        if right != entry {
            mended.insert(index, right);
        }
        if mended.len() > MOST_ENTRIES {
            return Err(Error::new(
                Kind::Unsupported,
                format!("more than {MOST_ENTRIES} entries of the BAT are not as they should be"),
            ));
        }
        Ok(())
    })?;
    if !mended.is_empty() {
        repair
            .done
            .push(format!("{} entries of the BAT were cleared", mended.len()));
    }
    let patch = |(index, entry): (u64, BatEntry)| Patch {
        at: tables.entry_at(index),
        bytes: entry.0.to_le_bytes().into(),
    };
    repair.patches.extend(mended.into_iter().map(patch));
    Ok(end)
}

/// What structures and stored blocks take.
fn taken(meta: &ValidatedHeader, tables: &Tables) -> Result<OccupiedRanges> {
    let end = meta.source.len().0;
    let mut taken = OccupiedRanges::default();
    for (range, _) in meta.structures() {
        taken.take(&range, end);
    }
    tables.each(&*meta.source, 0..tables.entries(), |index, entry| {
        let slot = tables.slot(index);
        let is_stored = match slot {
            Slot::Block(block) => block < tables.shape.blocks,
            Slot::Bitmap(_) => tables.is_child,
        };
        if is_stored && entry.state() >= BatEntry::FULLY_PRESENT {
            taken.take(&tables.range(slot, entry), end);
        }
        Ok(())
    })?;
    Ok(taken)
}

/// An entry without what means nothing in it. `is_free` says whether the room that it names is nobody else's.
fn mended_entry(
    tables: &Tables,
    slot: Slot,
    entry: BatEntry,
    is_free: &mut dyn FnMut() -> bool,
) -> BatEntry {
    let state = entry.state();
    let keeps = match slot {
        Slot::Block(block) if block >= tables.shape.blocks => return BatEntry(0),
        Slot::Block(_) => match state {
            BatEntry::NOT_PRESENT | BatEntry::ZERO => false,
            // They may keep their room, if they have any.
            BatEntry::UNDEFINED | BatEntry::UNMAPPED => entry.keeps_room() && is_free(),
            _ => true,
        },
        Slot::Bitmap(_) if tables.is_child && state == BatEntry::FULLY_PRESENT => true,
        Slot::Bitmap(_) => return BatEntry(0),
    };
    BatEntry::new(state, if keeps { entry.at() } else { 0 })
}

/// Hyper-V wants whole MiB, and whole blocks.
fn mend_len(end: u64, repair: &mut Repair) {
    let len = Bytes(repair.len.0.max(end)).round_up(Bytes(MIB));
    if len != repair.len {
        repair.done.push(format!(
            "the file grew from {} to {} bytes: whole blocks, and a multiple of 1 MiB",
            repair.len.0, len.0
        ));
        repair.len = len;
    }
}

/// Both headers anew, where anything was mended or one of them is not as it should be.
fn mend_headers(meta: &ValidatedHeader, repair: &mut Repair) -> Result<()> {
    let headers = &meta.headers;
    let is_flawed = headers.flaw.is_some() || headers.other.as_ref() == Some(&headers.current);
    if is_flawed {
        repair.done.push("both headers were written anew".into());
    }
    if repair.done.is_empty() {
        return Ok(());
    }
    let guid = headers.current.data_write_guid;
    let patches = renewed(headers, guid, |header| {
        header.log_guid = NO_GUID;
        header.reserved.fill(0);
    })?;
    repair.patches.extend(patches);
    Ok(())
}
