//! A plan as a result: ids get names, choices get reasons. Nothing is chosen here.

use std::collections::HashMap;

use super::report::{
    MediumFit, PlanCandidate, PlanLeg, PlanPair, PlanReport, PresentImage, ResizedImage, SitePlan,
};
use crate::{
    calls::image::ImageRef,
    catalogue::{Inventory, Listing},
    planning::{
        self, Batch, Decision, Origin, Overlap, Relation, Resized, Route, Score, Transport,
    },
};
use imgdelta_core::Bytes;

/// Who is called what, and how a time is told.
pub(super) struct Names<'a> {
    /// Headquarters' records.
    pub(super) here: &'a Listing,
    /// How much a medium holds, if one is meant.
    pub(super) media: Option<Bytes>,
    /// Bytes a second, if a rate is given.
    pub(super) rate: Option<Bytes>,
}

/// The names of a site's images, by id.
type Abroad<'a> = HashMap<&'a str, &'a str>;

impl Names<'_> {
    /// The plan as a result.
    pub(super) fn planned(
        &self,
        batch: &Batch,
        lists: &[Inventory],
        alike: &[Vec<Resized>],
        carrier: Transport,
    ) -> PlanReport {
        let routes = batch.routes.iter().zip(lists).zip(alike);
        let sites = routes.map(|((route, list), alike)| self.reached(route, list, alike));
        let pairs = batch.pairs.iter().map(|pair| PlanPair {
            image: self.named(&pair.image),
            base: pair.base.as_ref().map(|base| self.named(base)),
            bytes: pair.bytes.0,
            sites: pair.sites.clone(),
        });
        let bytes = match carrier {
            Transport::PerSite => batch.bytes(),
            Transport::SharedMedium => batch.on_medium(),
        };
        let media = self.media.map(|media| {
            let fit = planning::fits(batch.pairs.iter().map(|pair| pair.bytes), media);
            MediumFit {
                size: media.0,
                needed: fit.needed.0,
                fits: fit.holds(),
            }
        });
        PlanReport {
            repository: String::new(),
            carrier: match carrier {
                Transport::PerSite => "lines",
                Transport::SharedMedium => "medium",
            },
            sites: sites.collect(),
            pairs: pairs.collect(),
            bytes: bytes.0,
            naive: batch.naive().0,
            seconds: self.seconds(bytes),
            media,
            notes: Vec::new(),
        }
    }

    fn reached(&self, route: &Route, list: &Inventory, alike: &[Resized]) -> SitePlan {
        let items = list.images.iter();
        let abroad: Abroad<'_> = items
            .map(|item| (item.id.as_str(), item.name.as_str()))
            .collect();
        let there = route.there.iter().map(|(image, at_site)| PresentImage {
            image: self.named(image),
            at_site: named_there(at_site, &abroad),
        });
        let resized = alike.iter().map(|one| ResizedImage {
            image: self.named(&one.image),
            size: one.size.0,
            at_site: named_there(&one.at_site, &abroad),
            size_at_site: one.size_at_site.0,
        });
        SitePlan {
            site: route.site.clone(),
            repository: list.repository.to_string(),
            there: there.collect(),
            legs: route
                .transfers
                .iter()
                .map(|leg| self.leg(leg, &abroad))
                .collect(),
            bytes: route.bytes().0,
            naive: route.naive.0,
            seconds: self.seconds(route.bytes()),
            resized: resized.collect(),
        }
    }

    /// What is said of the images of a route that nobody asked for: for which they are sent, and what that saves.
    pub(super) fn steps(&self, batch: &Batch) -> Vec<String> {
        let mut notes = Vec::new();
        for route in &batch.routes {
            let steps = route.transfers.iter().filter(|leg| leg.is_step);
            let steps: Vec<String> = steps.map(|step| self.step(step, route)).collect();
            if !steps.is_empty() {
                notes.push(format!(
                    "{}: {} not asked for, sent only as a step, {} less in all",
                    route.site,
                    steps.join(", "),
                    route.saved_by_steps
                ));
            }
        }
        notes
    }

    /// A step with what is made from it.
    fn step(&self, step: &planning::Transfer, route: &Route) -> String {
        let onward = route.transfers.iter();
        let onward = onward.filter(|leg| leg.from.base() == Some(step.image.as_str()));
        let onward: Vec<String> = onward.map(|leg| self.named(&leg.image).name).collect();
        format!(
            "'{}' (for {})",
            self.named(&step.image).name,
            onward.join(", ")
        )
    }

    fn leg(&self, leg: &planning::Transfer, abroad: &Abroad<'_>) -> PlanLeg {
        let (from, base) = match &leg.from {
            Origin::Nothing => ("whole", None),
            Origin::There(base) => ("there", Some(self.candidate(base, abroad))),
            Origin::Sent { image, overlap } => ("sent", Some(self.sent(image, *overlap))),
        };
        let why = match (&base, &leg.choice.decision) {
            (Some(base), _) => base.text.clone(),
            (None, Decision::Whole(because)) => because.to_string(),
            (None, _) => "no base makes it smaller".to_owned(),
        };
        let runners_up = leg.choice.runners_up.iter();
        PlanLeg {
            image: self.named(&leg.image),
            from,
            base,
            why,
            runners_up: runners_up.map(|one| self.candidate(one, abroad)).collect(),
            candidates: leg.choice.candidates,
            weighed: leg.choice.weighed,
            bytes: leg.bytes.0,
            whole: leg.choice.whole.0,
            unneeded: None,
            is_step: leg.is_step,
        }
    }

    fn candidate(&self, weighed: &Score, abroad: &Abroad<'_>) -> PlanCandidate {
        let image = self.named(&weighed.image);
        let at_site = named_there(&weighed.at_site, abroad);
        let mut shown = weighed.clone();
        shown.image.clone_from(&image.name);
        shown.at_site.clone_from(&at_site.name);
        let overlap = weighed.overlap;
        PlanCandidate {
            image,
            at_site: Some(at_site),
            shared: Some("content"),
            kin: Some(match weighed.kin {
                Relation::Child => "child",
                Relation::Parent => "parent",
                Relation::Sibling => "sibling",
                Relation::Stranger => "stranger",
            }),
            hops: weighed.hops,
            blocks: weighed.blocks.map(|blocks| blocks.0),
            held: overlap.map(|overlap| overlap.held),
            data: overlap.map(|overlap| overlap.data),
            text: shown.to_string(),
        }
    }

    /// A base that is sent before what is made from it.
    fn sent(&self, image: &str, overlap: Overlap) -> PlanCandidate {
        let image = self.named(image);
        let text = format!(
            "{}: sent before it, holds {:.1} % of its data",
            image.name,
            overlap.percent()
        );
        PlanCandidate {
            image,
            at_site: None,
            shared: None,
            kin: None,
            hops: None,
            blocks: None,
            held: Some(overlap.held),
            data: Some(overlap.data),
            text,
        }
    }

    fn named(&self, id: &str) -> ImageRef {
        ImageRef::of(id, self.here)
    }

    /// How long that takes, in whole seconds, at the rate that was given.
    fn seconds(&self, bytes: Bytes) -> Option<u64> {
        let time = planning::time_for(bytes, self.rate?)?;
        let rest = u64::from(time.subsec_nanos() > 0);
        Some(time.as_secs().saturating_add(rest))
    }
}

fn named_there(id: &str, abroad: &Abroad<'_>) -> ImageRef {
    ImageRef::new(id, abroad.get(id).copied().unwrap_or(id))
}
