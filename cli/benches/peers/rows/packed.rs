//! What is packed: unpacking beside the program that packed it, and a package beside the disk in it.

use super::Row;
use crate::bench::Bench;

/// The programs and what their files are called.
const PACKERS: [(&str, &str, &str, &str); 3] = [
    ("unpack gz", "gzip -d, sync", "gzip", "gz"),
    ("unpack xz", "xz -d, sync", "xz", "xz"),
    ("unpack zst", "zstd -d, sync", "zstd", "zst"),
];

pub(super) fn all(bench: &Bench<'_>) -> Vec<Row> {
    // The format is said: the disk begins as the archive that its files come from.
    let unpack = PACKERS.map(|(work, beside, program, end)| {
        let input = format!("mixed.raw.{end}");
        let ours = format!("imgdelta convert @{input} --input-format raw -o %out.raw");
        let peer = format!("unpack.sh {program} @{input} %peer.raw");
        Row::new(
            work,
            beside,
            bench.job(Some("out.raw"), &[&ours]),
            bench.job(Some("peer.raw"), &[&peer]),
        )
        .on(&["mixed"], &[&input])
    });
    let package = |work, to: &str| {
        let peer = format!("imgdelta convert @mixed.vmdk -o %peer.{to}");
        Row::new(
            work,
            "its VMDK alone",
            bench.converted("mixed.ova", to, ""),
            bench.job(Some(&format!("peer.{to}")), &[&peer]),
        )
        .on(&["mixed"], &["mixed.ova", "mixed.vmdk"])
    };
    let packages = [
        package("convert OVA to qcow2", "qcow2"),
        package("convert OVA to raw", "raw"),
    ];
    unpack.into_iter().chain(packages).collect()
}
