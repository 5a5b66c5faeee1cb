//! What became of a deployment at each site, as reports tell it.

use imgdelta_core::{Error, Kind, Result};
use imgdelta_repository::{
    calls::{Failed, ImageRef},
    catalogue::{Listing, Repository},
};

use super::report::{HeldImage, ShippedImage, SiteReport};
use crate::{
    bundle::{Outcome, ReceivedImage},
    calls::{
        destination::Destination,
        receive::{received, rejected},
    },
    deployment::{Sent, SiteOutcome},
};

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
        outcome: Result<SiteOutcome>,
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
        let failures = match outcome {
            Ok(outcome) => self.served(outcome, site, is_alone, &mut report)?,
            Err(error) => vec![error],
        };
        for error in failures {
            if error.kind() == Kind::Interrupted || (is_alone && report.sent.is_empty()) {
                return Err(error);
            }
            report.errors.push(Failed::of(&error));
        }
        Ok(report)
    }

    /// Reports what became of it at a site; gives what went wrong on the way.
    fn served(
        &mut self,
        outcome: SiteOutcome,
        site: &Destination,
        is_alone: bool,
        report: &mut SiteReport,
    ) -> Result<Vec<Error>> {
        let there = outcome.route.iter().flat_map(|route| &route.there);
        let there = there.map(|(image, at_site)| HeldImage {
            image: ImageRef::of(image, self.listing),
            at_site: at_site.clone(),
        });
        report.there = there.collect();
        for note in &outcome.notes {
            self.note(note.clone());
        }
        for sent in &outcome.sent {
            report.sent.push(shipped(sent));
            for note in &sent.notes {
                self.note(format!("{}: {note}", sent.entry.name));
            }
        }
        report.bytes = report.sent.iter().map(|image| image.bytes).sum();
        let Some(images) = outcome.images else {
            return Ok(outcome.failures);
        };
        match <[ReceivedImage; 1]>::try_from(images) {
            Ok([one]) if is_alone && report.sent.is_empty() => match one.outcome {
                Outcome::Failed(error) => return Err(error),
                outcome => self.arrived(vec![ReceivedImage { outcome, ..one }], site, report),
            },
            Ok(one) => self.arrived(Vec::from(one), site, report),
            Err(images) => self.arrived(images, site, report),
        }
        Ok(outcome.failures)
    }

    /// Reports what became of the images at a site that was reached.
    fn arrived(&mut self, images: Vec<ReceivedImage>, site: &Destination, report: &mut SiteReport) {
        // Only names are looked up in it; of another host nothing is known.
        let listing = match site {
            Destination::Folder(folder) => Repository::open(folder).and_then(|site| site.list()),
            Destination::Inventory(_) | Destination::Ssh(_) => Ok(Listing::default()),
        };
        let listing = listing.unwrap_or_default();
        let mut notes = Vec::new();
        let images = images.into_iter().map(|one| {
            notes.extend(rejected(&one));
            received(one, &listing, &mut notes)
        });
        report.images = Some(images.collect());
        for note in notes {
            self.note(format!("{site}: {note}"));
        }
    }

    /// Notes something once, though it is true of several sites.
    fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }
}

/// What was sent of an image. A line has no files that could be named.
fn shipped(sent: &Sent) -> ShippedImage {
    let entry = &sent.entry;
    let files = sent.transfer.is_none();
    ShippedImage {
        image: ImageRef::new(entry.image.as_str(), entry.name.as_str()),
        base: (entry.base.as_ref()).map(|base| ImageRef::new(base.id.as_str(), base.name.as_str())),
        format: files.then_some(entry.file_format().name()),
        file: files.then(|| entry.file.name.to_string()),
        bytes: sent
            .transfer
            .map_or(entry.bytes(), |transfer| transfer.sent),
        left_out: sent.left_out,
        resumed: sent.transfer.map(|transfer| transfer.resumed),
        is_new: sent.is_new,
        is_step: sent.is_step,
    }
}
