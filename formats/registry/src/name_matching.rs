//! Finds the files that a recorded name means on the system that recorded it: to Windows and macOS case is no difference, nor how a letter
//! with an accent is composed, and to Windows a backslash stands between folders.
//!
//! Only names are compared here. What is found is opened by `sandbox`, so no folder is left that the policy would not leave.

use std::path::{Path, PathBuf};

use crate::{
    listing::{Listings, NotListed, folded_parts},
    policy::Candidate,
};

/// The most folders that are looked into for one name.
const MOST_FOLDERS: usize = 64;
/// The most names that are looked at for one.
const MOST_ALIKE: usize = 64;

/// A file with a name like the recorded one.
#[derive(Debug)]
pub(crate) struct NameMatch {
    /// The file, by its real name.
    pub(crate) candidate: Candidate,
    /// The path that it would have if it were called as recorded.
    recorded: PathBuf,
}

impl NameMatch {
    /// What to say of it if it is taken for what `image` names.
    pub(crate) fn note(&self, image: &Path) -> String {
        format!(
            "found as {}: {} calls it {}",
            self.candidate.path.display(),
            image.display(),
            self.recorded.display()
        )
    }
}

/// The files whose names are like those of `candidates` and not the same, in that order, each once; and why others may be left out.
pub(crate) fn alike(
    candidates: &[Candidate],
    listings: &mut Listings,
) -> (Vec<NameMatch>, Vec<NotListed>) {
    let mut all: Vec<NameMatch> = Vec::new();
    let mut left_out = Vec::new();
    for candidate in candidates {
        let (found, not_listed) = inside(&candidate.root, &candidate.inside, listings);
        left_out.extend(not_listed);
        for inside in found {
            let path = match candidate.root.as_path() {
                here if here == Path::new(".") => inside.clone(),
                folder => folder.join(&inside),
            };
            let is_known = candidates.iter().any(|known| known.path == path)
                || all.iter().any(|known| known.candidate.path == path);
            if !is_known {
                all.push(NameMatch {
                    recorded: candidate.path.clone(),
                    candidate: Candidate {
                        path,
                        inside,
                        ..candidate.clone()
                    },
                });
            }
        }
    }
    (all, left_out)
}

/// The paths below `root` that are like `inside`, in order of name; and what was not looked at.
fn inside(
    root: &Path,
    inside: &Path,
    listings: &mut Listings,
) -> (Vec<PathBuf>, Option<NotListed>) {
    let Some(text) = inside.to_str() else {
        return (Vec::new(), None);
    };
    let mut walk = Walk {
        root,
        listings,
        found: Vec::new(),
        folders: 0,
    };
    let parts = folded_parts(text);
    let done = walk.enter(Path::new(""), &parts);
    (walk.found, done.err())
}

/// A walk below a folder.
struct Walk<'a> {
    root: &'a Path,
    listings: &'a mut Listings,
    found: Vec<PathBuf>,
    /// How many folders were looked into.
    folders: usize,
}

impl Walk<'_> {
    /// Looks in the folder `at` for what is called like `parts`.
    fn enter(&mut self, at: &Path, parts: &[String]) -> Result<(), NotListed> {
        let Some(first) = parts.first() else {
            return Ok(());
        };
        if self.folders >= MOST_FOLDERS {
            return Err(NotListed::TooManyFolders {
                folder: self.root.to_owned(),
                most: MOST_FOLDERS,
            });
        }
        self.folders += 1;
        for name in self.listings.beginning(self.root, at, first)? {
            let Some(rest) = name.to_str().and_then(|name| behind(parts, name)) else {
                continue;
            };
            let path = at.join(&name);
            if !rest.is_empty() {
                self.enter(&path, rest)?;
            } else if self.found.len() < MOST_ALIKE {
                self.found.push(path);
            } else {
                return Err(NotListed::TooManyAlike {
                    folder: self.root.to_owned(),
                    most: MOST_ALIKE,
                });
            }
        }
        Ok(())
    }
}

/// What is left of `parts` behind those that `name` is like: several, where it has backslashes in it. `None`, if it is not.
fn behind<'a>(parts: &'a [String], name: &str) -> Option<&'a [String]> {
    parts.strip_prefix(folded_parts(name).as_slice())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_alike_is_found_in_folders_below_and_nowhere_else() -> std::io::Result<()> {
        let place = tempfile::tempdir()?;
        let root = place.path().join("root");
        for name in [
            "root/Sub/Base.VHD",
            "root/sub/BASE.vhd",
            "root/sub\\base.vhd",
            "root/base.vhd",
            "sub/base.vhd",
        ] {
            let path = place.path().join(name);
            fs::create_dir_all(path.parent().unwrap_or(&root))?;
            fs::write(path, "")?;
        }
        std::os::unix::fs::symlink("../sub", root.join("SUB"))?;
        let look = |root| inside(root, Path::new("sub/base.vhd"), &mut Listings::default());
        let (found, left_out) = look(&root);
        assert!(left_out.is_none(), "{left_out:?}");
        let names = ["Sub/Base.VHD", "sub/BASE.vhd", "sub\\base.vhd"];
        assert_eq!(found, names.map(PathBuf::from));
        Ok(())
    }
}
