//! A patched image on its way to a site that has its base, beside other tools that send differences, and the whole image.
//!
//! `workloads/deploy.sh` says what each of them knows before and what it runs; the line between the two hosts is a pair of
//! pipes. Only imgdelta proves the base and the result. A peer that is missing says so in its rows.

use super::Row;
use crate::bench::Bench;
use crate::job::Job;

pub(super) fn all(bench: &Bench<'_>) -> Vec<Row> {
    let works: [(_, &'static [_; 1], _, _); 8] = [
        ("deploy small", &["small"], "rsync", "rsync"),
        ("deploy small", &["small"], "borg", "borg"),
        ("deploy small", &["small"], "casync", "casync"),
        ("deploy small", &["small"], "zstd", "the whole image, zstd"),
        ("deploy apt", &["apt"], "rsync", "rsync"),
        ("deploy apt", &["apt"], "borg", "borg"),
        ("deploy apt", &["apt"], "casync", "casync"),
        ("deploy apt", &["apt"], "zstd", "the whole image, zstd"),
    ];
    let row = |(work, workloads, tool, beside)| {
        let [disk]: &[&str; 1] = workloads;
        let target = format!("{disk}.raw");
        let peer = delivery(bench, "deploy-peer", &target, tool, known(tool));
        Row::new(
            work,
            beside,
            delivery(bench, "deploy", &target, "imgdelta", &[]),
            peer.within(bench.patience * 10),
        )
        .on(workloads, &["base.raw", &target])
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
