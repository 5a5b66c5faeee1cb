//! An image that is whole and proven gets its name and its record. Until that moment nothing under its id is there.
//! Adding, scanning and deployments all come through here, so that records and files agree whoever is killed.

use std::{collections::BTreeSet, path::Path};

use imgdelta_core::{
    AtomicFile, Error, Existing, FileVersion, Format, Kind, Ownership, Result, Source,
};
use imgdelta_delta::{ContentId, Proof};
use imgdelta_registry::AtomicFileSet;

use super::{
    Repository, Run,
    journal::Transaction,
    names::{ImageId, InsidePath, Name, Tag},
    presence::Presence,
    record::{Parent, Provenance, ProvenanceKind, Record, SCHEMA, StoredFile, check_tags},
    restore_missing::{broken_children, restore_missing, returned},
    timestamps,
};

/// The program that enters records.
const TOOL: &str = concat!("imgdelta ", env!("CARGO_PKG_VERSION"));

/// An image that is whole and proven, and has no record yet.
#[derive(Debug)]
pub struct NewImage {
    /// Its files.
    pub files: ImageFiles,
    /// Its format.
    pub format: Format,
    /// The size of its disk and its content id.
    pub proof: Proof,
    /// Its leaf digests: a draft anywhere below the repository's folder.
    pub leaves: Option<AtomicFile>,
    /// Its id; `None`: its content id.
    pub id: Option<ImageId>,
    /// Its name.
    pub name: Name,
    /// Its tags.
    pub tags: BTreeSet<Tag>,
    /// Whether it is golden.
    pub golden: bool,
    /// Its parent, which must be there.
    pub parent: Option<Parent>,
    /// The file by which its own link names that parent, if it has one: it must still be the parent's.
    pub linked_file: Option<InsidePath>,
    /// How it came here.
    pub how: ProvenanceKind,
}

/// The files of an image that is about to be entered.
#[derive(Debug)]
pub enum ImageFiles {
    /// One that gets its name when the image is entered. It will stand at this place.
    AtomicFile(InsidePath, AtomicFile),
    /// As [`AtomicFile`](Self::AtomicFile), by a format's writer.
    AtomicFileSet(InsidePath, AtomicFileSet),
    /// They stand here, and stay as they are: the image itself first.
    There(Vec<StoredFile>),
}

/// What became of an image that was to be added.
#[derive(Clone, Debug)]
pub struct Added {
    /// Its record; that of the image that had this content before, if there was one.
    pub record: Record,
    /// Whether it was entered. If not, its content is here already.
    pub is_new: bool,
    /// What the user should know.
    pub notes: Vec<String>,
}

impl NewImage {
    /// Where the image stands, or will.
    #[must_use]
    pub fn path(&self) -> Option<&InsidePath> {
        match &self.files {
            ImageFiles::AtomicFile(path, _) | ImageFiles::AtomicFileSet(path, _) => Some(path),
            ImageFiles::There(files) => files.first().map(|file| &file.path),
        }
    }

    /// Its record, without its parent.
    fn record(&self, id: ImageId, run: &Run<'_>) -> Result<Record> {
        Ok(Record {
            schema: SCHEMA.to_owned(),
            id,
            content_id: self.proof.id,
            size: self.proof.size.0,
            format: self.format,
            files: self.files.stored()?,
            name: self.name.clone(),
            parent: None,
            tags: self.tags.clone(),
            golden: self.golden,
            immutable: false,
            owned: self.files.are_made(),
            revision: 0,
            refuted: false,
            provenance: Provenance {
                when: timestamps::recorded(run.work.time),
                tool: TOOL.to_owned(),
                how: self.how,
            },
        })
    }
}

impl ImageFiles {
    /// The files as they are, durable.
    fn stored(&self) -> Result<Vec<StoredFile>> {
        let (path, written) = match self {
            Self::AtomicFile(path, draft) => {
                draft.sink().sync()?;
                (path, draft.written_at())
            }
            Self::AtomicFileSet(path, drafts) => {
                use imgdelta_core::Outputs;
                drafts.main()?.sync()?;
                (path, drafts.written_at())
            }
            Self::There(files) => return Ok(files.clone()),
        };
        let stamp = FileVersion::at(written).ok_or_else(|| {
            Error::new(Kind::Host, "vanished while it was written").in_file(written)
        })?;
        Ok(vec![StoredFile::new(path.clone(), &stamp)])
    }

