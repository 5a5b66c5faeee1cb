//! The works that are measured: imgdelta's commands and the peer's for the same result.
//!
//! The peer's way to a child is qemu-img's: create one over the target, then rebase it to the base; it proves nothing.
//! qemu-img writes durably only with `-t none` or with `sync` after it; imgdelta always does.

mod deploy;
mod hyperv;
mod many;
mod packed;
mod variants;

use std::path::Path;
use std::time::Duration;

use crate::bench::Bench;
use crate::job::Job;

/// One work.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// What `make.sh` must have made.
    pub(crate) workloads: &'static [&'static str],
    /// Files that are read into the page cache first.
    pub(crate) inputs: Vec<String>,
    pub(crate) ours: Job,
    pub(crate) peer: Option<Job>,
}

/// Beyond this the peer counts as not finished; each try costs it.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn all(work: &Path, imgdelta: &Path) -> Vec<Row> {
    let bench = Bench { work, imgdelta };
    let mut rows = makes(&bench);
    rows.extend(big_makes(&bench));
    rows.extend(compares(&bench));
    rows.extend(converts(&bench));
    rows.extend(variants::all(&bench));
    rows.extend(hyperv::all(&bench));
    rows.extend(applies(&bench));
    rows.extend(looks(&bench));
    rows.extend(deploy::all(&bench));
    rows.extend(packed::all(&bench));
    rows.extend(many::all(&bench));
    rows
}

fn makes(bench: &Bench<'_>) -> Vec<Row> {
    let make = |name, workloads, base: &str, target: &str, flags: &str, child: &str| Row {
        name,
        workloads,
        inputs: names(&[base, target]),
        ours: bench.job(
            Some(child),
            &[&format!(
                "imgdelta make -b @{base} -t @{target} -o %{child} {flags}"
            )],
        ),
        peer: Some(bench.rebased(
            if base.ends_with("vhd") { "vpc" } else { "raw" },
            base,
            target,
        )),
    };
    let mut remembered = make(
        "make small, base remembered",
        &["small"],
        "base.raw",
        "small.raw",
        "",
        "child.qcow2",
    );
    remembered.ours = remembered.ours.after(bench, &["imgdelta digest @base.raw"]);
    vec![
        make(
            "make small",
            &["small"],
            "base.raw",
            "small.raw",
            "--no-cache",
            "child.qcow2",
        ),
        remembered,
        make(
            "make apt",
            &["apt"],
            "base.raw",
            "apt.raw",
            "--no-cache",
            "child.qcow2",
        ),
        make(
            "make vhd child (peer: qcow2)",
            &["vhd"],
            "base.vhd",
            "small.vhd",
            "--no-cache",
            "child.vhd",
        ),
        make(
            "make random",
            &["random"],
            "rand1.raw",
            "rand2.raw",
            "--no-cache",
            "child.qcow2",
        ),
    ]
}

/// 1 TiB disks, where the peer's time follows the disk and not the change.
fn big_makes(bench: &Bench<'_>) -> Vec<Row> {
    let related = "imgdelta make -b @related/base.qcow2 -t @related/target.qcow2 -o %child.qcow2";
    let sparse = "imgdelta make -b @sparse1.raw -t @sparse2.raw -o %child.qcow2 --no-cache";
    vec![
        Row {
            name: "make related 1 TiB, base remembered",
            workloads: &["related"],
            inputs: names(&["related/base.qcow2", "related/target.qcow2"]),
            ours: bench
                .job(Some("child.qcow2"), &[related])
                .after(bench, &["imgdelta digest @related/base.qcow2"]),
            peer: Some(
                bench
                    .rebased("qcow2", "related/base.qcow2", "related/target.qcow2")
                    .within(PATIENCE),
            ),
        },
        Row {
            name: "make sparse 1 TiB",
            workloads: &["sparse"],
            inputs: names(&["sparse1.raw", "sparse2.raw"]),
            ours: bench.job(Some("child.qcow2"), &[sparse]),
            peer: Some(
                bench
                    .rebased("raw", "sparse1.raw", "sparse2.raw")
                    .within(PATIENCE),
            ),
        },
    ]
}

fn compares(bench: &Bench<'_>) -> Vec<Row> {
    let compare = |name, a: &str, b: &str, format: &str| Row {
        name,
        workloads: &["copy"],
        inputs: names(&[a, b]),
        ours: bench.job(None, &[&format!("imgdelta compare @{a} @{b}")]),
        peer: Some(bench.job(
            None,
            &[&format!("qemu-img compare -f raw -F {format} @{a} @{b}")],
        )),
    };
    vec![
        compare("compare raw, raw", "base.raw", "copy.raw", "raw"),
        compare("compare raw, qcow2", "base.raw", "base.qcow2", "qcow2"),
    ]
}

