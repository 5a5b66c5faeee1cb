//! Images transferred to one site: each from the base that was planned, or else the next one, or else as a whole.

mod reduction;

use std::collections::{HashMap, HashSet};

use imgdelta_core::{Bytes, Error, Format, Kind, Result};
use imgdelta_repository::{
    catalogue::{ImageId, Inventory, Listing, Name, Record, inventory::TRANSPORT},
    planning::{Origin, Score, Transfer},
};

use super::{
    Deploy, SiteOutcome,
    site::{Base, Site, TransferRequest},
};
use crate::{
    bundle::{DeliveryContext, Form, Outcome, ReceivedImage, can_retry_with_other_base},
    wire::Failure,
};

/// Images on their way to one site.
pub(super) struct SiteTransfer<'s> {
    deploy: &'s Deploy<'s>,
    context: &'s DeliveryContext<'s>,
    listing: &'s Listing,
    site: &'s mut (dyn Site + 's),
    inventory: &'s Inventory,
    outcome: &'s mut SiteOutcome,
    /// How many more ways are to be packed than are needed.
    pub(super) spare: usize,
    /// In which form differences travel there.
    pub(super) form: Form,
    /// What came: the image here that it is, and what that is called there. Without what nobody needs it is another one than was to come.
    arrived: HashMap<String, (Record, ImageId)>,
    /// Images of the site that cannot serve as bases after all.
    refuted: HashSet<ImageId>,
}

impl<'s> SiteTransfer<'s> {
    /// None is there yet.
    pub(super) fn new(
        (deploy, context, listing): (&'s Deploy<'s>, &'s DeliveryContext<'s>, &'s Listing),
        site: &'s mut (dyn Site + 's),
        inventory: &'s Inventory,
        outcome: &'s mut SiteOutcome,
    ) -> Self {
        Self {
            deploy,
            context,
            listing,
            site,
            inventory,
            outcome,
            spare: 0,
            form: form(deploy, inventory),
            arrived: HashMap::new(),
            refuted: HashSet::new(),
        }
    }

    /// Brings one image there: from the base that was chosen, or else the next one, or else as a whole.
    ///
    /// # Errors
    /// Interrupted; any other failure is the image's own.
    pub(super) fn transfer(&mut self, leg: &Transfer) -> Result<Option<ReceivedImage>> {
        let Some(record) = self.record(&leg.image) else {
            return Ok(None);
        };
        if let Some(there) = self.there_without(leg, record) {
            return Ok(Some(there));
        }
        let (mut brought, mut rejected, mut spare) = (None, Vec::new(), self.spare);
        // Each way brings the same disk as the first that works.
        let mut sent = None;
        for (base, bytes) in self.candidates(leg) {
            let is_refuted = |base: &Base| self.refuted.contains(&base.at_site);
            if base.as_ref().is_some_and(is_refuted) {
                continue;
            }
            let image = match &sent {
                Some(image) => Ok(Record::clone(image)),
                None => self.without(record, base.as_ref()),
            };
            let attempt = image.and_then(|image| {
                let request = self.request(&image, base.clone(), bytes, leg);
                let outcome = self.site.send(&request, &mut self.outcome.sent)?;
                Ok((image, outcome))
            });
            match attempt {
                Ok(_) if brought.is_some() => spare = spare.saturating_sub(1),
                Ok((image, outcome)) => {
                    brought = Some((base, outcome));
                    sent = Some(image);
                }
                Err(error) if error.kind() == Kind::Interrupted => return Err(error),
                Err(error) => {
                    let is_over = !may_come_otherwise(&error);
                    if let Some(base) = base.filter(|_| blames_base(&error)) {
                        self.refuted.insert(base.at_site);
                    }
                    rejected.push(error);
                    if is_over {
                        break;
                    }
                }
            }
            if brought.is_some() && spare == 0 {
                break;
            }
        }
        let record = sent.as_ref().unwrap_or(record);
        Ok(Some(self.received_image(leg, record, brought, rejected)))
    }

    /// What became of an image, now that it came or nothing is left to be tried.
    fn received_image(
        &mut self,
        leg: &Transfer,
        record: &Record,
        brought: Option<(Option<Base>, Outcome)>,
        mut rejected: Vec<Error>,
    ) -> ReceivedImage {
        let (base, outcome) = brought.unwrap_or_else(|| {
            let first = match rejected.is_empty() {
                true => nothing_left(leg),
                false => rejected.remove(0),
            };
            (None, Outcome::Failed(first))
        });
        let at_site = match &outcome {
            Outcome::Entered(image) => Some(image.image.clone()),
            Outcome::There(image) => Some(image.image.clone()),
            Outcome::Step | Outcome::Due => Some(record.id.clone()),
            Outcome::Failed(_) | Outcome::Unfit => None,
        };
        self.arrived
            .extend(at_site.map(|id| (leg.image.clone(), (record.clone(), id))));
        let base = match (&base, leg.from.base()) {
            (Some(base), _) => self.arrived_or_listed(base),
            (None, planned) => planned
                .filter(|_| matches!(outcome, Outcome::Failed(_)))
                .and_then(|base| self.record(base)),
        };
        let base_at_site = base.and_then(|base| self.name_at_site(base));
        ReceivedImage {
            image: record.id.clone(),
            name: record.name.clone(),
            content_id: record.content_id,
            base: base.map(|base| base.name.clone()),
            base_at_site,
            outcome,
            rejected,
        }
    }

