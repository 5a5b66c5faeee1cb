//! The choice of a base for one image and one site. What candidates measure is found out by the scale, not here.

use std::cmp::Ordering;

use imgdelta_core::{Bytes, Error, Kind, Result};

use crate::choice::{
    lineage::{Kin, Lineage, Way},
    node::{Common, Node, Shared, common},
    rules::{Facts, Measure, Rules},
    weigh::{Scale, Weighed},
};

/// What was chosen for an image, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The id of the image wanted.
    pub image: String,
    /// What travels.
    pub decision: Decision,
    /// The next best, with what they measure.
    pub runners_up: Vec<Weighed>,
    /// The estimate of what has to be sent.
    pub bytes: Bytes,
    /// The estimate for the image as a whole.
    pub whole: Bytes,
    /// How many images both sides have, the wanted one aside.
    pub candidates: usize,
    /// How many of those were weighed exactly.
    pub weighed: usize,
}

/// What travels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Nothing: the site has the image, under this id.
    There(String),
    /// The difference from this base.
    Base(Weighed),
    /// The whole image.
    Whole(Because),
}

/// Why an image travels as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Because {
    /// The two sides have no image in common.
    NothingInCommon,
    /// No image in common holds enough of it.
    BelowThreshold,
    /// Its leaf digests, or those of all candidates, are not known: nothing can be measured.
    Unmeasured,
}

impl Choice {
    /// The base, if there is one.
    #[must_use]
    pub const fn base(&self) -> Option<&Weighed> {
        match &self.decision {
            Decision::Base(base) => Some(base),
            _ => None,
        }
    }
}

/// Chooses, among the images that both sides have, the one from which the least of `wanted` has to be sent.
///
/// # Errors
/// Usage, if headquarters does not have the image; else those of `facts`.
pub fn choose(
    headquarters: &[Node],
    site: &[Node],
    wanted: &str,
    facts: &dyn Facts,
    rules: &Rules,
) -> Result<Choice> {
    let lineage = Lineage::new(headquarters);
    let place = place_of(&lineage, wanted)?;
    let mut scale = Scale::new(&lineage, facts, rules);
    choose_among(&mut scale, &common(headquarters, site), place)
}

/// Where the image stands in headquarters' list.
///
/// # Errors
/// Usage, if it does not.
pub(super) fn place_of(lineage: &Lineage<'_>, image: &str) -> Result<usize> {
    lineage.place(image).ok_or_else(|| {
        Error::new(Kind::Usage, format!("there is no image '{image}' to send"))
            .with_code("no_such_image")
    })
}

/// As [`choose`], where the list is known and some of it measured already.
pub(super) fn choose_among(
    scale: &mut Scale<'_>,
    shared: &[Common],
    wanted: usize,
) -> Result<Choice> {
    let image = scale.lineage.node(wanted).map_or("", |node| &node.id);
    let here = shared
        .iter()
        .find(|one| one.image == image && one.shared == Shared::Content);
    let ways = scale.lineage.ways_from(wanted);
    let (mut proven, mut claimed) = (Vec::new(), Vec::new());
    for one in shared.iter().filter(|one| one.image != image) {
        if let Some(candidate) = candidate(scale.lineage, &ways, one) {
            match one.shared {
                Shared::Content => proven.push(candidate),
                Shared::Claim => claimed.push(candidate),
            }
        }
    }
    let candidates = proven.len() + claimed.len();
    let mut search = Search {
        scale,
        wanted,
        ways: &ways,
        passed: Vec::new(),
    };
    let decision = match here {
        Some(here) => Decision::There(here.at_site.clone()),
        None => match search.best_of(proven)? {
            Some(base) => Decision::Base(base),
            // A claim that its content belies is going to be refused: it is the last resort.
            None => match search.best_of(claimed)? {
                Some(base) => Decision::Base(base),
                None => Decision::Whole(search.because(candidates)),
            },
        },
    };
    search.conclude(image.to_owned(), decision, candidates)
}

/// A common image as a candidate that was not weighed yet.
fn candidate(lineage: &Lineage<'_>, ways: &[Option<Way>], one: &Common) -> Option<Weighed> {
    let place = lineage.place(&one.image)?;
    let way = ways.get(place).copied().flatten();
    Some(Weighed {
        image: one.image.clone(),
        at_site: one.at_site.clone(),
        shared: one.shared,
        kin: way.map_or(Kin::Stranger, |way| way.kin),
        hops: way.map(|way| way.hops),
        blocks: None,
        overlap: None,
        place,
    })
}

/// One search outward through the candidates.
struct Search<'s, 'a> {
    scale: &'s mut Scale<'a>,
    wanted: usize,
    ways: &'s [Option<Way>],
    /// Those that were weighed and not taken.
    passed: Vec<Weighed>,
}

