//! How an image is to come: what is asked before anything is packed, and what version 1 says of the files that are sent then.

use imgdelta_core::{Format, Ownership, Result};
use imgdelta_delta::ContentId;
use imgdelta_repository::catalogue::{
    ImageId, Name,
    text::{as_text, maybe},
};
use serde::{Deserialize, Serialize};

use super::frame::faulty;
use crate::bundle::{BundleEntry, FileEntry, StoreOptions};

/// How an image is to come: the frame `choice`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// Its id.
    pub image: ImageId,
    /// What its disk is.
    #[serde(with = "as_text")]
    pub content_id: ContentId,
    /// The size of its disk in bytes.
    pub size: u64,
    /// What it is called at headquarters.
    pub name: Name,
    /// The image whose difference is sent, by its id at the site, or by that of a step of this conversation; none if the whole image is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<ImageId>,
    /// What that one's disk is. Version 1 does not say.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "maybe")]
    pub base_content_id: Option<ContentId>,
    /// The estimate of what has to be sent, in bytes.
    pub bytes: u64,
    /// Whether it only serves as the base of what follows in this conversation, and is not to be entered.
    #[serde(default)]
    pub step: bool,
    /// The format that the image is to have there, if not the repository's own.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "maybe")]
    pub format: Option<Format>,
    /// Whether it is to be kept there as a child of its base.
    #[serde(default)]
    pub as_child: bool,
}

/// What is sent of an image, as version 1 says it: the files twice, as parts and in the entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Offer {
    /// The image's id, as it was chosen.
    pub(super) image: ImageId,
    /// The base, as it was chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) base: Option<ImageId>,
    /// The files that it is made of, in the order in which they are sent.
    pub(super) parts: Vec<FileEntry>,
    /// What the files are.
    pub(super) item: BundleEntry,
}

impl Proposal {
    /// In which form the image is to be kept; to whom its files belong, the site itself says.
    pub(super) const fn store(&self, ownership: Ownership) -> StoreOptions {
        StoreOptions {
            ownership,
            format: self.format,
            as_child: self.as_child,
        }
    }

    /// Makes sure that an entry is of what was proposed, and can be one.
    ///
    /// # Errors
    /// Peer, if it is not.
    pub(super) fn require(&self, entry: &BundleEntry) -> Result<()> {
        entry
            .validate()
            .map_err(|error| faulty(&format!("the entry: {}", error.message())))?;
        let is_same = (&entry.image, &entry.content_id, entry.size)
            == (&self.image, &self.content_id, self.size);
        if !is_same {
            return Err(faulty("an offer is of another image than its choice"));
        }
        let base = entry.base.as_ref().map(|base| base.content_id);
        let blames_base = match self.base_content_id {
            Some(chosen) => base == Some(chosen),
            None => base.is_some() == self.base.is_some(),
        };
        if blames_base {
            Ok(())
        } else {
            Err(faulty("an offer is of another base than its choice"))
        }
    }
}

impl Offer {
    /// What version 1 says of an entry.
    pub(super) fn of(proposal: &Proposal, entry: &BundleEntry) -> Self {
        Self {
            image: proposal.image.clone(),
            base: proposal.base.clone(),
            parts: entry.files().cloned().collect(),
            // Version 1 knows exactly these keys.
            item: BundleEntry {
                data: None,
                ancestors: Vec::new(),
                ..entry.clone()
            },
        }
    }

    /// The entry, if it says the same twice.
    ///
    /// # Errors
    /// Peer, if it does not.
    pub(super) fn entry(self, proposal: &Proposal) -> Result<BundleEntry> {
        if (&self.image, &self.base) != (&proposal.image, &proposal.base) {
            return Err(faulty("an offer is of another image than its choice"));
        }
        if !self.item.files().eq(&self.parts) {
            return Err(faulty("the files of an offer are not its parts"));
        }
        if self.parts.iter().any(|part| part.pieces.is_some()) {
            return Err(faulty("a file of an offer is in pieces"));
        }
        Ok(self.item)
    }
}
