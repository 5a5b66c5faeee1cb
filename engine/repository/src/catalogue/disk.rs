//! Opens images of a repository as they are recorded: in the format of the record, its parents below the repository's folder.

use imgdelta_core::{Error, FileVersion, Format, Kind, Result};
use imgdelta_delta::digest_cache::LeafReader;
use imgdelta_operations::Disk;
use imgdelta_registry::{OpenSpec, Policy};

use super::{Add, Repository, listing::Listing, record::Record};

impl Repository {
    /// Opens an image of the repository. Its parents may lie anywhere below the repository's folder.
    ///
    /// # Errors
    /// Chain, if it is recorded but not there, or its size is another one; Reference, if a link leads out of the folder; those of
    /// [`open_chain`](imgdelta_registry::open_chain).
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
        Err(error.in_file(&disk.top.path))
    }

    /// The leaves of an open image, if nobody has written to its own files since it was proven: what they say needs no reading.
    #[must_use]
    pub fn standing_leaves(&self, record: &Record, disk: &Disk) -> Option<LeafReader> {
        let leaves = self.leaves(record).ok().flatten()?;
        let stands =
            self.is_untouched(record, disk.top_versions()) && leaves.size() == disk.chain.size();
        stands.then_some(leaves)
    }

    /// How an image of the repository is opened: its format is known, its bytes are not asked.
    ///
    /// # Errors
    /// As [`open_disk`](Self::open_disk), as far as nothing is opened.
    pub fn spec(&self, record: &Record) -> Result<OpenSpec> {
        Ok(OpenSpec {
            path: self.paths.place(record.path()?)?,
            format: Some(record.format),
            policy: self.policy(),
            ..OpenSpec::default()
        })
    }

    /// How a file is opened that may be recorded here: as `spec` says, and where that says no format, in the recorded one, whatever the file is
    /// called or its guest has written.
    #[must_use]
    pub(super) fn as_recorded(&self, spec: &OpenSpec, listing: &Listing) -> OpenSpec {
        let record = self.record_of(&spec.path, listing);
        // Another image may have taken the place of one that is known by its bytes.
        let is_known = |record: &&Record| {
            record.format == Format::Raw
                || FileVersion::at(&spec.path)
                    .zip(record.files.first())
                    .is_some_and(|(now, file)| file.is_unchanged(&now))
        };
        let format = record.filter(is_known).map(|record| record.format);
        OpenSpec {
            format: spec.format.or(format),
            ..spec.clone()
        }
    }

    /// How an image that is to be added is opened: one that is taken in a second time in its recorded format. A copy is made of what the file is
    /// by its name and bytes, whatever else it is recorded as.
    #[must_use]
    pub fn as_added(&self, add: &Add, listing: &Listing) -> OpenSpec {
        if add.in_place {
            self.as_recorded(&add.image, listing)
        } else {
            add.image.clone()
        }
    }

    /// What an image of the repository may name: any file of it.
    pub(super) fn policy(&self) -> Policy {
        Policy {
            search: vec![self.paths.folder.clone()],
            ..Policy::default()
        }
    }

    /// Whether nobody has written to the image's own files since it was proven.
    pub(super) fn is_untouched(&self, record: &Record, stamps: &[FileVersion]) -> bool {
        !record.refuted
            && record.files.len() == stamps.len()
            && record
                .files
                .iter()
                .zip(stamps)
                .all(|(file, stamp)| file.is_unchanged(stamp))
    }
}
