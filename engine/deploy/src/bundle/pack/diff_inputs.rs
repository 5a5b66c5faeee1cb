//! The image that travels and its base, open: read, proven, and written as files.

mod files;

use std::path::Path;

use imgdelta_core::{Bytes, Error, Format, Result};
use imgdelta_delta::ContentId;
use imgdelta_operations::{
    Stage, UnusedBytes,
    sent_transport::{LEVEL, is_beyond},
    stored_image::require_child,
};
use imgdelta_repository::catalogue::{Listing, Name, Record, Repository};

use self::files::{WrittenFile, reading_all_if_changed};
use super::{Form, Order, Packed, source_image::SourceImage};
use crate::bundle::{
    DeliveryContext,
    entry::{BundleEntry, EntryForm, EntryKey, ImageRef, MOST_ANCESTORS},
    file_entry::FileEntry,
};

/// The image and its base, open, and the form in which it travels.
#[derive(Debug)]
pub(in crate::bundle) struct DiffInputs {
    image: SourceImage,
    base: Option<SourceImage>,
    parent: Option<ImageRef>,
    ancestors: Vec<ContentId>,
    format: Format,
    /// How hard a transport file is packed.
    level: i32,
    /// Why the form is not the one that was asked for.
    instead: Option<String>,
    /// Whether files are hashed by their blocks too.
    hashes_blocks: bool,
}

impl DiffInputs {
    /// Opens both.
    pub(in crate::bundle) fn open(headquarters: &Repository, order: &Order) -> Result<Self> {
        let mut listing = headquarters.list()?;
        let ids = order.base.iter().chain([&order.image]);
        let contents: Vec<ContentId> = ids.filter_map(|id| id.as_str().parse().ok()).collect();
        headquarters.know_reduced(&mut listing, &contents);
        let image = SourceImage::open(headquarters, &listing, &order.image)?;
        let base = order.base.as_ref();
        let base = base
            .map(|base| SourceImage::open(headquarters, &listing, base))
            .transpose()?;
        let parent = image.record.parent.as_ref();
        let parent = parent
            .and_then(|parent| listing.by_id(&parent.id))
            .map(ImageRef::of);
        let ancestors = ancestors(
            &listing,
            &image.record,
            base.as_ref().map(|base| &base.record),
        );
        let mut inputs = Self {
            image,
            base,
            parent,
            ancestors,
            format: Format::Qcow2,
            level: LEVEL,
            instead: None,
            hashes_blocks: false,
        };
        match order.form {
            Form::Transport { level } if inputs.base.is_some() => {
                (inputs.format, inputs.level) = (Format::Transport, level);
            }
            Form::Transport { .. } => {}
            Form::Child(native) => inputs.choose_child(native),
        }
        Ok(inputs)
    }

    /// What is written from now on is hashed by its blocks too: it goes on a medium as it is.
    #[must_use]
    pub(in crate::bundle) fn hashing_blocks(mut self) -> Self {
        self.hashes_blocks = true;
        self
    }

    /// A child of that format travels, where there can be one.
    fn choose_child(&mut self, native: Format) {
        let Some(base) = self.base.as_ref().filter(|_| native != Format::Qcow2) else {
            return;
        };
        let (base, image) = (base.disk.traits(), self.image.disk.traits());
        match require_child(native, &base, &image) {
            Ok(()) => self.format = native,
            Err(fault) => self.travel_as_qcow2(&format!("not as {native}"), &fault),
        }
    }

    /// A child in qcow2 travels; why, is told.
    fn travel_as_qcow2(&mut self, wanted: &str, why: &Error) {
        self.format = Format::Qcow2;
        let name = &self.image.record.name;
        let why = why.message();
        self.instead = Some(format!("'{name}' travels as qcow2, {wanted}: {why}"));
    }

    /// What tells the entry apart from others.
    pub(in crate::bundle) fn key(&self) -> EntryKey {
        let (form, format) = self.form();
        EntryKey {
            base: self.base.as_ref().map(|base| base.record.content_id),
            image: self.image.record.content_id,
            form,
            format,
        }
    }

