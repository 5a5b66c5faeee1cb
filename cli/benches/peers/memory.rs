//! What was measured in this work folder so far, on this machine: a run of some rows keeps the others.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::report::{Line, Series};
use crate::rows::{self, Row};

/// All that was measured.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Memory {
    /// The machine; figures of another one are forgotten.
    machine: String,
    pub(crate) lines: Vec<Line>,
    pub(crate) series: Vec<Series>,
}

impl Memory {
    /// What is remembered in `work` of this machine.
    pub(crate) fn of(work: &Path, machine: &str) -> Self {
        let kept = fs::read(file(work)).ok();
        let kept = kept.and_then(|text| serde_json::from_slice::<Self>(&text).ok());
        kept.filter(|kept| kept.machine == machine)
            .unwrap_or_else(|| Self {
                machine: machine.to_owned(),
                ..Self::default()
            })
    }

    /// Takes a row in, in the place of the one that was measured before.
    pub(crate) fn line(&mut self, line: &Line) {
        self.lines
            .retain(|old| (&old.work, &old.beside) != (&line.work, &line.beside));
        self.lines.push(line.clone());
    }

    /// The same with a series.
    pub(crate) fn series(&mut self, series: &Series) {
        self.series.retain(|old| old.work != series.work);
        self.series.push(series.clone());
    }

    /// What was measured of a row, as it is called and asked for today.
    pub(crate) fn line_of(&self, row: &Row) -> Option<Line> {
        let is_of = |line: &&Line| line.work == row.work && line.beside == row.beside;
        let line = self.lines.iter().find(is_of)?.clone();
        Some(Line {
            section: row.section.to_owned(),
            asked: row.asked,
            ..line
        })
    }

    /// The same of a series.
    pub(crate) fn series_of(&self, wanted: &rows::Series) -> Option<Series> {
        let series = self.series.iter().find(|one| one.work == wanted.work)?;
        Some(Series {
            section: wanted.section.to_owned(),
            within: wanted.within,
            ..series.clone()
        })
    }

    /// Keeps it for the next run.
    pub(crate) fn keep(&self, work: &Path) -> Result<(), String> {
        let text = serde_json::to_vec(self).map_err(|error| error.to_string())?;
        fs::write(file(work), text).map_err(|error| error.to_string())
    }
}

fn file(work: &Path) -> PathBuf {
    work.join("measured.json")
}
