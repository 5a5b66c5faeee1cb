//! The boot sector.

use imgdelta_core::record;

use crate::{
    fault::{Fault, Found},
    window::Window,
};

record! {
    /// The boot sector, up to where code begins.
    struct Sector: LittleEndian, 72 {
        /// Jump and `NTFS`.
        0 => head: [u8; 11],
        /// Bytes of a sector.
        11 => sector: u16,
        /// Sectors of a cluster; above 128: 2 to the power of 256 minus this.
        13 => cluster: u8,
        /// Not read.
        14 => unused: [u8; 26],
        /// Sectors of the volume, the copy of this one behind it not counted.
        40 => sectors: u64,
        /// The first cluster of the MFT.
        48 => mft: u64,
        /// The first cluster of the copy of its beginning.
        56 => mirror: u64,
        /// Clusters of a record; above 127: 2 to the power of 256 minus this bytes.
        64 => record: u8,
        /// Not read.
        65 => rest: [u8; 7],
    }
}

/// A judged boot sector.
#[derive(Clone, Copy, Debug)]
pub(super) struct Boot {
    /// Bytes of a cluster.
    pub(super) cluster: u64,
    /// How many clusters there are.
    pub(super) clusters: u64,
    /// The first cluster of the MFT.
    pub(super) mft: u64,
    /// Bytes of a record.
    pub(super) record: u64,
}

impl Boot {
    /// Reads and judges it.
    pub(super) fn read(volume: &Window<'_>) -> Found<Self> {
        let refuse = |what: &str| {
            Err(Fault::Unsound(format!(
                "its boot sector has an impossible {what}"
            )))
        };
        let raw = Sector::parse(&volume.array::<72>(0)?);
        let sector = u64::from(raw.sector);
        let per_cluster = match raw.cluster {
            0..=128 => u64::from(raw.cluster),
            power @ 0xf4.. => 1 << (256 - u32::from(power)),
            _ => 0,
        };
        let cluster = sector * per_cluster;
        if ![512, 1024, 2048, 4096].contains(&sector)
            || !per_cluster.is_power_of_two()
            || cluster > 2 << 20
        {
            return refuse("sector or cluster size");
        }
        let record = match raw.record {
            0..=127 => u64::from(raw.record) * cluster,
            power => 1_u64
                .checked_shl(256 - u32::from(power))
                .unwrap_or_default(),
        };
        if !record.is_power_of_two() || !(512..=65536).contains(&record) {
            return refuse("size of records");
        }
        let clusters = raw.sectors / per_cluster;
        let is_inside = raw
            .sectors
            .checked_mul(sector)
            .is_some_and(|len| len <= volume.len());
        if !is_inside || raw.mft >= clusters || clusters > u64::from(u32::MAX) {
            return refuse("number of sectors");
        }
        Ok(Self {
            cluster,
            clusters,
            mft: raw.mft,
            record,
        })
    }
}
