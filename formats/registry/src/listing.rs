//! The names in folders, each folder read once for whatever is looked for: an image may be made of thousands of files.
//!
//! Names are found by the one spelling of all that are alike. How much is kept is bounded; a folder that has more is said to have it.

use std::{
    collections::HashMap,
    ffi::OsString,
    fmt,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io,
    path::{Path, PathBuf},
};

use imgdelta_core::fs::draft_kind;
use unicode_normalization::UnicodeNormalization;

use crate::sandbox;

/// The most names that are kept, of all folders together: some 100 MB.
const MOST_NAMES: usize = 1 << 20;

/// Why the names in a folder are not known.
#[derive(Debug)]
pub(crate) enum NotListed {
    /// There are more than are kept.
    TooMany { folder: PathBuf, most: usize },
    /// So many folders are alike that not all were looked into.
    TooManyFolders { folder: PathBuf, most: usize },
    /// So many names are alike that not all were looked at.
    TooManyAlike { folder: PathBuf, most: usize },
    /// The host would not list it.
    Host { folder: PathBuf, cause: io::Error },
}

impl fmt::Display for NotListed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany { folder, most } => write!(
                f,
                "{} has more than {most} names, which is more than are looked through",
                folder.display()
            ),
            Self::TooManyFolders { folder, most } => write!(
                f,
                "below {} are more than {most} folders with names that differ only in how letters are written",
                folder.display()
            ),
            Self::TooManyAlike { folder, most } => write!(
                f,
                "below {} are more than {most} names that differ only in how letters are written",
                folder.display()
            ),
            Self::Host { folder, cause } => {
                write!(f, "{} cannot be listed: {cause}", folder.display())
            }
        }
    }
}

impl NotListed {
    /// Whether there is more than is looked at, so that what was found may not be all.
    pub(crate) const fn is_limit(&self) -> bool {
        !matches!(self, Self::Host { .. })
    }
}

/// The folders that were read.
#[derive(Debug)]
pub(crate) struct Listings {
    folders: HashMap<PathBuf, Listing>,
    /// How many more names are kept.
    room: usize,
    /// How many there were at first.
    most: usize,
}

/// The names in one folder.
#[derive(Debug)]
enum Listing {
    /// All of them, each behind the hash of its [`first_part`], in order.
    All(Vec<(u64, OsString)>),
    /// More than there is room for.
    TooMany,
}

impl Default for Listings {
    fn default() -> Self {
        Self::of(MOST_NAMES)
    }
}

impl Listings {
    /// With room for so many names.
    fn of(most: usize) -> Self {
        Self {
            folders: HashMap::new(),
            room: most,
            most,
        }
    }

    /// The names in the folder `inside` below `root` that may begin with `part`, as [`folded_parts`] spells it: in order, and few others.
    /// Drafts and names that are no text are none.
    ///
    /// # Errors
    /// If they are not known.
    pub(crate) fn beginning(
        &mut self,
        root: &Path,
        inside: &Path,
        part: &str,
    ) -> Result<Vec<OsString>, NotListed> {
        let folder = root.join(inside);
        if !self.folders.contains_key(&folder) {
            let listing = self.read(root, inside).map_err(|cause| NotListed::Host {
                folder: folder.clone(),
                cause,
            })?;
            self.folders.insert(folder.clone(), listing);
        }
        match self.folders.get(&folder) {
            Some(Listing::All(names)) => {
                let key = hash(part);
                let start = names.partition_point(|(known, _)| *known < key);
                let like = names.iter().skip(start);
                let like = like.take_while(|(known, _)| *known == key);
                Ok(like.map(|(_, name)| name.clone()).collect())
            }
            Some(Listing::TooMany) | None => Err(NotListed::TooMany {
                folder,
                most: self.most,
            }),
        }
    }

    fn read(&mut self, root: &Path, inside: &Path) -> io::Result<Listing> {
        // One more tells whether there are more.
        let mut names = sandbox::names(root, inside, self.room.saturating_add(1))?;
        if names.len() > self.room {
            return Ok(Listing::TooMany);
        }
        self.room = self.room.saturating_sub(names.len());
        // What is not finished is nobody's.
        names.retain(|name| draft_kind(name).is_none());
        let keyed = names.into_iter().filter_map(|name| {
            let key = hash(&first_part(name.to_str()?)?);
            Some((key, name))
        });
        let mut names: Vec<_> = keyed.collect();
        // The order in which a host lists names is no order.
        names.sort_unstable();
        Ok(Listing::All(names))
    }
}

fn hash(part: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    part.hash(&mut hasher);
    hasher.finish()
}

/// The parts of a path, each in the one spelling of all that are alike.
pub(crate) fn folded_parts(path: &str) -> Vec<String> {
    parts(path).map(folded).collect()
}

/// The first of them.
fn first_part(path: &str) -> Option<String> {
    parts(path).next().map(folded)
}

fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.split(['/', '\\']).filter(|part| !part.is_empty())
}

fn folded(part: &str) -> String {
    if part.is_ascii() {
        return part.to_ascii_lowercase();
    }
    part.nfd().flat_map(char::to_lowercase).nfc().collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn names_are_alike_in_any_case_composed_or_not_and_with_backslashes() {
        for (one, other) in [
            ("disk-flat.vmdk", "Disk-Flat.VMDK"),
            ("\u{dc}bung.vhd", "u\u{308}BUNG.vhd"),
            ("gold\\en.vhd", "Gold/En.vhd"),
        ] {
            assert_eq!(folded_parts(one), folded_parts(other), "{one}");
        }
        for (one, other) in [
            ("a.vhd", "a .vhd"),
            ("u.vhd", "\u{fc}.vhd"),
            ("ss", "\u{df}"),
        ] {
            assert_ne!(folded_parts(one), folded_parts(other), "{one}");
        }
    }

    #[test]
    fn a_folder_with_more_names_than_are_kept_is_said_to_have_them() -> io::Result<()> {
        let place = tempfile::tempdir()?;
        for name in ["a/One", "a/two", "b/Three", "b/four"] {
            let path = place.path().join(name);
            fs::create_dir_all(path.parent().unwrap_or(&path))?;
            fs::write(path, "")?;
        }
        let mut listings = Listings::of(3);
        let mut look =
            |folder: &str, part: &str| listings.beginning(place.path(), Path::new(folder), part);
        let found = look("a", "one").expect("there is room");
        assert_eq!(found, ["One"]);
        assert!(look("a", "three").expect("it is known").is_empty());
        let refused = look("b", "three").expect_err("there is no room");
        assert!(matches!(refused, NotListed::TooMany { most: 3, .. }));
        assert!(look("none", "x").expect("nothing is there").is_empty());
        Ok(())
    }

    #[test]
    fn a_folder_is_read_once() -> io::Result<()> {
        let place = tempfile::tempdir()?;
        fs::write(place.path().join("One"), "")?;
        let mut listings = Listings::default();
        let mut look = || listings.beginning(place.path(), Path::new(""), "one");
        assert_eq!(look().expect("it is there"), ["One"]);
        fs::write(place.path().join("ONE"), "")?;
        assert_eq!(look().expect("it is known"), ["One"]);
        Ok(())
    }
}
