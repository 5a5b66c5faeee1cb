//! Changes that are under way: read from their entries, and what each comes to. Whoever changes the repository does it; whoever only reads
//! sees it done, and writes nothing.
//!
//! An entry is never played over what came after it. Each record counts its changes, so one that is there already, or a later one, says that
//! the entry has served: a power cut may have brought it back.

use std::path::Path;

use imgdelta_core::{Error, FileVersion, HeldPlace, Kind, Result};
use serde::{Deserialize, Serialize};

use super::{
    layout::RepoPaths,
    listing::Listing,
    names::ImageId,
    record::{Parent, ParentEvidence, Record, check_schema},
};

/// The version of an entry's form.
const SCHEMA: &str = "imgdelta/entering/1";

/// Longest entry that is read: a record, each character of which may take two, and a little more.
const LONGEST: u64 = 4 << 20;

/// Most changes that are under way: there is one, unless processes are killed again and again and none of them is let finish.
const MOST: usize = 1000;

/// A change of several files: the record of an image as it will be, and the id that it had before, if that is what changes.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) record: Record,
    pub(super) before: Option<ImageId>,
}

/// One step of what a change comes to.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// A record is written.
    Put(Box<Record>),
    /// The record of an id goes.
    Forget(ImageId),
}

/// An entry as it is written.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    schema: String,
    /// As a JSON text of its own: it is read as records are.
    record: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<ImageId>,
}

impl Pending {
    /// As the file that says so.
    ///
    /// # Errors
    /// Usage, if there is more to say than a record holds.
    pub(super) fn to_json(&self) -> Result<Vec<u8>> {
        let record = String::from_utf8(self.record.to_json()?)
            .map_err(|_| Error::new(Kind::Usage, "the record is no text"))?;
        let entry = Entry {
            schema: SCHEMA.to_owned(),
            record,
            before: self.before.clone(),
        };
        serde_json::to_vec(&entry)
            .map_err(|cause| Error::new(Kind::Usage, format!("the record: {cause}")))
    }

    /// The one at `place`; `None`, if nothing is there.
    fn read(place: &HeldPlace) -> Result<Option<Self>> {
        let Some(json) = place.read(LONGEST)? else {
            return Ok(None);
        };
        check_schema(&json, SCHEMA, "entry")?;
        let entry: Entry = serde_json::from_slice(&json)
            .map_err(|cause| Error::new(Kind::Corrupt, format!("entry: {cause}")))?;
        let record = Record::from_json(entry.record.as_bytes())?;
        let before = entry.before;
        Ok(Some(Self { record, before }))
    }

    /// All that are under way, in order of their files' names. One that cannot be read is an error of its own: what it says is not done, and
    /// not known to be done.
    ///
    /// # Errors
    /// Host, if the host cannot list them; Unsupported, if there are more than [`MOST`].
    pub(super) fn all(paths: &RepoPaths) -> Result<Vec<(HeldPlace, Result<Self>)>> {
        let Some(folder) = paths.entering()? else {
            return Ok(Vec::new());
        };
        let listed = folder.places();
        let mut places =
            listed.map_err(|cause| Error::host("cannot list", cause).in_file(folder.path()))?;
        places.retain(|place| {
            let name = place.name().as_encoded_bytes();
            name.ends_with(b".json") && !name.starts_with(b".")
        });
        if places.len() > MOST {
            let message = format!("more than {MOST} changes are under way");
            return Err(Error::new(Kind::Unsupported, message).in_file(folder.path()));
        }
        let read = |place: HeldPlace| match Self::read(&place) {
            Ok(None) => None,
            Ok(Some(pending)) => Some((place, Ok(pending))),
            Err(error) => {
                let error = unreadable(&error, &place.path());
                Some((place, Err(error)))
            }
        };
        Ok(places.into_iter().filter_map(read).collect())
    }

