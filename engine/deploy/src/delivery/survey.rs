//! A delivery as a site looks at it: what is there already, what it would take and in which order, what has no base here. Nothing is taken
//! here.

use std::path::Path;

use imgdelta_core::{Error, Kind, Result};
use imgdelta_delta::ContentId;
use imgdelta_repository::catalogue::{Presence, Repository};

use super::{
    folder::Delivery,
    index::Item,
    install::here,
    receive::{Fate, Received},
    schedule::{Leg, Schedule, schedule},
};

/// A delivery as a site looks at it.
pub(super) struct Survey {
    pub(super) delivery: Delivery,
    schedule: Schedule,
}

impl Survey {
    /// Looks at the delivery in `folder`.
    ///
    /// # Errors
    /// As [`Delivery::open`]; Chain, if no image has its base here.
    pub(super) fn of(folder: &Path, site: &Repository) -> Result<Self> {
        let delivery = Delivery::open(folder)?;
        let listing = site.list()?;
        let has = |content: &ContentId| here(site, &listing, content).is_some();
        // A base that was touched may still be the right one: it is proven before anything is made from it.
        let may_have = |content: &ContentId| {
            let record = listing.by_content(content);
            record.is_some_and(|record| site.presence(record, &listing) != Presence::Missing)
        };
        let schedule = schedule(delivery.index(), &site.about().id, has, may_have);
        let survey = Self { delivery, schedule };
        let unfit: Vec<&Item> = survey.left_out().collect();
        if survey.schedule.there.is_empty() && survey.schedule.legs.is_empty() && !unfit.is_empty()
        {
            return Err(no_base(folder, &unfit));
        }
        Ok(survey)
    }

    /// What is here already.
    pub(super) fn there(&self, site: &Repository) -> Result<Received> {
        let listing = site.list()?;
        let mut received = Received::default();
        for item in self
            .schedule
            .there
            .iter()
            .filter_map(|number| self.item(*number))
        {
            if let Some(record) = here(site, &listing, &item.content_id) {
                received.push(item, Fate::There(Box::new(record.clone())));
            }
        }
        Ok(received)
    }

    /// What is to be taken, in this order.
    pub(super) fn legs(&self) -> impl Iterator<Item = (&Item, Leg)> {
        let legs = self.schedule.legs.iter();
        legs.filter_map(|leg| Some((self.item(leg.item)?, *leg)))
    }

    /// What is for this site and has no base here.
    pub(super) fn left_out(&self) -> impl Iterator<Item = &Item> {
        let unfit = self.schedule.unfit.iter();
        unfit.filter_map(|number| self.item(*number))
    }

    fn item(&self, number: usize) -> Option<&Item> {
        self.delivery.index().items.get(number)
    }
}

/// No image of a delivery has its base here.
pub(super) fn no_base(folder: &Path, unfit: &[&Item]) -> Error {
    /// Most bases that are named.
    const MOST: usize = 16;
    let mut error = Error::new(
        Kind::Chain,
        "holds nothing whose base is in this repository",
    )
    .with_code("no_base")
    .in_file(folder)
    .with_hint("add the base to the repository, or make an inventory of it and deploy for that");
    for item in unfit.iter().take(MOST) {
        if let Some(base) = &item.base {
            error = error.with_detail(format!(
                "'{}' needs '{}', {}",
                item.name, base.name, base.content_id
            ));
        }
    }
    error
}
