//! The works that are measured: imgdelta's commands and the peer's for the same result.
//!
//! The peer's way to a child is qemu-img's: create one over the target, then rebase it to the base; it proves nothing.
//! qemu-img writes durably only with `-t none` or with `sync` after it; imgdelta always does.

mod asked;
mod carried;
mod cold;
mod deploy;
mod hyperv;
mod looks;
mod makes;
mod many;
mod packed;
mod scaled;
mod variants;

use crate::bench::Bench;
use crate::job::Job;
use crate::report::Asked;

/// One work beside one peer.
#[derive(Clone)]
pub(crate) struct Row {
    /// The table that it stands in.
    pub(crate) section: &'static str,
    pub(crate) work: &'static str,
    /// The peer, and how it is called; empty where there is none.
    pub(crate) beside: &'static str,
    pub(crate) asked: Asked,
    /// Whether nothing is in the page cache.
    pub(crate) is_cold: bool,
    /// What `make.sh` must have made.
    pub(crate) workloads: &'static [&'static str],
    /// Files that are read into the page cache first.
    pub(crate) inputs: Vec<String>,
    pub(crate) ours: Job,
    pub(crate) peer: Option<Job>,
}

/// One work on one disk after the other, the easiest first.
#[derive(Clone)]
pub(crate) struct Series {
    pub(crate) section: &'static str,
    pub(crate) work: &'static str,
    /// How many times longer than the first the slowest may take.
    pub(crate) within: Option<f64>,
    pub(crate) workloads: &'static [&'static str],
    pub(crate) cells: Vec<Cell>,
}

/// A work on one of the disks.
#[derive(Clone)]
pub(crate) struct Cell {
    pub(crate) label: &'static str,
    inputs: Vec<String>,
    job: Job,
}

/// What is run of either.
#[derive(Clone)]
pub(crate) struct Run<'a> {
    pub(crate) inputs: &'a [String],
    pub(crate) job: &'a Job,
    pub(crate) is_cold: bool,
}

/// All rows, those of one table together.
pub(crate) fn all(bench: &Bench<'_>) -> Vec<Row> {
    let more = [
        makes::all(bench),
        variants::all(bench),
        hyperv::all(bench),
        packed::all(bench),
        looks::all(bench),
    ];
    let sections = [
        ("What was asked", asked::all(bench)),
        ("From a cold cache", cold::all(bench)),
        (
            "More works and formats",
            more.into_iter().flatten().collect(),
        ),
        ("On the way to a site", deploy::all(bench)),
        ("On a medium", carried::all(bench)),
        ("Among ten thousand images", many::all(bench)),
    ];
    let named = |(section, rows): (_, Vec<Row>)| {
        let row = move |row| Row { section, ..row };
        rows.into_iter().map(row)
    };
    sections.into_iter().flat_map(named).collect()
}

/// All series, those of one table together.
pub(crate) fn series(bench: &Bench<'_>) -> Vec<Series> {
    scaled::all(bench)
}

impl Row {
    /// A row of which nothing is asked, its inputs in the page cache.
    fn new(work: &'static str, beside: &'static str, ours: Job, peer: Job) -> Self {
        Self {
            section: "",
            work,
            beside,
            asked: Asked::default(),
            is_cold: false,
            workloads: &["none"],
            inputs: Vec::new(),
            ours,
            peer: Some(peer),
        }
    }

    /// On these files, which those workloads make.
    fn on(mut self, workloads: &'static [&'static str], inputs: &[&str]) -> Self {
        self.workloads = workloads;
        self.inputs = inputs.iter().map(|&file| file.to_owned()).collect();
        self
    }

    /// At least so many times faster than the peer.
    fn asked(mut self, times: f64) -> Self {
        self.asked.times = Some(times);
        self
    }

    /// And an output that takes no more room.
    fn no_larger(self) -> Self {
        self.at_most(1.0)
    }

    /// And that what is written, or travels, takes at most such a share of the peer's.
    fn at_most(mut self, share: f64) -> Self {
        self.asked.room = Some(share);
        self
    }

    /// What it is called, with its peer.
    pub(crate) fn name(&self) -> String {
        match self.beside {
            "" => self.work.to_owned(),
            peer => format!("{}, beside {peer}", self.work),
        }
    }

    /// Takes the same work of another imgdelta for the peer.
    pub(crate) fn become_own(&mut self, other: Self) {
        self.beside = "the other imgdelta";
        self.asked = Asked::default();
        self.peer = Some(other.ours);
    }
}

impl Cell {
    fn new(label: &'static str, inputs: &[String], job: Job) -> Self {
        Self {
            label,
            inputs: inputs.to_vec(),
            job,
        }
    }

    /// As it is run: its inputs in the page cache.
    pub(crate) fn run(&self) -> Run<'_> {
        Run {
            inputs: &self.inputs,
            job: &self.job,
            is_cold: false,
        }
    }
}

fn names(files: &[&str]) -> Vec<String> {
    files.iter().map(|&file| file.to_owned()).collect()
}
