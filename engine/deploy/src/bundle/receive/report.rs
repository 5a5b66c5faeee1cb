//! What became of each image of a delivery, as it is reported.

use std::path::Path;

use imgdelta_core::{Error, Kind};
use imgdelta_delta::ContentId;
use imgdelta_repository::catalogue::Listing;

use super::ReceiveRun;
use crate::bundle::{
    entry::BundleEntry,
    outcome::{Outcome, ReceivedImage, SiteImage},
    schedule::Schedule,
};

impl ReceiveRun<'_> {
    /// What became of each, with what bases are called here.
    pub(super) fn named_as_here(&mut self, listing: &Listing) -> Vec<ReceivedImage> {
        let told = std::mem::take(&mut self.images);
        let items = &self.bundle.index().items;
        let named = told.into_iter().map(|image| {
            let is_its = |entry: &&BundleEntry| {
                let base = entry.base.as_ref().map(|base| &base.name);
                entry.content_id == image.content_id && base == image.base.as_ref()
            };
            match items.iter().find(is_its) {
                Some(entry) => image.named_at_site(entry, listing),
                None => image,
            }
        });
        named.collect()
    }

    pub(super) fn tell_what_is_there(&mut self, schedule: &Schedule, listing: &Listing) {
        for number in &schedule.there {
            let Some(entry) = self.bundle.index().items.get(*number) else {
                continue;
            };
            if let Some(record) = self.receiver.image(listing, &entry.content_id) {
                let there = Outcome::There(SiteImage::from(record));
                let told = ReceivedImage::of(entry, there, Vec::new());
                self.images.push(told);
            }
        }
    }

    /// Tells what is for this site and did not come: what failed by itself, then what was to be made from it.
    pub(super) fn tell_what_failed(&mut self, wanted: &[usize]) {
        let wanted = wanted.iter().filter_map(|number| self.entry(*number));
        let missing = wanted.filter(|entry| !self.made.contains(&entry.content_id));
        let missing: Vec<BundleEntry> = missing.cloned().collect();
        let mut others = Vec::new();
        for entry in &missing {
            if self.tell_failure(&entry.content_id) {
                continue;
            }
            let base = entry.base.as_ref();
            let outcome = match base.filter(|base| self.is_missing(&base.content_id)) {
                Some(base) => {
                    let message = format!("'{}', its base, did not come", base.name);
                    Outcome::Failed(Error::new(Kind::Chain, message).with_code("base_failed"))
                }
                None => Outcome::Unfit,
            };
            others.push(ReceivedImage::of(entry, outcome, Vec::new()));
        }
        if others.iter().any(|one| one.failure().is_some()) {
            // The steps that are to blame.
            let steps = self.rejected.keys().copied();
            let steps: Vec<_> = steps.filter(|step| self.is_missing(step)).collect();
            for step in steps {
                self.tell_failure(&step);
            }
        }
        self.images.append(&mut others);
    }

    /// Tells why an image failed, if it did by itself.
    fn tell_failure(&mut self, content: &ContentId) -> bool {
        let mut entries = self.bundle.index().items.iter();
        let entry = entries.find(|entry| entry.content_id == *content);
        let rejected = self.rejected.remove(content).unwrap_or_default();
        let mut rejected = rejected.into_iter();
        let (Some(entry), Some(first)) = (entry, rejected.next()) else {
            return false;
        };
        let outcome = Outcome::Failed(first);
        let told = ReceivedImage::of(entry, outcome, rejected.collect());
        self.images.push(told);
        true
    }
}

/// No image of a delivery has its base here.
pub(super) fn no_base(folder: &Path, unfit: &[&BundleEntry]) -> Error {
    /// Most bases that are named.
    const MOST: usize = 16;
    let error = Error::new(
        Kind::Chain,
        "holds nothing whose base is in this repository",
    )
    .with_code("no_base")
    .in_file(folder)
    .with_hint("add the base to the repository, or make an inventory of it and deploy for that");
    let needs = |entry: &&BundleEntry| {
        let base = entry.base.as_ref()?;
        let (name, content) = (&base.name, base.content_id);
        Some(format!("'{}' needs '{name}', {content}", entry.name))
    };
    let needed = unfit.iter().filter_map(needs).take(MOST);
    needed.fold(error, Error::with_detail)
}
