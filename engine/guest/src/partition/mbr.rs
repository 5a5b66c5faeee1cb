//! The master boot record, and the chain of extended ones that holds logical partitions. \[UEFI\] 5.2; the chain as Linux's
//! `block/partitions/msdos.c` reads it.

use imgdelta_core::partition_table::{MBR_ENTRIES, MbrEntry, PROTECTIVE};

use super::{Entries, Entry, kinds};
use crate::{disk::Disk, fault::Found, window::Window};

/// The kinds of an extended partition: CHS, LBA, Linux's.
const EXTENDED: [u8; 3] = [0x05, 0x0f, 0x85];
/// How many logical partitions are read: Linux has minors for less.
const MOST_LOGICAL: u32 = 256;

/// Whether an entry names blocks.
const fn is_used(entry: &MbrEntry) -> bool {
    entry.kind != 0 && entry.sectors != 0
}

/// Whether it is the container of logical partitions.
fn is_extended(entry: &MbrEntry) -> bool {
    EXTENDED.contains(&entry.kind)
}

/// The entries of the boot record at byte `at`, if there is one and each entry is one: boot code of a file system is not.
fn record_at(whole: &Window<'_>, at: u64) -> Found<Option<Vec<MbrEntry>>> {
    if whole.len() < at.saturating_add(512) {
        return Ok(None);
    }
    let sector = whole.array::<512>(at)?;
    if sector.get(510..) != Some(&[0x55, 0xaa]) {
        return Ok(None);
    }
    let places = sector.get(MBR_ENTRIES..510).unwrap_or_default();
    let entries: Vec<_> = places.as_chunks().0.iter().map(MbrEntry::parse).collect();
    let is_sound = entries.iter().all(|entry| entry.status & 0x7f == 0);
    Ok(is_sound.then_some(entries))
}

/// Whether the boot record says that the disk has a GPT.
pub(super) fn is_protective(whole: &Window<'_>) -> Found<bool> {
    let record = record_at(whole, 0)?.unwrap_or_default();
    Ok(record.iter().any(|entry| entry.kind == PROTECTIVE))
}

/// The partitions of the boot record of a disk; `None` if it has none.
pub(super) fn read(disk: &dyn Disk, whole: &Window<'_>) -> Found<Option<Entries>> {
    let sector = disk.sector().0.max(512);
    let Some(record) = record_at(whole, 0)? else {
        return Ok(None);
    };
    if !record.iter().any(is_used) {
        return Ok(None);
    }
    let mut found = Entries::default();
    let primary = (1..).zip(&record);
    for (number, entry) in primary.filter(|(_, entry)| is_used(entry)) {
        if is_extended(entry) {
            logical(whole, sector, entry, &mut found)?;
        } else {
            found.entries.push(named(entry, number, 0, sector));
        }
    }
    Ok(Some(found))
}

/// Adds the logical partitions in the extended one `container`.
fn logical(
    whole: &Window<'_>,
    sector: u64,
    container: &MbrEntry,
    found: &mut Entries,
) -> Found<()> {
    let base = u64::from(container.start).saturating_mul(sector);
    let end = base.saturating_add(u64::from(container.sectors).saturating_mul(sector));
    let mut at = base;
    let mut number = 5;
    loop {
        let Some(record) = record_at(whole, at)? else {
            let why = format!("the extended boot record at {at:#x} is missing");
            found.doubt.get_or_insert(why);
            return Ok(());
        };
        // The first is the partition, counted from here; the second is the next record, counted from the container's start.
        let used = record.iter().filter(|entry| is_used(entry));
        for entry in used.clone().filter(|entry| !is_extended(entry)) {
            let logical = named(entry, number, at, sector);
            if logical.start.saturating_add(logical.len) > end || logical.start < base {
                let why = format!("logical partition {number} is not inside the extended one");
                found.doubt.get_or_insert(why);
            }
            found.entries.push(logical);
            number += 1;
        }
        let Some(next) = used.clone().find(|entry| is_extended(entry)) else {
            return Ok(());
        };
        let next = base.saturating_add(u64::from(next.start).saturating_mul(sector));
        // Linux follows any order; every tool writes the chain upwards, and a circle would never end.
        if next <= at || next >= end || number > MOST_LOGICAL {
            let why = format!("the chain of logical partitions leads from {at:#x} to {next:#x}");
            found.doubt.get_or_insert(why);
            return Ok(());
        }
        at = next;
    }
}

/// An entry as a partition, `from` being the byte that it counts from.
fn named(entry: &MbrEntry, number: u32, from: u64, sector: u64) -> Entry {
    let start = u64::from(entry.start).saturating_mul(sector);
    Entry {
        number,
        start: from.saturating_add(start),
        len: u64::from(entry.sectors).saturating_mul(sector),
        kind: kinds::of_mbr(entry.kind),
        name: None,
        is_opaque: kinds::is_opaque_byte(entry.kind),
    }
}
