//! What a site knows of a conversation about images: what was proposed, which steps are kept, whether it would take an image, and from what.

use imgdelta_core::{Error, Kind, Result};
use imgdelta_delta::ContentId;
use imgdelta_repository::catalogue::{ImageId, Listing, Repository};

use super::{frame::faulty, proposal::Proposal, staging::StagedFiles};
use crate::bundle::{Receiver, SiteImage};

/// Most steps of one conversation.
pub const MOST_STEPS: usize = 64;

/// What the site knows of a conversation about images.
pub(super) struct SessionState<'a> {
    pub(super) receiver: Receiver<'a>,
    /// Steps, by their ids at headquarters, and what their disks are.
    pub(super) steps: Vec<(ImageId, ContentId)>,
    /// Where what came of them lies.
    pub(super) kept: Vec<StagedFiles>,
    /// What was proposed and would be taken.
    pub(super) agreed: Option<Proposal>,
}

impl<'a> SessionState<'a> {
    /// Nothing was proposed yet.
    pub(super) fn at(repository: &'a Repository) -> Self {
        Self {
            receiver: Receiver::new(repository),
            steps: Vec::new(),
            kept: Vec::new(),
            agreed: None,
        }
    }

    /// What was proposed before.
    pub(super) fn agreed(&mut self) -> Result<Proposal> {
        let agreed = self.agreed.take();
        agreed.ok_or_else(|| faulty("an offer comes before its choice"))
    }

    /// Whether the image is here, and if not, whether there is anything against it. Its content is not believed: it is proven when it has
    /// come.
    pub(super) fn considered(
        &self,
        listing: &Listing,
        proposal: &Proposal,
    ) -> Result<Option<SiteImage>> {
        if let Some(there) = self.receiver.image(listing, &proposal.content_id) {
            return Ok(Some(SiteImage::from(there)));
        }
        let other = listing.by_id(&proposal.image);
        if let Some(other) = other.filter(|other| other.content_id != proposal.content_id) {
            let message = format!(
                "the id '{}' is taken by '{}', which is another disk",
                proposal.image, other.name
            );
            return Err(Error::new(Kind::Usage, message).with_code("id_taken"));
        }
        let is_twice = self.steps.iter().any(|(id, _)| *id == proposal.image);
        if proposal.step && (self.receiver.steps() >= MOST_STEPS || is_twice) {
            let message = format!("'{}' is a step too many", proposal.image);
            return Err(Error::new(Kind::Unsupported, message).with_code("steps"));
        }
        Ok(None)
    }

    /// What the disk is from which the image is to be made.
    pub(super) fn base(&self, listing: &Listing, proposal: &Proposal) -> Result<Option<ContentId>> {
        let Some(id) = &proposal.base else {
            return Ok(None);
        };
        let step = self.steps.iter().find(|(step, _)| step == id);
        let step = step.map(|(_, content)| *content);
        let known = step.or_else(|| Some(listing.by_id(id)?.content_id));
        let known = known.filter(|known| proposal.base_content_id.is_none_or(|one| one == *known));
        known.map(Some).ok_or_else(|| {
            let message = format!("the base '{id}' is not here any more");
            Error::new(Kind::Chain, message).with_code("base_unknown")
        })
    }
}
