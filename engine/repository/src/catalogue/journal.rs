//! Changes of a repository, one at a time, each of which is done whole or not at all.
//!
//! A change that touches several files is written down first: if its process is killed, whoever changes the repository next finishes
//! it, or drops it if the image never got its name.

use std::{fs, time::Duration};

use imgdelta_core::{Error, Existing, FileVersion, Kind, Result};
use serde::{Deserialize, Serialize};

use super::{
    listing::Listing,
    lock::Lock,
    record::{Known, Parent, Record, check_schema},
    rooms::{Rooms, is_missing, read_small, remove, write_small},
    words::ImageId,
};

/// The version of an entry's form.
const SCHEMA: &str = "imgdelta/entering/1";

/// Longest entry that is read: a record, each character of which may take two, and a little more.
const LONGEST: u64 = 4 << 20;

/// The right to change a repository, and its records as they are.
#[derive(Debug)]
pub(super) struct Change<'a> {
    rooms: &'a Rooms,
    /// The records. They follow what is done here.
    pub(super) listing: Listing,
    /// Nobody else changes the repository meanwhile.
    _lock: Lock,
}

/// A record that is about to be entered.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    schema: String,
    /// As a JSON text of its own: it is read as records are.
    record: String,
    /// The id that the image had before, if that is what changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<ImageId>,
}

impl<'a> Change<'a> {
    /// Takes the lock and finishes what a killed process left.
    ///
    /// # Errors
    /// Busy, if another process holds it; Host, if the host cannot.
    pub(super) fn begin(rooms: &'a Rooms, wait: Duration, what: &str) -> Result<Self> {
        let lock = Lock::take(rooms, wait, what)?;
        rooms.make_folders()?;
        let mut change = Self {
            listing: Listing::read(rooms)?,
            rooms,
            _lock: lock,
        };
        change.recover()?;
        Ok(change)
    }

    /// Writes a record over the one that is there.
    ///
    /// # Errors
    /// Host, if the host cannot.
    pub(super) fn put(&mut self, record: Record) -> Result<()> {
        let place = self.rooms.record(&record.id);
        write_small(&place, &record.to_json()?, Existing::Replace)?;
        self.listing.put(record);
        Ok(())
    }

    /// Enters the record of an image whose files get their names by `place`. If the process is killed before that, the image is not
    /// entered; after that, it is.
    ///
    /// # Errors
    /// Host, if the host cannot; those of `place`, and then nothing is entered.
    pub(super) fn enter(
        &mut self,
        record: Record,
        place: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        let entry = self.begin_entry(&record, None)?;
        if let Err(error) = place() {
            let _ = remove(&entry);
            return Err(error);
        }
        self.put(record)?;
        remove(&entry)
    }

    /// Gives an image another id; its children follow.
    ///
    /// # Errors
    /// Host, if the host cannot.
    pub(super) fn set_id(&mut self, record: Record, before: &ImageId) -> Result<()> {
        let entry = self.begin_entry(&record, Some(before.clone()))?;
        self.follow(record, Some(before))?;
        remove(&entry)
    }

    /// Forgets an image.
    ///
    /// # Errors
    /// Host, if the host cannot.
    pub(super) fn forget(&mut self, id: &ImageId) -> Result<()> {
        remove(&self.rooms.record(id))?;
        self.listing.forget(id);
        Ok(())
    }

    /// Writes down what is about to be done.
    fn begin_entry(&self, record: &Record, before: Option<ImageId>) -> Result<std::path::PathBuf> {
        let text = String::from_utf8(record.to_json()?)
            .map_err(|_| Error::new(Kind::Usage, "the record is no text"))?;
        let entry = Entry {
            schema: SCHEMA.to_owned(),
            record: text,
            before,
        };
        let json = serde_json::to_vec(&entry)
            .map_err(|cause| Error::new(Kind::Usage, format!("the record: {cause}")))?;
        let place = self.rooms.entry(&record.id);
        write_small(&place, &json, Existing::Replace)?;
        Ok(place)
    }

    /// Does what an entry says, however much of it has been done.
    fn follow(&mut self, record: Record, before: Option<&ImageId>) -> Result<()> {
        let id = record.id.clone();
        self.put(record)?;
        let Some(before) = before.filter(|before| before.folded() != id.folded()) else {
            return Ok(());
        };
        let children: Vec<Record> = self.listing.children(before).into_iter().cloned().collect();
        for mut child in children {
            let known = child
                .parent
                .as_ref()
                .map_or(Known::Declared, |parent| parent.known);
            child.parent = Some(Parent {
                id: id.clone(),
                known,
            });
            self.put(child)?;
        }
        self.forget(before)
    }

    /// Finishes what a killed process began. An entry that nobody can read is dropped: its image was not entered.
    fn recover(&mut self) -> Result<()> {
        let folder = self.rooms.entering();
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(cause) if is_missing(&cause) => return Ok(()),
            Err(cause) => return Err(Error::host("cannot list", cause).in_file(&folder)),
        };
        for entry in entries {
            let entry =
                entry.map_err(|cause| Error::host("cannot list", cause).in_file(&folder))?;
            let name = entry.file_name();
            let is_entry = name
                .to_str()
                .is_some_and(|name| name.ends_with(".json") && !name.starts_with('.'));
            if !is_entry {
                continue;
            }
            if let Ok(Some((record, before))) = read_entry(&entry.path())
                && self.is_there(&record)
            {
                self.follow(record, before.as_ref())?;
            }
            remove(&entry.path())?;
        }
        Ok(())
    }

    /// Whether the files of a record stand in their places, as it says.
    fn is_there(&self, record: &Record) -> bool {
        record.files.iter().all(|file| {
            let place = self.rooms.place(&file.path);
            let stamp = place.ok().and_then(|place| FileVersion::at(&place));
            stamp.is_some_and(|stamp| file.is_unchanged(&stamp))
        })
    }
}

/// A change that was under way; `None` if there is none.
fn read_entry(place: &std::path::Path) -> Result<Option<(Record, Option<ImageId>)>> {
    let Some(json) = read_small(place, LONGEST)? else {
        return Ok(None);
    };
    check_schema(&json, SCHEMA, "entry")?;
    let entry: Entry = serde_json::from_slice(&json)
        .map_err(|cause| Error::new(Kind::Corrupt, format!("entry: {cause}")))?;
    let record = Record::from_json(entry.record.as_bytes())?;
    Ok(Some((record, entry.before)))
}
