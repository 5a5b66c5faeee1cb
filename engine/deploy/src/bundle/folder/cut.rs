//! Files that are put into a delivery in pieces: packed elsewhere first, where they are too long for the medium.

use std::{
    fs,
    path::{Path, PathBuf},
};

use imgdelta_core::{Bytes, Error, FileSource, Kind, Result};
use imgdelta_repository::{catalogue::Repository, planning::BESIDE};
use tempfile::TempDir;

use super::Bundle;
use crate::{
    bundle::{
        DeliveryContext,
        entry::BundleEntry,
        file_entry::FileEntry,
        pack::{DiffInputs, Form, Order, Packed},
        piece_list::{StoredFile, USUAL_PIECE, whole_name},
        piece_writer::{CutFile, put},
        sweep::sweep,
    },
    space::{Space, SpaceNeed, explain_full},
};

/// How files are cut that are put on a medium.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piecing {
    /// How long a piece is; `None`: 1 GiB, of transport files always, of others where the file system takes no longer ones.
    pub size: Option<Bytes>,
    /// The folder in which a file is packed that is to be cut.
    pub packing: PathBuf,
}

impl Bundle {
    /// What is put there from now on may lie there in pieces, if all sites that it is for take that.
    ///
    /// # Errors
    /// Usage (`delivery_form`), if they do not, and a length of pieces was asked for or something lies there in pieces; Usage (`other_delivery`), if it is
    /// one of several media.
    pub fn cut_files(&mut self, piecing: Piecing, all_take: bool) -> Result<()> {
        self.require_alone()?;
        if all_take && self.may_hold_transport() {
            self.piecing = Some(piecing);
            return Ok(());
        }
        let mut items = self.index.items.iter();
        let is_there = items.any(|entry| entry.file.pieces.is_some());
        if piecing.size.is_none() && !is_there {
            return Ok(());
        }
        let message =
            "is to hold files in pieces, which the program of one of the sites does not read";
        Err(Error::new(Kind::Usage, message)
            .with_code("delivery_form")
            .in_file(&self.folder)
            .with_hint("leave --piece and --media out, and choose another folder for that site; a newer release there reads pieces"))
    }

    /// How long a piece is of what travels in that form; `None`: it is not cut.
    fn piece_size(&self, order: &Order) -> Option<Bytes> {
        let piecing = self.piecing.as_ref()?;
        let is_limited = || Space::at(&self.folder)?.longest_file;
        let usual = match order.form {
            Form::Transport { .. } => Some(USUAL_PIECE),
            Form::Child(_) => is_limited().map(|_| USUAL_PIECE),
        };
        piecing.size.or(self.piece_size_there(order)).or(usual)
    }

    /// How long the pieces are in which the image lies there already: those that are right are kept.
    fn piece_size_there(&self, order: &Order) -> Option<Bytes> {
        let is_it = |entry: &&BundleEntry| {
            entry.image == order.image
                && entry.base.as_ref().map(|base| &base.id) == order.base.as_ref()
        };
        let mut entries = self.index.items.iter().filter(is_it);
        let pieces = entries.find_map(|entry| entry.file.pieces.as_ref())?;
        Some(Bytes(pieces.size))
    }

    /// Writes the files of an image of which nothing whole lies here.
    pub(super) fn pack_new(
        &mut self,
        headquarters: &Repository,
        inputs: &mut DiffInputs,
        order: &Order,
        context: &DeliveryContext<'_>,
    ) -> Result<Packed> {
        let estimate = Bytes(order.bytes.0.saturating_add(BESIDE.0));
        let size = self.piece_size(order);
        let need = SpaceNeed::of_estimate(order.bytes);
        let need = size.map_or(need, |size| need.in_pieces(size));
        let what = format!("'{}'", inputs.name());
        let shown = self.folder.display().to_string();
        need.require(&what, Space::at(&self.folder), &shown)?;
        let left = "what was put there before is whole, and nothing of it is left";
        if size.is_none_or(|size| estimate <= size) {
            let packed = inputs
                .pack(headquarters, &self.folder, context)
                .map_err(|error| explain_full(error, &what, need, &self.folder, left))?;
            return self.cut_where_it_lies(packed, order, context);
        }
        let packing = self.packing_folder()?;
        let needed_there = SpaceNeed::of_estimate(order.bytes);
        let packed = inputs
            .pack(headquarters, packing.path(), context)
            .map_err(|error| explain_full(error, &what, needed_there, packing.path(), left))?;
        let left = "pieces that were put there are whole: the next run keeps them";
        self.take_over(packed, packing.path(), size, context)
            .map_err(|error| explain_full(error, &what, need, &self.folder, left))
    }

