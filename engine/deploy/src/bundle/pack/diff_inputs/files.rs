//! What differs, written: as a transport file, as windows of one, as a child with its manifest, or the whole image.

use std::path::Path;

use imgdelta_core::{
    Bytes, Error, Existing, FileOffset, FileSource, Format, Kind, Outputs, ParentSpec, Result,
    Source as _,
};
use imgdelta_delta::{Digest, digest_cache::LeafReader};
use imgdelta_operations::{
    Stage,
    refilled_transport::WantedWindows,
    sent_transport::{SentTransport, WrittenTransport},
    stored_image::{SentChild, write_whole},
};
use imgdelta_registry::{OutputSpec, extension_of, new_parent};
use imgdelta_repository::{
    catalogue::{Name, Repository, lineage::row},
    planning::{LeafStream, overlap},
};

use super::DiffInputs;
use crate::bundle::{
    DeliveryContext,
    block_list::{BLOCK, BlockList},
    entry::{EntryForm, EntryKey},
    file_entry::FileEntry,
    file_names::{WINDOWS, file_names},
    hash::{digest, digest_blocks},
    pack::{Packed, encoding, source_image::SourceImage},
};

/// A file that was written.
#[derive(Debug)]
pub(super) struct WrittenFile {
    /// As it is listed.
    pub(super) entry: FileEntry,
    /// The digests of its blocks, where they were asked for and it has more than one.
    pub(super) blocks: Option<Vec<Digest>>,
}

impl DiffInputs {
    /// Writes those windows of the transport file, for nobody yet.
    ///
    /// # Errors
    /// Usage, if there is no base; Unsupported (`windows_differ`, or as [`is_beyond`]), if all of it is to be sent again; as [`pack`](Self::pack).
    pub(in crate::bundle) fn pack_windows(
        &self,
        headquarters: &Repository,
        wanted: &WantedWindows,
        folder: &Path,
        context: &DeliveryContext<'_>,
    ) -> Result<Packed> {
        (context.on_stage)(Stage::Pack(self.name().as_str()));
        let Some(base) = &self.base else {
            return Err(Error::new(Kind::Usage, "a whole image has no windows"));
        };
        let known = base
            .leaves(headquarters)
            .zip(self.image.leaves(headquarters));
        let (name, _) = file_names(
            self.name(),
            &self.image.record.content_id,
            Some(&base.record.content_id),
            WINDOWS,
        )?;
        let spec = replacing(folder, &name);
        let written = reading_all_if_changed(known, |known| {
            self.sent(base, context).write_windows(&spec, known, wanted)
        })?;
        let file = self.keep(base, name, written, context)?;
        let form = (EntryForm::Windows, Format::Qcow2);
        Ok(self.packed(form, (file, None), self.data(headquarters)))
    }

    /// Writes what differs, from the leaves of base and image or from reading both: the file, and what proves it where that is a file of its own.
    pub(super) fn difference(
        &self,
        base: &SourceImage,
        known: Option<(LeafReader, LeafReader)>,
        folder: &Path,
        context: &DeliveryContext<'_>,
    ) -> Result<(WrittenFile, Option<FileEntry>)> {
        if self.format != Format::Transport {
            let (file, manifest) = self.child(base, known, folder, context)?;
            return Ok((file, Some(manifest)));
        }
        let (name, _) = self.file_names()?;
        let written = self
            .sent(base, context)
            .write(&replacing(folder, &name), known)?;
        Ok((self.keep(base, name, written, context)?, None))
    }

