//! Commands that look at tables only.

use super::{Row, makes::chain};
use crate::bench::Bench;

pub(super) fn all(bench: &Bench<'_>) -> Vec<Row> {
    let look = |work, workloads, verb: &str, file: &str| {
        let beside = match verb {
            "info" => "qemu-img info",
            "check" => "qemu-img check",
            _ => "qemu-img map",
        };
        Row::new(
            work,
            beside,
            bench.job(None, &[&format!("imgdelta {verb} @{file}")]),
            bench.job(None, &[&format!("qemu-img {verb} -f qcow2 @{file}")]),
        )
        .on(workloads, &[file])
    };
    let mut of_chain = look("map of a chain of 20", &["chain"], "map", "chain/20.qcow2");
    of_chain.inputs = chain();
    vec![
        look("info", &["copy"], "info", "base.qcow2"),
        look("check", &["copy"], "check", "base.qcow2"),
        look("map of 1 TiB", &["related"], "map", "related/base.qcow2"),
        of_chain,
    ]
}