    /// In which form it travels, and in which format, if that is an image.
    const fn form(&self) -> (EntryForm, Format) {
        match self.format {
            Format::Transport => (EntryForm::Transport, Format::Qcow2),
            image => (EntryForm::Image, image),
        }
    }

    /// What the image is called.
    pub(in crate::bundle) const fn name(&self) -> &Name {
        &self.image.record.name
    }

    /// What the user should know.
    pub(in crate::bundle) fn notes(&self) -> Vec<String> {
        let mut notes: Vec<String> = self.instead.iter().cloned().collect();
        notes.extend(self.image.disk.notes());
        notes
    }

    /// What is left out of the image, in bytes, if something is.
    pub(in crate::bundle) fn left_out(&self) -> Option<UnusedBytes> {
        let left_out = self.image.left_out(self.base.as_ref()?);
        (!left_out.is_empty()).then(|| UnusedBytes::left_out(left_out))
    }

    /// Writes the files, for nobody yet. What the leaves of `headquarters` say needs no reading. What a transport file cannot tell travels as a child.
    pub(in crate::bundle) fn pack(
        &mut self,
        headquarters: &Repository,
        folder: &Path,
        context: &DeliveryContext<'_>,
    ) -> Result<Packed> {
        match self.pack_once(headquarters, folder, context) {
            Err(error) if is_beyond(&error) => {
                self.travel_as_qcow2("not in the transport form", &error);
                self.pack_once(headquarters, folder, context)
            }
            packed => packed,
        }
    }

    fn pack_once(
        &self,
        headquarters: &Repository,
        folder: &Path,
        context: &DeliveryContext<'_>,
    ) -> Result<Packed> {
        let record = &self.image.record;
        (context.on_stage)(Stage::Pack(record.name.as_str()));
        let image = self.image.leaves(headquarters);
        let data = self.data(headquarters);
        let files = match &self.base {
            Some(base) => {
                let known = base.leaves(headquarters).zip(image);
                reading_all_if_changed(known, |known| {
                    self.difference(base, known, folder, context)
                })?
            }
            None => (self.whole(data, folder, context)?, None),
        };
        Ok(self.packed(self.form(), files, data))
    }

    /// The files, as they are listed.
    fn packed(
        &self,
        (form, format): (EntryForm, Format),
        (file, manifest): (WrittenFile, Option<FileEntry>),
        data: Option<Bytes>,
    ) -> Packed {
        let record = &self.image.record;
        let entry = BundleEntry {
            base: self.base.as_ref().map(SourceImage::image_ref),
            image: record.id.clone(),
            content_id: record.content_id,
            size: record.size,
            data: data.map(|data| data.0),
            name: record.name.clone(),
            tags: record.tags.clone(),
            golden: record.golden,
            parent: self.parent.clone(),
            ancestors: self.ancestors.clone(),
            form,
            format,
            file: file.entry,
            manifest,
            requires: form.requires().map(str::to_owned).into_iter().collect(),
            sites: Vec::new(),
        };
        Packed {
            entry,
            is_new: true,
            left_out: self.left_out(),
            notes: self.notes(),
            blocks: file.blocks,
        }
    }
}

/// What the image descends from beyond its parent, up to its base: that one the site has. Where the base is the parent, nobody needs more.
fn ancestors(listing: &Listing, image: &Record, base: Option<&Record>) -> Vec<ContentId> {
    /// Of a whole image few are named: a delivery may hold many of them.
    const MOST_OF_WHOLE: usize = 4;
    let most = base.map_or(MOST_OF_WHOLE, |_| MOST_ANCESTORS);
    let above = |record: &Record| listing.by_id(&record.parent.as_ref()?.id);
    let Some(mut here) = above(image) else {
        return Vec::new();
    };
    let mut ancestors = Vec::new();
    while base.is_none_or(|base| base.id != here.id)
        && ancestors.len() < most
        && let Some(next) = above(here)
    {
        ancestors.push(next.content_id);
        here = next;
    }
    ancestors
}
