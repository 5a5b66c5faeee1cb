//! Changes of a repository, one at a time, each of which is done whole or not at all.
//!
//! A change that touches several files is written down first: if its process is killed, whoever changes the repository next finishes
//! it, or drops it if the image never got its name. What is written down goes only when what it says is durable, and is gone for good
//! before anything else is changed.

use std::time::Duration;

use imgdelta_core::{Error, Existing, HeldPlace, Result};

use super::{
    layout::{RepoPaths, is_missing, write_small},
    listing::Listing,
    lock::Lock,
    names::ImageId,
    pending::{Pending, Step},
    record::Record,
};

/// The right to change a repository, and its records as they are.
#[derive(Debug)]
pub(super) struct Transaction<'a> {
    paths: &'a RepoPaths,
    /// The records. They follow what is done here.
    pub(super) listing: Listing,
    /// Nobody else changes the repository meanwhile.
    _lock: Lock,
}

impl<'a> Transaction<'a> {
    /// Takes the lock and finishes what a killed process left.
    ///
    /// # Errors
    /// Busy, if another process holds it; Host, if the host cannot, or what was left cannot be read.
    pub(super) fn begin(paths: &'a RepoPaths, wait: Duration, what: &str) -> Result<Self> {
        let lock = Lock::take(paths, wait, what)?;
        paths.make_folders()?;
        let mut change = Self {
            listing: Listing::read_records(paths)?,
            paths,
            _lock: lock,
        };
        change.recover()?;
        Ok(change)
    }

    /// Writes a record over the one that is there, as the next state of its image; returns it so.
    ///
    /// # Errors
    /// Host, if the host cannot.
    pub(super) fn put(&mut self, record: Record) -> Result<Record> {
        let record = self.next(record);
        self.write(record.clone())?;
        Ok(record)
    }

    /// Enters the record of an image whose files get their names by `place`. If the process is killed before that, the image is not
    /// entered; after that, it is. Returns it as it was entered.
    ///
    /// # Errors
    /// Host, if the host cannot; those of `place`, and then nothing is entered.
    pub(super) fn enter(
        &mut self,
        record: Record,
        place: impl FnOnce() -> Result<()>,
    ) -> Result<Record> {
        let pending = Pending {
            record: self.next(record),
            before: None,
        };
        let entry = self.write_down(&pending)?;
        if let Err(error) = place() {
            let _ = entry.remove_for_good();
            return Err(error);
        }
        self.write(pending.record.clone())?;
        entry.remove_for_good()?;
        Ok(pending.record)
    }

    /// Gives an image another id; its children follow. Returns its record.
    ///
    /// # Errors
    /// Host, if the host cannot.
    pub(super) fn set_id(&mut self, record: Record, before: &ImageId) -> Result<Record> {
        let pending = Pending {
            record: self.next(record),
            before: Some(before.clone()),
        };
        let entry = self.write_down(&pending)?;
        self.follow(&pending)?;
        entry.remove_for_good()?;
        Ok(pending.record)
    }

    /// Forgets an image, for good.
    ///
    /// # Errors
    /// Host, if the host cannot.
    pub(super) fn forget(&mut self, id: &ImageId) -> Result<()> {
        self.paths.record(id)?.remove_for_good()?;
        self.listing.forget(id);
        Ok(())
    }

    /// A record as the next state of its image.
    fn next(&self, mut record: Record) -> Record {
        let there = self.listing.by_id(&record.id);
        let there = there.map_or(0, |there| there.revision);
        record.revision = record.revision.max(there).saturating_add(1);
        record
    }

    /// Writes a record as it is.
    fn write(&mut self, record: Record) -> Result<()> {
        let place = self.paths.record(&record.id)?;
        write_small(&place, &record.to_json()?, Existing::Replace)?;
        self.listing.put(record);
        Ok(())
    }

    /// Writes down what is about to be done.
    fn write_down(&self, pending: &Pending) -> Result<HeldPlace> {
        let place = self.paths.entry(&pending.record.id)?;
        write_small(&place, &pending.to_json()?, Existing::Replace)?;
        Ok(place)
    }

    /// Does what was written down, however much of it has been done.
    fn follow(&mut self, pending: &Pending) -> Result<()> {
        for step in pending.steps(&self.listing) {
            match step {
                Step::Put(record) => self.write(*record)?,
                Step::Forget(id) => self.forget(&id)?,
            }
        }
        Ok(())
    }

    /// Finishes what a killed process began. What cannot be read stays, and nothing is changed: it may be a later version's.
    fn recover(&mut self) -> Result<()> {
        for (place, pending) in Pending::all(self.paths)? {
            let pending = pending?;
            if pending.is_due(&self.listing, self.paths) {
                self.follow(&pending)?;
            }
            match place.remove() {
                Err(cause) if !is_missing(&cause) => {
                    return Err(Error::host("cannot remove", cause).in_file(&place.path()));
                }
                _ => {}
            }
        }
        // Also if none was found: who was killed between taking an entry away and syncing left none, and a power cut would bring it back over what
        // comes now.
        match self.paths.entering()? {
            Some(entering) => entering.sync(),
            None => Ok(()),
        }
    }
}
