//! What an L2 entry says of its cluster, judged: from here on it is true.
//!
//! Nothing here reads a file; whether the file goes as far as an entry says is asked of [`ClusterMapping::piece`].

use imgdelta_core::{Bytes, FileOffset, VirtOffset};

use crate::{
    fault::Fault,
    geometry::Geometry,
    layout::{L2Entry, SUBCLUSTERS, Subclusters},
};

/// What stands for a guest cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClusterMapping {
    /// Nothing.
    Absent,
    /// Zeros; a host cluster may be kept for it.
    Zero(Option<FileOffset>),
    /// A host cluster.
    Data(FileOffset),
    /// Compressed data: where they are, and how far at most they go.
    CompressedCluster(FileOffset, Bytes),
    /// Subclusters, and the host cluster of those that are allocated.
    Parts(Option<FileOffset>, Subclusters),
}

/// What a part of a guest cluster is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClusterRun {
    /// Nothing.
    Absent,
    /// Zeros.
    Zero,
    /// Bytes that start here.
    Data(FileOffset),
    /// Compressed data: where they are, and how far at most they go.
    CompressedCluster(FileOffset, Bytes),
}

impl ClusterMapping {
    /// What `entry` and, with extended L2 entries, `bitmap` say of the cluster at `guest`.
    pub(crate) fn validate(
        geometry: Geometry,
        guest: VirtOffset,
        entry: L2Entry,
        bitmap: u64,
    ) -> Result<Self, Fault> {
        if entry.is_compressed() {
            return Self::packed(geometry, guest, entry, bitmap);
        }
        let zero_bit = u64::from(geometry.extended && entry.reads_zero());
        let bits = entry.reserved() | zero_bit;
        if bits != 0 {
            let entry = entry.0;
            return Err(Fault::L2Reserved { guest, entry, bits });
        }
        let cluster = Self::cluster(geometry, guest, entry)?;
        if geometry.extended {
            return Self::parts(guest, cluster, Subclusters::from_bits(bitmap));
        }
        if entry.reads_zero() {
            return if geometry.version < 3 {
                Err(Fault::ZeroInVersion2 { guest })
            } else {
                Ok(Self::Zero(cluster))
            };
        }
        Ok(cluster.map_or(Self::Absent, Self::Data))
    }

    /// The host cluster of a standard entry, if it has one.
    fn cluster(
        geometry: Geometry,
        guest: VirtOffset,
        entry: L2Entry,
    ) -> Result<Option<FileOffset>, Fault> {
        let host = entry.cluster();
        if geometry.data_file {
            // In a data file, 0 is a place like any other; the copied flag tells it from none. [qemu does the same]
            if host == FileOffset::ZERO && !entry.is_copied() {
                return Ok(None);
            }
            return if host.0 == guest.0 {
                Ok(Some(host))
            } else {
                Err(Fault::DataFileOffset { guest, host })
            };
        }
        if host == FileOffset::ZERO {
            return Ok(None);
        }
        if !host.is_aligned(geometry.cluster()) {
            return Err(Fault::Unaligned {
                what: "a data cluster",
                at: host,
                cluster: geometry.cluster().0,
            });
        }
        Ok(Some(host))
    }

    /// Compressed data.
    fn packed(
        geometry: Geometry,
        guest: VirtOffset,
        entry: L2Entry,
        bitmap: u64,
    ) -> Result<Self, Fault> {
        let (host, len) = entry.compressed(geometry.cluster_bits);
        if geometry.data_file {
            return Err(Fault::CompressedInDataFile { guest });
        }
        if geometry.extended && bitmap != 0 {
            return Err(Fault::CompressedSubclusters {
                guest,
                bits: bitmap,
            });
        }
        if host.0 >> 56 != 0 {
            return Err(Fault::CompressedOffset { guest, host });
        }
        if entry.is_copied() {
            return Err(Fault::CompressedCopied { guest });
        }
        if host.0 < geometry.cluster().0 {
            let what = "compressed data";
            return Err(Fault::InHeader { what, at: host });
        }
        Ok(Self::CompressedCluster(host, len))
    }

