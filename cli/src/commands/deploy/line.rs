//! A site on another host: the conversation through ssh, and what became of each image as it is told. What is said there is the matter of
//! the wire.

use std::path::Path;

use imgdelta_core::{Error, Result};
use imgdelta_deploy::{
    delivery::{self, Errand},
    wire::{Outcome, Sending, Sent, SentImage, Target},
};
use imgdelta_repository::choice::Leg;

use super::{Parcel, Served, There, tally::Tally};
use crate::{
    commands::{Arrived, End, Run, line::converse},
    job,
};

/// Sends the images to a repository on another host.
pub(super) fn send(
    target: &Target,
    deploy: &delivery::Deploy<'_>,
    job: &job::Deploy,
    errand: &Errand<'_>,
    run: &Run<'_>,
) -> Result<Sent> {
    let folder = &run.settings.temporary.value;
    let packing = tempfile::Builder::new()
        .prefix("imgdelta-")
        .tempdir_in(folder)
        .map_err(|cause| Error::host("cannot create a folder", cause).in_file(folder))?;
    let sending = Sending {
        headquarters: deploy.headquarters,
        images: &deploy.images,
        rules: &deploy.rules,
        native: deploy.native,
        manner: deploy.manner,
        folder: packing.path(),
    };
    let wait = job.manner.wait;
    let sent = converse(target, &job.remote_program, wait, run, |client| {
        sending.over(client, errand)
    })?;
    if sent.failure().is_some() {
        // Where ssh heard Ctrl-C first, the image failed by that.
        run.signals.go_on()?;
    }
    Ok(sent)
}

impl Tally<'_> {
    /// Tells what became of it at the other end of a line. Of the only image at the only site, an error is the whole result.
    pub(super) fn told_by_line(
        &mut self,
        sent: Sent,
        site: &Path,
        is_alone: bool,
        served: &mut Served,
    ) -> Result<()> {
        let there = sent.route.there.iter().map(|(image, at_site)| There {
            image: self.named(image),
            at_site: at_site.clone(),
        });
        served.there = there.collect();
        let is_alone = is_alone && sent.images.len() == 1;
        let mut images = Vec::new();
        for one in sent.images {
            let mut legs = sent.route.legs.iter();
            let leg = legs.find(|leg| leg.image == one.image.as_str());
            for note in &one.notes {
                self.note(format!("{}: {note}", one.name));
            }
            served.sent.extend(self.parcel_of(&one, leg));
            let (mut arrived, error) = self.arrived_there(one, leg, site);
            match error {
                Some(error) if is_alone => return Err(error),
                Some(error) => {
                    arrived.error = Some(self.run.failed(&error));
                }
                None => {}
            }
            images.push(arrived);
        }
        served.bytes = served.sent.iter().map(|parcel| parcel.bytes).sum();
        served.images = Some(images);
        Ok(())
    }

    /// What was sent of an image, if anything was.
    fn parcel_of(&self, one: &SentImage, leg: Option<&Leg>) -> Option<Parcel> {
        let (Outcome::Entered { sent, resumed, .. } | Outcome::Kept { sent, resumed }) =
            one.outcome.as_ref().ok()?
        else {
            return None;
        };
        let base = leg.and_then(|leg| leg.from.base());
        Some(Parcel {
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
    fn arrived_there(
        &mut self,
        one: SentImage,
        leg: Option<&Leg>,
        site: &Path,
    ) -> (Arrived, Option<Error>) {
        let base = leg.and_then(|leg| leg.from.base());
        let mut arrived = Arrived {
            name: one.name.to_string(),
            id: one.image.to_string(),
            content_id: self.content(&one),
            base: base.map(|base| self.named(base).name),
            fate: End::Entered,
            image: None,
            as_child: None,
            error: None,
        };
        match one.outcome {
            Ok(Outcome::There(_)) => arrived.fate = End::There,
            Ok(Outcome::Kept { .. }) => arrived.fate = End::Step,
            Ok(Outcome::Entered { entry, .. }) => {
                if !entry.is_new {
                    arrived.fate = End::There;
                }
                for note in entry.notes {
                    self.note(format!("{}: {}: {note}", site.display(), one.name));
                }
            }
            Err(error) => {
                arrived.fate = End::Failed;
                return (arrived, Some(error));
            }
        }
        (arrived, None)
    }

    /// What the disk of an image of headquarters is.
    fn content(&self, one: &SentImage) -> String {
        let record = self.listing.by_id(&one.image);
        record.map_or_else(String::new, |record| record.content_id.to_string())
    }
}
