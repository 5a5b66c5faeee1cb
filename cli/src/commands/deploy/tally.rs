//! What becomes of a deployment, as it is told. Nothing is sent here; of what went over lines more stands in `line`.

use std::path::Path;

use imgdelta_core::{Error, Kind, Result};
use imgdelta_deploy::delivery::{AtSite, Packed};
use imgdelta_repository::{
    calls::ImageRef,
    catalogue::{Listing, Repository},
};

use super::{Parcel, Reached, Served, There};
use crate::commands::{Run, receive::arrived, shown};

/// What becomes of a deployment, as it is told.
pub(super) struct Tally<'a> {
    pub(super) listing: &'a Listing,
    pub(super) run: &'a Run<'a>,
    pub(super) notes: Vec<String>,
}

impl Tally<'_> {
    /// What became of it at one site. Of the only one, an error before anything was sent is the whole result.
    pub(super) fn served(
        &mut self,
        site: &Path,
        outcome: Result<Option<Reached>>,
        is_alone: bool,
    ) -> Result<Served> {
        let mut served = Served {
            site: shown(site),
            there: Vec::new(),
            sent: Vec::new(),
            bytes: 0,
            images: None,
            errors: Vec::new(),
        };
        let errors = match outcome {
            Ok(Some(Reached::Engine(at_site))) => self.told(at_site, site, &mut served),
            Ok(Some(Reached::Line(sent))) => {
                self.told_by_line(sent, site, is_alone, &mut served)?;
                Vec::new()
            }
            Ok(None) => Vec::new(),
            Err(error) => vec![error],
        };
        for error in errors {
            if error.kind() == Kind::Interrupted || (is_alone && served.sent.is_empty()) {
                return Err(error);
            }
            let failed = self.run.failed(&error);
            served.errors.push(failed);
        }
        Ok(served)
    }

    /// Tells what became of it at a site; gives what went wrong on the way.
    fn told(&mut self, at_site: AtSite, site: &Path, served: &mut Served) -> Vec<Error> {
        if let Some(route) = &at_site.route {
            let there = route.there.iter().map(|(image, at_site)| There {
                image: self.named(image),
                at_site: at_site.clone(),
            });
            served.there = there.collect();
        }
        for packed in &at_site.packed {
            let is_step = at_site.route.as_ref().is_some_and(|route| {
                let mut legs = route.legs.iter();
                legs.any(|leg| leg.is_step && leg.image == packed.item.image.as_str())
            });
            served.sent.push(parcel(packed, is_step));
            for note in &packed.notes {
                self.note(format!("{}: {note}", packed.item.name));
            }
        }
        served.bytes = served.sent.iter().map(|parcel| parcel.bytes).sum();
        if let Some(received) = at_site.received {
            // Only names are looked up in it.
            let listing = Repository::open(site).and_then(|site| site.list());
            let listing = listing.unwrap_or_default();
            let mut notes = Vec::new();
            let taken = received.taken.into_iter();
            let images = taken.map(|one| arrived(one, &listing, self.run, &mut notes));
            served.images = Some(images.collect());
            for note in notes {
                self.note(format!("{}: {note}", site.display()));
            }
        }
        at_site.failures
    }

    /// Tells something once, though it is true of several sites.
    pub(super) fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    pub(super) fn named(&self, id: &str) -> ImageRef {
        ImageRef::of(id, self.listing)
    }
}

fn parcel(packed: &Packed, is_step: bool) -> Parcel {
    let item = &packed.item;
    let manifest = item.manifest.as_ref().map_or(0, |file| file.length);
    Parcel {
        image: ImageRef::new(item.image.to_string(), item.name.to_string()),
        base: item
            .base
            .as_ref()
            .map(|base| ImageRef::new(base.id.to_string(), base.name.to_string())),
        format: Some(item.format.name()),
        file: Some(item.file.name.to_string()),
        bytes: item.file.length.saturating_add(manifest),
        resumed: None,
        is_new: packed.is_new,
        is_step,
    }
}
