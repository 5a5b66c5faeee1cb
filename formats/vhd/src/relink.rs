//! Makes a child name another parent: what is to be written over a copy of it. Its blocks stay as they are.

use std::{ops::Range, sync::Arc};

use imgdelta_core::{Bytes, Error, FileOffset, Kind, ParentSpec, Patch, Result, SECTOR, Source};

use crate::{
    create_options::Link,
    layout::{DynamicHeader, ParentLocator},
    locator,
    map::Tables,
    open_options::OpenOptions,
    validate::ValidatedHeader,
    write::LOCATOR_ROOM,
};

/// The patches that make the child in `source` one of `parent`: header and locators. Paths that do not fit where the old ones stand go
/// to the end of the file, where a new footer follows them.
pub(crate) fn relink(source: &Arc<dyn Source>, parent: &ParentSpec) -> Result<Vec<Patch>> {
    let meta = ValidatedHeader::read(&**source, OpenOptions::default())?;
    let (Some(header), Some(tables), true) =
        (&meta.header, meta.tables(source.len()), meta.is_child())
    else {
        let message = "is not a differencing VHD, which alone names a parent";
        return Err(Error::new(Kind::Unsupported, message));
    };
    if meta.size != parent.size {
        return Err(Error::new(
            Kind::Chain,
            format!(
                "the child has {} bytes, the parent has {}",
                meta.size.0, parent.size.0
            ),
        ));
    }
    let link = Link::to(parent)?;
    let mut free_ranges = free_ranges(&**source, header, &tables)?;
    let mut tail = Tail::at(&meta, source.len());
    let mut entries = [const { ParentLocator::UNUSED }; 8];
    let mut patches = Vec::new();
    for (entry, (code, data)) in entries.iter_mut().zip(&link.locators) {
        let room = match take_range(&mut free_ranges, Bytes::from(data.len())) {
            Some(room) => room,
            None => tail.take(Bytes::from(data.len())),
        };
        *entry = ParentLocator::holding(*code, data, room.start, room.end - room.start);
        // What the old path leaves behind must not stay readable.
        let mut bytes = data.clone();
        bytes.resize(Bytes(room.end - room.start).in_memory(), 0);
        patches.push(Patch {
            at: FileOffset(room.start),
            bytes,
        });
    }
    if tail.is_used() {
        patches.push(Patch {
            at: FileOffset(tail.end),
            bytes: meta.footer().emit().into(),
        });
    }
    let named = DynamicHeader {
        parent_unique_id: link.id,
        parent_time_stamp: 0,
        parent_unicode_name: link.name,
        parent_locators: entries,
        ..header.clone()
    };
    patches.push(Patch {
        at: tables.header_at,
        bytes: named.sealed().emit().into(),
    });
    Ok(patches)
}

/// The end of the file, where new locators go and the footer after them.
struct Tail {
    start: u64,
    end: u64,
}

impl Tail {
    fn at(meta: &ValidatedHeader, len: Bytes) -> Self {
        let start = Bytes(meta.found.data_end(len.0)).round_up(Bytes(SECTOR)).0;
        Self { start, end: start }
    }

    fn take(&mut self, len: Bytes) -> Range<u64> {
        let start = self.end;
        self.end = start.saturating_add(len.max(LOCATOR_ROOM).round_up(LOCATOR_ROOM).0);
        start..self.end
    }

    const fn is_used(&self) -> bool {
        self.end > self.start
    }
}

/// The smallest of `free_ranges` that holds `len` bytes.
fn take_range(free_ranges: &mut Vec<Range<u64>>, len: Bytes) -> Option<Range<u64>> {
    let fits = |room: &&Range<u64>| room.end - room.start >= len.0;
    let best = free_ranges
        .iter()
        .filter(fits)
        .min_by_key(|room| room.end - room.start)?
        .clone();
    free_ranges.retain(|room| *room != best);
    Some(best)
}

/// The ranges that the old locators keep and that nothing else uses: `platform_data_space` is believed only as far as the next structure.
fn free_ranges(
    source: &dyn Source,
    header: &DynamicHeader,
    tables: &Tables,
) -> Result<Vec<Range<u64>>> {
    let used = header
        .parent_locators
        .iter()
        .filter(|entry| entry.platform_code != [0; 4]);
    let mut free_ranges: Vec<Range<u64>> = used
        .map(|entry| {
            let start = entry.platform_data_offset;
            let room = locator::space(entry).max(u64::from(entry.platform_data_length));
            start..start.saturating_add(room).min(tables.data_end)
        })
        .filter(|room| room.start < room.end && room.start.is_multiple_of(SECTOR))
        .collect();
    free_ranges.sort_by_key(|room| room.start);
    let starts: Vec<u64> = free_ranges.iter().map(|room| room.start).collect();
    let mut last = 0;
    for (room, next) in free_ranges
        .iter_mut()
        .zip(starts.into_iter().skip(1).chain([u64::MAX]))
    {
        room.end = room.end.min(next);
        // Two locators at one place share it: neither may have it.
        if room.start < last {
            room.end = room.start;
        }
        last = room.start.saturating_add(1);
    }
    for taken in tables.structures() {
        cut(&mut free_ranges, &taken.0);
    }
    tables.each(source, 0..u64::from(tables.entries), |entry| {
        let start = tables.range(entry.sector);
        cut(&mut free_ranges, &start);
        Ok(())
    })?;
    // Also a room that is exactly filled must end with its sector.
    for room in &mut free_ranges {
        room.end -= room.end.saturating_sub(room.start) % SECTOR;
    }
    free_ranges.retain(|room| room.start < room.end);
    Ok(free_ranges)
}

/// Takes from each room what `taken` shares with it and what lies behind.
fn cut(free_ranges: &mut [Range<u64>], taken: &Range<u64>) {
    for room in free_ranges {
        if room.start < taken.end && taken.start < room.end {
            room.end = taken.start.max(room.start);
        }
    }
}
