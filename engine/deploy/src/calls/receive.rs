//! `receive`: a site takes from a delivery what is for it. Each image is proven and entered by itself.

use std::{path::PathBuf, time::Duration};

use imgdelta_core::{Error, Existing, Format, Ownership, Result};
use imgdelta_operations::Context;
use imgdelta_repository::{
    calls::{Failed, Image, unreadable},
    catalogue::{ImageId, Listing, Repository, Signer},
};
use serde::Serialize;

use super::context::{WAIT, cut_short, shown, with_delivery_context};
use crate::bundle::{
    self, HealedFile, MediaState, Outcome, Request, RequestedEntry, SignedDelivery, StoreOptions,
};

/// How a site is to take what a delivery has for it.
#[derive(Clone, Debug)]
pub struct Receive {
    delivery: PathBuf,
    others: Vec<PathBuf>,
    repository: PathBuf,
    store: StoreOptions,
    signer: Option<Signer>,
    request: Option<PathBuf>,
    wait: Duration,
    dry_run: bool,
}

/// What became of a delivery.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ReceiveReport {
    /// The delivery's folder.
    pub delivery: String,
    /// The folders of those that were taken with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<String>,
    /// The file that asks for what came damaged, if there was reason to write it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// The repository's folder.
    pub repository: String,
    /// By whose signature the delivery was believed; several, if the repository requires one and the call another.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub signers: Vec<String>,
    /// Which media must still come, if the delivery lies on several and not all that is for this site is here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media: Option<MediaState>,
    /// Whether nothing was written.
    pub dry_run: bool,
    /// Each image that is for this site, bases before what is made from them.
    pub images: Vec<ReceivedImage>,
    /// What came damaged and was healed by its parity; in a dry run what would be.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub healed: Vec<HealedFile>,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// What became of one image.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ReceivedImage {
    /// What it is called at headquarters.
    pub name: String,
    /// Its id there.
    pub id: String,
    /// What its disk is.
    pub content_id: String,
    /// What its base is called at headquarters; of a whole image there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// What its base is called here, where that is another name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_at_site: Option<String>,
    /// What became of it.
    pub fate: ImageOutcome,
    /// The image here, if it is here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<Image>,
    /// Whether it is kept as a child of its base, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_child: Option<bool>,
    /// Why it was not entered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Failed>,
}

/// What became of an image that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ImageOutcome {
    /// It was entered.
    Entered,
    /// It would be entered.
    Due,
    /// It was there before.
    There,
    /// It only served others.
    Step,
    /// It was not entered.
    Failed,
    /// Its base is not here.
    Unfit,
}

impl Receive {
    /// What the delivery in that folder, a stick say, has for the repository in the other one.
    #[must_use]
    pub fn new(delivery: impl Into<PathBuf>, repository: impl Into<PathBuf>) -> Self {
        Self {
            delivery: delivery.into(),
            others: Vec::new(),
            request: None,
            repository: repository.into(),
            store: StoreOptions::default(),
            signer: None,
            wait: WAIT,
            dry_run: false,
        }
    }

    /// The format of images that are stored whole; `None`: the repository's own.
    #[must_use]
    pub const fn format(mut self, format: Option<Format>) -> Self {
        self.store.format = format;
        self
    }

    /// Whether an image is kept as a child of its base, in that one's format, where that is smaller.
    #[must_use]
    pub const fn as_child(mut self, as_child: bool) -> Self {
        self.store.as_child = as_child;
        self
    }

    /// To whom the files of images belong that are entered in the repository, and who may do what with them.
    #[must_use]
    pub const fn ownership(mut self, ownership: Ownership) -> Self {
        self.store.ownership = ownership;
        self
    }

    /// Who must have signed the delivery's list, besides whom the repository requires. It is verified by the system's ssh-keygen before anything of the
    /// delivery is believed.
    #[must_use]
    pub fn signer(mut self, signer: Option<Signer>) -> Self {
        self.signer = signer;
        self
    }

    /// Further deliveries that are taken with it, in any order: what is damaged in one may be mended from another, see
    /// [`Refill`](super::Refill).
    #[must_use]
    pub fn others(mut self, folders: impl IntoIterator<Item = impl Into<PathBuf>>) -> Self {
        self.others = folders.into_iter().map(Into::into).collect();
        self
    }

    /// Where to write, if something came damaged and on no other way, what is asked for once more; what stands there is replaced.
    #[must_use]
    pub fn request(mut self, file: Option<PathBuf>) -> Self {
        self.request = file;
        self
    }

