//! Runs rows: both sides in turn, or all disks of a series in turn, so that a slow minute of the machine strikes all.

use std::path::Path;
use std::process::Command;

use crate::job::{self, Job};
use crate::machine::drop_caches;
use crate::report::{Line, Sample, Series, Side};
use crate::rows::{Row, Run};

/// What a run of the bench is done with.
pub(crate) struct Setting<'a> {
    pub(crate) work: &'a Path,
    pub(crate) runs: usize,
    /// The program under test, with its version.
    pub(crate) program: String,
}

impl Setting<'_> {
    /// Measures a row.
    pub(crate) fn line(&self, row: &Row) -> Line {
        let jobs = [Some(&row.ours), row.peer.as_ref()];
        let run = |job| Run {
            inputs: &row.inputs,
            job,
            is_cold: row.is_cold,
        };
        let runs: Vec<Run<'_>> = jobs.into_iter().flatten().map(run).collect();
        let mut sides = self.in_turn(row.workloads, &runs).into_iter();
        Line {
            section: row.section.to_owned(),
            work: row.work.to_owned(),
            beside: row.beside.to_owned(),
            asked: row.asked,
            program: self.program.clone(),
            ours: sides.next().unwrap_or_default(),
            peer: sides.next(),
        }
    }

    /// Measures a work on all of its disks.
    pub(crate) fn series(&self, series: &crate::rows::Series) -> Series {
        let cells = &series.cells;
        let runs: Vec<Run<'_>> = cells.iter().map(|cell| cell.run()).collect();
        let sides = self.in_turn(series.workloads, &runs);
        let labels = cells.iter().map(|cell| cell.label.to_owned());
        Series {
            section: series.section.to_owned(),
            work: series.work.to_owned(),
            within: series.within,
            program: self.program.clone(),
            cells: labels.zip(sides).collect(),
        }
    }

    fn in_turn(&self, workloads: &[&str], runs: &[Run<'_>]) -> Vec<Side> {
        let ready = self.prepare(workloads);
        let mut sides = vec![Side::default(); runs.len()];
        for _ in 0..self.runs {
            for (run, side) in runs.iter().zip(&mut sides) {
                // A side that failed or did not finish says so once.
                if side.fault.is_some() {
                    continue;
                }
                match ready.clone().and_then(|()| self.timed(run)) {
                    Ok(sample) => side.samples.push(sample),
                    Err(why) => side.fault = Some(why),
                }
            }
        }
        runs.iter().for_each(|run| run.job.clear());
        sides
    }

    /// Makes the disks that the row works on.
    fn prepare(&self, workloads: &[&str]) -> Result<(), String> {
        let mut make = Command::new(crate::scripts().join("make.sh"));
        job::succeed(make.arg(self.work).args(workloads))
    }

    /// Removes the disks of these workloads. What cannot be removed is in nobody's way but the disk's.
    pub(crate) fn drop_disks(&self, kinds: &[&str]) {
        let mut make = Command::new(crate::scripts().join("make.sh"));
        let dropped = job::succeed(make.arg(self.work).arg("drop").args(kinds));
        if let Err(why) = dropped {
            eprintln!("not removed: {why}");
        }
    }

    /// One run, with the inputs in the page cache, or nothing at all, and nothing left to write from earlier runs.
    fn timed(&self, run: &Run<'_>) -> Result<Sample, String> {
        let job: &Job = run.job;
        job.prepare()?;
        if run.is_cold {
            drop_caches()?;
            return job.run();
        }
        job::succeed(Command::new("sync").arg("--file-system").arg(self.work))?;
        let mut warm = Command::new("python3");
        warm.arg(crate::scripts().join("warm.py"))
            .args(run.inputs.iter().map(|file| self.work.join(file)));
        job::succeed(&mut warm)?;
        job.run()
    }
}
