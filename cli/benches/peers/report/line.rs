//! Rows: a work beside a peer, and a work that is only made larger.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::{Side, Spread};

/// What a row is to reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Asked {
    /// How many times faster than the peer, at least.
    pub(crate) times: Option<f64>,
    /// What share of the room of the peer's output, or of what travels, its own is to take at most.
    #[serde(default)]
    pub(crate) room: Option<f64>,
}

/// A work, imgdelta's beside a peer's.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Line {
    /// The table that it stands in.
    pub(crate) section: String,
    pub(crate) work: String,
    /// The peer; empty where no other tool does this.
    pub(crate) beside: String,
    pub(crate) asked: Asked,
    /// The program that was measured, with its version.
    pub(crate) program: String,
    pub(crate) ours: Side,
    pub(crate) peer: Option<Side>,
}

/// A work that is done on larger and larger disks, or otherwise made harder, beside itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Series {
    pub(crate) section: String,
    pub(crate) work: String,
    /// How many times longer than the first the slowest may take.
    pub(crate) within: Option<f64>,
    pub(crate) program: String,
    /// What the work was done on, the easiest first.
    pub(crate) cells: Vec<(String, Side)>,
}

/// Bytes in tenths of MiB, as tables show them.
const TENTH: f64 = 104_857.6;

impl Line {
    /// How many times faster than the peer, round by round.
    pub(crate) fn times_faster(&self) -> Option<Spread> {
        self.peer.as_ref()?.times(&self.ours)
    }

    /// The figure that is asked, and whether it is reached as the table shows it.
    pub(crate) fn verdict(&self) -> Option<String> {
        let said = |is_reached| match is_reached {
            Some(true) => ": reached",
            Some(false) => ": missed",
            None => "",
        };
        let times = self.asked.times.map(|least| {
            let shown = self
                .times_faster()
                .map(|found| (found.median * 100.0).round() / 100.0);
            format!("{least}{}", said(shown.map(|shown| shown >= least)))
        });
        let room = self.asked.room.map(|share| {
            let taken = |side: &Side| side.sent().or_else(|| side.output());
            let (ours, peer) = (taken(&self.ours), self.peer.as_ref().and_then(taken));
            let tenths = |bytes: f64| (bytes / TENTH).round();
            let is_reached = ours
                .zip(peer)
                .map(|(ours, peer)| tenths(ours as f64) <= tenths(peer as f64 * share));
            let asked = match share.total_cmp(&1.0) {
                Ordering::Equal => "no larger".to_owned(),
                _ => format!("at most {share} of the room"),
            };
            format!("{asked}{}", said(is_reached))
        });
        let both: Vec<String> = times.into_iter().chain(room).collect();
        (!both.is_empty()).then(|| both.join("; "))
    }
}

impl Series {
    /// How many times longer than the first each took; nothing for the first and for those that were not measured to the end.
    pub(crate) fn growth(&self) -> Vec<Option<f64>> {
        let first = self.cells.first().map(|(_, side)| side);
        let grown = |side: &Side| Some(side.times(first?)?.median);
        let others = self.cells.iter().skip(1);
        std::iter::once(None)
            .chain(others.map(|(_, side)| grown(side)))
            .collect()
    }

    /// The largest of those.
    pub(crate) fn most(&self) -> Option<f64> {
        self.growth().into_iter().flatten().reduce(f64::max)
    }
}
