//! Keeps the folder of remembered digests small: what killed runs left goes, then what was used longest ago.
//!
//! A draft's run holds a lock on it, and a lock ends with its process, whatever ends that. So a draft that can be locked is nobody's.

use std::{
    fs::{self, Metadata},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use imgdelta_core::fs::{DeadDraft, DraftKind, draft_kind};

/// How long a draft stays on which no lock can be had, or a second name of what a draft replaced: a run may still need it.
const UNTOUCHED: Duration = Duration::from_secs(24 * 3600);

/// Removes drafts of runs that are dead, and the entries that were used longest ago until the folder holds at most `limit` bytes. Drafts of
/// living runs count and stay.
pub(super) fn prune(folder: &Path, limit: u64) {
    let Ok(listed) = fs::read_dir(folder) else {
        return;
    };
    let mut total: u64 = 0;
    let mut entries: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
    for entry in listed.flatten() {
        let Some(metadata) = entry.metadata().ok().filter(Metadata::is_file) else {
            continue;
        };
        let (path, len) = (entry.path(), metadata.len());
        if let Some(kind) = draft_kind(&entry.file_name()) {
            let is_gone = remove_if_nobodys(&path, kind, &metadata);
            total = total.saturating_add(if is_gone { 0 } else { len });
        } else if path
            .extension()
            .is_some_and(|extension| extension == "leaves")
            && let Ok(used) = metadata.modified()
        {
            total = total.saturating_add(len);
            entries.push((used, len, path));
        }
    }
    entries.sort();
    for (_, len, path) in entries {
        if total <= limit {
            return;
        }
        if fs::remove_file(path).is_ok() {
            total -= len;
        }
    }
}

/// Removes it, if no living run needs it; true if it is gone.
fn remove_if_nobodys(path: &Path, kind: DraftKind, metadata: &Metadata) -> bool {
    let is_untouched = || {
        let modified = metadata.modified().ok();
        let age = modified.and_then(|modified| modified.elapsed().ok());
        age.is_some_and(|age| age > UNTOUCHED)
    };
    if kind == DraftKind::Kept {
        return is_untouched() && fs::remove_file(path).is_ok();
    }
    let dead = DeadDraft::find(path, UNTOUCHED);
    dead.is_ok_and(|dead| dead.is_some() && fs::remove_file(path).is_ok())
}

#[cfg(test)]
mod tests {
    use std::{fs::File, io};

    use super::*;

    fn put(folder: &Path, name: &str, age: u64) -> io::Result<File> {
        let path = folder.join(name);
        fs::write(&path, [0; 1000])?;
        let file = File::options().read(true).write(true).open(path)?;
        file.set_modified(SystemTime::now() - Duration::from_secs(age))?;
        Ok(file)
    }

    fn names(folder: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(folder)? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }

    #[test]
    fn drafts_of_dead_runs_go_and_those_of_living_ones_stay_and_count() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let folder = folder.path();
        put(folder, ".0a.leaves.imgdelta-tmp", 5)?;
        put(folder, ".0a.leaves.imgdelta-tmp-1", 5)?;
        put(folder, ".imgdelta-0123456789abcdef.tmp", 5)?;
        let living = put(folder, ".imgdelta-0123456789abcdef-1.tmp", 5)?;
        living.try_lock().map_err(io::Error::other)?;
        put(folder, ".imgdelta-0123456789abcdef.old", 5)?;
        put(folder, ".imgdelta-fedcba9876543210.old", 100_000)?;
        put(folder, ".notes", 5)?;
        put(folder, "notes.tmp", 5)?;
        for (name, age) in [
            ("oldest.leaves", 30),
            ("newer.leaves", 20),
            ("newest.leaves", 10),
        ] {
            put(folder, name, age)?;
        }
        // A living draft, what one has just replaced, and two entries.
        prune(folder, 4000);
        let left = [
            ".imgdelta-0123456789abcdef-1.tmp",
            ".imgdelta-0123456789abcdef.old",
            ".notes",
            "newer.leaves",
            "newest.leaves",
            "notes.tmp",
        ];
        assert_eq!(names(folder)?, left);
        drop(living);
        prune(folder, 4000);
        assert_eq!(names(folder)?, left[1..]);
        Ok(())
    }

    #[test]
    fn a_folder_that_is_small_enough_keeps_its_entries() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        put(folder.path(), "a.leaves", 100_000_000)?;
        prune(folder.path(), 1000);
        assert_eq!(names(folder.path())?, ["a.leaves"]);
        prune(&folder.path().join("none"), 0);
        Ok(())
    }
}
