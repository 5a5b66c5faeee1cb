//! How a site stores the images that it receives.

use imgdelta_core::{Format, Ownership, Result};
use imgdelta_registry::driver_of_new;

/// In which form a site keeps what it receives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreOptions {
    /// The format of whole images, if not the repository's own.
    pub format: Option<Format>,
    /// Whether an image is kept as a child of its base, in that one's format, where that is smaller.
    pub as_child: bool,
    /// To whom the files of images belong, and who may do what with them; what is not said is as with any new file there.
    pub ownership: Ownership,
}

impl StoreOptions {
    /// Makes sure that images are written in the format that is asked for.
    ///
    /// # Errors
    /// Unsupported, if they are not.
    pub fn require_written(&self) -> Result<()> {
        self.format
            .map_or(Ok(()), |format| driver_of_new(format).map(drop))
    }
}
