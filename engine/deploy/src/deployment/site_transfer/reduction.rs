//! What certainly nobody needs of an image is left out of what a site is sent: the image that comes is another one then, and is known here as that.

use imgdelta_core::Result;
use imgdelta_operations::Unneeded;
use imgdelta_repository::{catalogue::Record, planning::Transfer};

use super::SiteTransfer;
use crate::{
    bundle::{Outcome, ReceivedImage, SiteImage},
    deployment::site::Base,
};

impl SiteTransfer<'_> {
    /// The image, if the site has it already but for what is to be left out.
    pub(super) fn there_without(
        &mut self,
        leg: &Transfer,
        image: &Record,
    ) -> Option<ReceivedImage> {
        let what = &self.deploy.leave_out;
        if what.is_empty() {
            return None;
        }
        let items = self.inventory.images.iter();
        let mut known = items.filter_map(|item| {
            let record = self.listing.by_content(&item.content_id)?;
            let reduced = self.listing.reduced(&record.id)?;
            let is_it = reduced.image == image.content_id && reduced.is_without(what);
            is_it.then_some((item, record))
        });
        let (item, record) = known.next()?;
        self.outcome.notes.push(format!(
            "'{}' is there already, without what nobody needs of it ({})",
            image.name,
            words(what)
        ));
        let there = (record.clone(), item.id.clone());
        self.arrived.insert(leg.image.clone(), there);
        Some(ReceivedImage {
            image: record.id.clone(),
            name: image.name.clone(),
            content_id: record.content_id,
            base: None,
            base_at_site: None,
            outcome: Outcome::There(SiteImage {
                image: item.id.clone(),
                name: item.name.clone(),
            }),
            rejected: Vec::new(),
        })
    }

    /// What is sent of an image to be made from that base: all of it, or what is left without what nobody needs. Of one that travels as a whole
    /// nothing is left out.
    pub(super) fn without(&mut self, image: &Record, base: Option<&Base>) -> Result<Record> {
        let what = &self.deploy.leave_out;
        if what.is_empty() {
            return Ok(image.clone());
        }
        let Some(base) = base.and_then(|base| self.arrived_or_listed(base)).cloned() else {
            let name = &image.name;
            let note = format!("'{name}' travels as a whole: nothing of it is left out");
            self.outcome.notes.push(note);
            return Ok(image.clone());
        };
        let headquarters = self.deploy.headquarters;
        let reduction = headquarters.reduce((image, &base), what, &self.context.run)?;
        for note in reduction.notes {
            if !self.outcome.notes.contains(&note) {
                self.outcome.notes.push(note);
            }
        }
        Ok(reduction.record.unwrap_or_else(|| image.clone()))
    }
}

/// What is left out, as it is typed.
fn words(what: &[Unneeded]) -> String {
    let names: Vec<&str> = what.iter().map(|one| one.name()).collect();
    names.join(",")
}