    /// Makes sure that files that stay where they are still are what was proven: others may have removed them since.
    ///
    /// # Errors
    /// Host, code `image_changed`, if one is not.
    fn require_there(&self, folder: &Path) -> Result<()> {
        let Self::There(files) = self else {
            return Ok(());
        };
        for file in files {
            let place = folder.join(file.path.as_path());
            if !FileVersion::at(&place).is_some_and(|now| file.is_unchanged(&now)) {
                return Err(Error::new(Kind::Host, "was changed while it was read")
                    .with_code("image_changed")
                    .in_file(&place));
            }
        }
        Ok(())
    }

    /// Gives them their names.
    fn commit(self) -> Result<()> {
        match self {
            Self::AtomicFile(_, draft) => draft.commit(),
            Self::AtomicFileSet(_, drafts) => drafts.commit(),
            Self::There(_) => Ok(()),
        }
    }

    /// Asks for owner, group or permissions; what stands here keeps its own.
    pub(super) fn owned(self, ownership: Ownership) -> Self {
        match self {
            Self::AtomicFile(path, draft) => Self::AtomicFile(path, draft.owned(ownership)),
            Self::AtomicFileSet(path, drafts) => Self::AtomicFileSet(path, drafts.owned(ownership)),
            there @ Self::There(_) => there,
        }
    }

    /// Whether the repository makes them.
    const fn are_made(&self) -> bool {
        !matches!(self, Self::There(_))
    }
}

impl Repository {
    /// Enters an image. If its content is here already, nothing is entered, and that is no error.
    ///
    /// # Errors
    /// Usage, if its name or its id is taken by another one; Chain, if its parent is not there; Busy, if another process changes the
    /// repository; Host, if the host cannot. Nothing is entered then.
    pub fn enter(&self, arrival: NewImage, run: &Run<'_>) -> Result<Added> {
        let mut change = self.change(run, &format!("add {}", arrival.name))?;
        self.enter_in(&mut change, arrival, run)
    }

    /// As [`enter`](Self::enter), the right to change the repository being there.
    pub(super) fn enter_in(
        &self,
        change: &mut Transaction<'_>,
        arrival: NewImage,
        run: &Run<'_>,
    ) -> Result<Added> {
        check_tags(&arrival.tags)?;
        arrival.files.require_there(&self.paths.folder)?;
        let content = arrival.proof.id;
        let there = change.listing.by_content(&content).cloned();
        let there = there.map(|there| (self.presence(&there, &change.listing), there));
        if let Some((Presence::Present, there)) = there {
            return self.known(there, arrival.leaves);
        }
        let id = match &there {
            Some((_, there)) => there.id.clone(),
            None => self.free_id(change, &arrival)?,
        };
        let mut record = arrival.record(id, run)?;
        record.parent = present_parent(change, arrival.parent, arrival.linked_file.as_ref())?;
        if let Some(leaves) = arrival.leaves {
            self.settle_leaves(&leaves, &content)?.commit()?;
        }
        let mut notes = Vec::new();
        let mut replaced = None;
        if let Some((presence, there)) = there {
            notes.push(returned(&there, presence, &record));
            notes.extend(broken_children(change, &there, &record));
            restore_missing(&mut record, there.clone());
            replaced = Some(there);
        }
        check_tags(&record.tags)?;
        let files = arrival.files;
        let mut record = change.enter(record, || files.commit())?;
        if record.golden {
            let protected = self.with_permissions(record.clone());
            if protected != record {
                record = change.put(protected)?;
            }
        }
        if let Some(replaced) = replaced.filter(|replaced| replaced.immutable) {
            record = self.keep_immutable(change, record, &replaced, &mut notes)?;
        }
        Ok(Added {
            record,
            is_new: true,
            notes,
        })
    }

    /// Has the files of an image that is here again immutable, as those were that it had; where the host does not let it, the image is golden alone.
    fn keep_immutable(
        &self,
        change: &mut Transaction<'_>,
        mut record: Record,
        replaced: &Record,
        notes: &mut Vec<String>,
    ) -> Result<Record> {
        // What still stands under another name is no image of the repository any more.
        if replaced.files.first().map(|file| &file.path)
            != record.files.first().map(|file| &file.path)
        {
            let _ = self.lift_immutable(replaced);
        }
        match self.make_immutable(&record) {
            Ok(()) => Ok(record),
            Err(error) => {
                notes.push(format!(
                    "{}: its file is not immutable any more: {}",
                    record.name,
                    error.message()
                ));
                record.immutable = false;
                change.put(record)
            }
        }
    }

