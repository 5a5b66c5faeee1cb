//! The boot region: twelve sectors, the last of which holds a checksum of the others. \[exFAT\] 3

use imgdelta_core::record;

use crate::{
    fat::table::{Place, Table, Width},
    fault::{Fault, Found},
    window::{Window, le},
};

record! {
    /// The boot sector, up to where code begins.
    struct Sector: LittleEndian, 120 {
        /// Jump, name, zeros.
        0 => head: [u8; 64],
        /// Not read: where the volume is on its disk.
        64 => partition_offset: u64,
        /// Sectors of the volume.
        72 => volume_length: u64,
        /// The first sector of the table.
        80 => table_offset: u32,
        /// Sectors of the table.
        84 => table_length: u32,
        /// The first sector of the clusters.
        88 => heap_offset: u32,
        /// How many clusters there are.
        92 => clusters: u32,
        /// The first cluster of the root directory.
        96 => root: u32,
        /// Not read.
        100 => serial: u32,
        /// 1.00: the high byte is 1.
        104 => revision: u16,
        /// Bit 0: the second table is active; bit 1: not left cleanly; bit 2: media failures.
        106 => flags: u16,
        /// Bytes of a sector = 1 << this.
        108 => sector_shift: u8,
        /// Sectors of a cluster = 1 << this.
        109 => cluster_shift: u8,
        /// Copies of the table: 2 with TexFAT.
        110 => tables: u8,
        /// Not read.
        111 => rest: [u8; 9],
    }
}

/// A judged volume.
#[derive(Clone, Copy, Debug)]
pub(super) struct Boot {
    pub(super) place: Place,
    /// The first cluster of the root directory.
    pub(super) root: u32,
    flags: u16,
}

impl Boot {
    /// Reads and judges it.
    pub(super) fn read(volume: &Window<'_>) -> Found<Self> {
        let refuse = |what: &str| {
            Err(Fault::Unsound(format!(
                "its boot sector has an impossible {what}"
            )))
        };
        let sector = Sector::parse(&volume.array::<120>(0)?);
        if !(9..=12).contains(&sector.sector_shift)
            || sector.cluster_shift > 25 - sector.sector_shift
        {
            return refuse("sector or cluster size");
        }
        let size = 1_u64 << sector.sector_shift;
        checksum(volume, size)?;
        if sector.revision >> 8 != 1 || sector.tables != 1 {
            return refuse("revision or number of tables");
        }
        let clusters = u64::from(sector.clusters);
        let bytes = |sectors: u32| u64::from(sectors) * size;
        let place = Place {
            table: bytes(sector.table_offset),
            data: bytes(sector.heap_offset),
            cluster: size << sector.cluster_shift,
            clusters,
        };
        let end = clusters
            .checked_mul(place.cluster)
            .and_then(|len| len.checked_add(place.data));
        let table_end = place.table + bytes(sector.table_length);
        let is_sound = (1..=0xffff_fff5).contains(&clusters)
            && Width::Bits32.bytes(clusters + 2) <= bytes(sector.table_length)
            && place.table >= 24 * size
            && table_end <= place.data
            && end.is_some_and(|end| end <= volume.len())
            && sector
                .volume_length
                .checked_mul(size)
                .is_some_and(|len| end <= Some(len));
        if !is_sound {
            return refuse("number of sectors");
        }
        Ok(Self {
            place,
            root: sector.root,
            flags: sector.flags,
        })
    }

    /// Its table.
    pub(super) fn table<'d>(&self, volume: Window<'d>) -> Table<'d> {
        Table::new(volume, Width::Bits32, self.place)
    }

    /// Makes sure that it was left cleanly.
    pub(super) fn is_clean(&self) -> Found<()> {
        if self.flags & 7 != 0 {
            let flags = self.flags;
            return Err(Fault::Unsound(format!(
                "it was not left cleanly: its flags are {flags:#x}"
            )));
        }
        Ok(())
    }
}

/// Makes sure that the boot region is as its checksum says; flags and the percentage in use are not in it.
fn checksum(volume: &Window<'_>, sector: u64) -> Found<()> {
    let region = volume.bytes(0, sector * 12, 12 * 4096)?;
    let covered = region.len() / 12 * 11;
    let bytes = region.iter().take(covered).enumerate();
    let sum = bytes
        .filter(|(at, _)| ![106, 107, 112].contains(at))
        .fold(0_u32, |sum, (_, byte)| {
            sum.rotate_right(1).wrapping_add(u32::from(*byte))
        });
    if le::<u32>(&region, covered) != sum {
        return Err(Fault::unsound("the checksum of its boot region is wrong"));
    }
    Ok(())
}
