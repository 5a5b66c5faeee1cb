//! VMDK and VDI: written from the whole base, read from its first GiB, and children of that.
//!
//! Compressed images are made from the first GiB only: the peer packs them on one thread.

use super::Row;
use crate::bench::Bench;

/// The peer of copies.
const DIRECT: &str = "qemu-img convert -t none";

pub(super) fn all(bench: &Bench<'_>) -> Vec<Row> {
    let mut rows = writes(bench);
    rows.extend(reads(bench));
    rows.extend(children(bench));
    rows
}

/// From raw.
fn writes(bench: &Bench<'_>) -> Vec<Row> {
    let write = |work, workloads, input: &str, to: &str, option: &str| {
        let as_peer = option.replace("--option", "-o");
        let peer = format!("qemu-img convert -t none -f raw -O {to} {as_peer} @{input} %peer.{to}");
        Row::new(
            work,
            DIRECT,
            bench.converted(input, to, option),
            bench.job(Some(&format!("peer.{to}")), &[&peer]),
        )
        .on(workloads, &[input])
    };
    let several = |mut row: Row, kind: &str, ours: usize, peer: usize| {
        row.ours = row.ours.scratch(bench, &extents("out", kind, ours));
        let peer = row
            .peer
            .map(|job| job.scratch(bench, &extents("peer", kind, peer)));
        row.peer = peer;
        row
    };
    let base = |work, to, option| write(work, &["base"], "base.raw", to, option);
    let (split, flat) = (
        "--option subformat=twoGbMaxExtentSparse",
        "--option subformat=monolithicFlat",
    );
    let mut sparse = write(
        "convert sparse 1 TiB to vdi",
        &["sparse"],
        "sparse1.raw",
        "vdi",
        "",
    );
    sparse.peer = sparse.peer.map(|job| job.within(bench.patience * 3));
    vec![
        several(
            base("convert raw to vmdk, split", "vmdk", split),
            "s0",
            5,
            4,
        ),
        several(
            base("convert raw to vmdk, flat", "vmdk", flat),
            "flat",
            1,
            1,
        ),
        write(
            "convert 1 GiB raw to vmdk, streamOptimized",
            &["head"],
            "head-base.raw",
            "vmdk",
            "--option subformat=streamOptimized",
        ),
        base("convert raw to vdi", "vdi", ""),
        sparse,
    ]
}

/// The files beside a descriptor.
fn extents(stem: &str, kind: &str, count: usize) -> Vec<String> {
    match kind {
        "flat" => vec![format!("{stem}-flat.vmdk")],
        _ => (1..=count)
            .map(|number| format!("{stem}-{kind}{number:02}.vmdk"))
            .collect(),
    }
}

/// To raw.
fn reads(bench: &Bench<'_>) -> Vec<Row> {
    let read = |work, input: &str, from: &str| {
        let peer = format!("qemu-img convert -t none -f {from} -O raw @{input} %peer.raw");
        Row::new(
            work,
            DIRECT,
            bench.converted(input, "raw", ""),
            bench.job(Some("peer.raw"), &[&peer]),
        )
        .on(&["head"], &[input])
    };
    let compare = |work, input: &str, format: &str| {
        let peer = format!("qemu-img compare -f raw -F {format} @head-base.raw @{input}");
        Row::new(
            work,
            "qemu-img compare",
            bench.job(
                None,
                &[&format!("imgdelta compare @head-base.raw @{input}")],
            ),
            bench.job(None, &[&peer]),
        )
        .on(&["head"], &["head-base.raw", input])
    };
    let mut flat = read(
        "convert vmdk of 1 GiB, flat, to raw",
        "head-base.flat.vmdk",
        "vmdk",
    );
    flat.inputs = vec!["head-base.flat-flat.vmdk".to_owned()];
    let mut split = read(
        "convert vmdk of 1 GiB, split, to raw",
        "head-base.split.vmdk",
        "vmdk",
    );
    split.inputs = vec!["head-base.split-s001.vmdk".to_owned()];
    vec![
        read("convert vmdk of 1 GiB to raw", "head-base.vmdk", "vmdk"),
        split,
        flat,
        read(
            "convert vmdk of 1 GiB, streamOptimized, to raw",
            "head-base.stream.vmdk",
            "vmdk",
        ),
        read("convert vdi of 1 GiB to raw", "head-base.vdi", "vdi"),
        compare("compare raw, vmdk of 1 GiB", "head-base.vmdk", "vmdk"),
        compare("compare raw, vdi of 1 GiB", "head-base.vdi", "vdi"),
    ]
}

/// The peer makes no VMDK or VDI child of two images by content: its qcow2 child stands for it.
fn children(bench: &Bench<'_>) -> Vec<Row> {
    let make = |work, format: &str| {
        let (base, target) = (
            format!("head-base.{format}"),
            format!("head-small.{format}"),
        );
        let line = format!("imgdelta make -b @{base} -t @{target} -o %child.{format} --no-cache");
        Row::new(
            work,
            "qemu-img's qcow2 child",
            bench.job(Some(&format!("child.{format}")), &[&line]),
            bench.rebased(format, &base, &target),
        )
        .on(&["head"], &[&base, &target])
    };
    vec![
        make("make vmdk child of 1 GiB", "vmdk"),
        make("make vdi child of 1 GiB", "vdi"),
    ]
}