impl Search<'_, '_> {
    /// The best of the candidates that will do. Where there are many, near ones are weighed first, and those further out
    /// only while none will do; what is left of the list is filled with the best of those without lineage.
    fn best_of(&mut self, candidates: Vec<Weighed>) -> Result<Option<Weighed>> {
        let Rules { list, stride, .. } = *self.scale.rules;
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
    fn best_strangers(&mut self, mut strangers: Vec<Weighed>, room: usize) -> Result<Vec<Weighed>> {
        let lineage = self.scale.lineage;
        let size = |place| lineage.node(place).map_or(0, |node| node.size.0);
        let wanted = size(self.wanted);
        if strangers.len() > self.scale.rules.scans {
            strangers
                .sort_by_cached_key(|one| (size(one.place).abs_diff(wanted), one.image.clone()));
            strangers.truncate(self.scale.rules.scans);
        }
        self.measure(&mut strangers)?;
        strangers.sort_by(|one, two| one.by_ratio().cmp(&two.by_ratio()));
        strangers.truncate(room);
        Ok(strangers)
    }

    /// The best of those that are weighed together; `fill` is in the order of its ratio.
    fn best_of_round(
        &mut self,
        mut near: Vec<Weighed>,
        mut fill: Vec<Weighed>,
    ) -> Result<Option<Weighed>> {
        let portion = self.rank(&mut near)?.max(1);
        let is_exact = matches!(self.scale.rules.measure, Measure::Auto | Measure::Ratio);
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
            let first = part.iter().position(|one| one.serves(self.scale.rules));
            let base = first.map(|first| part.remove(first));
            self.passed.append(&mut part);
            if base.is_some() {
                return Ok(base);
            }
        }
        Ok(None)
    }

    /// Puts candidates of the same lineage in the order of the measure, and says how many are to be weighed exactly at a time.
    fn rank(&mut self, near: &mut [Weighed]) -> Result<usize> {
        near.sort_by(|one, two| one.by_hops().cmp(&two.by_hops()));
        let few = self.scale.rules.few.max(1);
        match self.scale.rules.measure {
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
    fn rank_cheaply(&mut self, near: &mut [Weighed], few: usize) -> Result<usize> {
        let hops = match (near.get(few - 1), near.get(few)) {
            (Some(last), Some(next)) if last.hops == next.hops => last.hops,
            _ => return Ok(few),
        };
        let from = near.partition_point(|one| one.hops < hops);
        let to = near.partition_point(|one| one.hops <= hops);
        let tied = near.get_mut(from..to).unwrap_or_default();
        let most = tied.len().min(self.scale.rules.scans);
        self.allocation(tied.get_mut(..most).unwrap_or_default())?;
        let is_decided = tied.iter().all(|one| one.blocks.is_some());
        near.sort_by(|one, two| one.by_hops_and_blocks().cmp(&two.by_hops_and_blocks()));
        Ok(if is_decided {
            few
        } else {
            few.max(self.scale.rules.list)
        })
    }

    fn allocation(&mut self, candidates: &mut [Weighed]) -> Result<()> {
        for one in candidates {
            one.blocks = self.scale.blocks(self.wanted, self.ways, one.place)?;
        }
        Ok(())
    }

    fn measure(&mut self, candidates: &mut [Weighed]) -> Result<()> {
        for one in candidates {
            one.overlap = self.scale.overlap(self.wanted, one.place)?;
        }
        Ok(())
    }

    /// Why none will do.
    fn because(&self, candidates: usize) -> Because {
        if candidates == 0 {
            Because::NothingInCommon
        } else if self.passed.iter().all(|one| one.overlap.is_none()) {
            Because::Unmeasured
        } else {
            Because::BelowThreshold
        }
    }

    fn conclude(self, image: String, decision: Decision, candidates: usize) -> Result<Choice> {
        let rules = self.scale.rules;
        let order = match rules.measure {
            Measure::Auto | Measure::Ratio => {
                |one: &Weighed, two: &Weighed| -> Ordering { one.by_ratio().cmp(&two.by_ratio()) }
            }
            Measure::Hops => |one: &Weighed, two: &Weighed| one.by_hops().cmp(&two.by_hops()),
            Measure::Blocks => |one: &Weighed, two: &Weighed| one.by_blocks().cmp(&two.by_blocks()),
        };
        let base = match &decision {
            Decision::Base(base) => Some(base),
            _ => None,
        };
        let measured = |one: &&Weighed| one.overlap.is_some();
        let weighed = self.passed.iter().chain(base).filter(measured).count();
        let whole = self.scale.whole(self.wanted)?;
        let bytes = match (&decision, base.and_then(|base| base.overlap)) {
            (Decision::There(_), _) => Bytes::ZERO,
            (_, Some(overlap)) => overlap.bytes(rules.has_zero_marks),
            (_, None) => whole,
        };
        let mut runners_up = self.passed;
        runners_up.sort_by(order);
        runners_up.truncate(rules.few);
        Ok(Choice {
            image,
            decision,
            runners_up,
            bytes,
            whole,
            candidates,
            weighed,
        })
    }
}
