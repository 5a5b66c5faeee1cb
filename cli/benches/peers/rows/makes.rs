//! More children, more comparisons and more copies of the base: other formats, larger disks, longer chains.

use super::Row;
use crate::bench::Bench;
use crate::job::Job;

pub(super) fn all(bench: &Bench<'_>) -> Vec<Row> {
    let rebase = "qemu-img create, rebase, sync";
    let small = "imgdelta make -b @base.raw -t @small.raw -o %child.qcow2";
    let vhd = "imgdelta make -b @base.vhd -t @small.vhd -o %child.vhd --no-cache";
    let related = "imgdelta make -b @related/base.qcow2 -t @related/target.qcow2 -o %child.qcow2";
    let mixed = "qemu-img compare -f raw -F qcow2 @base.raw @base.qcow2";
    vec![
        Row::new(
            "make small, base remembered",
            rebase,
            bench
                .job(Some("child.qcow2"), &[small])
                .after(bench, &["imgdelta digest @base.raw"]),
            bench.rebased("raw", "base.raw", "small.raw"),
        )
        .on(&["small"], &["base.raw", "small.raw"]),
        Row::new(
            "make vhd child",
            "qemu-img's qcow2 child",
            bench.job(Some("child.vhd"), &[vhd]),
            bench.rebased("vpc", "base.vhd", "small.vhd"),
        )
        .on(&["vhd"], &["base.vhd", "small.vhd"]),
        Row::new(
            "make related 1 TiB, base remembered",
            rebase,
            bench
                .job(Some("child.qcow2"), &[related])
                .after(bench, &["imgdelta digest @related/base.qcow2"]),
            bench
                .rebased("qcow2", "related/base.qcow2", "related/target.qcow2")
                .within(bench.patience),
        )
        .on(
            &["related"],
            &["related/base.qcow2", "related/target.qcow2"],
        ),
        Row::new(
            "compare raw, qcow2",
            "qemu-img compare",
            bench.job(None, &["imgdelta compare @base.raw @base.qcow2"]),
            bench.job(None, &[mixed]),
        )
        .on(&["copy"], &["base.raw", "base.qcow2"]),
        Row::new(
            "convert raw to vhd",
            "qemu-img convert -t none",
            bench.converted("base.raw", "vhd", ""),
            copied(bench, "raw", "base.raw", "vhd", "vpc -o force_size=on"),
        )
        .on(&["base"], &["base.raw"]),
        flattened(bench),
    ]
}

/// The base and its 20 overlays as one image.
fn flattened(bench: &Bench<'_>) -> Row {
    let mut row = Row::new(
        "convert chain of 20 to qcow2",
        "qemu-img convert -t none",
        bench.converted("chain/20.qcow2", "qcow2", ""),
        copied(bench, "qcow2", "chain/20.qcow2", "qcow2", "qcow2"),
    )
    .on(&["chain"], &[]);
    row.inputs = chain();
    row
}

/// The peer's copy, durable as it is written.
fn copied(bench: &Bench<'_>, from: &str, input: &str, to: &str, as_peer: &str) -> Job {
    bench.job(
        Some(&format!("peer.{to}")),
        &[&format!(
            "qemu-img convert -t none -f {from} -O {as_peer} @{input} %peer.{to}"
        )],
    )
}

/// The base and its 20 overlays.
pub(super) fn chain() -> Vec<String> {
    (0..=20)
        .map(|layer| format!("chain/{layer:02}.qcow2"))
        .collect()
}
