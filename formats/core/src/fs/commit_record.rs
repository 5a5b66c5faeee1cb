//! The record of a set of files that was committed: which draft gets which name. It stands beside them until all have their names.
//!
//! No host renames several files at once. Once the record is durable, the set counts as committed: a process that is killed then leaves
//! drafts and a record, and whoever reads one of the files follows it and changes nothing, for a stick may be read-only. A record is only
//! believed as far as it is seen to be true: the draft is the file that was written, and its place holds what it held then. A file that
//! somebody else has put there since stays.

use std::{
    ffi::{OsStr, OsString},
    fmt::Write,
    fs::{self, File, Metadata},
    io::{self, Read},
    os::unix::{
        ffi::{OsStrExt, OsStringExt},
        fs::{MetadataExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
};

use rustix::{
    fs::{OFlags, fstatfs},
    process::geteuid,
};
use xxhash_rust::xxh3::xxh3_64;

use super::{
    draft_name::{DraftKind, draft_kind},
    folder::folder_of,
};

/// The record's name in the folder.
pub(crate) const RECORD: &str = ".imgdelta-commit";

/// How a record begins; a hash of what follows stands behind it.
const MAGIC: &str = "imgdelta commit 1 ";

/// Longest record that is read, in bytes: 64 TiB in extents of 2 GiB, with long names.
const LONGEST: u64 = 32 << 20;

/// How far a time may be off on file systems that keep them in steps of 2 s, in nanoseconds.
const COARSE: u128 = 2_000_000_000;

/// What tells one file from another: one that was opened may not be needed for that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trace {
    inode: u64,
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

/// A record that stands in a folder.
#[derive(Debug)]
pub(crate) struct Standing {
    /// Its file.
    pub(crate) file: File,
    /// That file, as it was opened.
    pub(crate) metadata: Metadata,
    /// What it says; `None` if that cannot be read, or is of another version.
    pub(crate) record: Option<CommitRecord>,
    /// Whether inodes tell files apart after the file system was mounted anew.
    has_inodes: bool,
}

/// What is to be done about a file of the set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MemberState {
    /// The draft still has to get its name: its bytes are those of the file.
    Pending,
    /// It has its name, and its draft's name too.
    Twice,
    /// It has its name; or somebody else's file has.
    Over,
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

    fn is(&self, other: &Self, has_inodes: bool) -> bool {
        if has_inodes {
            return self == other;
        }
        self.len == other.len && self.modified.abs_diff(other.modified) < COARSE
    }
}

impl Standing {
    /// The record in `folder`; `None` if there is none, or nothing that can be opened as one.
    pub(crate) fn open(folder: &Path) -> io::Result<Option<Self>> {
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let opened = File::options()
            .read(true)
            .custom_flags(flags.bits().cast_signed())
            .open(folder.join(RECORD));
        let file = match opened {
            Ok(file) => file,
            Err(cause)
                if matches!(
                    cause.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                return Ok(None);
            }
            Err(cause) => return Err(cause),
        };
        let metadata = file.metadata()?;
        let mut text = Vec::new();
        if metadata.is_file() && metadata.len() <= LONGEST {
            (&file).take(LONGEST).read_to_end(&mut text)?;
        }
        let has_inodes = fstatfs(&file).is_ok_and(|found| !forgets_inodes(found.f_type as u64));
        Ok(Some(Self {
            record: CommitRecord::parse(&text),
            file,
            metadata,
            has_inodes,
        }))
    }

    /// Whether it may say where the file at `place` is: it was written by whoever could have put another file there.
    pub(crate) fn is_trusted(&self, folder: &Path, place: Option<&Metadata>) -> bool {
        let owner = self.metadata.uid();
        let folder = fs::metadata(folder).map(|folder| folder.uid()).ok();
        owner == 0
            || owner == geteuid().as_raw()
            || Some(owner) == folder
            || Some(owner) == place.map(MetadataExt::uid)
    }

    /// What is to be done about one of its files.
    pub(crate) fn state(&self, folder: &Path, member: &Member) -> MemberState {
        let draft = fs::symlink_metadata(folder.join(&member.draft));
        let place = fs::symlink_metadata(folder.join(&member.name)).ok();
        let Some(draft) = draft.ok().filter(Metadata::is_file) else {
            return MemberState::Over;
        };
        let (draft, there) = (Trace::of(&draft), place.as_ref().map(Trace::of));
        if !member.written.is(&draft, self.has_inodes) || !self.is_trusted(folder, place.as_ref()) {
            return MemberState::Over;
        }
        match (&member.old, &there) {
            (_, Some(there)) if there.inode == draft.inode => MemberState::Twice,
            (None, None) => MemberState::Pending,
            (Some(old), Some(there)) if old.is(there, self.has_inodes) => MemberState::Pending,
            _ => MemberState::Over,
        }
    }
}

/// Where the bytes of the file at `path` are, if it was committed with others and its draft has not got its name yet; `None`: at `path`.
#[must_use]
pub fn committed_at(path: &Path) -> Option<PathBuf> {
    let direct = |path: &Path| {
        let name = committed_as(folder_of(path), path.file_name()?)?;
        Some(path.with_file_name(name))
    };
    direct(path).or_else(|| {
        let is_link = fs::symlink_metadata(path).ok()?.is_symlink();
        direct(&fs::canonicalize(path).ok().filter(|_| is_link)?)
    })
}

/// As [`committed_at`], of the file of that name in that folder: the draft's name there.
#[must_use]
pub fn committed_as(folder: &Path, name: &OsStr) -> Option<OsString> {
    let standing = Standing::open(folder).ok()??;
    let members = &standing.record.as_ref()?.members;
    let member = members.iter().find(|member| member.name == name)?;
    let is_pending = standing.state(folder, member) == MemberState::Pending;
    is_pending.then(|| member.draft.clone())
}

/// Whether the record in `folder`, if there is one, speaks of a file or a draft of that name.
#[must_use]
pub fn is_listed(folder: &Path, name: &OsStr) -> bool {
    let standing = Standing::open(folder).ok().flatten();
    standing
        .and_then(|standing| standing.record)
        .is_some_and(|record| {
            let mut members = record.members.iter();
            members.any(|member| member.name == name || member.draft == name)
        })
}

/// Whether that is FAT, exFAT or FUSE, which number files anew whenever they are mounted.
const fn forgets_inodes(kind: u64) -> bool {
    matches!(kind as u32, 0x4d44 | 0x2011_bab0 | 0x6573_5546)
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
    fn parse(bytes: &[u8]) -> Option<Self> {
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
mod tests {
    use super::*;

    fn record() -> CommitRecord {
        let trace = |inode| Trace {
            inode,
            len: 7,
            modified: -5,
        };
        let member = |draft: &str, name: &[u8], old| Member {
            draft: draft.into(),
            written: trace(3),
            name: OsString::from_vec(name.to_vec()),
            old,
        };
        CommitRecord {
            members: vec![
                member(".imgdelta-0123456789abcdef.tmp", b"a b%\n\xff", None),
                member(".imgdelta-0123456789abcdef-1.tmp", b"c.vhd", Some(trace(9))),
            ],
        }
    }

    #[test]
    fn a_record_reads_as_it_was_written() {
        let record = record();
        assert_eq!(CommitRecord::parse(record.text().as_bytes()), Some(record));
    }

    #[test]
    fn a_damaged_record_says_nothing() {
        let text = record().text();
        for at in 0..text.len() {
            assert_eq!(CommitRecord::parse(&text.as_bytes()[..at]), None, "{at}");
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            assert_eq!(CommitRecord::parse(&bytes), None, "{at}");
        }
    }

    #[test]
    fn a_record_names_only_drafts_and_only_its_own_folder() {
        for (draft, name) in [
            ("precious.vhd", "c.vhd"),
            ("../.imgdelta-0123456789abcdef.tmp", "c.vhd"),
            (".imgdelta-0123456789abcdef.tmp", "../c.vhd"),
            (".imgdelta-0123456789abcdef.tmp", "/etc/passwd"),
            (".imgdelta-0123456789abcdef.tmp", ".."),
            (".imgdelta-0123456789abcdef.tmp", ""),
        ] {
            let mut record = record();
            record.members[0].draft = draft.into();
            record.members[0].name = name.into();
            assert_eq!(
                CommitRecord::parse(record.text().as_bytes()),
                None,
                "{name}"
            );
        }
    }
}
