//! A table that is sound, found and judged: both headers and both arrays of entries, and what they say of each other.

use std::ops::Range;

use imgdelta_core::{
    Bytes, Result, SECTOR, VirtOffset,
    partition_table::{GPT_REVISION, GPT_SIGNATURE, GptEntry, GptHeader, PROTECTIVE},
};

use super::{Mbr, Sectors};
use crate::chain::Chain;

/// The block of the first header.
const PRIMARY: u64 = 1;
/// The least bytes of an entry.
const LEAST_ENTRY: u32 = 128;
/// The largest array of entries that is read: usual are 16 KiB.
const MOST_ENTRIES: Bytes = Bytes::mib(1);

/// A sound table.
#[derive(Debug)]
pub(super) struct Table {
    /// The bytes of a block.
    pub(super) sector: u64,
    header: GptHeader,
    /// The block of the first header as it is.
    block: Vec<u8>,
    /// All entries, in whole blocks.
    entries: Vec<u8>,
    /// Where the backup's entries begin.
    backup_entries: u64,
    /// The last block that a partition takes; 0 without partitions.
    last_used: u64,
}

/// A table that has been moved to another end.
#[derive(Debug)]
pub(super) struct Moved {
    /// What is to be written, the first block apart.
    pub(super) sectors: Sectors,
    /// Where the backup header is now.
    pub(super) backup: u64,
    /// The last block that a partition may take.
    pub(super) last_usable: u64,
}

/// Looks for a table in blocks of the disk's own size, and of the usual ones: what is wrong with one that is not sound, `None` if there is none.
pub(super) fn find(disk: &Chain) -> Result<Option<Result<Table, String>>> {
    for sector in [disk.disk().sector.0, SECTOR, 4096] {
        let mut block = vec![0; Bytes(sector).in_memory()];
        disk.read_at(VirtOffset(sector), &mut block)?;
        if block.starts_with(&GPT_SIGNATURE) && disk.size().0 >= 2 * sector {
            return read(disk, sector, block).map(Some);
        }
    }
    let mut first = vec![0; Bytes(SECTOR).in_memory()];
    disk.read_at(VirtOffset::ZERO, &mut first)?;
    let is_protected = Mbr::of(&first).is_some_and(|mbr| !mbr.numbers(PROTECTIVE).is_empty());
    let why = "its first header is missing, though the boot record says that there is a GPT";
    Ok(is_protected.then(|| Err(why.into())))
}

/// Reads the table whose first header is in `block`.
fn read(disk: &Chain, sector: u64, block: Vec<u8>) -> Result<Result<Table, String>> {
    let blocks = disk.size().0 / sector;
    let header = match judged(&block, PRIMARY, blocks) {
        Ok(header) => header,
        Err(why) => return Ok(Err(format!("its first header {why}"))),
    };
    // Between the header and the partitions.
    let room = PRIMARY + 1..header.first_usable;
    let entries = match entries(disk, sector, &header, &room)? {
        Ok(entries) => entries,
        Err(why) => return Ok(Err(format!("its first array of entries {why}"))),
    };
    let last_used = match partitions(&header, &entries) {
        Ok(last_used) => last_used,
        Err(why) => return Ok(Err(why)),
    };
    let backup = match backup(disk, sector, &header)? {
        Ok(backup) => backup,
        Err(why) => return Ok(Err(format!("its backup {why}"))),
    };
    Ok(Ok(Table {
        sector,
        header,
        block,
        entries,
        backup_entries: backup.entries_lba,
        last_used,
    }))
}

/// The header in `block`, which is number `number` of `blocks`, judged by itself.
fn judged(block: &[u8], number: u64, blocks: u64) -> Result<GptHeader, String> {
    let Some(head) = block.first_chunk::<{ GptHeader::SIZE }>() else {
        return Err("is cut".into());
    };
    let header = GptHeader::parse(head);
    if header.signature != GPT_SIGNATURE {
        return Err("is missing".into());
    }
    if header.revision != GPT_REVISION {
        return Err(format!("is of revision {:#x}", header.revision));
    }
    let size = Bytes(u64::from(header.header_size)).in_memory();
    let Some(covered) = block.get(..size).filter(|_| size >= GptHeader::SIZE) else {
        return Err(format!("says that it has {size} bytes"));
    };
    let computed = header_crc(covered);
    if header.header_crc != computed {
        let found = header.header_crc;
        return Err(format!(
            "has the CRC {found:#010x}, computed {computed:#010x}"
        ));
    }
    let GptHeader {
        my_lba,
        first_usable,
        last_usable,
        entry_size,
        entry_count,
        ..
    } = header;
    if my_lba != number {
        return Err(format!(
            "says that it is at LBA {my_lba}, and is at {number}"
        ));
    }
    if last_usable >= blocks || first_usable > last_usable.saturating_add(1) {
        return Err(format!(
            "gives partitions LBA {first_usable} to {last_usable}"
        ));
    }
    if !entry_size.is_power_of_two() || entry_size < LEAST_ENTRY || entry_count == 0 {
        return Err(format!("says {entry_count} entries of {entry_size} bytes"));
    }
    Ok(header)
}

/// The checksum of the bytes that a header says it has.
fn header_crc(covered: &[u8]) -> u32 {
    let mut covered = covered.to_vec();
    let at = Bytes(GptHeader::at("header_crc")).in_memory();
    if let Some(crc) = covered.get_mut(at..at + 4) {
        crc.fill(0);
    }
    crc32fast::hash(&covered)
}

