//! An image of a repository, open: its layers, as the engine sees them. Whether its content is what the record says is not looked at.

use imgdelta_core::{Bytes, Error, FileVersion, Kind, Result};
use imgdelta_delta::{Chain, Layer, digest_cache::LeafReader};
use imgdelta_registry::{OpenSpec, Opened, Policy, open_chain};

use super::{Repository, record::Record};

/// An open image and its parents.
#[derive(Debug)]
pub struct Disk {
    /// The layers as the engine sees them.
    pub chain: Chain,
    /// The same as images, the one that was asked for first.
    pub images: Vec<Opened>,
}

impl Disk {
    /// Opens an image and all its parents.
    ///
    /// # Errors
    /// As [`open_chain`].
    pub fn open(spec: &OpenSpec) -> Result<Self> {
        let images = open_chain(spec)?;
        let layers = images
            .iter()
            .map(|opened| Layer::new(opened.image.clone(), opened.id.clone()))
            .collect();
        Ok(Self {
            chain: Chain::new(layers)?,
            images,
        })
    }

    /// The image that was asked for.
    ///
    /// # Errors
    /// Chain, if there is none.
    pub fn top(&self) -> Result<&Opened> {
        self.images
            .first()
            .ok_or_else(|| Error::new(Kind::Chain, "there is no image"))
    }

    /// The disk of the image's parent; `None` if it has none.
    ///
    /// # Errors
    /// Never now; the signature keeps room for it.
    pub fn below(&self) -> Result<Option<Chain>> {
        match self.chain.layers().split_first() {
            Some((_, below)) if !below.is_empty() => Chain::new(below.to_vec()).map(Some),
            _ => Ok(None),
        }
    }

    /// What the user should know of its images, each with its file.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let notes_of = |opened: &Opened| {
            let path = opened.path.display().to_string();
            let facts = opened.image.facts();
            let notes = opened.notes.iter().chain(&facts.notes);
            notes
                .map(move |note| format!("{path}: {note}"))
                .collect::<Vec<_>>()
        };
        self.images.iter().flat_map(notes_of).collect()
    }

    /// How long all files of all its images are together.
    pub(super) fn len(&self) -> Bytes {
        let stamps = self.chain.layers().iter().flat_map(Layer::stamps);
        stamps.fold(Bytes::ZERO, |sum, stamp| {
            Bytes(sum.0.saturating_add(stamp.len))
        })
    }

    /// The versions of the top image's own files when it was opened.
    pub(super) fn stamps(&self) -> &[FileVersion] {
        self.chain.layers().first().map_or(&[], Layer::stamps)
    }
}

impl Repository {
    /// Opens an image of the repository. Its parents may lie anywhere below the repository's folder.
    ///
    /// # Errors
    /// Chain, if it is recorded but not there, or its size is another one; Reference, if a link leads out of the folder; those of
    /// [`open_chain`].
    pub fn open_disk(&self, record: &Record) -> Result<Disk> {
        let disk = Disk::open(&self.spec(record)?)?;
        if disk.chain.size() == record.disk_size() {
            return Ok(disk);
        }
        let message = format!(
            "its disk has {} bytes, {} are recorded",
            disk.chain.size().0,
            record.size
        );
        let error = Error::new(Kind::Chain, message).with_code("image_changed");
        Err(error.in_file(&disk.top()?.path))
    }

    /// The leaves of an open image, if nobody has written to its own files since it was proven: what they say needs no reading.
    #[must_use]
    pub fn standing_leaves(&self, record: &Record, disk: &Disk) -> Option<LeafReader> {
        let leaves = self.leaves(record).ok().flatten()?;
        let stands = self.is_untouched(record, disk.stamps()) && leaves.size() == disk.chain.size();
        stands.then_some(leaves)
    }

    /// How an image of the repository is opened: its format is known, its bytes are not asked.
    ///
    /// # Errors
    /// As [`open_disk`](Self::open_disk), as far as nothing is opened.
    pub fn spec(&self, record: &Record) -> Result<OpenSpec> {
        Ok(OpenSpec {
            path: self.rooms.place(record.path()?)?,
            format: Some(record.format),
            policy: self.policy(),
            ..OpenSpec::default()
        })
    }

    /// What an image of the repository may name: any file of it.
    pub(super) fn policy(&self) -> Policy {
        Policy {
            search: vec![self.rooms.folder.clone()],
            ..Policy::default()
        }
    }

    /// Whether nobody has written to the image's own files since it was proven.
    pub(super) fn is_untouched(&self, record: &Record, stamps: &[FileVersion]) -> bool {
        record.files.len() == stamps.len()
            && record
                .files
                .iter()
                .zip(stamps)
                .all(|(file, stamp)| file.is_unchanged(stamp))
    }
}
