//! What a conversation asks of whoever makes images of what has come. Who does that, and how, is not known here.

use std::path::PathBuf;

use imgdelta_core::Result;
use imgdelta_repository::catalogue::{Record, Repository, Run};

use super::offer::{Choice, Offer};

/// Who makes an image of what has come whole: proves the base, clones it, applies the difference, proves the image and enters it. Until the
/// last step nothing under the image's id is there.
pub trait Install: Sync {
    /// Does so.
    ///
    /// # Errors
    /// As it has them; then nothing is entered, and the other side is told.
    fn install(
        &self,
        repository: &Repository,
        received: &Received<'_>,
        run: &Run<'_>,
    ) -> Result<Installed>;
}

/// What has come whole: each part has the length and the SHA-256 that was promised. What is in it, nobody has looked at.
#[derive(Clone, Debug)]
pub struct Whole<'a> {
    /// What was chosen.
    pub choice: &'a Choice,
    /// What was sent.
    pub offer: &'a Offer,
    /// Where each part lies, until the image is entered.
    pub files: &'a [PathBuf],
}

/// An image that has come, and the steps that lead to it.
#[derive(Clone, Debug)]
pub struct Received<'a> {
    /// The steps, each the base of the next one: the first is made from an image of the site, or is whole.
    pub steps: Vec<Whole<'a>>,
    /// The image itself.
    pub image: Whole<'a>,
}

/// An image that was entered.
#[derive(Clone, Debug)]
pub struct Installed {
    /// Its record.
    pub record: Record,
    /// Whether it is new here.
    pub is_new: bool,
    /// What the user should know.
    pub notes: Vec<String>,
}
