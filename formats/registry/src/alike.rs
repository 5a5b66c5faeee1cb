//! Finds the files that a recorded name means on the system that recorded it: to Windows and macOS case is no difference, nor how a letter
//! with an accent is composed, and to Windows a backslash stands between folders.
//!
//! Only names are compared here. What is found is opened by `beneath`, so no folder is left that the policy would not leave.

use std::path::{Path, PathBuf};

use imgdelta_core::fs::draft_kind;
use unicode_normalization::UnicodeNormalization;

use crate::{beneath, policy::Candidate, search::MOST_ENTRIES};

/// The most folders that are listed for one name.
const MOST_FOLDERS: usize = 64;

/// A file with a name like the recorded one.
#[derive(Debug)]
pub(crate) struct Alike {
    /// The file, by its real name.
    pub(crate) candidate: Candidate,
    /// The path that it would have if it were called as recorded.
    recorded: PathBuf,
}

impl Alike {
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

/// The files whose names are like those of `candidates` and not the same, in that order, each once.
pub(crate) fn alike(candidates: &[Candidate]) -> Vec<Alike> {
    let mut all: Vec<Alike> = Vec::new();
    for candidate in candidates {
        for inside in inside(&candidate.root, &candidate.inside) {
            let path = match candidate.root.as_path() {
                here if here == Path::new(".") => inside.clone(),
                folder => folder.join(&inside),
            };
            let is_known = candidates.iter().any(|known| known.path == path)
                || all.iter().any(|known| known.candidate.path == path);
            if !is_known {
                all.push(Alike {
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
    all
}

/// The paths below `root` that are like `inside`, in order of name.
fn inside(root: &Path, inside: &Path) -> Vec<PathBuf> {
    let Some(text) = inside.to_str() else {
        return Vec::new();
    };
    let mut walk = Walk {
        root,
        found: Vec::new(),
        folders: 0,
    };
    let parts = folded_parts(text);
    walk.enter(Path::new(""), &parts);
    walk.found
}

/// A walk below a folder.
struct Walk<'a> {
    root: &'a Path,
    found: Vec<PathBuf>,
    /// How many folders were listed.
    folders: usize,
}

impl Walk<'_> {
    /// Looks in the folder `at` for what is called like `parts`.
    fn enter(&mut self, at: &Path, parts: &[String]) {
        if self.folders >= MOST_FOLDERS {
            return;
        }
        self.folders += 1;
        let mut names = beneath::names(self.root, at, MOST_ENTRIES);
        // What is not finished is nobody's; and the order in which a host lists names is no order.
        names.retain(|name| draft_kind(name).is_none());
        names.sort();
        for name in names {
            let Some(rest) = name.to_str().and_then(|name| behind(parts, name)) else {
                continue;
            };
            let path = at.join(&name);
            if rest.is_empty() {
                self.found.push(path);
            } else {
                self.enter(&path, rest);
            }
        }
    }
}

/// What is left of `parts` behind those that `name` is like: several, where it has backslashes in it. `None`, if it is not.
fn behind<'a>(parts: &'a [String], name: &str) -> Option<&'a [String]> {
    parts.strip_prefix(folded_parts(name).as_slice())
}

/// The parts of a path, each in the one spelling of all that are alike.
fn folded_parts(path: &str) -> Vec<String> {
    let parts = path.split(['/', '\\']).filter(|part| !part.is_empty());
    parts
        .map(|part| part.nfd().flat_map(char::to_lowercase).nfc().collect())
        .collect()
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
        let found = inside(&root, Path::new("sub/base.vhd"));
        let names = ["Sub/Base.VHD", "sub/BASE.vhd", "sub\\base.vhd"];
        assert_eq!(found, names.map(PathBuf::from));
        Ok(())
    }
}