    /// Subclusters.
    const fn parts(
        guest: VirtOffset,
        cluster: Option<FileOffset>,
        parts: Subclusters,
    ) -> Result<Self, Fault> {
        let both = parts.allocated & parts.zero;
        let allocated = parts.allocated;
        if both != 0 {
            Err(Fault::SubclusterBoth { guest, both })
        } else if cluster.is_none() && allocated != 0 {
            Err(Fault::SubclusterWithoutCluster { guest, allocated })
        } else {
            Ok(Self::Parts(cluster, parts))
        }
    }

    /// What the cluster is from byte `inside` on, and for how many bytes that is known.
    pub(crate) fn piece(self, geometry: Geometry, inside: Bytes) -> (ClusterRun, Bytes) {
        let rest = Bytes(geometry.cluster().0.saturating_sub(inside.0));
        match self {
            Self::Absent => (ClusterRun::Absent, rest),
            Self::Zero(_) => (ClusterRun::Zero, rest),
            Self::Data(host) => (ClusterRun::Data(host.saturating_add(inside)), rest),
            Self::CompressedCluster(host, len) => (ClusterRun::CompressedCluster(host, len), rest),
            Self::Parts(host, parts) => {
                let grain = geometry.grain().0;
                let first = inside.0 / grain;
                let kind = |part: u64| (parts.allocated >> part & 1, parts.zero >> part & 1);
                let here = kind(first);
                let same = (first..SUBCLUSTERS).take_while(|&part| kind(part) == here);
                let end = (first + same.count() as u64) * grain;
                let piece = match (here, host) {
                    ((1, _), Some(host)) => ClusterRun::Data(host.saturating_add(inside)),
                    ((_, 1), _) => ClusterRun::Zero,
                    _ => ClusterRun::Absent,
                };
                (piece, Bytes(end - inside.0))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXTENDED: Geometry = Geometry {
        version: 3,
        cluster_bits: 16,
        extended: true,
        data_file: false,
    };

    fn validate(geometry: Geometry, entry: u64, bitmap: u64) -> Result<ClusterMapping, Fault> {
        ClusterMapping::validate(geometry, VirtOffset(0x10000), L2Entry(entry), bitmap)
    }

    #[test]
    fn subclusters_are_told_apart_as_qemu_wrote_them() -> Result<(), Fault> {
        let cell = validate(EXTENDED, 0x8000_0000_0005_0000, 0x0000_0010_0000_0003)?;
        let at = |inside| cell.piece(EXTENDED, Bytes(inside));
        assert_eq!(at(0), (ClusterRun::Data(FileOffset(0x50000)), Bytes(4096)));
        assert_eq!(
            at(2050),
            (ClusterRun::Data(FileOffset(0x50802)), Bytes(2046))
        );
        assert_eq!(at(4096), (ClusterRun::Absent, Bytes(4096)));
        assert_eq!(at(8192), (ClusterRun::Zero, Bytes(2048)));
        assert_eq!(at(10240), (ClusterRun::Absent, Bytes(65536 - 10240)));
        Ok(())
    }

    #[test]
    fn offset_0_of_a_data_file_is_data_where_the_copied_flag_says_so() -> Result<(), Fault> {
        let geometry = Geometry {
            extended: false,
            data_file: true,
            ..EXTENDED
        };
        let at = |entry| ClusterMapping::validate(geometry, VirtOffset::ZERO, L2Entry(entry), 0);
        assert_eq!(at(0)?, ClusterMapping::Absent);
        assert_eq!(at(1 << 63)?, ClusterMapping::Data(FileOffset::ZERO));
        assert_eq!(at(1)?, ClusterMapping::Zero(None));
        Ok(())
    }

    #[test]
    fn the_zero_bit_of_an_extended_entry_is_reserved() {
        let fault = validate(EXTENDED, 0x8000_0000_0005_0001, 0);
        assert!(matches!(fault, Err(Fault::L2Reserved { bits: 1, .. })));
    }
}
