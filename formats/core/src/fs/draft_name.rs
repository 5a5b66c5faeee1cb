//! Names of files that are not finished: a hash of the name that they will have, so that each name a file system takes can be written.
//!
//! Whoever cleans folders up, as a repository does, must recognise them: those of today and those of versions before.

use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use xxhash_rust::xxh3::xxh3_64;

/// How every one of these names begins.
const PREFIX: &str = ".imgdelta-";

/// What stood in the middle of a draft's name in versions up to 0.1: `.NAME.imgdelta-tmp`.
const OLD_MARK: &str = ".imgdelta-tmp";

/// How many names of older versions are looked for beside a new output.
const OLD_ATTEMPTS: u32 = 4;

/// What a file of such a name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DraftKind {
    /// A file in the making. Its process holds a lock on it.
    Draft,
    /// A second name for what a draft replaces, needed for the blink of an eye.
    Kept,
}

/// What a file called `name` is, if its name says that it is not finished.
#[must_use]
pub fn draft_kind(name: &OsStr) -> Option<DraftKind> {
    let name = name.to_str()?;
    let new = name.strip_prefix(PREFIX).and_then(|rest| {
        let (hash, rest) = rest.split_at_checked(16)?;
        let is_hash = hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        let (number, kind) = match rest.rsplit_once('.')? {
            (number, "tmp") => (number, DraftKind::Draft),
            (number, "old") => (number, DraftKind::Kept),
            _ => return None,
        };
        (is_hash && is_number(number)).then_some(kind)
    });
    new.or_else(|| {
        let (head, end) = name.split_once(OLD_MARK)?;
        if !head.starts_with('.') {
            return None;
        }
        match end.strip_suffix("-old") {
            Some(number) => is_number(number).then_some(DraftKind::Kept),
            None => is_number(end).then_some(DraftKind::Draft),
        }
    })
}

/// Nothing, or a hyphen and digits.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// The draft of what will stand at `place`: the first name that is tried, or a later one.
pub(crate) fn draft_of(place: &Path, name: &OsStr, attempt: u32) -> PathBuf {
    let hash = xxh3_64(name.as_bytes());
    let number = match attempt {
        0 => String::new(),
        attempt => format!("-{attempt}"),
    };
    place.with_file_name(format!("{PREFIX}{hash:016x}{number}.tmp"))
}

/// The second name of what the draft replaces: hidden, also where the draft is not.
pub(crate) fn kept_of(draft: &Path) -> PathBuf {
    let name = draft.file_name().unwrap_or_default();
    match draft_kind(name) {
        Some(_) => draft.with_extension("old"),
        None => draft_of(draft, name, 0).with_extension("old"),
    }
}

/// What versions before would have called the drafts of `place`, and the second names of what they replaced.
pub(crate) fn old_names(place: &Path, name: &OsStr) -> impl Iterator<Item = (PathBuf, DraftKind)> {
    let name = name.to_string_lossy().into_owned();
    let drafts = (0..OLD_ATTEMPTS).map(move |attempt| match attempt {
        0 => format!(".{name}{OLD_MARK}"),
        attempt => format!(".{name}{OLD_MARK}-{attempt}"),
    });
    drafts.flat_map(move |draft| {
        let kept = place.with_file_name(format!("{draft}-old"));
        [
            (place.with_file_name(draft), DraftKind::Draft),
            (kept, DraftKind::Kept),
        ]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_drafts_are_short_and_told_from_others() {
        let long = "n".repeat(255);
        let place = Path::new("/d").join(&long);
        let draft = draft_of(&place, OsStr::new(&long), 0);
        assert_eq!(draft.parent(), Some(Path::new("/d")));
        for attempt in [0, 1, 99] {
            let draft = draft_of(&place, OsStr::new(&long), attempt);
            let name = draft.file_name().expect("a name");
            assert!(name.len() < 40);
            assert_eq!(draft_kind(name), Some(DraftKind::Draft));
            let kept = kept_of(&draft);
            let name = kept.file_name().expect("a name");
            assert_eq!(draft_kind(name), Some(DraftKind::Kept));
        }
        for (name, kind) in [
            (".a.vhd.imgdelta-tmp", Some(DraftKind::Draft)),
            (".a.vhd.imgdelta-tmp-3", Some(DraftKind::Draft)),
            (".a.vhd.imgdelta-tmp-old", Some(DraftKind::Kept)),
            (".a.vhd.imgdelta-tmp-3-old", Some(DraftKind::Kept)),
            (".notes.imgdelta-tmp.txt", None),
            ("a.imgdelta-tmp", None),
            (".imgdelta-commit", None),
            (".imgdelta", None),
            (".imgdelta-0123456789abcdef.tmp.txt", None),
            (".imgdelta-0123456789abcdeg.tmp", None),
        ] {
            assert_eq!(draft_kind(OsStr::new(name)), kind, "{name}");
        }
    }

    #[test]
    fn what_a_draft_replaces_is_hidden_where_the_draft_is_not() {
        let kept = kept_of(Path::new("/d/piece.001.part"));
        assert_eq!(kept.parent(), Some(Path::new("/d")));
        let name = kept.file_name().expect("a name");
        assert_eq!(draft_kind(name), Some(DraftKind::Kept));
    }

    #[test]
    fn the_hash_of_a_name_is_the_same_in_every_version() {
        let draft = draft_of(Path::new("c.qcow2"), OsStr::new("c.qcow2"), 2);
        let name = draft.file_name().and_then(OsStr::to_str);
        assert_eq!(name, Some(".imgdelta-ffebcae4418ab5cc-2.tmp"));
    }
}
