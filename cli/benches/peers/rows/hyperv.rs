//! VHDX: read from the base's first GiB, children of that, and the largest disk that there can be.

use super::Row;
use crate::bench::Bench;

/// The first GiB of the base, as raw and as VHDX.
const HEAD: [&str; 2] = ["head-base.raw", "head-base.vhdx"];

pub(super) fn all(bench: &Bench<'_>) -> Vec<Row> {
    let mut empty = convert(
        bench,
        "convert empty 64 TiB vhdx to qcow2",
        "huge.vhdx",
        "qcow2",
    )
    .on(&["huge"], &["huge.vhdx"]);
    empty.peer = empty.peer.map(|job| job.within(bench.patience));
    let mut sparse = convert(bench, "convert sparse 1 TiB to vhdx", "sparse1.raw", "vhdx")
        .on(&["sparse"], &["sparse1.raw"]);
    sparse.peer = sparse.peer.map(|job| job.within(bench.patience * 3));
    vec![
        convert(
            bench,
            "convert vhdx of 1 GiB to raw",
            "head-base.vhdx",
            "raw",
        )
        .on(&["head"], &["head-base.vhdx"]),
        empty,
        sparse,
        Row::new(
            "compare raw, vhdx of 1 GiB",
            "qemu-img compare",
            bench.job(None, &["imgdelta compare @head-base.raw @head-base.vhdx"]),
            bench.job(
                None,
                &["qemu-img compare -f raw -F vhdx @head-base.raw @head-base.vhdx"],
            ),
        )
        .on(&["head"], &HEAD),
        children(bench),
        Row::new(
            "info of empty 64 TiB vhdx",
            "qemu-img info",
            bench.job(None, &["imgdelta info @huge.vhdx"]),
            bench.job(None, &["qemu-img info -f vhdx @huge.vhdx"]),
        )
        .on(&["huge"], &["huge.vhdx"]),
    ]
}

/// From raw, or from a VHDX.
fn convert(bench: &Bench<'_>, work: &'static str, input: &str, to: &str) -> Row {
    let from = input.rsplit('.').next().unwrap_or_default();
    let peer = format!("qemu-img convert -t none -f {from} -O {to} @{input} %peer.{to}");
    Row::new(
        work,
        "qemu-img convert -t none",
        bench.converted(input, to, ""),
        bench.job(Some(&format!("peer.{to}")), &[&peer]),
    )
}

/// No peer makes a VHDX child: imgdelta's own qcow2 child of the same two disks stands for one.
fn children(bench: &Bench<'_>) -> Row {
    let make = |child: &str| {
        let line =
            format!("imgdelta make -b @head-base.vhdx -t @head-small.vhdx -o %{child} --no-cache");
        bench.job(Some(child), &[&line])
    };
    Row::new(
        "make vhdx child of 1 GiB",
        "imgdelta's own qcow2 child",
        make("child.vhdx"),
        make("peer.qcow2"),
    )
    .on(&["head"], &["head-base.vhdx", "head-small.vhdx"])
}
