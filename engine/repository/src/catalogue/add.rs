//! `repo add`: an image comes in, copied or where it stands.

use std::{
    collections::{BTreeSet, HashSet},
    path::{Path, PathBuf},
};

use imgdelta_core::{Error, Format, Kind, Ownership, Result};
use imgdelta_delta::ContentId;
use imgdelta_operations::{Disk, proof::prove_keeping};
use imgdelta_registry::OpenSpec;

pub use super::import::Added;
use super::{
    Edit, Repository, Run,
    dedup::{Deduplicated, Guest, MOST_DEEP},
    import::{NewImage, name_taken},
    listing::Listing,
    names::{ImageId, Name, Tag},
    record::{ProvenanceKind, Record},
    store::Stored,
};

/// An image to be added.
#[derive(Clone, Debug, Default)]
pub struct Add {
    /// The image.
    pub image: OpenSpec,
    /// What to call it; `None`: as its file, without the extension.
    pub name: Option<Name>,
    /// Its id; `None`: its content id.
    pub id: Option<ImageId>,
    /// What its disk must be, where somebody promised it.
    pub content_id: Option<ContentId>,
    /// Whether it stays where it stands, which must be below the repository's folder. Else it is copied.
    pub in_place: bool,
    /// The format of the copy; `None`: its own.
    pub format: Option<Format>,
    /// Whether the copy is stored as what differs from the best base that is here, if that is smaller.
    pub dedup: bool,
    /// The most images that a difference may be read from, itself among them; `None`: [`MOST_DEEP`].
    pub most_deep: Option<usize>,
    /// The image here that it is said to descend from, see [`Listing::find`].
    pub parent: Option<String>,
    /// Its tags.
    pub tags: BTreeSet<Tag>,
    /// Whether it is golden.
    pub golden: bool,
    /// Whether its files are made immutable, which only root can: see [`Edit::Immutable`].
    pub immutable: bool,
    /// Owner, group and permissions of the copy, where they are not to be those of any new file.
    pub ownership: Ownership,
}

impl Repository {
    /// Adds an image. Other processes may change the repository while it is read; only entering it needs the lock.
    ///
    /// A copy is an ordinary image that opens with no options: a single file is copied as it is, a child whose parent's disk is here
    /// becomes a child of that, anything else is written anew as one file.
    ///
    /// # Errors
    /// Usage, if the name is taken or cannot be one, or there is no such parent; Digest, if it is not what was promised, or what was
    /// recorded where it stands; those of the image; as [`enter`](Self::enter).
    pub fn add(&self, add: &Add, run: &Run<'_>) -> Result<Added> {
        /// How often one is stored anew whose parent others remove while it is.
        const TRIES: usize = 8;
        for _ in 0..TRIES {
            match self.add_or_await(add, run) {
                Err(error) if self.is_of_others(&error, add) => {}
                other => return other,
            }
        }
        self.add_or_await(add, run)
    }

    /// Whether adding failed because others changed the repository meanwhile: what it was to descend from is gone, or another file was put in
    /// the place of one that was read for it.
    fn is_of_others(&self, error: &Error, add: &Add) -> bool {
        let is_here =
            |file: &PathBuf| file.starts_with(&self.paths.folder) && *file != add.image.path;
        match error.code() {
            "parent_unknown" => true,
            "input_changed" | "parent_missing" | "image_missing" => {
                error.location().file.as_ref().is_some_and(is_here)
            }
            _ => false,
        }
    }

    /// As [`add`](Self::add), if nobody removes what it descends from.
    fn add_or_await(&self, add: &Add, run: &Run<'_>) -> Result<Added> {
        match self.add_once(add, run) {
            // Another process may be about to enter what stands in the way: when it has, it is an image like any other.
            Err(error) if error.code() == "exists" => {
                let entered = self.change(run, "add")?.listing;
                let name = add
                    .name
                    .clone()
                    .map_or_else(|| name_of(&add.image.path), Ok)?;
                match entered.by_name(&name) {
                    Some(_) => self.add_once(add, run),
                    None => Err(error),
                }
            }
            other => other,
        }
    }

    /// As [`add`](Self::add), with the records as they are now.
    fn add_once(&self, add: &Add, run: &Run<'_>) -> Result<Added> {
        if add.immutable {
            self.can_be_immutable()?;
        }
        let listing = self.list_finished(run)?;
        let add = &Add {
            image: self.as_added(add, &listing),
            ..add.clone()
        };
        let (disk, promised) = self.open_to_add(add, &listing)?;
        let name = match &add.name {
            Some(name) => name.clone(),
            None => name_of(&add.image.path)?,
        };
        let mut notes = disk.notes();
        if let Some(record) = self.known_in_place(add, &disk, &listing, run)? {
            return Ok(Added {
                record,
                is_new: false,
                notes,
            });
        }
        if let Some(word) = &add.parent {
            listing.find(word)?;
        }
        self.paths.make_folders()?;
        let way = match add.in_place {
            true => Way::Stored(Box::new(self.take_in(
                &disk,
                &add.image,
                &listing,
                &HashSet::new(),
                run,
            )?)),
            false => self.store_or_know(add, &disk, &name, &listing, run, &mut notes)?,
        };
        let mut stored = match way {
            Way::Stored(stored) => *stored,
            Way::Known(record) => {
                return Ok(Added {
                    record: *record,
                    is_new: false,
                    notes,
                });
            }
        };
        require_promised(add, add.content_id.or(promised), &stored)?;
        stored.files = stored.files.owned(add.ownership);
        notes.extend(needed_parent(&disk, &stored));
        let arrival = self.arrival(add, name, stored, &listing, &mut notes)?;
        let mut added = self.enter(arrival, run)?;
        if add.immutable {
            let id = added.record.id.to_string();
            added.record = self.edit(&id, &Edit::Immutable, run)?.record;
        }
        notes.extend(added.notes);
        Ok(Added { notes, ..added })
    }

