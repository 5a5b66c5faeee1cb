//! All that stands below a folder, kept and put back: files with their bytes and times, folders also when they are empty.
//!
//! What must be equal after two runs that did the same is told apart here from what never is: times, drafts, what a lock says.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io,
    path::Path,
    sync::Arc,
    time::SystemTime,
};

use imgdelta::core::fs::draft_kind;
use serde_json::Value;

/// What files hold, by their names.
pub(crate) type Held = BTreeMap<String, Arc<Vec<u8>>>;

/// What stands below a folder.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    folders: BTreeSet<String>,
    files: BTreeMap<String, (Arc<Vec<u8>>, SystemTime)>,
}

impl Tree {
    /// What stands below `root` now. Files that are as long and as old as those in `known` are the same: whoever writes to one makes it young.
    pub(crate) fn of(root: &Path, known: &Self) -> io::Result<Self> {
        let mut tree = Self::default();
        tree.take(root, "", known)?;
        Ok(tree)
    }

    fn take(&mut self, root: &Path, below: &str, known: &Self) -> io::Result<()> {
        for entry in fs::read_dir(root.join(below))? {
            let entry = entry?;
            let name = format!("{below}{}", entry.file_name().to_string_lossy());
            if entry.file_type()?.is_dir() {
                self.take(root, &format!("{name}/"), known)?;
                self.folders.insert(name);
            } else {
                let metadata = entry.metadata()?;
                let modified = metadata.modified()?;
                let same = known.files.get(&name).filter(|(bytes, time)| {
                    bytes.len() as u64 == metadata.len() && *time == modified
                });
                let bytes = match same {
                    Some((bytes, _)) => Arc::clone(bytes),
                    None => Arc::new(fs::read(entry.path())?),
                };
                self.files.insert(name, (bytes, modified));
            }
        }
        Ok(())
    }

    /// Makes what stands below `root` this again, times included: a record holds its image's.
    pub(crate) fn put_back(&self, root: &Path) -> io::Result<()> {
        let there = Self::of(root, self)?;
        for name in there.files.keys() {
            if there.files.get(name) != self.files.get(name) {
                fs::remove_file(root.join(name))?;
            }
        }
        for name in there.folders.iter().rev() {
            if !self.folders.contains(name) {
                fs::remove_dir(root.join(name))?;
            }
        }
        for name in &self.folders {
            fs::create_dir_all(root.join(name))?;
        }
        for (name, held) in &self.files {
            if there.files.get(name) != Some(held) {
                let (bytes, modified) = held;
                fs::write(root.join(name), bytes.as_slice())?;
                File::options()
                    .write(true)
                    .open(root.join(name))?
                    .set_modified(*modified)?;
            }
        }
        Ok(())
    }

    /// Whether a file below `folder` is another one in `other`, not there, or new.
    pub(crate) fn differs_below(&self, other: &Self, folder: &str) -> bool {
        let below = |(name, _): &(&String, &_)| name.starts_with(folder);
        let (mine, theirs) = (self.files.iter(), other.files.iter());
        !mine.filter(below).eq(theirs.filter(below))
    }

    /// The folders that are repositories.
    pub(crate) fn repositories(&self) -> Vec<&str> {
        let names = self.files.keys();
        names
            .filter_map(|name| name.strip_suffix("/.imgdelta/repository.json"))
            .collect()
    }

    /// How many bytes the files below `folder` hold.
    pub(crate) fn bytes_below(&self, folder: &str) -> u64 {
        let below = self
            .files
            .iter()
            .filter(|(name, _)| name.starts_with(folder));
        below.map(|(_, (bytes, _))| bytes.len() as u64).sum()
    }

    /// What counts as done: no drafts, no lock, no change or delivery that is under way, and no times.
    pub(crate) fn settled(&self) -> Held {
        let done = self
            .files
            .iter()
            .filter(|(name, _)| !is_draft(name) && !is_passing(name));
        done.map(|(name, (bytes, _))| (name.clone(), timeless(name, bytes)))
            .collect()
    }

    /// Whether the same is done here and there, and nothing is under way.
    pub(crate) fn is_as(&self, other: &Self) -> bool {
        self.drafts() == other.drafts()
            && self.entries() == other.entries()
            && self.settled() == other.settled()
    }

    /// Whether all files are the very same, times included; a lock that is taken leaves its file young.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.files == other.files && self.folders == other.folders
    }

    /// Whether a file of that name stands there.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.files.contains_key(name)
    }

    /// How many records a repository has.
    pub(crate) fn records(&self, repository: &str) -> usize {
        let folder = format!("{repository}/.imgdelta/images/");
        let names = self.files.keys();
        names
            .filter(|name| name.starts_with(&folder) && !is_draft(name))
            .count()
    }

    /// Whether a file that is a lock lies about.
    pub(crate) fn is_locked(&self) -> bool {
        self.files.keys().any(|name| name.ends_with("/lock.held"))
    }

    /// The drafts that lie about, those of a delivery that is under way aside.
    pub(crate) fn drafts(&self) -> Vec<&String> {
        let names = self.files.keys();
        names
            .filter(|name| is_draft(name) && !name.contains(".imgdelta/incoming/"))
            .collect()
    }

    /// The changes that are written down as under way.
    pub(crate) fn entries(&self) -> Vec<&String> {
        let names = self.files.keys();
        names
            .filter(|name| name.contains(".imgdelta/entering/") && !is_draft(name))
            .collect()
    }
}

/// Whether it is a draft, the second name of what a draft replaces, or the record of drafts that get their names.
fn is_draft(name: &str) -> bool {
    let last = name.rsplit('/').next().unwrap_or(name);
    last == ".imgdelta-commit" || draft_kind(last.as_ref()).is_some()
}

/// Whether it belongs to what is under way.
fn is_passing(name: &str) -> bool {
    name.contains(".imgdelta/lock")
        || name.contains(".imgdelta/entering/")
        || name.contains(".imgdelta/incoming/")
}

/// A file without what differs from one run to the next: times, inodes and digests in records, and the number that a repository is given when it is made.
fn timeless(name: &str, bytes: &Arc<Vec<u8>>) -> Arc<Vec<u8>> {
    let is_record = name.contains(".imgdelta/images/");
    let is_about = name.ends_with(".imgdelta/repository.json");
    let json = (is_record || is_about).then(|| serde_json::from_slice::<Value>(bytes));
    let Some(Ok(mut json)) = json else {
        return Arc::clone(bytes);
    };
    json["digest"] = Value::Null;
    if is_about {
        json["id"] = Value::Null;
    } else {
        json["provenance"]["when"] = Value::Null;
        for file in json["files"].as_array_mut().into_iter().flatten() {
            file["modified"] = Value::Null;
            file["inode"] = Value::Null;
        }
    }
    Arc::new(json.to_string().into_bytes())
}
