//! The GUID partition table. \[UEFI\] 5.3

use imgdelta_core::partition_table::{GPT_REVISION, GPT_SIGNATURE, GptEntry, GptHeader};

use super::{Entries, Entry, kinds, mbr};
use crate::{
    disk::Disk,
    fault::{Fault, Found},
    window::Window,
};

/// The largest array of entries that is read: usual are 16 KiB.
const MOST_ENTRIES: u64 = 1 << 20;

/// A sound header with its entries.
struct Sound {
    header: GptHeader,
    entries: Vec<u8>,
    /// The bytes of a block.
    sector: u64,
}

/// The partitions of the GPT of a disk; `None` if it has none.
pub(super) fn read(disk: &dyn Disk, whole: &Window<'_>) -> Found<Option<Entries>> {
    let mut damage = None;
    let mut sectors = vec![disk.sector().0, 512, 4096];
    sectors.dedup();
    for sector in sectors.iter().copied() {
        match header(whole, sector, 1)? {
            Some(Ok(first)) => return Ok(Some(partitions(whole, &first, None)?)),
            Some(Err(why)) => damage = damage.or(Some(why)),
            None => {}
        }
    }
    if damage.is_none() && !mbr::is_protective(whole)? {
        return Ok(None);
    }
    let damage = damage.unwrap_or_else(|| "is missing".into());
    for sector in sectors {
        let Some(last) = (whole.len() / sector.max(1)).checked_sub(1) else {
            continue;
        };
        if let Some(Ok(backup)) = header(whole, sector, last)? {
            return Ok(Some(partitions(whole, &backup, Some(damage))?));
        }
    }
    let why = format!("the first header of its GPT {damage}, and so is its backup");
    Ok(Some(Entries {
        doubt: Some(why),
        ..Entries::default()
    }))
}

/// The header at block `number`: what is wrong with one that is not sound, `None` if there is none.
fn header(whole: &Window<'_>, sector: u64, number: u64) -> Found<Option<Result<Sound, String>>> {
    let at = number.saturating_mul(sector);
    if whole.len() < at.saturating_add(sector) || sector < 512 {
        return Ok(None);
    }
    let block = whole.bytes(at, sector, 65536)?;
    let Some(head) = block.first_chunk() else {
        return Ok(None);
    };
    let header = GptHeader::parse(head);
    if header.signature != GPT_SIGNATURE {
        return Ok(None);
    }
    if let Err(why) = judge(&block, &header, number) {
        return Ok(Some(Err(why)));
    }
    let len = u64::from(header.entry_size).saturating_mul(u64::from(header.entry_count));
    let at = header.entries_lba.saturating_mul(sector);
    let entries = match whole.bytes(at, len, MOST_ENTRIES) {
        Ok(entries) => entries,
        Err(Fault::Disk(error)) => return Err(error.into()),
        Err(_) => return Ok(Some(Err("has no sound array of entries".into()))),
    };
    if crc32fast::hash(&entries) != header.entries_crc {
        return Ok(Some(Err(
            "has an array of entries whose CRC is wrong".into()
        )));
    }
    Ok(Some(Ok(Sound {
        header,
        entries,
        sector,
    })))
}

/// Judges a header by itself.
fn judge(block: &[u8], header: &GptHeader, number: u64) -> Result<(), String> {
    if header.revision != GPT_REVISION {
        return Err(format!("is of revision {:#x}", header.revision));
    }
    let size = usize::try_from(header.header_size).unwrap_or(usize::MAX);
    let Some(covered) = block.get(..size).filter(|_| size >= GptHeader::SIZE) else {
        return Err(format!("says that it has {size} bytes"));
    };
    let mut covered = covered.to_vec();
    if let Some(crc) = covered.get_mut(16..20) {
        crc.fill(0);
    }
    if crc32fast::hash(&covered) != header.header_crc {
        return Err("has a wrong CRC".into());
    }
    if header.my_lba != number {
        return Err(format!("says that it is at LBA {}", header.my_lba));
    }
    if header.entry_size < 128 || !header.entry_size.is_multiple_of(8) {
        return Err(format!("has entries of {} bytes", header.entry_size));
    }
    Ok(())
}

/// The partitions of a sound table. `damage`: what is wrong with the first header, if this is the backup.
fn partitions(whole: &Window<'_>, table: &Sound, damage: Option<String>) -> Found<Entries> {
    let mut found = Entries::default();
    if let Some(why) = damage {
        let note = format!("the first header of its GPT {why}: its backup is taken");
        found.notes.push(note);
    } else {
        match header(whole, table.sector, table.header.alternate_lba)? {
            Some(Ok(backup)) if backup.entries != table.entries => {
                let why = "the two copies of its GPT do not hold the same partitions";
                found.doubt = Some(why.into());
            }
            Some(Ok(_)) => {}
            Some(Err(why)) => found.notes.push(format!("the backup of its GPT {why}")),
            None => found.notes.push("the backup of its GPT is missing".into()),
        }
    }
    let size = usize::try_from(table.header.entry_size).unwrap_or(usize::MAX);
    for (number, bytes) in (1..).zip(table.entries.chunks_exact(size.max(128))) {
        let Some(bytes) = bytes.first_chunk() else {
            continue;
        };
        let partition = GptEntry::parse(bytes);
        if partition.kind == [0; 16] {
            continue;
        }
        match entry(&partition, number, table) {
            Some(entry) => found.entries.push(entry),
            None => {
                let (first, last) = (partition.first, partition.last);
                let why =
                    format!("partition {number} has LBA {first} to {last}, where none may be");
                found.doubt.get_or_insert(why);
            }
        }
    }
    Ok(found)
}

/// A partition, if it is where one may be.
fn entry(partition: &GptEntry, number: u32, table: &Sound) -> Option<Entry> {
    let usable = table.header.first_usable..=table.header.last_usable;
    if !usable.contains(&partition.first) || !usable.contains(&partition.last) {
        return None;
    }
    let blocks = partition
        .last
        .checked_sub(partition.first)?
        .checked_add(1)?;
    let name: Vec<u16> = partition
        .name
        .iter()
        .copied()
        .take_while(|c| *c != 0)
        .collect();
    let name = String::from_utf16_lossy(&name);
    Some(Entry {
        number,
        start: partition.first.checked_mul(table.sector)?,
        len: blocks.checked_mul(table.sector)?,
        kind: kinds::of_gpt(&partition.kind),
        name: (!name.is_empty()).then_some(name),
        is_opaque: kinds::is_opaque_guid(&partition.kind),
    })
}
