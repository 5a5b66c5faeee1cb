//! The boot sector with its parameter block.

use imgdelta_core::record;

use super::table::{Place, Table, Width};
use crate::{
    fault::{Fault, Found},
    runs::Run,
    window::Window,
};

/// The most clusters of FAT12 and FAT16: what decides between them. \[fatgen103\] 3.5
const MOST_12: u64 = 4084;
const MOST_16: u64 = 65524;
/// The most clusters of FAT32.
const MOST_32: u64 = 0x0fff_fff5;

record! {
    /// The parameter block, that of FAT32 behind the common one.
    struct Block: LittleEndian, 90 {
        /// Jump and the name of who made it.
        0 => jump: [u8; 11],
        /// Bytes of a sector.
        11 => bytes_per_sector: u16,
        /// Sectors of a cluster.
        13 => sectors_per_cluster: u8,
        /// Sectors before the first table.
        14 => reserved: u16,
        /// Copies of the table.
        16 => tables: u8,
        /// Entries of the root directory; 0 with FAT32.
        17 => root_entries: u16,
        /// Sectors, where 16 bits hold them.
        19 => total_16: u16,
        /// The media's kind.
        21 => media: u8,
        /// Sectors of a table; 0 with FAT32.
        22 => table_16: u16,
        /// Not read.
        24 => geometry: [u8; 8],
        /// Sectors, where 16 bits do not hold them.
        32 => total_32: u32,
        /// FAT32: sectors of a table. Before: drive, state at 37.
        36 => table_32: u32,
        /// FAT32: bit 7: only the table in bits 0 to 3 is kept.
        40 => mirroring: u16,
        /// FAT32: 0.
        42 => version: u16,
        /// FAT32: the first cluster of the root directory.
        44 => root: u32,
        /// Not read.
        48 => places: [u8; 17],
        /// FAT32: bit 0: not left cleanly; bit 1: read errors.
        65 => state_32: u8,
        /// Not read.
        66 => names: [u8; 24],
    }
}

/// A judged volume. Offsets are bytes from its start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Boot {
    pub(super) width: Width,
    /// Where the table begins that is read.
    pub(super) table: u64,
    /// Where another copy of it begins that must be the same.
    pub(super) copy: Option<u64>,
    /// Where the tables end: the root directory of FAT12 and FAT16, then the clusters.
    pub(super) root: u64,
    /// Where the first cluster begins.
    pub(super) data: u64,
    /// Bytes of a cluster.
    pub(super) cluster: u64,
    /// How many clusters there are.
    pub(super) clusters: u64,
    /// The first cluster of the root directory of FAT32.
    pub(super) root_cluster: Option<u32>,
    media: u8,
    is_marked_dirty: bool,
}

impl Boot {
    /// Reads and judges it.
    pub(super) fn read(volume: &Window<'_>) -> Found<Self> {
        let bytes = volume.array::<90>(0)?;
        let block = Block::parse(&bytes);
        let refuse = |what: &str| {
            Err(Fault::Unsound(format!(
                "its boot sector has an impossible {what}"
            )))
        };
        let sector = u64::from(block.bytes_per_sector);
        let per_cluster = u64::from(block.sectors_per_cluster);
        if ![512, 1024, 2048, 4096].contains(&sector) || !per_cluster.is_power_of_two() {
            return refuse("sector or cluster size");
        }
        let is_32 = block.table_16 == 0;
        let (table_sectors, total) = lengths(&block);
        let reserved = u64::from(block.reserved);
        let tables = u64::from(block.tables);
        let root_bytes = u64::from(block.root_entries) * 32;
        let root = reserved + tables * table_sectors;
        let data = root + root_bytes.div_ceil(sector);
        if reserved == 0 || !(1..=2).contains(&tables) || is_32 != (block.root_entries == 0) {
            return refuse("number of tables or root entries");
        }
        let clusters = total
            .checked_sub(data)
            .map_or(0, |sectors| sectors / per_cluster);
        let (width, most) = match clusters {
            _ if is_32 => (Width::Bits28, MOST_32),
            0..=MOST_12 => (Width::Bits12, MOST_12),
            _ => (Width::Bits16, MOST_16),
        };
        let is_sound = clusters > 0 && clusters <= most && total * sector <= volume.len();
        if !is_sound || width.bytes(clusters + 2) > table_sectors * sector {
            return refuse("number of sectors");
        }
        let is_alone = is_32 && block.mirroring & 0x80 != 0;
        let active = u64::from(block.mirroring & 0xf) * u64::from(is_alone);
        if active >= tables || is_32 && block.version != 0 {
            return refuse("table or version");
        }
        let at = |number: u64| (reserved + number * table_sectors) * sector;
        let state = if is_32 {
            block.state_32
        } else {
            bytes.get(37).copied().unwrap_or_default()
        };
        Ok(Self {
            width,
            table: at(active),
            copy: (tables == 2 && !is_alone).then(|| at(1)),
            root: root * sector,
            data: data * sector,
            cluster: per_cluster * sector,
            clusters,
            root_cluster: is_32.then_some(block.root),
            media: block.media,
            is_marked_dirty: state & 3 != 0,
        })
    }

    /// Its table.
    pub(super) fn table<'d>(&self, volume: Window<'d>) -> Table<'d> {
        let place = Place {
            table: self.table,
            data: self.data,
            cluster: self.cluster,
            clusters: self.clusters,
        };
        Table::new(volume, self.width, place)
    }

    /// Makes sure that it was left cleanly: the marks of Windows and Linux in the boot sector, and in the table's second entry.
    pub(super) fn is_clean(&self, table: &mut Table<'_>) -> Found<()> {
        let (first, second) = (table.value(0)?, table.value(1)?);
        if first & 0xff != u32::from(self.media) {
            return Err(Fault::unsound(
                "its table does not begin with the media's kind",
            ));
        }
        let clean = match self.width {
            Width::Bits16 => 0xc000,
            Width::Bits28 => 0x0c00_0000,
            Width::Bits12 | Width::Bits32 => 0,
        };
        if self.is_marked_dirty || second & clean != clean {
            return Err(Fault::unsound(
                "it was not left cleanly, or has read errors",
            ));
        }
        Ok(())
    }

    /// What the volume keeps for itself: boot sectors, tables, and the root directory of FAT12 and FAT16.
    pub(super) fn kept(&self, volume: &Window<'_>) -> Run {
        Run::new(volume.start().0, self.data)
    }
}

/// How many sectors a table takes, and how many there are: each is said in 16 bits, or where those are 0 in 32.
fn lengths(block: &Block) -> (u64, u64) {
    let either = |short: u16, long: u32| match short {
        0 => u64::from(long),
        short => u64::from(short),
    };
    (
        either(block.table_16, block.table_32),
        either(block.total_16, block.total_32),
    )
}
