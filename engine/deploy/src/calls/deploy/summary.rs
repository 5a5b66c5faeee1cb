//! What became of a deployment at each site, as reports tell it; of what went over ssh, more stands in `over_ssh`.

use std::path::Path;

use imgdelta_core::{Error, Kind, Result};
use imgdelta_repository::{
    calls::{Failed, ImageRef},
    catalogue::{Listing, Repository},
};

use super::report::{HeldImage, ShippedImage, SiteReport};
use crate::{
    calls::{destination::Destination, receive::received},
    delivery::{AtSite, Packed},
    wire::Sent,
};

/// What became of it at a site that was served.
pub(super) enum SiteResult {
    /// In a batch.
    Batch(AtSite),
    /// Over ssh.
    Ssh(Sent),
}

/// What became of a deployment so far.
pub(super) struct Summary<'a> {
    pub(super) listing: &'a Listing,
    pub(super) notes: Vec<String>,
}

impl Summary<'_> {
    /// What became of it at one site. Of the only one, an error before anything was sent is the whole result.
    pub(super) fn site(
        &mut self,
        site: &Destination,
        result: Result<Option<SiteResult>>,
        is_alone: bool,
    ) -> Result<SiteReport> {
        let mut report = SiteReport {
            site: site.to_string(),
            there: Vec::new(),
            sent: Vec::new(),
            bytes: 0,
            images: None,
            errors: Vec::new(),
        };
        let errors = match result {
            Ok(Some(SiteResult::Batch(at_site))) => {
                self.in_batch(at_site, &site.shown(), &mut report)
            }
            Ok(Some(SiteResult::Ssh(sent))) => {
                self.over_ssh(sent, site, is_alone, &mut report)?;
                Vec::new()
            }
            Ok(None) => Vec::new(),
            Err(error) => vec![error],
        };
        for error in errors {
            if error.kind() == Kind::Interrupted || (is_alone && report.sent.is_empty()) {
                return Err(error);
            }
            report.errors.push(Failed::of(&error));
        }
        Ok(report)
    }

    /// Reports what became of it at a site; gives what went wrong on the way.
    fn in_batch(&mut self, at_site: AtSite, site: &Path, report: &mut SiteReport) -> Vec<Error> {
        if let Some(route) = &at_site.route {
            let there = route.there.iter().map(|(image, at_site)| HeldImage {
                image: self.named(image),
                at_site: at_site.clone(),
            });
            report.there = there.collect();
        }
        for packed in &at_site.packed {
            let is_step = at_site.route.as_ref().is_some_and(|route| {
                let mut legs = route.legs.iter();
                legs.any(|leg| leg.is_step && leg.image == packed.item.image.as_str())
            });
            report.sent.push(shipped(packed, is_step));
            for note in &packed.notes {
                self.note(format!("{}: {note}", packed.item.name));
            }
        }
        report.bytes = report.sent.iter().map(|image| image.bytes).sum();
        if let Some(arrived) = at_site.received {
            // Only names are looked up in it.
            let listing = Repository::open(site).and_then(|site| site.list());
            let listing = listing.unwrap_or_default();
            let mut notes = Vec::new();
            let taken = arrived.taken.into_iter();
            let images = taken.map(|one| received(one, &listing, &mut notes));
            report.images = Some(images.collect());
            for note in notes {
                self.note(format!("{}: {note}", site.display()));
            }
        }
        at_site.failures
    }

    /// Notes something once, though it is true of several sites.
    pub(super) fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// An image of headquarters.
    pub(super) fn named(&self, id: &str) -> ImageRef {
        ImageRef::of(id, self.listing)
    }
}

fn shipped(packed: &Packed, is_step: bool) -> ShippedImage {
    let item = &packed.item;
    let manifest = item.manifest.as_ref().map_or(0, |file| file.length);
    ShippedImage {
        image: ImageRef::new(item.image.as_str(), item.name.as_str()),
        base: (item.base.as_ref()).map(|base| ImageRef::new(base.id.as_str(), base.name.as_str())),
        format: Some(item.format.name()),
        file: Some(item.file.name.to_string()),
        bytes: item.file.length.saturating_add(manifest),
        resumed: None,
        is_new: packed.is_new,
        is_step,
    }
}
