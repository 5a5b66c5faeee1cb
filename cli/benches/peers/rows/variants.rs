//! VMDK and VDI: written from the whole base, read from its first GiB, and children of that.
//!
//! Compressed images are made from the first GiB only: the peer packs them on one thread.

use super::{PATIENCE, Row, names};
use crate::bench::Bench;

pub(super) fn all(bench: &Bench<'_>) -> Vec<Row> {
    let mut rows = writes(bench);
    rows.extend(reads(bench));
    rows.extend(children(bench));
    rows
}

/// From raw.
fn writes(bench: &Bench<'_>) -> Vec<Row> {
    let write = |name, workloads, input: &str, to: &str, option: &str| {
        let ours = format!("imgdelta convert @{input} -o %out.{to} {option}");
        let option = option.replace("--option", "-o");
        let peer = format!("qemu-img convert -t none -f raw -O {to} {option} @{input} %peer.{to}");
        Row {
            name,
            workloads,
            inputs: names(&[input]),
            ours: bench.job(Some(&format!("out.{to}")), &[&ours]),
            peer: Some(bench.job(Some(&format!("peer.{to}")), &[&peer])),
        }
    };
    let several = |mut row: Row, kind: &str, ours: usize, peer: usize| {
        row.ours = row.ours.scratch(bench, &extents("out", kind, ours));
        let peer = row
            .peer
            .map(|job| job.scratch(bench, &extents("peer", kind, peer)));
        row.peer = peer;
        row
    };
    let base = |name, to, option| write(name, &["base"], "base.raw", to, option);
    let mut sparse = write(
        "convert sparse 1 TiB to vdi",
        &["sparse"],
        "sparse1.raw",
        "vdi",
        "",
    );
    sparse.peer = sparse.peer.map(|job| job.within(PATIENCE * 3));
    vec![
        base(
            "convert raw to vmdk",
            "vmdk",
            "--option subformat=monolithicSparse",
        ),
        several(
            base(
                "convert raw to vmdk, split",
                "vmdk",
                "--option subformat=twoGbMaxExtentSparse",
            ),
            "s0",
            5,
            4,
        ),
        several(
            base(
                "convert raw to vmdk, flat",
                "vmdk",
                "--option subformat=monolithicFlat",
            ),
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
    let read = |name, input: &str, from: &str| Row {
        name,
        workloads: &["head"],
        inputs: names(&[input]),
        ours: bench.job(
            Some("out.raw"),
            &[&format!("imgdelta convert @{input} -o %out.raw")],
        ),
        peer: Some(bench.job(
            Some("peer.raw"),
            &[&format!(
                "qemu-img convert -t none -f {from} -O raw @{input} %peer.raw"
            )],
        )),
    };
    let compare = |name, input: &str, format: &str| Row {
        name,
        workloads: &["head"],
        inputs: names(&["head-base.raw", input]),
        ours: bench.job(
            None,
            &[&format!("imgdelta compare @head-base.raw @{input}")],
        ),
        peer: Some(bench.job(
            None,
            &[&format!(
                "qemu-img compare -f raw -F {format} @head-base.raw @{input}"
            )],
        )),
    };
    let mut flat = read(
        "convert vmdk of 1 GiB, flat, to raw",
        "head-base.flat.vmdk",
        "vmdk",
    );
    flat.inputs = names(&["head-base.flat-flat.vmdk"]);
    let mut split = read(
        "convert vmdk of 1 GiB, split, to raw",
        "head-base.split.vmdk",
        "vmdk",
    );
    split.inputs = names(&["head-base.split-s001.vmdk"]);
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
    let make = |name, format: &str| {
        let (base, target) = (
            format!("head-base.{format}"),
            format!("head-small.{format}"),
        );
        Row {
            name,
            workloads: &["head"],
            inputs: names(&[&base, &target]),
            ours: bench.job(
                Some(&format!("child.{format}")),
                &[&format!(
                    "imgdelta make -b @{base} -t @{target} -o %child.{format} --no-cache"
                )],
            ),
            peer: Some(bench.rebased(format, &base, &target)),
        }
    };
    vec![
        make("make vmdk child of 1 GiB (peer: qcow2)", "vmdk"),
        make("make vdi child of 1 GiB (peer: qcow2)", "vdi"),
    ]
}
