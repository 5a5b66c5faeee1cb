//! Parents whose identity is not the one that the child records: the commonest broken chain, as tools give an image another id that leave its disk
//! as it was. Whether that is so only the user can know.

use imgdelta_core::{Error, Format, Identity, Kind, Result};

use super::{CandidateOrigin, ParentSearch, push_new};
use crate::layer::Opened;

impl ParentSearch<'_> {
    /// Whether the candidate has the identity that the child records.
    pub(super) fn is_called_right(&self, parent: &Opened) -> bool {
        let (wanted, facts) = (&self.link.identities, parent.image.metadata());
        wanted.is_empty()
            || wanted.iter().any(|wanted| facts.is_called(wanted))
            || self.link.or_raw && parent.driver.format == Format::Raw
    }

    /// Whether the candidate is the image that the child was made over, written to since.
    pub(super) fn is_in_another_state(&self, other: &Opened) -> bool {
        let facts = other.image.metadata();
        let wanted = self.link.identities.iter();
        wanted
            .filter_map(Identity::in_any_state)
            .any(|wanted| !wanted.is_null() && facts.is_called(&wanted))
    }

    /// Whether the user names an image that can have no identity: VirtualBox makes children over qcow2 and knows by itself which. What is raw only
    /// because nobody claims it must be said to be.
    pub(super) fn has_no_name(&self, parent: &Opened, origin: CandidateOrigin) -> bool {
        let facts = parent.image.metadata();
        origin == CandidateOrigin::Named
            && facts.identity.is_none()
            && facts.aliases.is_empty()
            && self.is_no_guess(parent)
    }

    /// Whether the candidate is not raw for the sole reason that nobody claims it, as a damaged image is.
    pub(super) fn is_no_guess(&self, parent: &Opened) -> bool {
        let format = parent.driver.format;
        format != Format::Raw || self.spec.policy.backing_format == Some(format)
    }

    /// The candidate with another identity, where the user accepts that: if there is only one.
    ///
    /// # Errors
    /// Chain, if there are several.
    pub(super) fn known_other(&mut self) -> Result<Option<Opened>> {
        if !self.spec.policy.accept_parent_id {
            return Ok(None);
        }
        let mut all: Vec<Opened> = Vec::new();
        let others = std::mem::take(&mut self.passed.others).into_iter();
        let (known, guesses): (Vec<_>, Vec<_>) = others.partition(|one| self.is_no_guess(one));
        for other in known {
            if let Some(mut other) = self.sound(other) {
                let note = self.accepted(&other);
                other.notes.push(note);
                push_new(&mut all, other);
            }
        }
        self.passed.others = guesses;
        if all.len() > 1 {
            return Err(self.several_others(&all));
        }
        Ok(all.pop())
    }

    /// What is said of a parent that was accepted so.
    fn accepted(&self, other: &Opened) -> String {
        format!(
            "has {}, {} was made over {}: taken for its parent as --accept-parent-id says",
            called(other),
            self.child.path.display(),
            self.wanted()
        )
    }

    fn several_others(&self, all: &[Opened]) -> Error {
        let message = format!(
            "{} images are called as its parent, and none has its identity, {}",
            all.len(),
            self.wanted()
        );
        let error = Error::new(Kind::Chain, message).with_code("parent_ambiguous");
        all.iter()
            .fold(error, |error, one| {
                error.with_detail(format!("{} has {}", one.path.display(), called(one)))
            })
            .with_hint(self.hint_at_one())
            .in_file(&self.child.path)
    }
}

/// The image's identity, in words.
pub(super) fn called(image: &Opened) -> String {
    let identity = image.image.metadata().identity.as_ref();
    identity.map_or_else(|| "no identity".to_owned(), Identity::to_string)
}
