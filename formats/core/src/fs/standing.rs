//! The record of a commit as it is found in a folder: what is believed of it, and where files are that it speaks of.
//!
//! No host renames several files at once. Once the record is durable, the set counts as committed: a process that is killed then leaves
//! drafts and a record, and whoever reads one of the files follows it and changes nothing, for a stick may be read-only. A record is only
//! believed as far as it is seen to be true: the draft is the file that was written, and its place holds what it held then. A file that
//! somebody else has put there since stays.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File, Metadata},
    io::{self, Read},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{OFlags, fstatfs},
    process::geteuid,
};

use super::{
    commit_record::{CommitRecord, Member, RECORD, Trace},
    folder::folder_of,
};

/// Longest record that is read, in bytes: 64 TiB in extents of 2 GiB, with long names.
const LONGEST: u64 = 32 << 20;

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
fn committed_as(folder: &Path, name: &OsStr) -> Option<OsString> {
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