    /// A folder of its own for what is to be cut.
    fn packing_folder(&self) -> Result<TempDir> {
        let place = self
            .piecing
            .as_ref()
            .map(|piecing| piecing.packing.as_path());
        let place = place.unwrap_or(&self.folder);
        let made = tempfile::Builder::new()
            .prefix("imgdelta-")
            .tempdir_in(place);
        made.map_err(|cause| Error::host("cannot create a folder", cause).in_file(place))
    }

    /// Cuts what was packed into the delivery's own folder, if it is longer than a piece after all.
    pub(super) fn cut_where_it_lies(
        &mut self,
        packed: Packed,
        order: &Order,
        context: &DeliveryContext<'_>,
    ) -> Result<Packed> {
        let size = self.piece_size(order);
        let file = &packed.entry.file;
        if size.is_none_or(|size| Bytes(file.length) <= size) {
            return Ok(packed);
        }
        let whole = self.folder.join(file.name.as_str());
        let folder = self.folder.clone();
        let packed = self.take_over(packed, &folder, size, context)?;
        fs::remove_file(&whole)
            .map_err(|cause| Error::host("cannot delete", cause).in_file(&whole))?;
        Ok(packed)
    }

    /// Puts into the delivery what was packed in `folder`, in pieces of `size`, if it is longer than one.
    fn take_over(
        &mut self,
        mut packed: Packed,
        folder: &Path,
        size: Option<Bytes>,
        context: &DeliveryContext<'_>,
    ) -> Result<Packed> {
        let progress = context.run.work.progress;
        let file = packed.entry.file.clone();
        let at = |file: &FileEntry| folder.join(file.name.as_str());
        let size = size.filter(|size| Bytes(file.length) > *size);
        let cut = size.map(|size| CutFile::read(&at(&file), file.name.clone(), size, progress));
        let cut = cut.transpose()?;
        if let Some(cut) = &cut {
            packed.entry.file = cut.entry.clone();
            let words = packed.entry.words().map(str::to_owned);
            packed.entry.requires = words.collect();
        }
        self.sweep_pieces(|name| whole_name(name) == Some(file.name.as_str()));
        self.require_missing(&packed)?;
        // Where it was packed here already, a whole file is in its place.
        let whole = packed.entry.files().filter(|file| file.pieces.is_none());
        for file in whole.filter(|_| folder != self.folder) {
            for stored in file.stored() {
                let place = self.folder.join(stored.name.as_str());
                put(&FileSource::open(&at(file))?, 0, &stored, &place, context)?;
            }
        }
        if let Some(cut) = cut {
            cut.put(&self.folder, context)?;
        }
        Ok(packed)
    }

    /// Makes sure that there is room for what does not lie there yet.
    fn require_missing(&self, packed: &Packed) -> Result<()> {
        let is_missing = |file: &StoredFile| {
            let found = fs::symlink_metadata(self.folder.join(file.name.as_str()));
            found.map_or(true, |found| found.len() != file.length)
        };
        let missing = packed.entry.stored().filter(is_missing);
        let needs = missing.map(|file| SpaceNeed::exactly(Bytes(file.length)));
        let need = needs.fold(SpaceNeed::default(), SpaceNeed::and);
        let (what, shown) = (format!("'{}'", packed.entry.name), self.folder.display());
        need.require(&what, Space::at(&self.folder), &shown.to_string())?;
        Ok(())
    }

    /// Deletes pieces that nothing lists, but for those that `stays`.
    pub(super) fn sweep_pieces(&mut self, stays: impl Fn(&str) -> bool) {
        let is_locked = self.lock.as_ref().is_some_and(|lock| lock.is_held());
        if is_locked {
            let stays = |name: &str| whole_name(name).is_none() || stays(name);
            let mut notes = sweep(&self.folder, &self.index, stays);
            self.notes.append(&mut notes);
        }
    }
}
