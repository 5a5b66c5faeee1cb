//! What the user may change of a record: tags, golden or not, name, id. No image is touched.
//!
//! Which image is meant is found out under the lock, when what a killed process left is finished: a name that was looked up before may be
//! another image's by then.

use imgdelta_core::{Error, Kind, Result};

use super::{
    Repository, Run,
    import::{id_taken, name_taken},
    listing::Listing,
    names::{ImageId, Name, Tag},
    record::{Record, check_tags},
};

/// What is changed of a record.
#[derive(Clone, Debug)]
pub enum Edit {
    /// These tags come; one that is there already is no error.
    Tag(Vec<Tag>),
    /// These tags go; one that is not there is no error.
    Untag(Vec<Tag>),
    /// Whether it is golden: its files are read-only as long as it is.
    Golden(bool),
    /// It is golden, and its files are immutable as long as it is.
    Immutable,
    /// Its id: a claim that it is the disk that is known by that id elsewhere. Its children follow.
    Id(ImageId),
    /// Its name. Its file keeps its own, for its children know it.
    Name(Name),
}

/// A record that was changed, or would be.
#[derive(Debug)]
pub struct Edited {
    /// The record before.
    pub before: Record,
    /// The record as it is now; the same, if there was nothing to change.
    pub record: Record,
    /// What is known of all images.
    pub listing: Listing,
}

impl Edit {
    /// The record as it will be.
    ///
    /// # Errors
    /// Usage, if another image has that name or id, or there are too many tags.
    fn apply(&self, before: &Record, listing: &Listing) -> Result<Record> {
        let mut record = before.clone();
        match self {
            Self::Tag(tags) => {
                record.tags.extend(tags.iter().cloned());
                check_tags(&record.tags)?;
            }
            Self::Untag(tags) => record.tags.retain(|tag| !tags.contains(tag)),
            Self::Golden(golden) => {
                record.golden = *golden;
                record.immutable &= *golden;
            }
            Self::Immutable => (record.golden, record.immutable) = (true, true),
            Self::Name(name) => {
                let other = listing.by_name(name);
                if let Some(other) = other.filter(|other| other.id != before.id) {
                    return Err(name_taken(name, other));
                }
                record.name = name.clone();
            }
            Self::Id(id) => {
                refuse_id(id, before, listing)?;
                record.id = id.clone();
            }
        }
        Ok(record)
    }

    /// For those who wait.
    const fn word(&self) -> &'static str {
        match self {
            Self::Tag(_) | Self::Golden(_) | Self::Immutable => "tag",
            Self::Untag(_) => "untag",
            Self::Id(_) => "set-id",
            Self::Name(_) => "rename",
        }
    }
}

/// Refuses an id that an image has, unless it is spelt as this one's.
fn refuse_id(id: &ImageId, before: &Record, listing: &Listing) -> Result<()> {
    match listing.by_id(id) {
        Some(other) if other.id != before.id => Err(id_taken(id, other)),
        Some(_) if *id != before.id => {
            let message = format!("the id is '{}': case makes no difference", before.id);
            Err(Error::new(Kind::Usage, message).with_code("id_taken"))
        }
        _ => Ok(()),
    }
}

impl Repository {
    /// Changes what is known of an image.
    ///
    /// # Errors
    /// Usage, if there is no such image, another one has that name or id, or there are too many tags; Busy; Host.
    pub fn edit(&self, word: &str, edit: &Edit, run: &Run<'_>) -> Result<Edited> {
        let mut change = self.change(run, edit.word())?;
        let before = change.listing.find(word)?.clone();
        let mut record = edit.apply(&before, &change.listing)?;
        if record.id != before.id {
            record = change.set_id(record, &before.id)?;
            return Ok(Edited {
                before,
                record,
                listing: change.listing,
            });
        }
        if matches!(edit, Edit::Golden(_) | Edit::Immutable) {
            if !record.immutable {
                self.lift_immutable(&before)?;
            }
            record = self.with_permissions(record);
            if record.immutable
                && let Err(error) = self.make_immutable(&record)
            {
                // Nothing is changed: permissions neither.
                if !before.golden {
                    self.with_permissions(Record {
                        golden: false,
                        ..record
                    });
                }
                return Err(error);
            }
        }
        if record != before {
            record = change.put(record)?;
        }
        Ok(Edited {
            before,
            record,
            listing: change.listing,
        })
    }

    /// Writes down that an image's files were read and hold another disk, though a look at them does not show it: it counts as changed from now on, is
    /// promised to nobody, and comes anew with the next deployment that brings it. An image that is gone by now is no error.
    ///
    /// # Errors
    /// Busy, if another process changes the repository; Host, if the host cannot.
    pub fn refute(&self, id: &ImageId, run: &Run<'_>) -> Result<()> {
        let mut change = self.change(run, "refute")?;
        let record = change.listing.by_id(id);
        let sound = record.filter(|one| self.presence(one, &change.listing).is_present());
        if let Some(record) = sound.cloned() {
            change.put(Record {
                refuted: true,
                ..record
            })?;
        }
        Ok(())
    }

    /// What [`edit`](Self::edit) would do now. Nothing is written, and no lock is needed.
    ///
    /// # Errors
    /// As [`edit`](Self::edit), but Busy.
    pub fn foresee_edit(&self, word: &str, edit: &Edit) -> Result<Edited> {
        let listing = self.list()?;
        let before = listing.find(word)?.clone();
        let record = edit.apply(&before, &listing)?;
        Ok(Edited {
            before,
            record,
            listing,
        })
    }

    /// Hangs tags on an image, see [`Edit::Tag`].
    ///
    /// # Errors
    /// As [`edit`](Self::edit).
    pub fn tag(&self, word: &str, tags: &[Tag], run: &Run<'_>) -> Result<Record> {
        let edited = self.edit(word, &Edit::Tag(tags.to_vec()), run)?;
        Ok(edited.record)
    }

    /// Takes tags off an image, see [`Edit::Untag`].
    ///
    /// # Errors
    /// As [`edit`](Self::edit).
    pub fn untag(&self, word: &str, tags: &[Tag], run: &Run<'_>) -> Result<Record> {
        let edited = self.edit(word, &Edit::Untag(tags.to_vec()), run)?;
        Ok(edited.record)
    }

    /// Says whether an image is golden.
    ///
    /// # Errors
    /// As [`edit`](Self::edit).
    pub fn set_golden(&self, word: &str, golden: bool, run: &Run<'_>) -> Result<Record> {
        Ok(self.edit(word, &Edit::Golden(golden), run)?.record)
    }

    /// Gives an image another name, see [`Edit::Name`].
    ///
    /// # Errors
    /// As [`edit`](Self::edit).
    pub fn rename(&self, word: &str, name: &Name, run: &Run<'_>) -> Result<Record> {
        Ok(self.edit(word, &Edit::Name(name.clone()), run)?.record)
    }

    /// Gives an image another id, see [`Edit::Id`].
    ///
    /// # Errors
    /// As [`edit`](Self::edit).
    pub fn set_id(&self, word: &str, id: &ImageId, run: &Run<'_>) -> Result<Record> {
        Ok(self.edit(word, &Edit::Id(id.clone()), run)?.record)
    }
}
