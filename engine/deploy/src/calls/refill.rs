//! `deploy --refill`: what came damaged at a site is sent once more, of transport files only the windows that are.

use std::{path::PathBuf, time::Duration};

use imgdelta_core::Result;
use imgdelta_operations::Context;
use imgdelta_repository::{
    calls::ImageRef,
    catalogue::{Repository, inventory::PIECES},
};
use serde::Serialize;

use super::context::{WAIT, cut_short, shown, with_delivery_context};
use crate::{
    bundle::{
        Bundle, DeliveryContext, EntryForm, Packed, Piecing, Request, RequestedEntry, SigningKey,
    },
    deployment::PACKING_FOLDER,
};

/// A request that is to be answered.
#[derive(Clone, Debug)]
pub struct Refill {
    repository: PathBuf,
    request: PathBuf,
    medium: PathBuf,
    sign: Option<PathBuf>,
    packing: PathBuf,
    wait: Duration,
}

/// What is sent once more.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct RefillReport {
    /// The repository's folder.
    pub repository: String,
    /// The request.
    pub request: String,
    /// The folder of what is sent.
    pub delivery: String,
    /// Each image, in the order of the request.
    pub images: Vec<RefilledImage>,
    /// How long all files are together, in bytes.
    pub bytes: u64,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// What is sent once more of one image.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct RefilledImage {
    /// The image.
    pub image: ImageRef,
    /// Its base; of a whole image there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<ImageRef>,
    /// How many windows of its transport file are sent, if it is not sent anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub windows: Option<u64>,
    /// The name of its file.
    pub file: String,
    /// How long its files are together.
    pub bytes: u64,
}

impl Refill {
    /// What the request in that file asks for, from the repository in that folder, onto a medium: a folder that is made if it is not there.
    #[must_use]
    pub fn new(
        repository: impl Into<PathBuf>,
        request: impl Into<PathBuf>,
        medium: impl Into<PathBuf>,
    ) -> Self {
        Self {
            repository: repository.into(),
            request: request.into(),
            medium: medium.into(),
            sign: None,
            packing: PACKING_FOLDER.into(),
            wait: WAIT,
        }
    }

    /// The key that the list of the medium is signed with, see [`Deploy::sign`](super::Deploy::sign).
    #[must_use]
    pub fn sign(mut self, key: Option<PathBuf>) -> Self {
        self.sign = key;
        self
    }

    /// The folder for what is packed and longer than a piece on the medium. `/var/tmp`, if nothing is said.
    #[must_use]
    pub fn packing_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.packing = folder.into();
        self
    }

    /// How long to wait while another process changes the medium; a minute, if nothing is said.
    #[must_use]
    pub const fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// Packs the windows anew, known by their numbers and by what they unpack to; where this release makes other windows, all of the file is sent. The
    /// site takes it together with the delivery that was damaged, see [`Receive::others`](super::Receive::others).
    ///
    /// # Errors
    /// Corrupt or Unsupported, if the request is damaged or of another version; Usage (`no_such_image`), if the repository does not have an image
    /// or a base that it names; Digest, if one is not what its record says; Busy; Host; Interrupted: what was packed by then is whole.
    pub fn run(&self, context: &Context) -> Result<RefillReport> {
        let headquarters = Repository::open(&self.repository)?;
        let request = Request::read(&self.request)?;
        let key = self.sign.as_deref().map(SigningKey::new).transpose()?;
        let mut notes = Vec::new();
        let images = with_delivery_context(context, self.wait, |delivery_context| {
            self.send(
                &headquarters,
                &request,
                (key.as_ref(), &mut notes),
                delivery_context,
            )
        })
        .map_err(|error| cut_short(error, "what was packed by then is whole"))?;
        let bytes = images.iter().map(|image| image.bytes);
        Ok(RefillReport {
            repository: shown(headquarters.folder()),
            request: shown(&self.request),
            delivery: shown(&self.medium),
            bytes: bytes.fold(0, u64::saturating_add),
            images,
            notes,
        })
    }

    fn send(
        &self,
        headquarters: &Repository,
        request: &Request,
        (key, notes): (Option<&SigningKey>, &mut Vec<String>),
        context: &DeliveryContext<'_>,
    ) -> Result<Vec<RefilledImage>> {
        let mut bundle = Bundle::begin(&self.medium, self.wait)?;
        if key.is_some() {
            bundle.adopt(headquarters)?;
        }
        let piecing = Piecing {
            size: None,
            packing: self.packing.clone(),
        };
        bundle.cut_files(piecing, request.takes(PIECES))?;
        let mut images = Vec::new();
        for requested in &request.items {
            context.run.work.progress.go_on()?;
            let packed = bundle.refill(headquarters, (requested, &request.repository), context)?;
            let name = &packed.entry.name;
            notes.extend(packed.notes.iter().map(|note| format!("{name}: {note}")));
            images.push(RefilledImage::of(&packed, requested));
        }
        bundle.finish(key)?;
        notes.append(&mut bundle.take_notes());
        Ok(images)
    }
}

impl RefilledImage {
    fn of(packed: &Packed, requested: &RequestedEntry) -> Self {
        let entry = &packed.entry;
        let windows = requested.windows.as_ref();
        let count = windows.map(|list| list.runs.iter().map(|run| run.1));
        let count = count.map(|counts| counts.fold(0, u64::saturating_add));
        let base = entry.base.as_ref();
        Self {
            image: ImageRef::new(entry.image.as_str(), entry.name.as_str()),
            base: base.map(|base| ImageRef::new(base.id.as_str(), base.name.as_str())),
            windows: count.filter(|_| entry.form == EntryForm::Windows),
            file: entry.file.name.to_string(),
            bytes: entry.bytes(),
        }
    }
}
