//! What is packed: unpacking beside the program that packed it, and a package beside the disk in it.

use super::{Row, names};
use crate::bench::Bench;

/// The programs and what their files are called.
const PACKERS: [(&str, &str, &str); 3] = [
    ("unpack gz (peer: gzip -d)", "gzip", "gz"),
    ("unpack xz (peer: xz -d)", "xz", "xz"),
    ("unpack zst (peer: zstd -d)", "zstd", "zst"),
];

pub(super) fn all(bench: &Bench<'_>) -> Vec<Row> {
    // The format is said: the disk begins as the archive that its files come from.
    let unpack = PACKERS.map(|(name, program, end)| Row {
        name,
        workloads: &["mixed"],
        inputs: names(&[&format!("mixed.raw.{end}")]),
        ours: bench.job(
            Some("out.raw"),
            &[&format!(
                "imgdelta convert @mixed.raw.{end} --input-format raw -o %out.raw"
            )],
        ),
        peer: Some(bench.job(
            Some("peer.raw"),
            &[&format!("unpack.sh {program} @mixed.raw.{end} %peer.raw")],
        )),
    });
    let package = |name, to: &str| Row {
        name,
        workloads: &["mixed"],
        inputs: names(&["mixed.ova", "mixed.vmdk"]),
        ours: bench.job(
            Some(&format!("out.{to}")),
            &[&format!("imgdelta convert @mixed.ova -o %out.{to}")],
        ),
        peer: Some(bench.job(
            Some(&format!("peer.{to}")),
            &[&format!("imgdelta convert @mixed.vmdk -o %peer.{to}")],
        )),
    };
    let packages = [
        package("convert OVA to qcow2 (peer: its VMDK alone)", "qcow2"),
        package("convert OVA to raw (peer: its VMDK alone)", "raw"),
    ];
    unpack.into_iter().chain(packages).collect()
}
