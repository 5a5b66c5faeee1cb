//! The works of which a figure is asked, each beside the tool that a user could take instead, and beside the bare loop that a C program
//! needs for it on this machine (`workloads/limit.c`): what no tool can beat.

use super::{Row, names};
use crate::bench::Bench;
use crate::job::Job;

/// The peer of children.
const REBASE: &str = "qemu-img create, rebase, sync";
/// The peer of copies that are durable as they are written.
const DIRECT: &str = "qemu-img convert -t none";
/// The peer of compressed copies.
const PACKED: &str = "qemu-img convert -m 16 -W, sync";

/// A bare loop.
const BARE: &str = "bare loop";
/// A bare loop that proves base and what differs, as `make` must.
const BARE_PROVEN: &str = "bare loop with SHA-256";

const SMALL: [&str; 2] = ["base.raw", "small.raw"];
const RANDOM: [&str; 2] = ["rand1.raw", "rand2.raw"];

pub(super) fn all(bench: &Bench<'_>) -> Vec<Row> {
    let parts = [makes, sparse_makes, reads, converts, compressed, restores];
    parts.iter().flat_map(|part| part(bench)).collect()
}

/// `make` of two raw disks, with an option.
fn make(bench: &Bench<'_>, base: &str, target: &str, option: &str) -> Job {
    let line = format!("imgdelta make -b @{base} -t @{target} -o %child.qcow2 --no-cache {option}");
    bench.job(Some("child.qcow2"), &[&line])
}

/// The bare loop of `make`, `delta` without digests or `proven` with those of the base and of what differs.
fn bare(bench: &Bench<'_>, mode: &str, base: &str, target: &str) -> Job {
    let line = format!("limit {mode} @{base} @{target} %peer.delta");
    bench.limit(Some("peer.delta"), &line)
}

fn makes(bench: &Bench<'_>) -> Vec<Row> {
    let [base, small] = SMALL;
    let of_small = || make(bench, base, small, "");
    let rebased = |target| bench.rebased("raw", base, target);
    let beside = |mode| bare(bench, mode, base, small);
    let of_random = || make(bench, RANDOM[0], RANDOM[1], "");
    let rebased_random = bench.rebased("raw", RANDOM[0], RANDOM[1]);
    vec![
        Row::new("make small", REBASE, of_small(), rebased(small))
            .on(&["small"], &SMALL)
            .asked(2.5),
        Row::new("make small", BARE, of_small(), beside("delta"))
            .on(&["small"], &SMALL)
            .asked(0.7),
        Row::new("make small", BARE_PROVEN, of_small(), beside("proven")).on(&["small"], &SMALL),
        compressed_make(bench),
        Row::new(
            "make apt",
            REBASE,
            make(bench, base, "apt.raw", ""),
            rebased("apt.raw"),
        )
        .on(&["apt"], &[base, "apt.raw"])
        .asked(3.0),
        Row::new("make random", REBASE, of_random(), rebased_random)
            .on(&["random"], &RANDOM)
            .asked(2.0),
        Row::new(
            "make random",
            BARE_PROVEN,
            of_random(),
            bare(bench, "proven", RANDOM[0], RANDOM[1]),
        )
        .on(&["random"], &RANDOM),
    ]
}

fn compressed_make(bench: &Bench<'_>) -> Row {
    let [base, small] = SMALL;
    let peer = [
        "qemu-img create -q -f qcow2 -o compression_type=zstd -F raw -b @small.raw %peer.qcow2",
        "qemu-img rebase -c -f qcow2 -F raw -b @base.raw %peer.qcow2",
        "sync %peer.qcow2",
    ];
    Row::new(
        "make small, zstd",
        "qemu-img create, rebase -c, sync",
        make(bench, base, small, "--option compression_type=zstd"),
        bench.job(Some("peer.qcow2"), &peer),
    )
    .on(&["small"], &SMALL)
    .asked(2.5)
}

