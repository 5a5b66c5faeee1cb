//! A medium of several: it is given what is to lie on it, and found to be one of a set.

use std::{collections::HashSet, path::Path};

use imgdelta_core::{Error, FileSource, Kind, Result};
use imgdelta_delta::Digest;

use super::Bundle;
use crate::bundle::{
    DeliveryContext,
    index::{Index, MediumNumber},
    piece_writer::put,
};

impl Bundle {
    /// Which delivery on several media it is of, if it is of one.
    pub(in crate::bundle) fn media_set(&self) -> Option<Digest> {
        self.index.media_set()
    }

    /// Its files may lie in that folder too.
    pub(in crate::bundle) fn add_folder(&mut self, folder: &Path) {
        self.others.push(folder.to_owned());
    }

    /// Puts there what `index` says that lies on this medium, from where it was packed, and lists it; how long it is.
    ///
    /// # Errors
    /// Usage (`other_delivery`), if something else is listed there; Host; Interrupted.
    pub(in crate::bundle) fn put_all(
        &mut self,
        packed: &Self,
        index: &Index,
        context: &DeliveryContext<'_>,
    ) -> Result<u64> {
        self.require_same(index)?;
        let files = index.held();
        let names: HashSet<&str> = files.iter().map(|file| file.name.as_str()).collect();
        self.sweep_pieces(|name| names.contains(name));
        self.require_free(&files.iter().collect::<Vec<_>>())?;
        let mut bytes = 0_u64;
        for file in &files {
            let source = FileSource::open(&packed.folder.join(file.name.as_str()))?;
            let place = self.folder.join(file.name.as_str());
            put(&source, 0, file, &place, context)?;
            bytes = bytes.saturating_add(file.length);
        }
        self.list(index.clone())?;
        Ok(bytes)
    }

    /// Refuses to change what lies on several media: the others would not know of it.
    ///
    /// # Errors
    /// Usage (`other_delivery`).
    pub(in crate::bundle) fn require_alone(&self) -> Result<()> {
        let Some(MediumNumber { number, of }) = self.index.medium else {
            return Ok(());
        };
        let message = format!(
            "is medium {number} of {of} of a delivery: nothing is added to one of them or taken off it"
        );
        Err(Error::new(Kind::Usage, message)
            .with_code("other_delivery")
            .in_file(&self.folder)
            .with_hint("choose another folder, or delete what lies there"))
    }

    /// Refuses a folder in which something else is listed: another delivery, or another medium of this one.
    fn require_same(&self, index: &Index) -> Result<()> {
        let there = &self.index;
        let is_same = there.medium == index.medium && there.media_set() == index.media_set();
        if there.items.is_empty() || (is_same && index.medium.is_some()) {
            return Ok(());
        }
        if index.medium.is_none() && there.items == index.items {
            return Ok(());
        }
        let what = match there.medium {
            Some(MediumNumber { number, of }) if there.media_set() == index.media_set() => {
                format!("is medium {number} of {of} of this delivery")
            }
            _ => "holds another delivery, and what lies on several media is not added to one"
                .to_owned(),
        };
        Err(Error::new(Kind::Usage, what)
            .with_code("other_delivery")
            .in_file(&self.folder)
            .with_hint("put another medium in, or choose another folder"))
    }
}
