//! The smallest encoding in which a disk travels: qcow2 compressed with zstd, in clusters that suit its data.

use imgdelta_core::{Bytes, Format, Options, Result};

/// Largest L1 table of a child, which stands in the file whatever has changed: 8 bytes of it map a cluster of L2 entries.
const L1: Bytes = Bytes::kib(128);

/// How an image of that format travels.
///
/// # Errors
/// Never now; the signature keeps room for it.
pub(super) fn options(format: Format, cluster: Bytes) -> Result<Options> {
    match format {
        Format::Qcow2 => {
            let cluster = format!("cluster_size={}", cluster.0);
            Options::parse(&["compression_type=zstd", &cluster])
        }
        _ => Ok(Options::default()),
    }
}

/// The cluster of a child of a disk of `size`: the smallest whose tables stay small, from 4 to 64 KiB. What changes is seldom a whole 64 KiB: a
/// package upgrade took 157 MiB in clusters of that size, and 116 MiB in clusters of 4 KiB.
pub(super) fn of_child(size: Bytes) -> Bytes {
    let clusters = [4, 8, 16, 32].map(Bytes::kib);
    let l1 = |cluster: Bytes| {
        let mapped = (cluster.0 / 8).saturating_mul(cluster.0);
        size.0.div_ceil(mapped).saturating_mul(8)
    };
    let mut small = clusters.into_iter().filter(|cluster| l1(*cluster) <= L1.0);
    small.next().unwrap_or(Bytes::kib(64))
}

/// The cluster of a whole image with so much data. Long clusters pack better, but the tables take five of them at least.
pub(super) fn of_whole(data: Bytes) -> Bytes {
    match data {
        data if data >= Bytes::gib(1) => Bytes::mib(1),
        data if data >= Bytes::mib(128) => Bytes::kib(256),
        _ => Bytes::kib(64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_larger_the_disk_the_larger_the_clusters_and_never_a_large_table() {
        let of = |gib: u64| of_child(Bytes::gib(gib)).0 >> 10;
        assert_eq!(
            [1, 32, 33, 128, 129, 512, 2048, 2049, 65536].map(of),
            [4, 4, 8, 8, 16, 16, 32, 64, 64]
        );
    }

    #[test]
    fn little_data_is_not_outweighed_by_tables() {
        let of = |mib: u64| of_whole(Bytes::mib(mib)).0 >> 10;
        assert_eq!([0, 127, 128, 1023, 1024].map(of), [64, 64, 256, 256, 1024]);
    }
}
