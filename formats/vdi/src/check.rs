//! Looks for what opening does not ask: blocks that share a place, a counter that is wrong, ids that are missing, space that is lost.
//! Parents are not looked at.

use std::sync::Arc;

use imgdelta_core::{CheckReport, FileOffset, Open, PagedTable, Result, Source};

use crate::{
    fault::Fault,
    identity::NULL,
    image::OPTIONS,
    meta::Meta,
    table::{Entry, Map},
};

/// Indexes looked at in one pass over the map: 32 MiB of marks.
const PASS: u64 = 1 << 28;

/// Checks an image.
pub(crate) fn check(open: Open<'_>) -> Result<CheckReport> {
    open.options.finish("vdi", OPTIONS)?;
    let source = open.source;
    let meta = Meta::read(&*source)?;
    let map = Map::of(&meta);
    map.judge_all(&*source)?;
    let mut report = CheckReport::default();
    report.notes.extend(meta.notes.iter().cloned());
    check_ids(&meta, &mut report);
    check_tail(&meta, &map, &*source, &mut report)?;
    let counted = check_shared(&map, &source, &mut report)?;
    check_counter(&meta, &map, &*source, counted, &mut report);
    Ok(report)
}

/// VirtualBox refuses an image without ids.
fn check_ids(meta: &Meta, report: &mut CheckReport) {
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
fn check_tail(meta: &Meta, map: &Map, source: &dyn Source, report: &mut CheckReport) -> Result<()> {
    let mut used = 0_u64;
    map.each(
        source,
        map.blocks()..u64::from(meta.header.blocks),
        |_, entry| {
            used += u64::from(entry != Entry::Free);
            Ok(())
        },
    )?;
    if used > 0 {
        report.notes.push(format!(
            "{used} entries of the map lie beyond the disk and are not free"
        ));
    }
    Ok(())
}

/// Every index may be used once. Returns how many are used.
fn check_shared(map: &Map, source: &Arc<dyn Source>, report: &mut CheckReport) -> Result<u64> {
    let pages = PagedTable::new(Arc::clone(source));
    let entries = u64::from(map.entries());
    let mut counted = 0_u64;
    let mut start = 0;
    while start < entries {
        let end = entries.min(start.saturating_add(PASS));
        let mut marks = Marks::new(end - start);
        map.each(&**source, 0..map.blocks(), |block, entry| {
            let Entry::Index(index) = entry else {
                return Ok(());
            };
            let Some(place) = u64::from(index)
                .checked_sub(start)
                .filter(|one| *one < end - start)
            else {
                return Ok(());
            };
            if marks.set(place) {
                counted += 1;
            } else if report.faults.len() < CheckReport::LIMIT {
                let first = first_user(map, &pages, index, block)?;
                let fault = Fault::Shared {
                    first,
                    second: block,
                    index,
                };
                report.fault(map.in_map(fault, block));
            }
            Ok(())
        })?;
        start = end;
    }
    Ok(counted)
}

/// The first block that has that index.
fn first_user(map: &Map, pages: &PagedTable, index: u32, before: u64) -> Result<u64> {
    for block in 0..before {
        if map.entry(pages, block)? == Entry::Index(index) {
            return Ok(block);
        }
    }
    Ok(before)
}

/// The counter says where the next block goes: too small, and that block is overwritten.
fn check_counter(
    meta: &Meta,
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

/// One bit for each index of a pass.
struct Marks(Vec<u64>);

impl Marks {
    fn new(count: u64) -> Self {
        let words = usize::try_from(count.div_ceil(64)).unwrap_or(usize::MAX);
        Self(vec![0; words])
    }

    /// Sets a mark; false if it was set before.
    fn set(&mut self, place: u64) -> bool {
        let word = usize::try_from(place / 64)
            .ok()
            .and_then(|at| self.0.get_mut(at));
        let bit = 1_u64 << (place % 64);
        match word {
            Some(word) if *word & bit == 0 => {
                *word |= bit;
                true
            }
            _ => false,
        }
    }
}
