//! Leaves found against the leaves that were to be found: which windows differ.

use std::ops::Range;

use imgdelta_core::Result;

use crate::{
    digest_cache::{LONGEST_RUN, LeafReader, LeafRun},
    tree::{Digest, RepeatedSubtrees},
};

/// Which windows of a disk are not what they were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Runs of them, by number, in order: the first ones, at most [`MOST`](Self::MOST).
    pub differing: Vec<Range<u64>>,
    /// How many there are, listed or not.
    pub count: u64,
}

impl Verdict {
    /// Most runs that are listed.
    pub const MOST: usize = 1000;

    fn add(&mut self, from: u64, count: u64) {
        let to = from.saturating_add(count);
        self.count = self.count.saturating_add(count);
        let has_room = self.differing.len() < Self::MOST;
        match self.differing.last_mut() {
            Some(last) if last.end == from => last.end = to,
            _ if has_room => self.differing.push(from..to),
            _ => {}
        }
    }
}

/// Takes a disk's leaves in order and holds them against a file.
#[derive(Debug)]
pub(super) struct Against {
    leaves: LeafReader,
    /// What is left of the run that was read last, and how much of it has been used.
    run: Option<(LeafRun, usize)>,
    /// The number of the next window.
    at: u64,
    verdict: Verdict,
}

impl Against {
    /// Against `leaves`, of which none has been read.
    pub(super) fn new(leaves: LeafReader) -> Self {
        Self {
            leaves,
            run: None,
            at: 0,
            verdict: Verdict::default(),
        }
    }

    /// The next window has this leaf.
    pub(super) fn leaf(&mut self, found: &Digest) -> Result<()> {
        if let Some((wanted, _)) = self.next(1)?
            && wanted != *found
        {
            self.verdict.add(self.at, 1);
        }
        self.at = self.at.saturating_add(1);
        Ok(())
    }

    /// The next `count` windows are zero.
    pub(super) fn zeros(&mut self, mut count: u64) -> Result<()> {
        let zero = RepeatedSubtrees::zero().leaf();
        while count > 0 {
            let Some((wanted, now)) = self.next(count)? else {
                return Ok(());
            };
            // The last window of a disk may be short: its leaf says nothing of whether it is zero.
            let is_short = self.at.saturating_add(1) > self.leaves.size().0 / crate::WINDOW.0;
            let zero = if is_short { self.short_zero() } else { zero };
            if wanted != zero {
                self.verdict.add(self.at, now);
            }
            self.at = self.at.saturating_add(now);
            count -= now;
        }
        Ok(())
    }

    /// The leaf of the disk's last window, if that is short and zero.
    fn short_zero(&self) -> Digest {
        let zeros = [0; crate::WINDOW.0 as usize];
        let len = imgdelta_core::Bytes(self.leaves.size().0 % crate::WINDOW.0).in_memory();
        Digest::leaf(zeros.get(..len).unwrap_or(&zeros))
    }

    /// The leaf that the next windows are to have, and of how many that is so, `most` at most; `None` behind the last one.
    fn next(&mut self, most: u64) -> Result<Option<(Digest, u64)>> {
        loop {
            match &mut self.run {
                Some((LeafRun::Zero(left), _)) if *left > 0 => {
                    let now = most.min(*left);
                    *left -= now;
                    return Ok(Some((RepeatedSubtrees::zero().leaf(), now)));
                }
                Some((LeafRun::Leaves(leaves), used)) if *used < leaves.len() => {
                    let leaf = leaves.get(*used).copied().unwrap_or_default();
                    *used += 1;
                    return Ok(Some((leaf, 1)));
                }
                _ => match self.leaves.next_run(LONGEST_RUN)? {
                    Some(run) => self.run = Some((run, 0)),
                    None => return Ok(None),
                },
            }
        }
    }

    /// What was found.
    pub(super) fn finish(self) -> Verdict {
        self.verdict
    }
}
