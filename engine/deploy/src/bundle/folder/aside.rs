//! What is to go on a medium that holds so much and no more: packed aside, and put there only if all of it fits.

use std::{collections::HashSet, fs, path::Path};

use imgdelta_core::{Bytes, Error, FileSource, Kind, Result};
use tempfile::TempDir;

use super::Bundle;
use crate::{
    bundle::{DeliveryContext, media::room_for, piece_list::StoredFile, piece_writer::put},
    space::{Space, SpaceNeed, explain_full},
};

/// What goes there, in words.
const WHAT: &str = "what goes on this medium";

/// What is left where that ends early.
const LEFT: &str = "files that were put there are whole: the next run keeps them";

/// A delivery's next state, of which only what is new was packed.
#[derive(Debug)]
pub(crate) struct Aside {
    /// It: what lies on the medium is found there.
    bundle: Bundle,
    /// How much the medium holds.
    size: Bytes,
    /// The folder of what is new.
    _folder: TempDir,
}

impl Aside {
    /// The delivery that is added to.
    pub(crate) const fn bundle(&mut self) -> &mut Bundle {
        &mut self.bundle
    }
}

impl Bundle {
    /// Begins to pack aside, in a folder of its own in `packing`, what is to be added to this delivery on a medium of that size.
    ///
    /// # Errors
    /// Host, if the host cannot make the folder.
    pub(crate) fn aside(&self, size: Bytes, packing: &Path) -> Result<Aside> {
        let made = tempfile::Builder::new()
            .prefix("imgdelta-")
            .tempdir_in(packing);
        let folder =
            made.map_err(|cause| Error::host("cannot create a folder", cause).in_file(packing))?;
        let bundle = Self {
            folder: folder.path().to_owned(),
            others: vec![self.folder.clone()],
            notes: Vec::new(),
            lost_signature: false,
            lock: None,
            ..self.clone()
        };
        Ok(Aside {
            bundle,
            size,
            _folder: folder,
        })
    }

    /// Takes over what was packed aside, if all of it fits.
    ///
    /// # Errors
    /// Host (`no_space`), if it does not: nothing was written then; Host, if the host cannot write; Interrupted.
    pub(crate) fn take_over_from(
        &mut self,
        aside: Aside,
        context: &DeliveryContext<'_>,
    ) -> Result<()> {
        let Aside {
            mut bundle, size, ..
        } = aside;
        self.notes.append(&mut bundle.notes);
        let index = bundle.index;
        let files: Vec<StoredFile> = index.held();
        let packed_at = |file: &StoredFile| bundle.folder.join(file.name.as_str());
        let new = files.iter().filter(|file| packed_at(file).exists());
        let new: Vec<&StoredFile> = new.collect();
        if new.is_empty() && index == self.index {
            return Ok(());
        }
        self.require_room(room_for(&index)?, size)?;
        let names: HashSet<&str> = files.iter().map(|file| file.name.as_str()).collect();
        self.sweep_pieces(|name| names.contains(name));
        let need = self.require_free(&new)?;
        for file in new {
            let place = self.folder.join(file.name.as_str());
            let source = FileSource::open(&packed_at(file))?;
            put(&source, 0, file, &place, context)
                .map_err(|error| explain_full(error, WHAT, need, &self.folder, LEFT))?;
        }
        self.list(index)
    }

    /// Refuses what a medium of that size does not hold. A folder that was made for it goes again.
    fn require_room(&self, needed: Bytes, size: Bytes) -> Result<()> {
        if needed <= size {
            return Ok(());
        }
        let others = match self.index.items.is_empty() {
            true => "",
            false => ", with what lies there already",
        };
        if self.is_made {
            // Only an empty one can be deleted so.
            let _ = fs::remove_dir(&self.folder);
        }
        let message = format!("what is carried needs {needed}{others}, the medium holds {size}");
        Err(Error::new(Kind::Host, message)
            .with_code(Error::NO_SPACE)
            .in_file(&self.folder)
            .with_detail(format!("needed {} bytes", needed.0))
            .with_detail(format!("there   {} bytes", size.0))
            .with_hint("say --media once more for each further medium, leave out what nobody needs with --leave-out, or take a larger medium"))
    }

    /// Makes sure that there is room for these files, as far as they do not lie there yet.
    pub(super) fn require_free(&self, files: &[&StoredFile]) -> Result<SpaceNeed> {
        let is_missing = |file: &&&StoredFile| {
            let found = fs::symlink_metadata(self.folder.join(file.name.as_str()));
            found.map_or(true, |found| found.len() != file.length)
        };
        let missing = files.iter().filter(is_missing);
        let needs = missing.map(|file| SpaceNeed::exactly(Bytes(file.length)));
        let need = needs.fold(SpaceNeed::default(), SpaceNeed::and);
        let shown = self.folder.display().to_string();
        need.require(WHAT, Space::at(&self.folder), &shown)?;
        Ok(need)
    }
}
