//! A repository of ten thousand images: what looks at all of them is to be done within a second.

use super::Row;
use crate::bench::Bench;
use crate::job::Job;

/// Makes it, where it is not there.
const MADE: &str = "many.sh imgdelta @many 10000";

pub(super) fn all(bench: &Bench<'_>) -> Vec<Row> {
    let row = |work, output: Option<&str>, line: &str| {
        let ours = bench.job(output, &[line]).after(bench, &[MADE]);
        Row {
            peer: None,
            ..Row::new(work, "", ours, Job::default())
        }
    };
    vec![
        row(
            "repo list of 10 000 images",
            None,
            "imgdelta repo list --repo @many/hq",
        ),
        row(
            "repo list of 10 000 images, JSON",
            None,
            "imgdelta repo list --repo @many/hq --json",
        ),
        row(
            "repo tree of 10 000 images",
            None,
            "imgdelta repo tree --repo @many/hq",
        ),
        row(
            "repo show among 10 000 images",
            None,
            "imgdelta repo show image-9999 --repo @many/hq",
        ),
        row(
            "inventory of 10 000 images",
            Some("all.inv"),
            "imgdelta inventory --repo @many/hq -o %all.inv",
        ),
        row(
            "plan among 10 000 images",
            None,
            "imgdelta plan image-9999 --repo @many/hq --for @many/site.inv",
        ),
        row(
            "plan of eight among 10 000 images",
            None,
            "imgdelta plan image-9999 image-9997 image-8001 image-7777 image-5005 image-4321 image-1001 image-77 --repo @many/hq --for @many/site.inv",
        ),
    ]
}
