//! Folders that are images as a whole: the file in them that says what they are.

use std::{borrow::Cow, path::Path};

use crate::probe::Registry;

impl Registry {
    /// The file to be opened for an image called `path`: in a folder that is one, the file that stands for it; else what was named.
    pub(crate) fn file_of(self, path: &Path) -> Cow<'_, Path> {
        if !path.is_dir() {
            return Cow::Borrowed(path);
        }
        let names = self.0.iter().filter_map(|driver| driver.folder_file);
        let mut files = names.map(|name| path.join(name));
        match files.find(|file| file.is_file()) {
            Some(file) => Cow::Owned(file),
            None => Cow::Borrowed(path),
        }
    }
}