fn converts(bench: &Bench<'_>) -> Vec<Row> {
    let convert = |name, workloads, input: &str, from: &str, to: &str, peer_to: &str| Row {
        name,
        workloads,
        inputs: names(&[input]),
        ours: bench.job(
            Some(&format!("out.{to}")),
            &[&format!("imgdelta convert @{input} -o %out.{to} --force")],
        ),
        peer: Some(bench.job(
            Some(&format!("peer.{to}")),
            &[&format!(
                "qemu-img convert -t none -f {from} -O {peer_to} @{input} %peer.{to}"
            )],
        )),
    };
    let mut flattened = convert(
        "convert chain of 20 to qcow2",
        &["chain"],
        "chain/20.qcow2",
        "qcow2",
        "qcow2",
        "qcow2",
    );
    flattened.inputs = chain();
    vec![
        convert(
            "convert raw to qcow2",
            &["base"],
            "base.raw",
            "raw",
            "qcow2",
            "qcow2",
        ),
        convert(
            "convert qcow2 to raw",
            &["copy"],
            "base.qcow2",
            "qcow2",
            "raw",
            "raw",
        ),
        convert(
            "convert raw to vhd",
            &["base"],
            "base.raw",
            "raw",
            "vhd",
            "vpc -o force_size=on",
        ),
        flattened,
    ]
}

fn names(files: &[&str]) -> Vec<String> {
    files.iter().map(|&file| file.to_owned()).collect()
}

/// The base and its 20 overlays.
fn chain() -> Vec<String> {
    (0..=20)
        .map(|layer| format!("chain/{layer:02}.qcow2"))
        .collect()
}

fn applies(bench: &Bench<'_>) -> Vec<Row> {
    let ours_child = "imgdelta make -b @base.raw -t @small.raw -o %ready.qcow2 --force";
    let peer_child = [
        "qemu-img create -q -f qcow2 -F raw -b @small.raw %ready-peer.qcow2",
        "qemu-img rebase -f qcow2 -F raw -b @base.raw %ready-peer.qcow2",
    ];
    let row = |name, ours: Job, peer: Job| Row {
        name,
        workloads: &["small"],
        inputs: names(&["base.raw", "small.raw"]),
        ours: ours
            .after(bench, &[ours_child])
            .scratch(bench, &["ready.qcow2"]),
        peer: Some(
            peer.after(bench, &peer_child)
                .scratch(bench, &["ready-peer.qcow2"]),
        ),
    };
    let attach = "imgdelta attach %ready.qcow2 -b @base.raw";
    let relink = "qemu-img rebase -u -f qcow2 -F raw -b @base.raw %ready-peer.qcow2";
    let relinked = || bench.job(None, &[relink, "sync %ready-peer.qcow2"]);
    vec![
        row(
            "apply to raw, proved (peer: not proved)",
            bench.job(
                Some("out.raw"),
                &["imgdelta apply %ready.qcow2 -b @base.raw -o %out.raw --force"],
            ),
            bench.job(
                Some("peer.raw"),
                &["qemu-img convert -t none -f qcow2 -O raw %ready-peer.qcow2 %peer.raw"],
            ),
        ),
        row(
            "attach, base read and proved (peer: not proved)",
            bench.job(None, &[&format!("{attach} --no-cache")]),
            relinked(),
        ),
        row(
            "attach, base remembered (peer: not proved)",
            bench.job(None, &[attach]),
            relinked(),
        ),
    ]
}

/// Commands that look at tables only.
fn looks(bench: &Bench<'_>) -> Vec<Row> {
    let look = |name, workloads, inputs, verb: &str, file: &str| Row {
        name,
        workloads,
        inputs,
        ours: bench.job(None, &[&format!("imgdelta {verb} @{file}")]),
        peer: Some(bench.job(None, &[&format!("qemu-img {verb} -f qcow2 @{file}")])),
    };
    let related = || names(&["related/base.qcow2"]);
    vec![
        look(
            "info",
            &["copy"],
            names(&["base.qcow2"]),
            "info",
            "base.qcow2",
        ),
        look(
            "check",
            &["copy"],
            names(&["base.qcow2"]),
            "check",
            "base.qcow2",
        ),
        look(
            "map of 1 TiB",
            &["related"],
            related(),
            "map",
            "related/base.qcow2",
        ),
        look(
            "map of a chain of 20",
            &["chain"],
            chain(),
            "map",
            "chain/20.qcow2",
        ),
    ]
}
