//! A patched image on its way to a site that has its base, beside other tools that send differences, and the whole image.
//!
//! `workloads/deploy.sh` says what each of them knows before and what it runs; the line between the two hosts is a pair of
//! pipes. Only imgdelta proves the base and the result. A peer that is missing says so in its rows.

use super::{PATIENCE, Row, names};
use crate::bench::Bench;
use crate::job::Job;

pub(super) fn all(bench: &Bench<'_>) -> Vec<Row> {
    let works: [(_, &'static [_; 1], _); 8] = [
        ("deploy small (peer: rsync)", &["small"], "rsync"),
        ("deploy small (peer: borg)", &["small"], "borg"),
        ("deploy small (peer: casync)", &["small"], "casync"),
        ("deploy small (peer: whole, zstd)", &["small"], "zstd"),
        ("deploy apt (peer: rsync)", &["apt"], "rsync"),
        ("deploy apt (peer: borg)", &["apt"], "borg"),
        ("deploy apt (peer: casync)", &["apt"], "casync"),
        ("deploy apt (peer: whole, zstd)", &["apt"], "zstd"),
    ];
    let row = |(name, workloads, tool)| {
        let [disk]: &[&str; 1] = workloads;
        let target = format!("{disk}.raw");
        Row {
            name,
            workloads,
            inputs: names(&["base.raw", &target]),
            ours: delivery(bench, "deploy", &target, "imgdelta", &[]),
            peer: Some(
                delivery(bench, "deploy-peer", &target, tool, known(tool)).within(PATIENCE * 10),
            ),
        }
    };
    works.into_iter().map(row).collect()
}

/// What makes that which a peer knows of the base; a step of its own side, so that imgdelta is measured where it is missing.
fn known(tool: &str) -> &'static [&'static str] {
    match tool {
        "borg" => &["make.sh @ borg"],
        "casync" => &["make.sh @ casync"],
        _ => &[],
    }
}

/// Both hosts are in one folder of the outputs, made anew for each run.
fn delivery(bench: &Bench<'_>, folder: &str, target: &str, tool: &str, known: &[&str]) -> Job {
    let stage = |name| format!("deploy.sh {name} %{folder} @base.raw @{target} {tool}");
    let ready = stage("ready");
    let output = format!("{folder}/site/patched.raw");
    bench
        .job(Some(&output), &[&stage("send")])
        .after(bench, &[known, &[&ready]].concat())
        .sent(bench, &stage("sent"))
        .scratch(bench, &[folder])
}
