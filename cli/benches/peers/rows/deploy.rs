//! A patched image on its way to a site that has its base, beside other tools that send differences, and the whole image.
//!
//! `workloads/deploy.sh` says what each of them knows before and what it runs; the line between the two hosts is a pair of
//! pipes. Only imgdelta proves the base and the result. A peer that is missing is the fault of its own rows.

use super::{Row, names};
use crate::bench::Bench;
use crate::job::Job;

pub(super) fn all(bench: &Bench<'_>) -> Vec<Row> {
    let row = |name, workloads, target: &str, tool: &str| Row {
        name,
        workloads,
        inputs: names(&["base.raw", target]),
        ours: delivery(bench, "deploy", target, "imgdelta"),
        peer: Some(delivery(bench, "deploy-peer", target, tool)),
    };
    vec![
        row(
            "deploy small (peer: rsync)",
            &["small"],
            "small.raw",
            "rsync",
        ),
        row(
            "deploy small (peer: borg)",
            &["small", "borg"],
            "small.raw",
            "borg",
        ),
        row(
            "deploy small (peer: casync)",
            &["small", "casync"],
            "small.raw",
            "casync",
        ),
        row(
            "deploy small (peer: whole, by zstd)",
            &["small"],
            "small.raw",
            "zstd",
        ),
        row("deploy apt (peer: rsync)", &["apt"], "apt.raw", "rsync"),
        row(
            "deploy apt (peer: borg)",
            &["apt", "borg"],
            "apt.raw",
            "borg",
        ),
        row(
            "deploy apt (peer: casync)",
            &["apt", "casync"],
            "apt.raw",
            "casync",
        ),
        row(
            "deploy apt (peer: whole, by zstd)",
            &["apt"],
            "apt.raw",
            "zstd",
        ),
    ]
}

/// Both hosts are in one folder of the outputs, made anew for each run.
fn delivery(bench: &Bench<'_>, folder: &str, target: &str, tool: &str) -> Job {
    let stage = |name| format!("deploy.sh {name} %{folder} @base.raw @{target} {tool}");
    bench
        .job(
            Some(&format!("{folder}/site/patched.raw")),
            &[&stage("send")],
        )
        .after(bench, &[&stage("ready")])
        .sent(bench, &stage("sent"))
        .scratch(bench, &[folder])
}
