//! The search outward through the candidates: near ones first, further ones while none will do. Related images are
//! mostly the most alike, so most are never scored.

use imgdelta_core::Result;

use crate::planning::{
    lineage::TreePath,
    rules::{Measure, Rules},
    scoring::{Score, Scorer},
};

/// One search outward through the candidates.
pub(super) struct Search<'s, 'a> {
    pub(super) scorer: &'s mut Scorer<'a>,
    /// The place of the image wanted.
    pub(super) wanted: usize,
    /// The ways from it.
    pub(super) ways: &'s [Option<TreePath>],
    /// Those that were weighed and not taken.
    pub(super) passed: Vec<Score>,
}

impl Search<'_, '_> {
    /// The best of the candidates that will do. Where there are many, near ones are weighed first, and those further out
    /// only while none will do; what is left of the list is filled with the best of those without lineage.
    pub(super) fn best_of(&mut self, candidates: Vec<Score>) -> Result<Option<Score>> {
        let Rules { list, stride, .. } = *self.scorer.rules;
        let is_long = candidates.len() > list;
        let (mut related, mut strangers): (Vec<_>, Vec<_>) = candidates
            .into_iter()
            .partition(|candidate| candidate.hops.is_some());
        related.sort_by(|one, two| one.by_hops().cmp(&two.by_hops()));
        let stride = stride.max(1);
        let mut radius = if is_long { stride } else { u32::MAX };
        let mut seen = 0;
        loop {
            let near = related.partition_point(|one| one.hops.is_some_and(|hops| hops <= radius));
            let further = related.split_off(near);
            seen += near;
            let room = list.saturating_sub(seen);
            let fill = if room > 0 {
                self.best_strangers(std::mem::take(&mut strangers), room)?
            } else {
                Vec::new()
            };
            if let Some(base) = self.best_of_round(related, fill)? {
                return Ok(Some(base));
            }
            let Some(hops) = further.first().and_then(|next| next.hops) else {
                break;
            };
            radius = hops.div_ceil(stride).saturating_mul(stride);
            related = further;
        }
        // Nothing of the same lineage will do, however far away: the list is free for the others.
        let fill = self.best_strangers(strangers, list)?;
        self.best_of_round(Vec::new(), fill)
    }

    /// The `room` candidates without lineage that hold the most.
    fn best_strangers(&mut self, mut strangers: Vec<Score>, room: usize) -> Result<Vec<Score>> {
        let lineage = self.scorer.lineage;
        let size = |place| lineage.node(place).map_or(0, |node| node.size.0);
        let wanted = size(self.wanted);
        if strangers.len() > self.scorer.rules.scans {
            strangers
                .sort_by_cached_key(|one| (size(one.place).abs_diff(wanted), one.image.clone()));
            strangers.truncate(self.scorer.rules.scans);
        }
        self.measure(&mut strangers)?;
        strangers.sort_by(|one, two| one.by_ratio().cmp(&two.by_ratio()));
        strangers.truncate(room);
        Ok(strangers)
    }

    /// The best of those that are weighed together; `fill` is in the order of its ratio.
    fn best_of_round(
        &mut self,
        mut near: Vec<Score>,
        mut fill: Vec<Score>,
    ) -> Result<Option<Score>> {
        let portion = self.rank(&mut near)?.max(1);
        let is_exact = matches!(self.scorer.rules.measure, Measure::Auto | Measure::Ratio);
        while !near.is_empty() || !fill.is_empty() {
            let rest = near.split_off(portion.min(near.len()));
            let mut part = std::mem::replace(&mut near, rest);
            self.measure(&mut part)?;
            if is_exact {
                part.append(&mut fill);
                part.sort_by(|one, two| one.by_ratio().cmp(&two.by_ratio()));
            } else if near.is_empty() {
                part.append(&mut fill);
            }
            let first = part.iter().position(|one| one.serves(self.scorer.rules));
            let base = first.map(|first| part.remove(first));
            self.passed.append(&mut part);
            if base.is_some() {
                return Ok(base);
            }
        }
        Ok(None)
    }

    /// Puts candidates of the same lineage in the order of the measure, and says how many are to be weighed exactly at a time.
    fn rank(&mut self, near: &mut [Score]) -> Result<usize> {
        near.sort_by(|one, two| one.by_hops().cmp(&two.by_hops()));
        let few = self.scorer.rules.few.max(1);
        match self.scorer.rules.measure {
            Measure::Auto => self.rank_cheaply(near, few),
            Measure::Hops => Ok(few),
            Measure::Blocks => {
                self.allocation(near)?;
                near.sort_by(|one, two| one.by_blocks().cmp(&two.by_blocks()));
                Ok(few)
            }
            Measure::Ratio => Ok(near.len()),
        }
    }

    /// Hops say which the best `few` are, or else blocks do; where neither decides, as many as the list has places are weighed.
    fn rank_cheaply(&mut self, near: &mut [Score], few: usize) -> Result<usize> {
        let hops = match (near.get(few - 1), near.get(few)) {
            (Some(last), Some(next)) if last.hops == next.hops => last.hops,
            _ => return Ok(few),
        };
        let from = near.partition_point(|one| one.hops < hops);
        let to = near.partition_point(|one| one.hops <= hops);
        let tied = near.get_mut(from..to).unwrap_or_default();
        let most = tied.len().min(self.scorer.rules.scans);
        self.allocation(tied.get_mut(..most).unwrap_or_default())?;
        let is_decided = tied.iter().all(|one| one.blocks.is_some());
        near.sort_by(|one, two| one.by_hops_and_blocks().cmp(&two.by_hops_and_blocks()));
        Ok(if is_decided {
            few
        } else {
            few.max(self.scorer.rules.list)
        })
    }

    fn allocation(&mut self, candidates: &mut [Score]) -> Result<()> {
        for one in candidates {
            one.blocks = self.scorer.blocks(self.wanted, self.ways, one.place)?;
        }
        Ok(())
    }

    fn measure(&mut self, candidates: &mut [Score]) -> Result<()> {
        let places: Vec<usize> = candidates.iter().map(|one| one.place).collect();
        let overlaps = self.scorer.overlaps(self.wanted, &places)?;
        for (one, overlap) in candidates.iter_mut().zip(overlaps) {
            one.overlap = overlap;
        }
        Ok(())
    }
}
