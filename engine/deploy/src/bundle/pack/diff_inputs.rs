//! The image that travels and its base, open: read, proven, and written as files.

use std::path::Path;

use imgdelta_core::{Bytes, Error, Existing, FileOffset, Format, Outputs, ParentSpec, Result};
use imgdelta_delta::{ContentId, Digest, digest_cache::LeafReader};
use imgdelta_operations::{
    Stage,
    sent_transport::{LEVEL, SentTransport, is_beyond},
    stored_image::{SentChild, require_child, write_whole},
};
use imgdelta_registry::{OutputSpec, new_parent};
use imgdelta_repository::{
    catalogue::{Listing, Name, Record, Repository, lineage::row},
    planning::{LeafStream, overlap},
};

use super::{Form, Order, Packed, encoding, source_image::SourceImage};
use crate::bundle::{
    DeliveryContext,
    entry::{BundleEntry, FileEntry, ImageRef, MOST_ANCESTORS},
    file_names::file_names,
    hash::sha256,
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
}

impl DiffInputs {
    /// Opens both.
    pub(in crate::bundle) fn open(headquarters: &Repository, order: &Order) -> Result<Self> {
        let listing = headquarters.list()?;
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
    pub(in crate::bundle) fn key(&self) -> (Option<ContentId>, ContentId, Format) {
        let base = self.base.as_ref().map(|base| base.record.content_id);
        (base, self.image.record.content_id, self.format)
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
        let (file, manifest) = match &self.base {
            Some(base) => {
                let known = base.leaves(headquarters).zip(image);
                let packed = self.difference(base, known, folder, context);
                packed.or_else(|error| match error.code() {
                    // Either the leaves are damaged or a disk has changed: reading all of both tells which.
                    "cache_damaged" | "base_changed" | "target_changed" => {
                        self.difference(base, None, folder, context)
                    }
                    _ => Err(error),
                })?
            }
            None => (self.whole(data, folder, context)?, None),
        };
        let (form, format, requires) = BundleEntry::form_of(self.format);
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
            file,
            manifest,
            requires,
            sites: Vec::new(),
        };
        Ok(Packed {
            entry,
            is_new: true,
            notes: self.notes(),
        })
    }

    /// Writes what differs, from the leaves of base and image or from reading both: the file, and what proves it where that is a file of its own.
    fn difference(
        &self,
        base: &SourceImage,
        known: Option<(LeafReader, LeafReader)>,
        folder: &Path,
        context: &DeliveryContext<'_>,
    ) -> Result<(FileEntry, Option<FileEntry>)> {
        if self.format == Format::Transport {
            return Ok((self.transport(base, known, folder, context)?, None));
        }
        let (file, manifest) = self.child(base, known, folder, context)?;
        Ok((file, Some(manifest)))
    }

    /// Writes the transport file.
    fn transport(
        &self,
        base: &SourceImage,
        known: Option<(LeafReader, LeafReader)>,
        folder: &Path,
        context: &DeliveryContext<'_>,
    ) -> Result<FileEntry> {
        let (name, _) = self.file_names()?;
        let image = &self.image;
        let spec = OutputSpec {
            existing: Existing::Replace,
            ..OutputSpec::of(folder.join(name.as_str()))
        };
        let sent = SentTransport {
            base: (base.record.name.as_str(), &base.disk),
            target: (image.record.name.as_str(), &image.disk),
            level: self.level,
            exec: context.run.work,
        };
        let written = sent.write(&spec, known)?;
        base.require(written.made.base.as_ref())?;
        image.require(written.made.target.as_ref())?;
        let file = file_entry(name, written.drafts.written_at(), context)?;
        written.drafts.commit()?;
        Ok(file)
    }

    /// Writes the child and its manifest, from the leaves of base and image or from reading both.
    fn child(
        &self,
        base: &SourceImage,
        known: Option<(LeafReader, LeafReader)>,
        folder: &Path,
        context: &DeliveryContext<'_>,
    ) -> Result<(FileEntry, FileEntry)> {
        let (name, manifest_name) = self.file_names()?;
        let image = &self.image;
        let spec = self.spec(folder, &name, encoding::of_child(image.disk.size()))?;
        let link = link_of(base, &spec.path)?;
        let sent = SentChild {
            base: (base.record.name.as_str(), &base.disk),
            target: (image.record.name.as_str(), &image.disk),
            exec: context.run.work,
        };
        let child = sent.write(&spec, link, known)?;
        base.require(child.made.base.as_ref())?;
        image.require(child.made.target.as_ref())?;
        let manifest = sent.manifest(name.as_str(), self.format, &child)?;
        let (manifest, drafts) = (manifest.to_json()?, child.drafts);
        drafts
            .other(manifest_name.as_str())?
            .write_at(FileOffset::ZERO, &manifest)?;
        let file = file_entry(name, drafts.written_at(), context)?;
        drafts.commit()?;
        let manifest = FileEntry {
            name: manifest_name,
            length: manifest.len() as u64,
            sha256: Digest::plain(&manifest),
        };
        Ok((file, manifest))
    }

    /// How much of the image is not zero, as far as its leaves say.
    fn data(&self, headquarters: &Repository) -> Option<Bytes> {
        let leaves = self.image.leaves(headquarters)?;
        let data = overlap(row(leaves), LeafStream::nothing()).ok()?;
        Some(data.whole())
    }

    /// Writes the whole image, of so much data.
    fn whole(
        &self,
        data: Option<Bytes>,
        folder: &Path,
        context: &DeliveryContext<'_>,
    ) -> Result<FileEntry> {
        let (name, _) = self.file_names()?;
        let disk = &self.image.disk.chain;
        let data = data.unwrap_or_else(|| disk.size());
        let spec = self.spec(folder, &name, encoding::of_whole(data))?;
        let (copied, drafts) = write_whole(disk, &spec, context.run.work)?;
        self.image.require(copied.proof.as_ref())?;
        let file = file_entry(name, drafts.written_at(), context)?;
        drafts.commit()?;
        Ok(file)
    }

    /// What its file and its manifest are called.
    fn file_names(&self) -> Result<(Name, Name)> {
        let (base, image, format) = self.key();
        file_names(&self.image.record.name, &image, base.as_ref(), format)
    }

    /// The file in `folder`, in the smallest form that its format has.
    fn spec(&self, folder: &Path, name: &Name, cluster: Bytes) -> Result<OutputSpec> {
        Ok(OutputSpec {
            format: Some(self.format),
            options: encoding::options(self.format, cluster)?,
            existing: Existing::Replace,
            ..OutputSpec::of(folder.join(name.as_str()))
        })
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

/// How the child names its base: by its bare name, for where it will stand at the site nobody knows here, and where it stands here nobody
/// needs to know there.
fn link_of(base: &SourceImage, child: &Path) -> Result<ParentSpec> {
    let link = new_parent(&base.disk.top, child)?;
    let path = base.record.path()?.as_path();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Ok(ParentSpec {
        relative: Some(name.to_string()),
        absolute: name.to_string(),
        ..link
    })
}

/// A file that was written, as it is listed.
fn file_entry(name: Name, written_at: &Path, context: &DeliveryContext<'_>) -> Result<FileEntry> {
    let (length, sha256) = sha256(written_at, context.run.work.progress)?;
    Ok(FileEntry {
        name,
        length,
        sha256,
    })
}