    /// The record of an image of headquarters.
    fn record(&self, id: &str) -> Option<&'s Record> {
        self.listing.by_id(&id.parse().ok()?)
    }

    /// What an image of headquarters is called at the site, as far as its list says.
    fn name_at_site(&self, image: &Record) -> Option<Name> {
        let mut there = self.inventory.images.iter();
        let there = there.find(|item| item.content_id == image.content_id)?;
        Some(there.name.clone())
    }

    /// The bases that an image can be made from there, the planned one first, and nothing last; each with the estimate of what is sent.
    fn candidates(&self, leg: &Transfer) -> Vec<(Option<Base>, Bytes)> {
        let rules = &self.deploy.rules;
        let choice = &leg.choice;
        let mut candidates: Vec<(Option<Base>, Bytes)> = Vec::new();
        match &leg.from {
            Origin::There(base) => candidates.extend(self.there(base, leg.bytes)),
            Origin::Sent { image, .. } => candidates.extend(self.arrived(image, leg.bytes)),
            Origin::Nothing => {}
        }
        if !matches!(leg.from, Origin::Nothing) || self.spare > 0 {
            let others = choice.base().into_iter().chain(&choice.runners_up);
            for other in others.filter(|other| other.serves(rules)) {
                let bytes = other
                    .overlap
                    .map_or(choice.whole, |overlap| overlap.bytes(rules.has_zero_marks));
                let request = self.there(other, bytes);
                candidates.extend(
                    request.filter(|(base, _)| candidates.iter().all(|(one, _)| one != base)),
                );
            }
        }
        candidates.push((None, choice.whole));
        candidates
    }

    /// A way from an image that the site had before.
    fn there(&self, base: &Score, bytes: Bytes) -> Option<(Option<Base>, Bytes)> {
        let at_site = base.at_site.parse().ok()?;
        Some(way(self.record(&base.image)?, at_site, bytes))
    }

    /// A way from an image that was sent before, if it came.
    fn arrived(&self, image: &str, bytes: Bytes) -> Option<(Option<Base>, Bytes)> {
        let (record, at_site) = self.arrived.get(image)?;
        Some(way(record, at_site.clone(), bytes))
    }

    /// The record of a base.
    fn arrived_or_listed(&self, base: &Base) -> Option<&Record> {
        let mut arrived = self.arrived.values();
        let arrived = arrived.find(|(record, _)| record.id == base.image);
        arrived
            .map(|(record, _)| record)
            .or_else(|| self.listing.by_id(&base.image))
    }

    fn request<'w>(
        &self,
        image: &'w Record,
        base: Option<Base>,
        bytes: Bytes,
        leg: &Transfer,
    ) -> TransferRequest<'w>
    where
        Self: 'w,
    {
        TransferRequest {
            image,
            base,
            bytes,
            is_step: leg.is_step,
            site: &self.inventory.repository,
            form: self.form,
        }
    }
}

/// A way from that base.
fn way(record: &Record, at_site: ImageId, bytes: Bytes) -> (Option<Base>, Bytes) {
    let base = Base {
        image: record.id.clone(),
        content_id: record.content_id,
        at_site,
    };
    (Some(base), bytes)
}

/// In which form differences travel to a site: as it is asked for, and as its program reads it.
fn form(deploy: &Deploy<'_>, inventory: &Inventory) -> Form {
    if deploy.native {
        return Form::Child(inventory.default_format);
    }
    match inventory.takes(TRANSPORT) {
        true => Form::Transport {
            level: deploy.level,
        },
        false => Form::Child(Format::Qcow2),
    }
}

/// Whether another base, or the whole image, may do where this way failed, here or at the site.
fn may_come_otherwise(error: &Error) -> bool {
    failure(error).map_or_else(
        || can_retry_with_other_base(error),
        Failure::can_retry_with_other_base,
    )
}

/// Whether it is the site's base that is to blame.
fn blames_base(error: &Error) -> bool {
    failure(error).map_or(error.kind() == Kind::Chain, Failure::blames_base)
}

/// What the other side of a connection says, if it is that.
fn failure(error: &Error) -> Option<&Failure> {
    std::error::Error::source(error)?.downcast_ref()
}

/// All bases are gone, and the whole image was not to be.
fn nothing_left(leg: &Transfer) -> Error {
    let base = leg.from.base().unwrap_or_default();
    let message = format!("its base '{base}' did not get there");
    Error::new(Kind::Chain, message).with_code("no_base")
}
