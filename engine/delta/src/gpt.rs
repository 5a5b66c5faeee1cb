//! The GUID partition table of a disk that gets another size. Its backup stands at the disk's end, so it moves there, and whatever says where it
//! is follows: nothing else of the table changes. \[UEFI\] 5.3
//!
//! A table that is not sound is left as it is: mending would be guessing.

mod overlay;
mod table;

use std::collections::BTreeMap;

use imgdelta_core::{
    Bytes, Result, SECTOR, VirtOffset,
    partition_table::{MBR_ENTRIES, MbrEntry, PROTECTIVE},
};

use crate::chain::Chain;

use table::Table;

/// A disk of another size.
#[derive(Clone, Debug)]
pub struct Resized {
    /// The disk.
    pub disk: Chain,
    /// What became of its partition table.
    pub table: TableMove,
}

/// What became of the partition table of a disk that got another size.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TableMove {
    /// There is no GPT.
    None,
    /// The backup stands at the disk's new end.
    Moved {
        /// The last block of the disk, where the backup header is, in blocks of the table.
        backup: u64,
        /// The last block that a partition may take.
        last_usable: u64,
    },
    /// It is as it was, and why.
    Kept(String),
}

/// `disk`, cut or grown with zeros to `size`, the backup of its GPT moved along if the table is sound.
///
/// # Errors
/// Those of the disk.
pub fn resize(disk: &Chain, size: Bytes) -> Result<Resized> {
    let plain = |table| Resized {
        disk: disk.resized(size),
        table,
    };
    if size == disk.size() {
        return Ok(plain(TableMove::None));
    }
    let table = match table::find(disk)? {
        None => return Ok(plain(TableMove::None)),
        Some(Err(why)) => return Ok(plain(TableMove::Kept(why))),
        Some(Ok(table)) => table,
    };
    let moved = match table.moved(size) {
        Ok(moved) => moved,
        Err(why) => return Ok(plain(TableMove::Kept(why))),
    };
    let mut sectors = moved.sectors;
    if let Some(first) = protective(disk, &table, moved.backup)? {
        sectors.insert(0, Some(first));
    }
    let done = TableMove::Moved {
        backup: moved.backup,
        last_usable: moved.last_usable,
    };
    Ok(Resized {
        disk: overlay::over(&disk.resized(size), table.sector, sectors)?,
        table: done,
    })
}

/// Blocks as they are to be, by number; `None`: zero.
type Sectors = BTreeMap<u64, Option<Vec<u8>>>;

/// The first block with a protective MBR that covers the disk up to block `last`; `None` if there is none, or a hybrid one, which covers what
/// its maker chose.
fn protective(disk: &Chain, table: &Table, last: u64) -> Result<Option<Vec<u8>>> {
    let mut first = vec![0; Bytes(table.sector).in_memory()];
    disk.read_at(VirtOffset::ZERO, &mut first)?;
    let Some(mbr) = Mbr::of(&first) else {
        return Ok(None);
    };
    let used = |entry: &&MbrEntry| entry.kind != 0;
    let [number] = mbr.numbers(PROTECTIVE)[..] else {
        return Ok(None);
    };
    if mbr.0.iter().filter(used).count() != 1 {
        return Ok(None);
    }
    let Some(place) = first.get_mut(MBR_ENTRIES + number * MbrEntry::SIZE..) else {
        return Ok(None);
    };
    let Some(place) = place.first_chunk_mut::<{ MbrEntry::SIZE }>() else {
        return Ok(None);
    };
    let mut entry = MbrEntry::parse(place);
    if entry.start != 1 {
        return Ok(None);
    }
    // What 32 bits do not hold is said to be as much as they do; some tools say that of any disk.
    if entry.sectors != u32::MAX {
        entry.sectors = u32::try_from(last).unwrap_or(u32::MAX);
    }
    if entry.end_chs != [0xff; 3] {
        entry.end_chs = chs(last);
    }
    *place = entry.emit();
    Ok(Some(first))
}

/// A block as cylinder, head and sector of the geometry that all BIOSes know, 255 heads of 63 sectors: the last one it can say where that is
/// too small.
fn chs(block: u64) -> [u8; 3] {
    const TRACK: u64 = 63;
    const CYLINDER: u64 = TRACK * 255;
    let (cylinder, inside) = (block / CYLINDER, block % CYLINDER);
    if cylinder > 1023 {
        return [0xfe, 0xff, 0xff];
    }
    let (head, sector) = (inside / TRACK, inside % TRACK + 1);
    let [low, high, ..] = cylinder.to_le_bytes();
    let [head, ..] = head.to_le_bytes();
    let [sector, ..] = sector.to_le_bytes();
    [head, sector | high << 6, low]
}

/// The four entries of a master boot record.
struct Mbr([MbrEntry; 4]);

impl Mbr {
    /// Those in the first block of a disk, if it has a boot record.
    fn of(first: &[u8]) -> Option<Self> {
        let end = Bytes(SECTOR).in_memory();
        if first.get(end - 2..end)? != [0x55, 0xaa] {
            return None;
        }
        let entries = first.get(MBR_ENTRIES..end - 2)?;
        let (entries, _) = entries.as_chunks::<{ MbrEntry::SIZE }>();
        let [one, two, three, four] = entries else {
            return None;
        };
        Some(Self([one, two, three, four].map(MbrEntry::parse)))
    }

    /// The numbers of the entries of that kind.
    fn numbers(&self, kind: u8) -> Vec<usize> {
        let entries = self.0.iter().enumerate();
        let of_kind = entries.filter(|(_, entry)| entry.kind == kind);
        of_kind.map(|(number, _)| number).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_block_as_cylinder_head_and_sector() {
        // [sgdisk] 1 MiB, 64 MiB, 10 GiB.
        assert_eq!(chs(2047), [0x20, 0x20, 0x00]);
        assert_eq!(chs(131_071), [0x28, 0x20, 0x08]);
        assert_eq!(chs(20_971_519), [0xfe, 0xff, 0xff]);
        assert_eq!(chs(0), [0, 1, 0]);
    }
}
