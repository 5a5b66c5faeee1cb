//! VHDX: written from the whole base, read from its first GiB, children of that, and the largest disk that there can be.

use super::{PATIENCE, Row, names};
use crate::bench::Bench;

pub(super) fn all(bench: &Bench<'_>) -> Vec<Row> {
    let mut rows = vec![
        convert(bench, "convert raw to vhdx", &["base"], "base.raw", "vhdx"),
        convert(
            bench,
            "convert vhdx of 1 GiB to raw",
            &["head"],
            "head-base.vhdx",
            "raw",
        ),
        convert(
            bench,
            "convert empty 64 TiB vhdx to qcow2",
            &["huge"],
            "huge.vhdx",
            "qcow2",
        ),
    ];
    if let Some(empty) = rows.last_mut() {
        empty.peer = empty.peer.take().map(|job| job.within(PATIENCE));
    }
    let mut sparse = convert(
        bench,
        "convert sparse 1 TiB to vhdx",
        &["sparse"],
        "sparse1.raw",
        "vhdx",
    );
    sparse.peer = sparse.peer.map(|job| job.within(PATIENCE * 3));
    rows.push(sparse);
    rows.push(Row {
        name: "compare raw, vhdx of 1 GiB",
        workloads: &["head"],
        inputs: names(&["head-base.raw", "head-base.vhdx"]),
        ours: bench.job(None, &["imgdelta compare @head-base.raw @head-base.vhdx"]),
        peer: Some(bench.job(
            None,
            &["qemu-img compare -f raw -F vhdx @head-base.raw @head-base.vhdx"],
        )),
    });
    rows.push(children(bench));
    rows.push(Row {
        name: "info of empty 64 TiB vhdx",
        workloads: &["huge"],
        inputs: names(&["huge.vhdx"]),
        ours: bench.job(None, &["imgdelta info @huge.vhdx"]),
        peer: Some(bench.job(None, &["qemu-img info -f vhdx @huge.vhdx"])),
    });
    rows
}

/// From raw, or from a VHDX.
fn convert(
    bench: &Bench<'_>,
    name: &'static str,
    workloads: &'static [&'static str],
    input: &str,
    to: &str,
) -> Row {
    let from = input.rsplit('.').next().unwrap_or_default();
    Row {
        name,
        workloads,
        inputs: names(&[input]),
        ours: bench.job(
            Some(&format!("out.{to}")),
            &[&format!("imgdelta convert @{input} -o %out.{to}")],
        ),
        peer: Some(bench.job(
            Some(&format!("peer.{to}")),
            &[&format!(
                "qemu-img convert -t none -f {from} -O {to} @{input} %peer.{to}"
            )],
        )),
    }
}

/// No peer makes a VHDX child: imgdelta's own qcow2 child of the same two disks stands for one.
fn children(bench: &Bench<'_>) -> Row {
    let make = |child: &str| {
        let line =
            format!("imgdelta make -b @head-base.vhdx -t @head-small.vhdx -o %{child} --no-cache");
        bench.job(Some(child), &[&line])
    };
    Row {
        name: "make vhdx child of 1 GiB (peer: imgdelta's qcow2 child)",
        workloads: &["head"],
        inputs: names(&["head-base.vhdx", "head-small.vhdx"]),
        ours: make("child.vhdx"),
        peer: Some(make("peer.qcow2")),
    }
}
