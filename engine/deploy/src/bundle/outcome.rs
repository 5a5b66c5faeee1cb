//! What becomes of an image at its site: the same terms for a stick, a folder and a connection.

use imgdelta_core::{Error, Kind};
use imgdelta_delta::ContentId;
use imgdelta_repository::catalogue::{ImageId, Listing, Name, Record, text::as_text};
use serde::{Deserialize, Serialize};

use super::entry::BundleEntry;

/// What became of one image.
#[derive(Debug)]
pub struct ReceivedImage {
    /// Its id at headquarters.
    pub image: ImageId,
    /// What it is called there.
    pub name: Name,
    /// What its disk is.
    pub content_id: ContentId,
    /// What its base is called at headquarters, if it came as a difference.
    pub base: Option<Name>,
    /// What its base is called at the site, as far as that is known.
    pub base_at_site: Option<Name>,
    /// What became of it.
    pub outcome: Outcome,
    /// Other ways in which it was to come, and why it could not.
    pub rejected: Vec<Error>,
}

/// What became of an image that came.
#[derive(Debug)]
pub enum Outcome {
    /// It was made, proven and entered.
    Entered(Box<EnteredImage>),
    /// It would be entered now, or will be when what carries it has got there.
    Due,
    /// It was there already.
    There(SiteImage),
    /// It only serves others.
    Step,
    /// It was not entered: why.
    Failed(Error),
    /// It was left where it is: its base is not here.
    Unfit,
}

/// An image as its site knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteImage {
    /// Its id there.
    pub image: ImageId,
    /// What it is called there.
    pub name: Name,
}

/// The proof and the entry: what the site has read back of the image that it made, and the record under which it is there now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnteredImage {
    /// Its id there.
    pub image: ImageId,
    /// What it is called there.
    pub name: Name,
    /// What its disk was proven to be, from the bytes that stand there.
    #[serde(with = "as_text")]
    pub content_id: ContentId,
    /// Whether it was entered; if not, it had come on another way in the meantime.
    pub is_new: bool,
    /// What the user should know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Whether it is kept as a child of its base, where that is known.
    #[serde(skip)]
    pub as_child: Option<bool>,
}

impl ReceivedImage {
    /// What became of an entry.
    pub(crate) fn of(entry: &BundleEntry, outcome: Outcome, rejected: Vec<Error>) -> Self {
        Self {
            image: entry.image.clone(),
            name: entry.name.clone(),
            content_id: entry.content_id,
            base: entry.base.as_ref().map(|base| base.name.clone()),
            base_at_site: None,
            outcome,
            rejected,
        }
    }

    /// Says what the base of an entry is called at the site, if it has it.
    pub(crate) fn named_at_site(self, entry: &BundleEntry, listing: &Listing) -> Self {
        let base = entry.base.as_ref();
        let there = base.and_then(|base| listing.by_content(&base.content_id));
        Self {
            base_at_site: there.map(|there| there.name.clone()),
            ..self
        }
    }

    /// Why it was not entered, if it was not.
    #[must_use]
    pub const fn failure(&self) -> Option<&Error> {
        match &self.outcome {
            Outcome::Failed(error) => Some(error),
            _ => None,
        }
    }
}

impl From<EnteredImage> for Outcome {
    /// One that had come on another way in the meantime was there.
    fn from(image: EnteredImage) -> Self {
        if image.is_new {
            return Self::Entered(Box::new(image));
        }
        Self::There(SiteImage {
            image: image.image,
            name: image.name,
        })
    }
}

impl From<&Record> for SiteImage {
    fn from(record: &Record) -> Self {
        Self {
            image: record.id.clone(),
            name: record.name.clone(),
        }
    }
}

/// Whether what a failure says is true of one way in which an image was to come, so that another base, or the whole image, may do.
#[must_use]
pub(crate) fn can_retry_with_other_base(error: &Error) -> bool {
    matches!(
        error.kind(),
        Kind::Chain | Kind::Corrupt | Kind::Digest | Kind::Reference | Kind::Unsupported
    )
}