    /// The content is here already: its leaves take the place of those that are lost or damaged.
    fn known(&self, there: Record, leaves: Option<AtomicFile>) -> Result<Added> {
        if let Some(leaves) = leaves {
            self.settle_leaves(&leaves, &there.content_id)?.commit()?;
        }
        Ok(Added {
            record: there,
            is_new: false,
            notes: Vec::new(),
        })
    }

    /// The id of a new image, if nobody has it or its name.
    fn free_id(&self, change: &Transaction<'_>, arrival: &NewImage) -> Result<ImageId> {
        if let Some(other) = change.listing.by_name(&arrival.name) {
            return Err(name_taken(&arrival.name, other));
        }
        let id = match &arrival.id {
            Some(id) => id.clone(),
            None => arrival.proof.id.to_string().parse()?,
        };
        match change.listing.by_id(&id) {
            Some(other) => Err(id_taken(&id, other)),
            None => Ok(id),
        }
    }

    /// The leaves of a disk, on their way to where they belong.
    pub(super) fn settle_leaves(
        &self,
        leaves: &AtomicFile,
        content: &ContentId,
    ) -> Result<AtomicFile> {
        let place = self.paths.new_leaves(Some(content))?;
        let draft = AtomicFile::create_in(&place, Existing::Replace)?;
        draft.fill(&leaves.read_back()?)?;
        Ok(draft)
    }

    /// The path, from the repository's folder, of a file below it.
    ///
    /// # Errors
    /// Usage, if it does not lie below; Host, if it is not there.
    pub(crate) fn inside(&self, file: &Path) -> Result<InsidePath> {
        let real = std::fs::canonicalize(file)
            .map_err(|cause| Error::host("cannot find", cause).in_file(file))?;
        InsidePath::between(&self.paths.real_folder()?, &real)
    }

    /// The image's own files as they were when it was opened.
    ///
    /// # Errors
    /// Usage, if one does not lie below the repository's folder.
    pub(super) fn stored_files(
        &self,
        files: &[std::sync::Arc<dyn Source>],
        stamps: &[FileVersion],
    ) -> Result<Vec<StoredFile>> {
        let stored = files.iter().zip(stamps).map(|(file, stamp)| {
            let path = file
                .path()
                .ok_or_else(|| Error::new(Kind::Usage, "an image in memory cannot be taken in"))?;
            Ok(StoredFile::new(self.inside(path)?, stamp))
        });
        stored.collect()
    }
}

/// The parent, which must be there; and where the image's link leads. Removed and added again meanwhile, it may stand under another name.
fn present_parent(
    change: &Transaction<'_>,
    parent: Option<Parent>,
    linked_file: Option<&InsidePath>,
) -> Result<Option<Parent>> {
    let Some(Parent { id, known }) = parent else {
        return Ok(None);
    };
    let is_linked = |there: &&Record| {
        linked_file.is_none_or(|path| there.files.iter().any(|file| file.path == *path))
    };
    match change.listing.by_id(&id).filter(is_linked) {
        Some(there) => Ok(Some(Parent {
            id: there.id.clone(),
            known,
        })),
        None => {
            let message = format!("its parent '{id}' is not in the repository");
            Err(Error::new(Kind::Chain, message).with_code("parent_unknown"))
        }
    }
}

/// Another image bears that name.
pub(crate) fn name_taken(name: &Name, other: &Record) -> Error {
    let message = format!("the name '{name}' is taken by {}", other.id);
    Error::new(Kind::Usage, message)
        .with_code("name_taken")
        .with_hint("choose another one; 'imgdelta repo add' takes it with --name")
}

/// Another image has that id.
pub(crate) fn id_taken(id: &ImageId, other: &Record) -> Error {
    let message = format!(
        "the id '{id}' is taken by '{}', which is another disk",
        other.name
    );
    Error::new(Kind::Usage, message)
        .with_code("id_taken")
        .with_hint("'imgdelta repo set-id' gives that one another")
}
