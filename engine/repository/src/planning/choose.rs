//! The choice of a base for one image and one site. Cheap measures come first; only the best few are scored exactly, because leaf
//! digests are long to read.

use std::cmp::Ordering;

use imgdelta_core::{Bytes, Error, Kind, Result};

use crate::planning::{
    lineage::{Lineage, Relation, TreePath},
    node::{Common, Node, common},
    rules::{Measure, Measurements, Rules},
    scoring::{Score, Scorer},
    search::Search,
};

/// What was chosen for an image, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The id of the image wanted.
    pub image: String,
    /// What travels.
    pub decision: Decision,
    /// The next best, with what they measure.
    pub runners_up: Vec<Score>,
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
#[non_exhaustive]
pub enum Decision {
    /// Nothing: the site has the image, under this id.
    There(String),
    /// The difference from this base.
    Base(Score),
    /// The whole image.
    Whole(Because),
}

/// Why an image travels as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
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
    pub const fn base(&self) -> Option<&Score> {
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
    facts: &dyn Measurements,
    rules: &Rules,
) -> Result<Choice> {
    let lineage = Lineage::new(headquarters);
    let place = place_of(&lineage, wanted)?;
    let mut scorer = Scorer::new(&lineage, facts, rules);
    choose_among(&mut scorer, &common(headquarters, site), place)
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
    scorer: &mut Scorer<'_>,
    shared: &[Common],
    wanted: usize,
) -> Result<Choice> {
    let image = scorer.lineage.node(wanted).map_or("", |node| &node.id);
    let here = shared.iter().find(|one| one.image == image);
    let ways = scorer.lineage.ways_from(wanted);
    let others = shared.iter().filter(|one| one.image != image);
    let weighable = others.filter_map(|one| candidate(scorer.lineage, &ways, one));
    let weighable: Vec<Score> = weighable
        .filter(|one| scorer.lineage.is_there(one.place))
        .collect();
    let candidates = weighable.len();
    let mut search = Search {
        scorer,
        wanted,
        ways: &ways,
        passed: Vec::new(),
    };
    let decision = match here {
        Some(here) => Decision::There(here.at_site.clone()),
        None => match search.best_of(weighable)? {
            Some(base) => Decision::Base(base),
            None => Decision::Whole(because(candidates, &search.passed)),
        },
    };
    let passed = search.passed;
    conclude(scorer, wanted, decision, passed, candidates)
}

/// A common image as a candidate that was not weighed yet.
fn candidate(lineage: &Lineage<'_>, ways: &[Option<TreePath>], one: &Common) -> Option<Score> {
    let place = lineage.place(&one.image)?;
    let way = ways.get(place).copied().flatten();
    Some(Score {
        image: one.image.clone(),
        at_site: one.at_site.clone(),
        kin: way.map_or(Relation::Stranger, |way| way.kin),
        hops: way.map(|way| way.hops),
        blocks: None,
        overlap: None,
        place,
    })
}

/// Why none of the candidates will do, of which these were weighed.
fn because(candidates: usize, passed: &[Score]) -> Because {
    if candidates == 0 {
        Because::NothingInCommon
    } else if passed.iter().all(|one| one.overlap.is_none()) {
        Because::Unmeasured
    } else {
        Because::BelowThreshold
    }
}

/// What the plan shows of a decision.
fn conclude(
    scorer: &Scorer<'_>,
    wanted: usize,
    decision: Decision,
    passed: Vec<Score>,
    candidates: usize,
) -> Result<Choice> {
    let rules = scorer.rules;
    let base = match &decision {
        Decision::Base(base) => Some(base),
        _ => None,
    };
    let measured = || {
        base.into_iter()
            .chain(&passed)
            .filter_map(|one| one.overlap)
    };
    let whole = match measured().next() {
        Some(overlap) => overlap.whole(),
        None => scorer.whole(wanted)?,
    };
    let bytes = match (&decision, base.and_then(|base| base.overlap)) {
        (Decision::There(_), _) => Bytes::ZERO,
        (_, Some(overlap)) => overlap.bytes(rules.has_zero_marks),
        (_, None) => whole,
    };
    let weighed = measured().count();
    let mut runners_up = passed;
    runners_up.sort_by(order(rules.measure));
    runners_up.truncate(rules.few);
    let image = scorer.lineage.node(wanted).map_or("", |node| &node.id);
    Ok(Choice {
        image: image.to_owned(),
        decision,
        runners_up,
        bytes,
        whole,
        candidates,
        weighed,
    })
}

/// The order in which a measure ranks, the best first.
fn order(measure: Measure) -> fn(&Score, &Score) -> Ordering {
    match measure {
        Measure::Auto | Measure::Ratio => |one, two| one.by_ratio().cmp(&two.by_ratio()),
        Measure::Hops => |one, two| one.by_hops().cmp(&two.by_hops()),
        Measure::Blocks => |one, two| one.by_blocks().cmp(&two.by_blocks()),
    }
}
