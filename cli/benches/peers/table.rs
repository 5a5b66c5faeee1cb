//! The Markdown table: medians, their ratio, peak memory, output sizes, and of deliveries how much travelled.

use std::fmt::Write;
use std::time::Duration;

use crate::job::Sample;

/// One side of a row.
#[derive(Default)]
pub(crate) struct Side {
    pub(crate) samples: Vec<Sample>,
    /// Why it was not measured to the end.
    pub(crate) fault: Option<String>,
}

/// One row.
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) ours: Side,
    /// None where no other tool does this.
    pub(crate) peer: Option<Side>,
}

impl Side {
    fn median(&self) -> Option<Duration> {
        let mut walls: Vec<Duration> = self.samples.iter().map(|sample| sample.wall).collect();
        walls.sort_unstable();
        let middle = walls.len() / 2;
        let upper = walls.get(middle).copied()?;
        Some(if walls.len() % 2 == 1 {
            upper
        } else {
            (upper + *walls.get(middle - 1)?) / 2
        })
    }

    fn time(&self) -> String {
        match (&self.fault, self.median()) {
            (Some(why), _) => why.replace('|', "/"),
            (None, Some(median)) => format!("{:.3}", median.as_secs_f64()),
            (None, None) => "-".into(),
        }
    }

    fn memory(&self) -> String {
        let peak = self.samples.iter().map(|sample| sample.peak_kib).max();
        peak.map_or_else(|| "-".into(), |kib| kib.div_ceil(1024).to_string())
    }

    fn output(&self) -> String {
        mebibytes(self.samples.last().and_then(|sample| sample.output))
    }

    fn sent(&self) -> String {
        mebibytes(self.samples.last().and_then(|sample| sample.sent))
    }
}

impl Line {
    /// How many times faster than the peer.
    fn ratio(&self) -> String {
        let peer = self
            .peer
            .as_ref()
            .filter(|side| side.fault.is_none())
            .and_then(Side::median);
        match (
            self.ours.median().filter(|_| self.ours.fault.is_none()),
            peer,
        ) {
            (Some(ours), Some(peer)) => format!("{:.2}", peer.as_secs_f64() / ours.as_secs_f64()),
            _ => "-".into(),
        }
    }
}

fn mebibytes(bytes: Option<u64>) -> String {
    bytes.map_or_else(
        || "-".into(),
        |bytes| format!("{:.1}", bytes as f64 / f64::from(1 << 20)),
    )
}

pub(crate) fn markdown(lines: &[Line]) -> String {
    let mut text = String::from(
        "| work | imgdelta s | peer s | times faster | imgdelta MiB | peer MiB | imgdelta output MiB | peer output MiB | imgdelta sent MiB | peer sent MiB |\n\
         |---|---|---|---|---|---|---|---|---|---|\n",
    );
    for line in lines {
        let none = Side {
            samples: Vec::new(),
            fault: Some("no tool does it".into()),
        };
        let (ours, peer) = (&line.ours, line.peer.as_ref().unwrap_or(&none));
        // Writing to a String does not fail.
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            line.name,
            ours.time(),
            peer.time(),
            line.ratio(),
            ours.memory(),
            peer.memory(),
            ours.output(),
            peer.output(),
            ours.sent(),
            peer.sent(),
        );
    }
    text
}
