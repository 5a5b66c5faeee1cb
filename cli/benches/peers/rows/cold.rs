//! Works whose inputs must come from the device: before each run the kernel forgets what it has read. What lies below a virtual machine may
//! still remember it, for both sides alike.

use super::Row;
use crate::bench::Bench;

pub(super) fn all(bench: &Bench<'_>) -> Vec<Row> {
    let compare = || bench.job(None, &["imgdelta compare @base.raw @copy.raw"]);
    let make = "imgdelta make -b @base.raw -t @small.raw -o %child.qcow2 --no-cache";
    let copy = "qemu-img convert -t none -f raw -O qcow2 @base.raw %peer.qcow2";
    let compare_peer = "qemu-img compare -f raw -F raw @base.raw @copy.raw";
    let rows = [
        Row::new(
            "compare raw, raw, cold",
            "qemu-img compare",
            compare(),
            bench.job(None, &[compare_peer]),
        )
        .on(&["copy"], &[]),
        Row::new(
            "compare raw, raw, cold",
            "bare loop",
            compare(),
            bench.limit(None, "limit cmp @base.raw @copy.raw"),
        )
        .on(&["copy"], &[]),
        Row::new(
            "make small, cold",
            "qemu-img create, rebase, sync",
            bench.job(Some("child.qcow2"), &[make]),
            bench.rebased("raw", "base.raw", "small.raw"),
        )
        .on(&["small"], &[]),
        Row::new(
            "convert raw to qcow2, cold",
            "qemu-img convert -t none",
            bench.converted("base.raw", "qcow2", ""),
            bench.job(Some("peer.qcow2"), &[copy]),
        )
        .on(&["base"], &[]),
    ];
    let cold = |row| Row {
        is_cold: true,
        ..row
    };
    rows.into_iter().map(cold).collect()
}