/// The entries that a judged header names, in whole blocks, which must be in `room`; what stands behind the last entry is zero.
fn entries(
    disk: &Chain,
    sector: u64,
    header: &GptHeader,
    room: &Range<u64>,
) -> Result<Result<Vec<u8>, String>> {
    let len = Bytes(u64::from(header.entry_size) * u64::from(header.entry_count));
    if len > MOST_ENTRIES {
        return Ok(Err(format!("has {len}, at most {MOST_ENTRIES} is moved")));
    }
    let (first, count) = (header.entries_lba, len.pieces(Bytes(sector)));
    if first < room.start || first.saturating_add(count) > room.end {
        return Ok(Err(format!("is at LBA {first}, where it cannot be")));
    }
    let mut bytes = vec![0; len.in_memory()];
    disk.read_at(VirtOffset(first.saturating_mul(sector)), &mut bytes)?;
    let (found, computed) = (header.entries_crc, crc32fast::hash(&bytes));
    if found != computed {
        return Ok(Err(format!(
            "has the CRC {found:#010x}, computed {computed:#010x}"
        )));
    }
    bytes.resize(Bytes(count.saturating_mul(sector)).in_memory(), 0);
    Ok(Ok(bytes))
}

/// The last block that a partition takes; each must lie where partitions may, and on no other.
fn partitions(header: &GptHeader, entries: &[u8]) -> Result<u64, String> {
    let size = Bytes(u64::from(header.entry_size)).in_memory();
    let heads = entries.chunks_exact(size).filter_map(|entry| {
        let entry = GptEntry::parse(entry.first_chunk::<{ GptEntry::SIZE }>()?);
        (entry.kind != [0; 16]).then_some((entry.first, entry.last))
    });
    let mut places: Vec<(u64, u64)> = heads.collect();
    places.sort_unstable();
    let mut before = None;
    for (first, last) in places {
        let is_inside = first <= last && header.first_usable <= first && last <= header.last_usable;
        if !is_inside || before.is_some_and(|before| first <= before) {
            return Err(format!(
                "a partition has LBA {first} to {last}, where there is another one or none may be"
            ));
        }
        before = Some(last);
    }
    Ok(before.unwrap_or_default())
}

/// The header of the backup, judged against the first one.
fn backup(disk: &Chain, sector: u64, first: &GptHeader) -> Result<Result<GptHeader, String>> {
    let (number, blocks) = (first.alternate_lba, disk.size().0 / sector);
    if number <= first.last_usable || number >= blocks {
        return Ok(Err(format!("is said to be at LBA {number} of {blocks}")));
    }
    let mut block = vec![0; Bytes(sector).in_memory()];
    disk.read_at(VirtOffset(number.saturating_mul(sector)), &mut block)?;
    let header = match judged(&block, number, blocks) {
        Ok(header) => header,
        Err(why) => return Ok(Err(format!("header {why}"))),
    };
    // All that both headers say of the disk is the same.
    let same = GptHeader {
        my_lba: first.my_lba,
        alternate_lba: first.alternate_lba,
        entries_lba: first.entries_lba,
        header_crc: first.header_crc,
        ..header.clone()
    };
    if header.alternate_lba != PRIMARY || same != *first {
        return Ok(Err("does not say the same as the first header".into()));
    }
    // Between the partitions and the header, as every tool has it.
    let room = first.last_usable + 1..number;
    match entries(disk, sector, &header, &room)? {
        Ok(_) => Ok(Ok(header)),
        Err(why) => Ok(Err(format!("array of entries {why}"))),
    }
}

impl Table {
    /// The table on a disk of `size` bytes: what is to be written, or why the disk has no place for it.
    pub(super) fn moved(&self, size: Bytes) -> Result<Moved, String> {
        let blocks = size.0 / self.sector;
        let array = Bytes::from(self.entries.len()).pieces(Bytes(self.sector));
        let too_small = || {
            let (last, sector) = (self.last_used.max(self.header.first_usable), self.sector);
            format!(
                "its partitions need blocks up to LBA {last} and the backup {} behind them, the new disk has {blocks} of {sector} bytes",
                array + 1
            )
        };
        let backup = blocks.checked_sub(1).ok_or_else(too_small)?;
        let place = backup.checked_sub(array).ok_or_else(too_small)?;
        let last_usable = place.checked_sub(1).ok_or_else(too_small)?;
        if last_usable < self.header.first_usable || last_usable < self.last_used {
            return Err(too_small());
        }
        let mut sectors = Sectors::new();
        // Where the backup was is free now.
        let old = (self.backup_entries..self.backup_entries.saturating_add(array))
            .chain([self.header.alternate_lba]);
        sectors.extend(old.filter(|one| *one < blocks).map(|one| (one, None)));
        let entries = self.entries.chunks(Bytes(self.sector).in_memory());
        sectors.extend((place..).zip(entries.map(|block| Some(block.to_vec()))));
        let header = |my_lba, alternate_lba, entries_lba| GptHeader {
            my_lba,
            alternate_lba,
            entries_lba,
            last_usable,
            ..self.header.clone()
        };
        let first = header(PRIMARY, backup, self.header.entries_lba);
        let second = header(backup, PRIMARY, place);
        sectors.insert(PRIMARY, Some(self.sealed(first)));
        sectors.insert(backup, Some(self.sealed(second)));
        Ok(Moved {
            sectors,
            backup,
            last_usable,
        })
    }

    /// The block of a header, its checksum right; what stands behind the header's known fields is kept.
    fn sealed(&self, mut header: GptHeader) -> Vec<u8> {
        let mut block = self.block.clone();
        let size = Bytes(u64::from(header.header_size)).in_memory();
        let put = |block: &mut [u8], header: &GptHeader| {
            if let Some(place) = block.first_chunk_mut::<{ GptHeader::SIZE }>() {
                *place = header.emit();
            }
        };
        put(&mut block, &header);
        header.header_crc = header_crc(block.get(..size).unwrap_or_default());
        put(&mut block, &header);
        block
    }
}
