//! A patched image on a medium, on its way to a site that has its base: what it takes there, and what writing and reading it takes.
//!
//! `workloads/carry.sh` says what is run. xdelta3 proves neither base nor result. The upgrade is a real one, of the day on which its disks were
//! made: only ratios on one pair of disks count.

use super::Row;
use crate::bench::Bench;
use crate::job::Job;

/// A pair of disks: its workload, the base, the target.
type Pair = (&'static [&'static str], &'static str, &'static str);

const UPGRADE: Pair = (&["upgrade"], "upgrade-base.raw", "upgrade.raw");
const SMALL: Pair = (&["small"], "base.raw", "small.raw");
const APT: Pair = (&["apt"], "base.raw", "apt.raw");

/// How today's child disks are sent.
const NATIVE: &str = "imgdelta --native";

/// Packing may take 1.3 times as long as that of child disks.
const AS_FAST_AS_NATIVE: f64 = 0.77;

pub(super) fn all(bench: &Bench<'_>) -> Vec<Row> {
    let written = |work, pair, options: &str, peer: (&'static str, &str)| {
        let ours = Carried::of(pair, "imgdelta", options);
        let row = Row::new(
            work,
            peer.0,
            ours.written(bench, "carry"),
            Carried::of(pair, peer.1, "").written(bench, "carry-peer"),
        );
        row.on(pair.0, &[pair.1, pair.2])
    };
    let native = (NATIVE, "imgdelta --native");
    let quick = ("xdelta3 -1", "xdelta3-1");
    let thorough = ("xdelta3 -9", "xdelta3-9");
    let leaving = "--leave-out free,swap";
    let received = Row::new(
        "receive upgrade from a medium",
        "xdelta3 -d",
        Carried::of(UPGRADE, "imgdelta", "").received(bench, "carry"),
        Carried::of(UPGRADE, "xdelta3-1", "").received(bench, "carry-peer"),
    );
    vec![
        written("upgrade on a medium", UPGRADE, "", native)
            .asked(AS_FAST_AS_NATIVE)
            .at_most(0.6),
        written("upgrade on a medium", UPGRADE, "", quick).at_most(0.78),
        written(
            "upgrade on a medium, free blocks and swap left out",
            UPGRADE,
            leaving,
            native,
        )
        .asked(AS_FAST_AS_NATIVE)
        .at_most(0.2),
        written("small on a medium", SMALL, "", thorough).at_most(1.02),
        written("apt on a medium", APT, "", thorough).at_most(1.02),
        received.on(UPGRADE.0, &[UPGRADE.1, UPGRADE.2]),
    ]
}

/// A pair that is carried by a tool.
struct Carried {
    pair: Pair,
    /// The tool with its own words, as `carry.sh` takes them.
    tool: String,
}

impl Carried {
    fn of(pair: Pair, tool: &str, options: &str) -> Self {
        let tool = format!("{tool} {options}");
        Self { pair, tool }
    }

    fn stage(&self, name: &str, folder: &str) -> String {
        let (_, base, target) = self.pair;
        format!("carry.sh {name} %{folder} @{base} @{target} {}", self.tool)
    }

    /// What headquarters does; everything is in one folder of the outputs, made anew for each run.
    fn written(&self, bench: &Bench<'_>, folder: &str) -> Job {
        let job = bench.job(None, &[&self.stage("send", folder)]);
        job.after(bench, &[&self.stage("ready", folder)])
            .sent(bench, &self.stage("sent", folder))
            .scratch(bench, &[folder])
            .within(bench.patience * 10)
    }

    /// What the site does.
    fn received(&self, bench: &Bench<'_>, folder: &str) -> Job {
        let job = bench.job(None, &[&self.stage("receive", folder)]);
        let before = [self.stage("ready", folder), self.stage("send", folder)];
        job.after(bench, &before.each_ref().map(String::as_str))
            .sent(bench, &self.stage("received", folder))
            .scratch(bench, &[folder])
            .within(bench.patience * 10)
    }
}
