//! What an image names outside itself. Nothing of that is opened, whatever the policy would allow.

use std::{path::Path, sync::Arc};

use imgdelta_core::{FileSource, Format, References, Result, Source};

use crate::{DRIVERS, probe::Registry};

/// What the image at `path` names. `format` is `--input-format`.
///
/// # Errors
/// As [`open_image`](crate::open_image), as far as the image's own headers are needed.
pub fn references(path: &Path, format: Option<Format>) -> Result<References> {
    Registry(DRIVERS).references(path, format)
}

impl Registry {
    /// As [`references`].
    pub(crate) fn references(self, path: &Path, format: Option<Format>) -> Result<References> {
        let path = self.file_of(path);
        let source: Arc<dyn Source> = Arc::new(FileSource::open(&path)?);
        self.probe(&*source, &path, format)
            .and_then(|driver| (driver.references)(&source))
            .map_err(|error| error.in_file(&path))
    }
}
