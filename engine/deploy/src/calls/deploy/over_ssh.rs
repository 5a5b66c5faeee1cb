//! A site on another host: images packed and sent through ssh, and what became of each, as reports tell it. What is said there is the matter
//! of the wire.

use std::{path::Path, time::Duration};

use imgdelta_core::{Error, Result};
use imgdelta_operations::Context;
use imgdelta_repository::{calls::Failed, choice::Leg};

use super::{
    report::{HeldImage, ShippedImage, SiteReport},
    summary::Summary,
};
use crate::{
    calls::{
        destination::Destination,
        receive::{ImageOutcome, ReceivedImage},
        ssh_session::Programs,
    },
    delivery::{self, Errand},
    wire::{Outcome, Sending, Sent, SentImage, SshUrl},
};

/// Images that go to repositories on other hosts.
pub(super) struct OverSsh<'a> {
    /// What is sent, and how; its sites are others.
    pub(super) batch: &'a delivery::Deploy<'a>,
    /// What leads there.
    pub(super) programs: &'a Programs,
    /// How long a site is to wait for its repository; zero: as long as it is set to.
    pub(super) wait: Duration,
    /// Where files are packed.
    pub(super) packing: &'a Path,
    /// How.
    pub(super) errand: &'a Errand<'a>,
    /// As the call was given it.
    pub(super) context: &'a Context,
}

impl OverSsh<'_> {
    /// Sends the images to that repository.
    pub(super) fn send(&self, url: &SshUrl) -> Result<Sent> {
        let packing = tempfile::Builder::new()
            .prefix("imgdelta-")
            .tempdir_in(self.packing)
            .map_err(|cause| Error::host("cannot create a folder", cause).in_file(self.packing))?;
        let sending = Sending {
            headquarters: self.batch.headquarters,
            images: &self.batch.images,
            rules: &self.batch.rules,
            native: self.batch.native,
            manner: self.batch.manner,
            folder: packing.path(),
        };
        let wait = Some(self.wait).filter(|wait| !wait.is_zero());
        let sent = self.programs.converse(url, wait, self.context, |session| {
            sending.over(session, self.errand)
        })?;
        if sent.failure().is_some() {
            // Where ssh heard Ctrl-C first, the image failed by that.
            self.context.go_on()?;
        }
        Ok(sent)
    }
}

impl Summary<'_> {
    /// Reports what became of it at the other end of a line. Of the only image at the only site, an error is the whole result.
    pub(super) fn over_ssh(
        &mut self,
        sent: Sent,
        site: &Destination,
        is_alone: bool,
        report: &mut SiteReport,
    ) -> Result<()> {
        let there = sent.route.there.iter().map(|(image, at_site)| HeldImage {
            image: self.named(image),
            at_site: at_site.clone(),
        });
        report.there = there.collect();
        let is_alone = is_alone && sent.images.len() == 1;
        let mut images = Vec::new();
        for one in sent.images {
            let mut legs = sent.route.legs.iter();
            let leg = legs.find(|leg| leg.image == one.image.as_str());
            for note in &one.notes {
                self.note(format!("{}: {note}", one.name));
            }
            report.sent.extend(self.shipped(&one, leg));
            let (mut image, error) = self.received(one, leg, site);
            match error {
                Some(error) if is_alone => return Err(error),
                Some(error) => image.error = Some(Failed::of(&error)),
                None => {}
            }
            images.push(image);
        }
        report.bytes = report.sent.iter().map(|image| image.bytes).sum();
        report.images = Some(images);
        Ok(())
    }

    /// What was sent of an image, if anything was.
    fn shipped(&self, one: &SentImage, leg: Option<&Leg>) -> Option<ShippedImage> {
        let (Outcome::Entered { sent, resumed, .. } | Outcome::Kept { sent, resumed }) =
            one.outcome.as_ref().ok()?
        else {
            return None;
        };
        let base = leg.and_then(|leg| leg.from.base());
        Some(ShippedImage {
            image: self.named(one.image.as_str()),
            base: base.map(|base| self.named(base)),
            format: None,
            file: None,
            bytes: *sent,
            resumed: Some(*resumed),
            is_new: true,
            is_step: leg.is_some_and(|leg| leg.is_step),
        })
    }

    /// What became of an image there; with the error, if it failed.
    fn received(
        &mut self,
        one: SentImage,
        leg: Option<&Leg>,
        site: &Destination,
    ) -> (ReceivedImage, Option<Error>) {
        let base = leg.and_then(|leg| leg.from.base());
        let mut image = ReceivedImage {
            name: one.name.to_string(),
            id: one.image.to_string(),
            content_id: self.content(&one),
            base: base.map(|base| self.named(base).name),
            fate: ImageOutcome::Entered,
            image: None,
            as_child: None,
            error: None,
        };
        match one.outcome {
            Ok(Outcome::There(_)) => image.fate = ImageOutcome::There,
            Ok(Outcome::Kept { .. }) => image.fate = ImageOutcome::Step,
            Ok(Outcome::Entered { entry, .. }) => {
                if !entry.is_new {
                    image.fate = ImageOutcome::There;
                }
                for note in entry.notes {
                    self.note(format!("{site}: {}: {note}", one.name));
                }
            }
            Err(error) => {
                image.fate = ImageOutcome::Failed;
                return (image, Some(error));
            }
        }
        (image, None)
    }

    /// What the disk of an image of headquarters is.
    fn content(&self, one: &SentImage) -> String {
        let record = self.listing.by_id(&one.image);
        record.map_or_else(String::new, |record| record.content_id.to_string())
    }
}
