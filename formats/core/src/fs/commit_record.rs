//! The record of a set of files that was committed: which draft gets which name. It stands beside them until all have their names.
//!
//! It is text, so that people can finish by hand what it says; names are escaped, and a hash stands in front.

use std::{
    ffi::{OsStr, OsString},
    fmt::Write,
    fs::Metadata,
    os::unix::{
        ffi::{OsStrExt, OsStringExt},
        fs::MetadataExt,
    },
    path::Path,
};

use xxhash_rust::xxh3::xxh3_64;

use super::draft_name::{DraftKind, draft_kind};

/// The record's name in the folder.
pub(crate) const RECORD: &str = ".imgdelta-commit";

/// How a record begins; a hash of what follows stands behind it.
const MAGIC: &str = "imgdelta commit 1 ";

/// How far a time may be off on file systems that keep them in steps of 2 s, in nanoseconds.
const COARSE: u128 = 2_000_000_000;

/// A quarter of an hour, the step of time zones, in nanoseconds.
const QUARTER: u128 = 15 * 60 * 1_000_000_000;

/// More than two time zones differ by, in nanoseconds.
const DAY_AND_MORE: u128 = 27 * 4 * QUARTER;

/// What tells one file from another: one that was opened may not be needed for that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trace {
    pub(crate) inode: u64,
    len: u64,
    /// Last change of its content, in nanoseconds since 1970.
    modified: i128,
}

/// One file of the set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    /// The draft's name in the folder.
    pub(crate) draft: OsString,
    /// The draft as it was when it was whole.
    pub(crate) written: Trace,
    /// The name that it gets.
    pub(crate) name: OsString,
    /// What stood there when the set was committed.
    pub(crate) old: Option<Trace>,
}

/// A set of files that was committed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CommitRecord {
    /// Its files, in the order in which they get their names.
    pub(crate) members: Vec<Member>,
}

impl Trace {
    /// That of a file.
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self {
            inode: metadata.ino(),
            len: metadata.len(),
            modified: i128::from(metadata.mtime()) * 1_000_000_000
                + i128::from(metadata.mtime_nsec()),
        }
    }

    /// Whether that is the same file, unchanged, or a copy of it that kept its time. `has_inodes`: whether the file system is one that keeps
    /// inodes, and with them times to the nanosecond.
    pub(crate) fn is(&self, other: &Self, has_inodes: bool) -> bool {
        if has_inodes {
            // A folder that was copied with its times has other inodes. Whole seconds tell too little.
            let is_copy = (self.len, self.modified) == (other.len, other.modified)
                && self.modified % 1_000_000_000 != 0;
            return self == other || is_copy;
        }
        // FAT keeps local times: another host may read them some quarters of an hour off.
        let off = self.modified.abs_diff(other.modified);
        let off_quarters = off % QUARTER;
        self.len == other.len
            && off < DAY_AND_MORE
            && off_quarters.min(QUARTER - off_quarters) < COARSE
    }
}

impl CommitRecord {
    /// As it is written.
    pub(crate) fn text(&self) -> String {
        let mut lines = String::new();
        for member in &self.members {
            let Trace {
                inode,
                len,
                modified,
            } = member.written;
            let old = member.old.map_or_else(
                || "- - -".to_owned(),
                |old| format!("{} {} {}", old.inode, old.len, old.modified),
            );
            let (draft, name) = (escaped(&member.draft), escaped(&member.name));
            let _ = writeln!(lines, "{draft} {inode} {len} {modified} {old} {name}");
        }
        format!("{MAGIC}{:016x}\n{lines}", xxh3_64(lines.as_bytes()))
    }

    /// The record in a file; `None` if it is damaged, of another version, or names what no record may name.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?.strip_prefix(MAGIC)?;
        let (hash, lines) = text.split_once('\n')?;
        let is_whole = u64::from_str_radix(hash, 16) == Ok(xxh3_64(lines.as_bytes()));
        let members = lines.lines().map(Member::parse).collect::<Option<_>>()?;
        is_whole.then_some(Self { members })
    }
}

impl Member {
    fn parse(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split(' ').collect();
        let [
            draft,
            inode,
            len,
            modified,
            old_inode,
            old_len,
            old_modified,
            name,
        ] = words[..]
        else {
            return None;
        };
        let trace = |inode: &str, len: &str, modified: &str| {
            Some(Trace {
                inode: inode.parse().ok()?,
                len: len.parse().ok()?,
                modified: modified.parse().ok()?,
            })
        };
        let old = match old_inode {
            "-" => None,
            old_inode => Some(trace(old_inode, old_len, old_modified)?),
        };
        let member = Self {
            draft: unescaped(draft)?,
            written: trace(inode, len, modified)?,
            name: unescaped(name)?,
            old,
        };
        // Whoever wrote it: nothing but a draft of this folder gets nothing but a name in this folder.
        let is_draft = draft_kind(&member.draft) == Some(DraftKind::Draft);
        let is_name = Path::new(&member.name).file_name() == Some(&member.name);
        (is_draft && is_name).then_some(member)
    }
}

/// A name as a word of printable letters.
fn escaped(name: &OsStr) -> String {
    let mut text = String::new();
    for byte in name.as_bytes() {
        match byte {
            b'!'..=b'~' if *byte != b'%' => text.push(char::from(*byte)),
            _ => {
                let _ = write!(text, "%{byte:02x}");
            }
        }
    }
    text
}

fn unescaped(word: &str) -> Option<OsString> {
    let mut bytes = Vec::new();
    let mut rest = word.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            other => other,
        });
    }
    Some(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests;
