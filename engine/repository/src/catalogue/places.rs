//! Where the file of a new image is to stand: as the image is called, where nothing stands there.

use std::{fs, path::PathBuf};

use imgdelta_core::{Error, Kind, Result};

use super::{
    Repository,
    listing::Listing,
    names::{InsidePath, Name},
};

impl Repository {
    /// The place of an image that is added, from the repository's folder and as a path. Its name may be that of another image's file.
    ///
    /// # Errors
    /// Usage, if a file stands there that is no image's: its user may want to take that in instead.
    pub(super) fn new_place(
        &self,
        name: &Name,
        extension: &str,
        listing: &Listing,
    ) -> Result<(InsidePath, PathBuf)> {
        let (path, place) = self.named_place(name.as_str(), extension)?;
        let is_stray = fs::symlink_metadata(&place).is_ok() && listing.by_path(&path).is_none();
        if !is_stray {
            return self.free_place(name, extension);
        }
        Err(Error::new(
            Kind::Usage,
            "stands there and is no image of the repository",
        )
        .with_code("exists")
        .in_file(&place)
        .with_hint(
            "'imgdelta repo scan' takes it in; 'imgdelta repo add' takes another name with --name",
        ))
    }

    /// The place of a new image, from the repository's folder and as a path: as the image is called, or with a number behind that, so that
    /// nothing stands there.
    ///
    /// # Errors
    /// Usage, if something stands in all the places.
    pub fn free_place(&self, name: &Name, extension: &str) -> Result<(InsidePath, PathBuf)> {
        /// Most places that are tried.
        const MOST: u32 = 10_000;
        let first = self.named_place(name.as_str(), extension)?;
        if fs::symlink_metadata(&first.1).is_err() {
            return Ok(first);
        }
        for number in 2..MOST {
            let next = self.named_place(&format!("{name}-{number}"), extension)?;
            if fs::symlink_metadata(&next.1).is_err() {
                return Ok(next);
            }
        }
        Err(Error::new(
            Kind::Usage,
            "stands there, and so do files of its name with numbers",
        )
        .with_code("exists")
        .in_file(&first.1))
    }

    fn named_place(&self, stem: &str, extension: &str) -> Result<(InsidePath, PathBuf)> {
        let path: InsidePath = format!("{stem}.{extension}").parse()?;
        let place = self.paths.folder.join(path.as_path());
        Ok((path, place))
    }
}