    /// What differs, to be sent as a transport file.
    fn sent<'a>(
        &'a self,
        base: &'a SourceImage,
        context: &DeliveryContext<'a>,
    ) -> SentTransport<'a> {
        SentTransport {
            base: (base.record.name.as_str(), &base.disk),
            target: (self.image.record.name.as_str(), &self.image.disk),
            left_out: self.image.left_out(base),
            level: self.level,
            exec: context.run.work,
        }
    }

    /// Gives a file its name, if base and image are what their records say.
    fn keep(
        &self,
        base: &SourceImage,
        name: Name,
        written: WrittenTransport,
        context: &DeliveryContext<'_>,
    ) -> Result<WrittenFile> {
        base.require(written.made.base.as_ref())?;
        self.image.require(written.made.target.as_ref())?;
        let file = self.written(name, written.drafts.written_at(), context)?;
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
    ) -> Result<(WrittenFile, FileEntry)> {
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
        let mut manifest = sent.manifest(name.as_str(), self.format, &child)?;
        manifest.left_out = image.left_out(base).to_vec();
        let (manifest, drafts) = (manifest.to_json()?, child.drafts);
        drafts
            .other(manifest_name.as_str())?
            .write_at(FileOffset::ZERO, &manifest)?;
        let file = self.written(name, drafts.written_at(), context)?;
        drafts.commit()?;
        let (length, digest) = (manifest.len() as u64, Digest::plain(&manifest));
        let manifest = FileEntry::whole(manifest_name, length, digest);
        Ok((file, manifest))
    }

    /// How much of the image is not zero, as far as its leaves say.
    pub(super) fn data(&self, headquarters: &Repository) -> Option<Bytes> {
        let leaves = self.image.leaves(headquarters)?;
        let data = overlap(row(leaves), LeafStream::nothing()).ok()?;
        Some(data.whole())
    }

    /// Writes the whole image, of so much data.
    pub(super) fn whole(
        &self,
        data: Option<Bytes>,
        folder: &Path,
        context: &DeliveryContext<'_>,
    ) -> Result<WrittenFile> {
        let (name, _) = self.file_names()?;
        let disk = &self.image.disk.chain;
        let data = data.unwrap_or_else(|| disk.size());
        let spec = self.spec(folder, &name, encoding::of_whole(data))?;
        let (copied, drafts) = write_whole(disk, &spec, context.run.work)?;
        self.image.require(copied.proof.as_ref())?;
        let file = self.written(name, drafts.written_at(), context)?;
        drafts.commit()?;
        Ok(file)
    }

    /// A file that was written, as it is listed.
    fn written(
        &self,
        name: Name,
        written_at: &Path,
        context: &DeliveryContext<'_>,
    ) -> Result<WrittenFile> {
        let progress = context.run.work.progress;
        let source = FileSource::open(written_at)?;
        let has_blocks = self.hashes_blocks && BlockList::is_of(source.len().0);
        let (length, sha256, blocks) = match has_blocks {
            false => {
                let (length, sha256) = digest(&source, progress)?;
                (length, sha256, None)
            }
            true => {
                let (length, sha256, blocks) = digest_blocks(&source, BLOCK, progress)?;
                (length, sha256, Some(blocks))
            }
        };
        Ok(WrittenFile {
            entry: FileEntry::whole(name, length, sha256),
            blocks,
        })
    }

    /// What its file and its manifest are called.
    fn file_names(&self) -> Result<(Name, Name)> {
        let EntryKey { base, image, .. } = self.key();
        file_names(
            self.name(),
            &image,
            base.as_ref(),
            extension_of(self.format),
        )
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

/// A file in `folder` that takes the place of one of that name.
fn replacing(folder: &Path, name: &Name) -> OutputSpec {
    OutputSpec {
        existing: Existing::Replace,
        ..OutputSpec::of(folder.join(name.as_str()))
    }
}

/// Does it from leaves that are known, and where that tells that these are damaged, or that a disk has changed, by reading all of both: that tells which.
pub(super) fn reading_all_if_changed<T>(
    known: Option<(LeafReader, LeafReader)>,
    work: impl Fn(Option<(LeafReader, LeafReader)>) -> Result<T>,
) -> Result<T> {
    work(known).or_else(|error| match error.code() {
        "cache_damaged" | "base_changed" | "target_changed" => work(None),
        _ => Err(error),
    })
}
