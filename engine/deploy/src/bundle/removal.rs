//! Images taken out of a delivery: the list first, in one step, then the files. A medium that is pulled out in between holds files that nothing
//! lists, which the next run sweeps, and a list that is whole.

use std::{collections::HashSet, fs, io, time::Duration};

use imgdelta_core::{Error, Kind, Result, sync_folder};
use imgdelta_delta::ContentId;

use super::{entry::BundleEntry, folder::Bundle, index::Index};

/// Most images that an error names.
const MOST_NAMED: usize = 16;

/// What was taken out, or would be.
#[derive(Clone, Debug, Default)]
pub struct Removal {
    /// The entries, in the order in which they were listed: all ways to each image.
    pub entries: Vec<BundleEntry>,
    /// What the user should know.
    pub notes: Vec<String>,
}

impl Bundle {
    /// Opens the delivery in `folder` to take something out of it. While another process changes it, waits at most so long.
    ///
    /// # Errors
    /// Usage, if there is none, or it is one of several media; Busy; else as [`open`](Self::open).
    pub fn change(folder: &std::path::Path, wait: Duration) -> Result<Self> {
        Self::open(folder)?.require_alone()?;
        Self::begin(folder, wait)
    }

    /// Which entries would go with these images, each called by its name, its id, its content id, or the first digits of one of those. Nothing is
    /// changed.
    ///
    /// # Errors
    /// Usage, if it holds no such image (`no_such_image`), a word means several (`ambiguous`), or others are made from one of them (`needed`).
    pub fn removal(&self, words: &[String]) -> Result<Removal> {
        let index = self.index();
        let images = words
            .iter()
            .map(|word| find(index, word).map_err(|error| error.in_file(self.folder())))
            .collect::<Result<HashSet<ContentId>>>()?;
        let (gone, left): (Vec<_>, Vec<_>) =
            (index.items.iter().cloned()).partition(|entry| images.contains(&entry.content_id));
        require_unneeded(&gone, &left).map_err(|error| error.in_file(self.folder()))?;
        Ok(Removal {
            entries: gone,
            notes: Vec::new(),
        })
    }

    /// Takes these images out. Index and how-to are written anew before any file goes.
    ///
    /// # Errors
    /// As [`removal`](Self::removal); Host, if the host cannot write. A file that cannot be deleted is told in a note: nothing lists it any more.
    pub fn remove(&mut self, words: &[String]) -> Result<Removal> {
        let mut removal = self.removal(words)?;
        let keys: HashSet<_> = removal.entries.iter().map(BundleEntry::key).collect();
        let mut index = self.index().clone();
        super::TOOL.clone_into(&mut index.tool);
        index.items.retain(|entry| !keys.contains(&entry.key()));
        self.list(index)?;
        self.write_sums()?;
        removal.notes.append(&mut self.take_notes());
        for file in removal.entries.iter().flat_map(BundleEntry::stored) {
            let place = self.folder().join(file.name.as_str());
            match fs::remove_file(&place) {
                Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
                    let shown = place.display();
                    removal.notes.push(format!(
                        "{shown}: is listed no more, but cannot be deleted: {cause}"
                    ));
                }
                _ => {}
            }
        }
        sync_folder(self.folder())?;
        Ok(removal)
    }
}

/// The image that a word means.
fn find(index: &Index, word: &str) -> Result<ContentId> {
    let named = |entry: &&BundleEntry| entry.name.as_str() == word;
    let folded = word.to_ascii_lowercase();
    let begins = |entry: &&BundleEntry| {
        let content = entry.content_id.to_string();
        let digits = entry.content_id.0.to_string();
        let id = entry.image.as_str().to_ascii_lowercase();
        [content, digits, id]
            .iter()
            .any(|one| one.starts_with(&folded))
    };
    let contents = |entries: Vec<&BundleEntry>| -> HashSet<ContentId> {
        entries.iter().map(|entry| entry.content_id).collect()
    };
    let mut found = contents(index.items.iter().filter(named).collect());
    if found.is_empty() && !word.is_empty() {
        found = contents(index.items.iter().filter(begins).collect());
    }
    let word = word.escape_debug();
    let mut found = found.into_iter();
    match (found.next(), found.next()) {
        (Some(content), None) => Ok(content),
        (Some(_), Some(_)) => Err(Error::new(
            Kind::Usage,
            format!("several images of the delivery are called '{word}'"),
        )
        .with_code("ambiguous")
        .with_hint("say the content id of the one that is meant; HOWTO.txt there lists them")),
        _ => {
            let names: HashSet<&str> = index.items.iter().map(|one| one.name.as_str()).collect();
            let mut names: Vec<&str> = names.into_iter().collect();
            names.sort_unstable();
            names.truncate(MOST_NAMED);
            let message = format!("the delivery holds no image '{word}'");
            let error = Error::new(Kind::Usage, message).with_code("no_such_image");
            Err(match names.is_empty() {
                true => error.with_detail("it holds none at all"),
                false => error.with_detail(format!("it holds {}", names.join(", "))),
            })
        }
    }
}

/// Refuses to take out what others that stay are made from.
fn require_unneeded(gone: &[BundleEntry], left: &[BundleEntry]) -> Result<()> {
    let made_from_it = |entry: &&BundleEntry| {
        let base = entry.base.as_ref();
        base.is_some_and(|base| gone.iter().any(|one| one.content_id == base.content_id))
    };
    let needing: Vec<&BundleEntry> = left.iter().filter(made_from_it).collect();
    if needing.is_empty() {
        return Ok(());
    }
    let message = "others of the delivery are made from what is to go";
    let error = Error::new(Kind::Usage, message)
        .with_code("needed")
        .with_hint("drop those too, or leave it there");
    let lines = needing.iter().take(MOST_NAMED).filter_map(|entry| {
        let base = entry.base.as_ref()?;
        Some(format!("'{}' is made from '{}'", entry.name, base.name))
    });
    Err(lines.fold(error, Error::with_detail))
}