    /// How long to wait while another process changes the repository; a minute, if nothing is said.
    #[must_use]
    pub const fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// Whether each file is looked at and nothing is written. Whether a base is what its record says is not found out then.
    #[must_use]
    pub const fn dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }

    /// Takes what is for this site: bases are proven, images made, proven, and only then entered. What is there already is left alone, so
    /// that a second run does no harm. An image that fails stops only those that are made from it, and stands in the report; of a delivery
    /// of one image, its failure is an error.
    ///
    /// # Errors
    /// Usage, if there is no repository or no delivery; Digest, if the signature that is required is missing (`unsigned`) or not that
    /// (`signature`); Host (`no_ssh_keygen`), if nothing verifies it; Corrupt or Unsupported, if the delivery's list is; Chain, if no image has its base
    /// here (`no_base`); Host (`no_space`), if there is no room for it; Busy, if another process goes on changing the repository; Interrupted: what was entered by then is whole.
    pub fn run(&self, context: &Context) -> Result<ReceiveReport> {
        self.store.require_written()?;
        let site = Repository::open(&self.repository)?;
        let came = with_delivery_context(context, self.wait, |delivery_context| {
            let delivery = SignedDelivery {
                folder: &self.delivery,
                others: &self.others,
                signer: self.signer.as_ref(),
            };
            if self.dry_run {
                bundle::preview(delivery, &site, &self.store, delivery_context)
            } else {
                bundle::receive(delivery, &site, &self.store, delivery_context)
                    .map_err(|error| cut_short(error, "what was entered by then is whole"))
            }
        })?;
        let listing = site.list()?;
        let mut notes = unreadable(&listing);
        notes.extend(came.notes);
        let request = match came.damage.is_some() && came.damaged.is_empty() {
            // What is to be asked for shows with another medium; the damage itself is told.
            true => None,
            false => self.write_request(&site, came.damaged, &mut notes)?,
        };
        if let (Some(error), Some(media)) = (came.damage, &came.media) {
            return Err(self.kept_beside(asked_for(error, request), media));
        }
        let taken = came.images;
        let is_alone = taken.len() == 1;
        let mut images = Vec::new();
        for one in taken {
            notes.extend(rejected(&one));
            match one.outcome {
                // By itself, an error is the whole result.
                Outcome::Failed(error) if is_alone => return Err(asked_for(error, request)),
                _ => images.push(received(one, &listing, &mut notes)),
            }
        }
        Ok(ReceiveReport {
            delivery: shown(&self.delivery),
            others: self.others.iter().map(|folder| shown(folder)).collect(),
            request,
            repository: shown(site.folder()),
            signers: came.signers,
            media: came.media,
            dry_run: self.dry_run,
            images,
            healed: came.healed,
            notes,
        })
    }
}

impl Receive {
    /// Writes what is asked for once more, if there is anything and a place for it.
    fn write_request(
        &self,
        site: &Repository,
        damaged: Vec<RequestedEntry>,
        notes: &mut Vec<String>,
    ) -> Result<Option<String>> {
        let Some(place) = &self.request else {
            return Ok(None);
        };
        if damaged.is_empty() {
            notes.push(format!(
                "nothing came damaged that did not come otherwise: {} was not written",
                place.display()
            ));
            return Ok(None);
        }
        Request::new(site.about().id.clone(), damaged).write(place, Existing::Replace)?;
        Ok(Some(shown(place)))
    }
}

impl Receive {
    /// A damage on one of several media, with what became of the rest.
    fn kept_beside(&self, error: Error, media: &MediaState) -> Error {
        let missing: Vec<String> = media.missing.iter().map(ToString::to_string).collect();
        error
            .with_detail(format!(
                "all else of {} is kept here; media that must still come: {}",
                self.delivery.display(),
                missing.join(", ")
            ))
            .with_detail(
                "what was damaged must come once more: this medium with the last of the others, or one that is sound"
                    .to_owned(),
            )
    }
}

/// The only image's failure, with where it is asked for.
fn asked_for(error: Error, request: Option<String>) -> Error {
    match request {
        Some(request) => error
            .with_detail(format!("{request} asks for what is damaged"))
            .with_detail(format!(
                "at headquarters: imgdelta deploy --refill {request} -o FOLDER; then here: imgdelta receive FOLDER DELIVERY"
            )),
        None => error,
    }
}

impl ReceiveReport {
    /// The first failure, bases before what is made from them.
    #[must_use]
    pub fn failure(&self) -> Option<&Failed> {
        self.images.iter().find_map(|image| image.error.as_ref())
    }
}

/// What became of one image, as reports tell it.
pub(super) fn received(
    one: bundle::ReceivedImage,
    listing: &Listing,
    notes: &mut Vec<String>,
) -> ReceivedImage {
    let here = |id: &ImageId| Some(Image::of(listing.by_id(id)?, listing));
    let mut image = ReceivedImage {
        name: one.name.to_string(),
        id: one.image.to_string(),
        content_id: one.content_id.to_string(),
        base: one.base.as_ref().map(ToString::to_string),
        base_at_site: (one.base_at_site.as_ref())
            .filter(|there| one.base.as_ref() != Some(*there))
            .map(ToString::to_string),
        fate: ImageOutcome::Step,
        image: None,
        as_child: Some(false).filter(|_| !listing.is_empty()),
        error: None,
    };
    match one.outcome {
        Outcome::Entered(entered) => {
            image.fate = ImageOutcome::Entered;
            image.as_child = entered.as_child;
            image.image = here(&entered.image);
            // Some name the image themselves.
            let start = format!("{}: ", one.name);
            let about = |note: &String| match note.starts_with(&start) {
                true => note.clone(),
                false => format!("{start}{note}"),
            };
            notes.extend(entered.notes.iter().map(about));
        }
        Outcome::There(there) => {
            image.fate = ImageOutcome::There;
            image.image = here(&there.image);
        }
        Outcome::Step => {}
        Outcome::Due => image.fate = ImageOutcome::Due,
        Outcome::Failed(error) => {
            image.fate = ImageOutcome::Failed;
            image.error = Some(Failed::of(&error));
        }
        Outcome::Unfit => image.fate = ImageOutcome::Unfit,
    }
    image
}

/// What is said of ways that were tried before an image came, or did not.
pub(super) fn rejected(one: &bundle::ReceivedImage) -> impl Iterator<Item = String> {
    one.rejected
        .iter()
        .map(|error| format!("{}: another way was tried, for {error}", one.name))
}