/// 1 TiB disks, where the peer's time follows the disk and not the change.
fn sparse_makes(bench: &Bench<'_>) -> Vec<Row> {
    let sparse = ["sparse1.raw", "sparse2.raw"];
    let [base, target] = sparse;
    let of_sparse = || make(bench, base, target, "");
    let rebased = bench.rebased("raw", base, target).within(bench.patience);
    let row = |beside, peer| {
        Row::new("make sparse 1 TiB", beside, of_sparse(), peer).on(&["sparse"], &sparse)
    };
    vec![
        row(BARE, bare(bench, "delta", base, target)).asked(0.5),
        row(BARE_PROVEN, bare(bench, "proven", base, target)),
        row(REBASE, rebased),
    ]
}

fn reads(bench: &Bench<'_>) -> Vec<Row> {
    let pair = ["base.raw", "copy.raw"];
    let compare = || bench.job(None, &["imgdelta compare @base.raw @copy.raw"]);
    vec![
        Row::new(
            "compare raw, raw",
            "qemu-img compare",
            compare(),
            bench.job(
                None,
                &["qemu-img compare -f raw -F raw @base.raw @copy.raw"],
            ),
        )
        .on(&["copy"], &pair)
        .asked(2.2),
        Row::new(
            "compare raw, raw",
            BARE,
            compare(),
            bench.limit(None, "limit cmp @base.raw @copy.raw"),
        )
        .on(&["copy"], &pair)
        .asked(0.96),
        Row::new(
            "digest",
            BARE,
            bench.job(None, &["imgdelta digest @base.raw --no-cache"]),
            bench.limit(None, "limit sha @base.raw"),
        )
        .on(&["base"], &["base.raw"])
        .asked(1.8),
        Row::new(
            "digest --plain",
            "openssl dgst -sha256",
            bench.job(None, &["imgdelta digest --plain @base.raw"]),
            bench.job(None, &["openssl dgst -sha256 @base.raw"]),
        )
        .on(&["base"], &["base.raw"])
        .asked(1.0),
    ]
}

/// imgdelta's copy of a disk as it is, and the peer's.
fn copy(bench: &Bench<'_>, work: &'static str, input: &str, to: &str) -> Row {
    let from = input.rsplit('.').next().unwrap_or_default();
    Row::new(
        work,
        DIRECT,
        bench.converted(input, to, ""),
        bench.job(
            Some(&format!("peer.{to}")),
            &[&format!(
                "qemu-img convert -t none -f {from} -O {to} @{input} %peer.{to}"
            )],
        ),
    )
}

fn converts(bench: &Bench<'_>) -> Vec<Row> {
    let base = |row: Row| row.on(&["base"], &["base.raw"]);
    let mut sparse = copy(
        bench,
        "convert sparse 1 TiB to qcow2",
        "sparse1.raw",
        "qcow2",
    )
    .on(&["sparse"], &["sparse1.raw"])
    .asked(8.0);
    sparse.peer = sparse.peer.map(|job| job.within(bench.patience * 3));
    vec![
        base(copy(bench, "convert raw to qcow2", "base.raw", "qcow2")).asked(1.5),
        base(Row::new(
            "convert raw to qcow2",
            BARE,
            bench.converted("base.raw", "qcow2", ""),
            bench.limit(Some("peer.copy"), "limit copy @base.raw %peer.copy"),
        ))
        .asked(0.95),
        copy(bench, "convert qcow2 to raw", "base.qcow2", "raw")
            .on(&["copy"], &["base.qcow2"])
            .asked(1.4)
            .no_larger(),
        base(copy(bench, "convert raw to vhdx", "base.raw", "vhdx")).asked(1.5),
        base(Row::new(
            "convert raw to vmdk",
            "qemu-img convert, sync",
            bench.converted("base.raw", "vmdk", "--option subformat=monolithicSparse"),
            bench.job(
                Some("peer.vmdk"),
                &[
                    "qemu-img convert -f raw -O vmdk -o subformat=monolithicSparse @base.raw %peer.vmdk",
                    "sync %peer.vmdk",
                ],
            ),
        ))
        .asked(6.0),
        sparse,
    ]
}

