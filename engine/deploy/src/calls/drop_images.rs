//! `deploy --drop`: images are taken out of a delivery, so that there is room for others.

use std::{path::PathBuf, time::Duration};

use imgdelta_core::Result;
use imgdelta_operations::Context;
use imgdelta_repository::calls::ImageRef;
use serde::Serialize;

use super::context::{WAIT, shown};
use crate::bundle::{Bundle, BundleEntry};

/// Which images a delivery is to hold no more.
#[derive(Clone, Debug)]
pub struct DropImages {
    delivery: PathBuf,
    images: Vec<String>,
    wait: Duration,
    dry_run: bool,
}

/// What was taken out of a delivery.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct DropReport {
    /// The delivery's folder.
    pub delivery: String,
    /// Whether nothing was written.
    pub dry_run: bool,
    /// What went, as it was listed: all ways to each image.
    pub dropped: Vec<DroppedEntry>,
    /// How many bytes its files took.
    pub bytes: u64,
    /// How many entries it still holds.
    pub left: usize,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// A difference, or a whole image, that is no longer in a delivery.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct DroppedEntry {
    /// The image.
    pub image: ImageRef,
    /// What its disk is.
    pub content_id: String,
    /// Its base; of a whole image there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<ImageRef>,
    /// The names of its files.
    pub files: Vec<String>,
    /// How long they are together.
    pub bytes: u64,
}

impl DropImages {
    /// These images of the delivery in that folder, a stick say: names, ids, content ids, or the first digits of those. All ways to each go.
    #[must_use]
    pub fn new(
        delivery: impl Into<PathBuf>,
        images: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        Self {
            delivery: delivery.into(),
            images: images.into_iter().map(Into::into).collect(),
            wait: WAIT,
            dry_run: false,
        }
    }

    /// How long to wait while another process changes the delivery; a minute, if nothing is said.
    #[must_use]
    pub const fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// Whether nothing is written.
    #[must_use]
    pub const fn dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }

    /// Takes them out: the list is written anew in one step, then the files go. A medium that is pulled out meanwhile holds a list that is whole.
    ///
    /// # Errors
    /// Usage, if there is no delivery, it has no such image (`no_such_image`), or others that stay are made from one (`needed`); Corrupt or Unsupported,
    /// if its list is; Busy, if another process goes on changing it; Host, if the host cannot write; Interrupted, before anything is changed.
    pub fn run(&self, context: &Context) -> Result<DropReport> {
        context.go_on()?;
        let (removal, held) = if self.dry_run {
            let bundle = Bundle::open(&self.delivery)?;
            (bundle.removal(&self.images)?, bundle.index().items.len())
        } else {
            let mut bundle = Bundle::change(&self.delivery, self.wait)?;
            let held = bundle.index().items.len();
            (bundle.remove(&self.images)?, held)
        };
        let dropped: Vec<DroppedEntry> = removal.entries.iter().map(dropped).collect();
        Ok(DropReport {
            delivery: shown(&self.delivery),
            dry_run: self.dry_run,
            bytes: dropped
                .iter()
                .fold(0, |sum, one| one.bytes.saturating_add(sum)),
            left: held.saturating_sub(dropped.len()),
            dropped,
            notes: removal.notes,
        })
    }
}

/// An entry as reports tell it.
fn dropped(entry: &BundleEntry) -> DroppedEntry {
    let base = entry.base.as_ref();
    DroppedEntry {
        image: ImageRef::new(entry.image.as_str(), entry.name.as_str()),
        content_id: entry.content_id.to_string(),
        base: base.map(|base| ImageRef::new(base.id.as_str(), base.name.as_str())),
        files: entry.stored().map(|file| file.name.to_string()).collect(),
        bytes: entry.bytes(),
    }
}
