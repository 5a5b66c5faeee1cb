//! What the user may change of a record: tags, golden or not, name, id. No image is touched.

use imgdelta_core::{Error, Kind, Result};

use super::{
    Repository, Run,
    enter::{id_taken, name_taken},
    record::{Record, check_tags},
    words::{ImageId, Name, Tag},
};

impl Repository {
    /// Hangs tags on an image; one that is there already is no error.
    ///
    /// # Errors
    /// Usage, if there is no such image or there are too many tags; Busy; Host.
    pub fn tag(&self, word: &str, tags: &[Tag], run: &Run<'_>) -> Result<Record> {
        self.edit(word, run, "tag", |record| {
            record.tags.extend(tags.iter().cloned());
            check_tags(&record.tags)
        })
    }

    /// Takes tags off an image; one that is not there is no error.
    ///
    /// # Errors
    /// As [`tag`](Self::tag).
    pub fn untag(&self, word: &str, tags: &[Tag], run: &Run<'_>) -> Result<Record> {
        self.edit(word, run, "untag", |record| {
            record.tags.retain(|tag| !tags.contains(tag));
            Ok(())
        })
    }

    /// Says whether an image is golden.
    ///
    /// # Errors
    /// As [`tag`](Self::tag).
    pub fn set_golden(&self, word: &str, golden: bool, run: &Run<'_>) -> Result<Record> {
        self.edit(word, run, "tag", |record| {
            record.golden = golden;
            Ok(())
        })
    }

    /// Gives an image another name. Its file keeps its own, for its children know it.
    ///
    /// # Errors
    /// Usage, if there is no such image or another one bears that name; Busy; Host.
    pub fn rename(&self, word: &str, name: &Name, run: &Run<'_>) -> Result<Record> {
        let mut change = self.change(run, "rename")?;
        let mut record = change.listing.find(word)?.clone();
        if let Some(other) = change.listing.by_name(name)
            && other.id != record.id
        {
            return Err(name_taken(name, other));
        }
        record.name = name.clone();
        change.put(record.clone())?;
        Ok(record)
    }

    /// Gives an image another id: a claim that it is the disk that is known by that id elsewhere. Its children follow.
    ///
    /// # Errors
    /// Usage, if there is no such image or another one has that id; Busy; Host.
    pub fn set_id(&self, word: &str, id: &ImageId, run: &Run<'_>) -> Result<Record> {
        let mut change = self.change(run, "set-id")?;
        let mut record = change.listing.find(word)?.clone();
        let before = record.id.clone();
        if before == *id {
            return Ok(record);
        }
        if let Some(other) = change.listing.by_id(id) {
            if other.id == before {
                let message = format!("the id is '{before}': case makes no difference");
                return Err(Error::new(Kind::Usage, message).with_code("id_taken"));
            }
            return Err(id_taken(id, other));
        }
        record.id = id.clone();
        change.set_id(record.clone(), &before)?;
        Ok(record)
    }

    /// Changes one record.
    fn edit(
        &self,
        word: &str,
        run: &Run<'_>,
        what: &str,
        edit: impl FnOnce(&mut Record) -> Result<()>,
    ) -> Result<Record> {
        let mut change = self.change(run, what)?;
        let before = change.listing.find(word)?;
        let mut record = before.clone();
        edit(&mut record)?;
        if record != *before {
            change.put(record.clone())?;
        }
        Ok(record)
    }
}