fn compressed(bench: &Bench<'_>) -> Vec<Row> {
    let pack = |work, kind: &str, own: &str, times| {
        let option = format!("compression_type={kind}");
        let peer = [
            &format!(
                "qemu-img convert -c -m 16 -W -f raw -O qcow2 -o {option} @base.raw %peer.qcow2"
            ),
            "sync %peer.qcow2",
        ];
        Row::new(
            work,
            PACKED,
            bench.converted("base.raw", "qcow2", &format!("--option {option} {own}")),
            bench.job(Some("peer.qcow2"), &peer),
        )
        .on(&["base"], &["base.raw"])
        .asked(times)
        .no_larger()
    };
    let wide = "--option compression_window=32K";
    vec![
        pack("convert raw to qcow2, zlib", "zlib", "", 3.0),
        pack(
            "convert raw to qcow2, zlib, window of 32K",
            "zlib",
            wide,
            3.0,
        ),
        pack("convert raw to qcow2, zstd", "zstd", "", 2.5),
        Row::new(
            "convert qcow2, zstd, to raw",
            PACKED,
            bench.converted("base-zstd.qcow2", "raw", ""),
            bench.job(
                Some("peer.raw"),
                &[
                    "qemu-img convert -m 16 -W -f qcow2 -O raw @base-zstd.qcow2 %peer.raw",
                    "sync %peer.raw",
                ],
            ),
        )
        .on(&["zstd"], &["base-zstd.qcow2"])
        .asked(3.0)
        .no_larger(),
    ]
}

/// What a site does with a child: base and result are proven, which no peer does.
fn restores(bench: &Bench<'_>) -> Vec<Row> {
    let child = "imgdelta make -b @base.raw -t @small.raw -o %ready.qcow2 --force";
    let peer_child = [
        "qemu-img create -q -f qcow2 -F raw -b @small.raw %ready-peer.qcow2",
        "qemu-img rebase -f qcow2 -F raw -b @base.raw %ready-peer.qcow2",
    ];
    // It was written past the page cache, the peer's through it.
    let warm = "warm.py %ready.qcow2";
    let ready = |job: Job| {
        let job = job.after(bench, &[child, warm]);
        job.scratch(bench, &["ready.qcow2"])
    };
    let ready_peer = |job: Job| {
        let job = job.after(bench, &peer_child);
        job.scratch(bench, &["ready-peer.qcow2"])
    };
    let row = |work, beside, ours, peer| {
        let mut row = Row::new(work, beside, ready(ours), peer).on(&["small"], &[]);
        row.inputs = names(&SMALL);
        row
    };
    let attach = "imgdelta attach %ready.qcow2 -b @base.raw";
    let relink = "qemu-img rebase -u -f qcow2 -F raw -b @base.raw %ready-peer.qcow2";
    let apply = "imgdelta apply %ready.qcow2 -b @base.raw -o %out.raw --force";
    let flatten = "qemu-img convert -t none -f qcow2 -O raw %ready-peer.qcow2 %peer.raw";
    vec![
        row(
            "apply to raw, proven",
            "qemu-img convert -t none of the chain, not proven",
            bench.job(Some("out.raw"), &[apply]),
            ready_peer(bench.job(Some("peer.raw"), &[flatten])),
        )
        .asked(1.8)
        .no_larger(),
        row(
            "attach, base read",
            "bare loop of the base",
            bench.job(None, &[&format!("{attach} --no-cache")]),
            bench.limit(None, "limit sha @base.raw"),
        )
        .asked(1.6),
        row(
            "attach, base remembered",
            "qemu-img rebase -u, sync, not proven",
            bench.job(None, &[attach]),
            ready_peer(bench.job(None, &[relink, "sync %ready-peer.qcow2"])),
        ),
    ]
}