    /// Whether it is still to be done: the image got its name, or had one, and nothing of the same or a later state is known of it.
    pub(super) fn is_due(&self, listing: &Listing, paths: &RepoPaths) -> bool {
        let Self { record, .. } = self;
        let there = listing.by_id(&record.id);
        if there.is_some_and(|there| there.content_id != record.content_id) {
            return false; // The id is another disk's by now.
        }
        let before = self.before().and_then(|before| listing.by_id(before));
        let known = [there, before, listing.by_content(&record.content_id)];
        let mut known = known.into_iter().flatten();
        if known.clone().any(|there| there.revision > record.revision) {
            return false;
        }
        match self.before() {
            // The old record goes last: without it, all is done.
            Some(_) => before.is_some_and(|before| before.content_id == record.content_id),
            None => {
                let is_done = |there: &Record| {
                    there.revision == record.revision && files_are_there(there, paths)
                };
                !known.any(is_done) && files_are_there(record, paths)
            }
        }
    }

    /// What it comes to, however much of it has been done: the record; its children's, which follow its id; the old one goes.
    pub(super) fn steps(&self, listing: &Listing) -> Vec<Step> {
        let Self { record, .. } = self;
        let mut steps = Vec::new();
        if listing.by_id(&record.id) != Some(record) {
            steps.push(Step::Put(Box::new(record.clone())));
        }
        let Some(before) = self.before() else {
            return steps;
        };
        let children = listing.children(before).into_iter();
        steps.extend(
            children
                .filter(|child| child.id != record.id)
                .map(|child| Step::Put(Box::new(adopted(child, &record.id)))),
        );
        steps.push(Step::Forget(before.clone()));
        steps
    }

    /// The id that goes.
    fn before(&self) -> Option<&ImageId> {
        let before = self.before.as_ref()?;
        (before.folded() != self.record.id.folded()).then_some(before)
    }
}

impl Listing {
    /// Reads the records, and sees done what is written down as under way.
    ///
    /// # Errors
    /// As [`read_records`](Self::read_records).
    pub(super) fn read(paths: &RepoPaths) -> Result<Self> {
        // Before the records: what is done meanwhile is found among them.
        let under_way = Pending::all(paths)?;
        let mut listing = Self::read_records(paths)?;
        for (_, pending) in under_way {
            listing.is_unsettled = true;
            match pending {
                Ok(pending) if pending.is_due(&listing, paths) => listing.follow(&pending),
                Ok(_) => {}
                Err(error) => listing.faults.push(error),
            }
        }
        Ok(listing)
    }

    /// Does here what a change comes to.
    fn follow(&mut self, pending: &Pending) {
        for step in pending.steps(self) {
            match step {
                Step::Put(record) => self.put(*record),
                Step::Forget(id) => self.forget(&id),
            }
        }
    }
}

/// A child whose parent has another id now.
fn adopted(child: &Record, id: &ImageId) -> Record {
    let parent = child.parent.as_ref();
    let known = parent.map_or(ParentEvidence::Declared, |parent| parent.known);
    Record {
        parent: Some(Parent {
            id: id.clone(),
            known,
        }),
        revision: child.revision.saturating_add(1),
        ..child.clone()
    }
}

/// Whether the files of a record stand in their places, as it says.
fn files_are_there(record: &Record, paths: &RepoPaths) -> bool {
    record.files.iter().all(|file| {
        let place = paths.place(&file.path);
        let found = place.ok().and_then(|place| FileVersion::at(&place));
        found.is_some_and(|found| file.is_unchanged(&found))
    })
}

/// What an entry says that nobody can read is not known: it may be a later version's, and only that can finish it.
fn unreadable(error: &Error, place: &Path) -> Error {
    let message = format!(
        "a change that was under way cannot be read: {}",
        error.message()
    );
    Error::new(Kind::Host, message)
        .with_code("change_unreadable")
        .in_file(place)
        .with_hint(
            "the version that began it can finish it; without that file, what it began is dropped",
        )
}