    /// Stores a copy, unless an image of that name is here: it is the same disk once more, or another one, and a copy would be work for
    /// nothing.
    fn store_or_know(
        &self,
        add: &Add,
        disk: &Disk,
        name: &Name,
        listing: &Listing,
        run: &Run<'_>,
        notes: &mut Vec<String>,
    ) -> Result<Way> {
        if let Some(other) = listing.by_name(name) {
            if other.disk_size() != disk.chain.size() {
                return Err(name_taken(name, other));
            }
            let (proof, leaves) = prove_keeping(disk, None, || self.new_leaves(), run.work)?;
            if proof.id != other.content_id {
                return Err(name_taken(name, other));
            }
            if self.presence(other, listing).is_present() {
                // Those that are there may be damaged.
                self.settle_leaves(&leaves, &proof.id)?.commit()?;
                return Ok(Way::Known(Box::new(other.clone())));
            }
        }
        if add.dedup {
            let guest = Guest {
                disk,
                name,
                format: add.format,
                most_deep: add.most_deep.unwrap_or(MOST_DEEP),
                listing,
            };
            match self.deduplicate(&guest, run)? {
                Deduplicated::Stored(stored, note) => {
                    notes.extend(note);
                    return Ok(Way::Stored(stored));
                }
                Deduplicated::Known(known) if self.presence(&known, listing).is_present() => {
                    return Ok(Way::Known(known));
                }
                Deduplicated::Known(_) => {}
                Deduplicated::Whole(why) => notes.push(format!("stored whole: {why}")),
            }
        }
        let stored = match add.format {
            Some(format) if format != disk.top.driver.format => {
                self.rewrite(disk, format, name, listing, run)?
            }
            _ => self.store(disk, &add.image, name, listing, run, notes)?,
        };
        Ok(Way::Stored(Box::new(stored)))
    }

    /// What is to be entered.
    pub(super) fn arrival(
        &self,
        add: &Add,
        name: Name,
        stored: Stored,
        listing: &Listing,
        notes: &mut Vec<String>,
    ) -> Result<NewImage> {
        let leaves = stored.leaves.written_at();
        let link = stored.link.as_ref().map(|link| &link.id);
        let parent = self.lineage(listing, add.parent.as_deref(), link, leaves, notes)?;
        Ok(NewImage {
            files: stored.files,
            format: stored.format,
            proof: stored.proof,
            leaves: Some(stored.leaves),
            id: add.id.clone(),
            name,
            tags: add.tags.clone(),
            golden: add.golden,
            parent,
            linked_file: stored.link.and_then(|link| link.file),
            how: stored.how,
        })
    }
}

/// What became of a copy.
enum Way {
    /// It was made.
    Stored(Box<Stored>),
    /// It was not: this image is the same disk.
    Known(Box<Record>),
}

/// Makes sure that an image is the disk that was promised.
fn require_promised(add: &Add, promised: Option<ContentId>, stored: &Stored) -> Result<()> {
    let found = stored.proof.id;
    match promised {
        Some(promised) if promised != found => Err(Error::new(
            Kind::Digest,
            "the image is not the disk that was promised",
        )
        .with_code("content_mismatch")
        .with_detail(format!("promised {promised}"))
        .with_detail(format!("found    {found}"))
        .in_file(&add.image.path)),
        _ => Ok(()),
    }
}

/// What to say of an image that stays where it stands and needs another one that is not recorded.
fn needed_parent(disk: &Disk, stored: &Stored) -> Option<String> {
    let parent = disk.parents.first()?;
    let is_alone = stored.how == ProvenanceKind::InPlace && stored.link.is_none();
    is_alone.then(|| {
        format!(
            "it cannot be read without {}, which is not recorded here: 'imgdelta repo scan' takes both in",
            parent.path.display()
        )
    })
}

/// What an image is called if nobody says: as its file, without the extension.
///
/// # Errors
/// Usage, if that cannot be a name.
pub(crate) fn name_of(path: &Path) -> Result<Name> {
    let stem = path.file_stem().and_then(|stem| stem.to_str());
    let stem = stem.ok_or_else(|| {
        Error::new(Kind::Usage, "its name is not UTF-8")
            .in_file(path)
            .with_hint("give one with --name")
    })?;
    let name = stem.parse::<Name>();
    name.map_err(|error| error.in_file(path).with_hint("give one with --name"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_take_away_meanwhile_is_no_failure_of_the_image_that_is_added() -> Result<()> {
        let folder = tempfile::tempdir().expect("a place");
        let repository = Repository::init(&folder.path().join("hq"), Format::Qcow2)?;
        let (own, other) = (repository.folder().join("a"), repository.folder().join("b"));
        let outside = folder.path().join("c");
        let add = Add {
            image: OpenSpec::of(&own),
            ..Add::default()
        };
        for (code, is_theirs) in [
            ("image_missing", true),
            ("parent_missing", true),
            ("input_changed", true),
            ("no_space", false),
        ] {
            for (file, is_there) in [(&other, true), (&own, false), (&outside, false)] {
                let error = Error::new(Kind::Chain, "it is gone").with_code(code);
                let found = repository.is_of_others(&error.in_file(file), &add);
                assert_eq!(found, is_theirs && is_there, "{code}: {}", file.display());
            }
        }
        Ok(())
    }
}
