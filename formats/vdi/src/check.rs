//! Looks for what opening does not ask: blocks that share a place, a counter that is wrong, ids that are missing, space that is lost.
//! Parents are not looked at.

use std::collections::{HashMap, HashSet};

use imgdelta_core::{BitSet, CheckReport, FileOffset, Open, Result, Source};

use crate::{
    fault::Fault,
    identity::NULL,
    map::{BlockEntry, Map},
    open_options::require_none,
    validate::ValidatedHeader,
};

/// Indexes looked at in one pass over the map: 32 MiB of bits.
const PASS: u64 = 1 << 28;

/// Checks an image.
pub(crate) fn check(open: Open<'_>) -> Result<CheckReport> {
    require_none(open.options)?;
    look(&*open.source)
}

/// Looks at everything.
pub(crate) fn look(source: &dyn Source) -> Result<CheckReport> {
    let meta = ValidatedHeader::read(source)?;
    let map = Map::of(&meta);
    map.validate_all(source)?;
    let mut report = CheckReport::default();
    report.notes.extend(meta.notes.iter().cloned());
    check_ids(&meta, &mut report);
    check_tail(&meta, &map, source, &mut report)?;
    let counted = check_shared(&map, source, &mut report)?;
    check_counter(&meta, &map, source, counted, &mut report);
    Ok(report)
}

/// VirtualBox refuses an image without ids.
fn check_ids(meta: &ValidatedHeader, report: &mut CheckReport) {
    for (id, field, name) in [
        (meta.header.uuid_create, "uuidCreate", "uuid_create"),
        (meta.header.uuid_modify, "uuidModify", "uuid_modify"),
    ] {
        if id == NULL {
            report.fault(meta.in_header(Fault::NullUuid { field }, field, name));
        }
    }
}

/// Entries of the map beyond the disk's last block should be free.
fn check_tail(
    meta: &ValidatedHeader,
    map: &Map,
    source: &dyn Source,
    report: &mut CheckReport,
) -> Result<()> {
    let beyond = map.blocks()..u64::from(meta.header.blocks);
    let used = map.count(source, beyond)?;
    if used > 0 {
        report.notes.push(format!(
            "{used} entries of the map lie beyond the disk and are not free"
        ));
    }
    Ok(())
}

/// Every index may be used once. Returns how many are used.
fn check_shared(map: &Map, source: &dyn Source, report: &mut CheckReport) -> Result<u64> {
    let mut later = Vec::new();
    let entries = u64::from(map.entries());
    let mut counted = 0_u64;
    let mut start = 0;
    while start < entries {
        let end = entries.min(start.saturating_add(PASS));
        let mut taken = BitSet::new(end - start);
        map.each(source, 0..map.blocks(), |block, entry| {
            let BlockEntry::Index(index) = entry else {
                return Ok(());
            };
            let Some(place) = u64::from(index)
                .checked_sub(start)
                .filter(|one| *one < end - start)
            else {
                return Ok(());
            };
            if taken.insert(place) {
                counted += 1;
            } else if later.len() < CheckReport::LIMIT {
                later.push((block, index));
            }
            Ok(())
        })?;
        start = end;
    }
    tell(map, source, &later, report)?;
    Ok(counted)
}

/// Tells of the blocks that share an index with an earlier one, which is looked for once for all of them.
fn tell(
    map: &Map,
    source: &dyn Source,
    later: &[(u64, u32)],
    report: &mut CheckReport,
) -> Result<()> {
    if later.is_empty() {
        return Ok(());
    }
    let wanted: HashSet<u32> = later.iter().map(|(_, index)| *index).collect();
    let mut firsts: HashMap<u32, u64> = HashMap::new();
    map.each(source, 0..map.blocks(), |block, entry| {
        if let BlockEntry::Index(index) = entry
            && wanted.contains(&index)
        {
            firsts.entry(index).or_insert(block);
        }
        Ok(())
    })?;
    for (second, index) in later {
        let fault = Fault::Shared {
            first: firsts.get(index).copied().unwrap_or(*second),
            second: *second,
            index: *index,
        };
        report.fault(map.in_map(fault, *second));
    }
    Ok(())
}

/// The counter says where the next block goes: too small, and that block is overwritten.
fn check_counter(
    meta: &ValidatedHeader,
    map: &Map,
    source: &dyn Source,
    counted: u64,
    report: &mut CheckReport,
) {
    let found = meta.header.blocks_allocated;
    if u64::from(found) != counted {
        let fault = Fault::Counter { found, counted };
        report.fault(meta.in_header(fault, "cBlocksAllocated", "blocks_allocated"));
    }
    let room = source.len().0.saturating_sub(meta.data_at.0);
    let held = room.checked_div(map.block_len().0).unwrap_or_default();
    report.counts.extend([
        ("blocks", map.blocks()),
        ("allocated", counted),
        ("leaked", held.saturating_sub(counted)),
    ]);
    let expected = meta
        .data_at
        .0
        .saturating_add(map.block_len().0.saturating_mul(held));
    if source.len().0 > expected && held > 0 {
        let spare = source.len().0 - expected;
        let error = format!(
            "{spare} bytes behind the last whole block ({}) belong to none",
            FileOffset(expected)
        );
        report.notes.push(error);
    }
}
