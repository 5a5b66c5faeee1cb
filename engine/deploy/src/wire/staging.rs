//! What a site holds of an offer, until it is whole: files in `.imgdelta/incoming/BASE+IMAGE/`, which outlast the conversation. What was
//! held is proven by its digest before anything is put behind it; what the image is good for the receiver finds out.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use imgdelta_core::{Bytes, Error, FileLock, Kind, LockWait, Result};
use imgdelta_delta::Digest;
use imgdelta_repository::catalogue::{ImageId, Repository};
use rustix::fs::OFlags;
use sha2::{Digest as _, Sha256};

use super::{
    frame::{LONGEST_PAYLOAD, faulty},
    message::ResumeState,
};
use crate::{
    bundle::{BundleEntry, FileEntry},
    space::{Space, SpaceNeed, explain_full},
};

/// What a site holds of an offer.
#[derive(Debug)]
pub(super) struct StagedFiles {
    folder: PathBuf,
    parts: Vec<FileEntry>,
    /// Bytes of the stream that are here.
    at: u64,
    /// The digest of those bytes when it was looked at.
    held: ResumeState,
    /// The same of each part.
    kept: Vec<HeldPart>,
    /// The part that is being received.
    current: Option<OpenPart>,
    /// How many parts were begun.
    begun: usize,
    /// Keeps a second conversation away from the same files.
    _lock: FileLock,
}

/// What is here of a part from an earlier conversation.
#[derive(Clone, Debug, Default)]
struct HeldPart {
    bytes: u64,
    hash: Sha256,
}

/// A part that is being received.
#[derive(Debug)]
struct OpenPart {
    file: File,
    hash: Sha256,
    left: u64,
}

impl StagedFiles {
    /// Looks at what is here of the offer; while another conversation receives the same, waits at most so long.
    ///
    /// # Errors
    /// Busy, if it goes on receiving; Host, if the host cannot.
    pub(super) fn of(
        repository: &Repository,
        base: Option<&ImageId>,
        entry: &BundleEntry,
        wait: Duration,
    ) -> Result<Self> {
        let name = folder_name(base, &entry.image);
        let folder = repository.incoming().join(name);
        let lock = lock(&folder, LockWait::at_most(wait))?;
        let parts: Vec<FileEntry> = entry.files().cloned().collect();
        let (held, kept) = held(&folder, &parts)?;
        Ok(Self {
            folder,
            parts,
            at: 0,
            held,
            kept,
            current: None,
            begun: 0,
            _lock: lock,
        })
    }

    /// What is here.
    pub(super) const fn held(&self) -> &ResumeState {
        &self.held
    }

    /// Makes ready for what follows from `at` on: the end of what is held, or the start.
    ///
    /// # Errors
    /// Peer, if it is neither; Host, if there is no room or the host cannot.
    pub(super) fn begin(&mut self, at: u64) -> Result<()> {
        if at != 0 && at != self.held.bytes {
            return Err(faulty(&format!(
                "what is sent begins at {at}, {} bytes are held",
                self.held.bytes
            )));
        }
        self.require_space(at)?;
        self.drop_others()?;
        self.at = at;
        if at == 0 {
            self.kept.clear();
        }
        self.next_part()?;
        self.finish_whole_parts()
    }

    /// Puts the next bytes of the stream behind those that are here.
    ///
    /// # Errors
    /// Peer, if there are more than were offered; Digest, if a part that is whole now is not what it was to be; Host, if the host cannot.
    pub(super) fn append(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let Some(current) = &mut self.current else {
                return Err(faulty("more is sent than was offered"));
            };
            let len = usize::try_from(current.left).unwrap_or(usize::MAX);
            let (now, later) = bytes.split_at(len.min(bytes.len()));
            let to_come = Bytes(current.left);
            current.take(now).map_err(|cause| {
                let error = Error::host("cannot write", cause).in_file(&self.folder);
                let (need, left) = (
                    SpaceNeed::exactly(to_come),
                    "what came stays, and the same command goes on with it",
                );
                explain_full(error, "what is to come", need, &self.folder, left)
            })?;
            self.at = self.at.saturating_add(now.len() as u64);
            bytes = later;
            self.finish_whole_parts()?;
        }
        Ok(())
    }

    /// Whether nothing came that another conversation could go on with.
    pub(super) const fn is_empty(&self) -> bool {
        self.held.bytes == 0 && self.at == 0
    }

    /// The folder in which all parts lie under their names, now that they are here.
    ///
    /// # Errors
    /// Peer, if they are not.
    pub(super) fn whole(&self) -> Result<&Path> {
        if self.current.is_some() || self.begun < self.parts.len() {
            let at = self.at;
            return Err(faulty(&format!(
                "the end comes after {at} bytes, which are not all"
            )));
        }
        Ok(&self.folder)
    }

    /// Takes all of it away: it has served.
    pub(super) fn clear(self) {
        // What stays behind, or comes back after a power cut, `gc` takes away: nobody was told that it is gone, so nothing is synced.
        for part in &self.parts {
            let _ = fs::remove_file(self.folder.join(part.name.as_str()));
        }
        let _ = fs::remove_file(self.folder.join(LOCK));
        let folder = self.folder.clone();
        drop(self);
        // Nothing is open any more: where a file system cannot forget a file that is, the folder would stay.
        let _ = fs::remove_dir(&folder);
    }

    /// Ends the parts that are whole, and begins the next one that has bytes to come.
    fn finish_whole_parts(&mut self) -> Result<()> {
        while self.current.as_ref().is_some_and(|one| one.left == 0) {
            self.finish_part()?;
            self.next_part()?;
        }
        Ok(())
    }

    /// Begins the next part, if there is one.
    fn next_part(&mut self) -> Result<()> {
        if let Some(part) = self.parts.get(self.begun) {
            let kept = self.kept.get(self.begun).cloned().unwrap_or_default();
            let place = self.folder.join(part.name.as_str());
            self.current = Some(OpenPart::open(&place, kept, part.length)?);
        }
        Ok(())
    }

    /// Ends the part that is being received, and proves it.
    fn finish_part(&mut self) -> Result<()> {
        let (Some(current), Some(part)) = (self.current.take(), self.parts.get(self.begun)) else {
            return Ok(());
        };
        self.begun = self.begun.saturating_add(1);
        let found = Digest(current.hash.finalize().into());
        if found == part.sha256 {
            return Ok(());
        }
        let message = format!(
            "'{}' has the sha256 {found}, {} was promised",
            part.name, part.sha256
        );
        Err(Error::new(Kind::Digest, message).with_code("part_digest"))
    }

    /// Refuses what there is no room for before it comes.
    fn require_space(&self, at: u64) -> Result<()> {
        let offered = self.parts.iter().map(|part| part.length);
        let needed = offered.fold(0, u64::saturating_add).saturating_sub(at);
        let shown = self.folder.display().to_string();
        let longest = self.parts.iter().map(|part| Bytes(part.length)).max();
        let longest = longest.unwrap_or_default();
        let need = SpaceNeed {
            longest,
            longest_at_most: longest,
            ..SpaceNeed::exactly(Bytes(needed))
        };
        need.require("what is to come", Space::at(&self.folder), &shown)?;
        Ok(())
    }

    /// Takes away the files of an earlier offer that this one does not have.
    fn drop_others(&self) -> Result<()> {
        let failed = |cause| Error::host("cannot list", cause).in_file(&self.folder);
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let is_known =
                |name| name == LOCK || self.parts.iter().any(|part| part.name.as_str() == name);
            if !name.to_str().is_some_and(is_known) {
                // Not synced: if it comes back, the next offer drops it again.
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(())
    }
}

impl OpenPart {
    /// The part in the file at `place`, of which only what is kept stays.
    fn open(place: &Path, kept: HeldPart, length: u64) -> Result<Self> {
        let opened = || {
            let mut file = open_regular(File::options().write(true).create(true), place)?;
            file.set_len(kept.bytes)?;
            file.seek(SeekFrom::Start(kept.bytes))?;
            Ok(file)
        };
        Ok(Self {
            file: opened()
                .map_err(|cause: io::Error| Error::host("cannot open", cause).in_file(place))?,
            hash: kept.hash,
            left: length.saturating_sub(kept.bytes),
        })
    }

    /// Takes the bytes that come next.
    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.hash.update(bytes);
        self.left = self.left.saturating_sub(bytes.len() as u64);
        Ok(())
    }
}

/// The file that keeps a second conversation away. No part has such a name.
const LOCK: &str = ".lock";

/// `BASE+IMAGE`, without regard to case, and only `+IMAGE` for a whole image. Two long ids are more than a file's name may have; what
/// they are hashed to has no `+`.
fn folder_name(base: Option<&ImageId>, image: &ImageId) -> String {
    const LONGEST: usize = 240;
    let stem = |id: &ImageId| id.stem().to_ascii_lowercase();
    let base = base.map(stem).unwrap_or_default();
    let name = format!("{base}+{}", stem(image));
    match name.len() {
        ..=LONGEST => name,
        _ => Digest::plain(name.as_bytes()).to_string(),
    }
}

/// Makes the folder. What is a link leads to what somebody else owns: files there would be deleted as those of an earlier offer.
fn make(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)
        .map_err(|cause| Error::host("cannot create the folder", cause).in_file(folder))?;
    let is_link = |one: &&Path| fs::symlink_metadata(one).is_ok_and(|found| found.is_symlink());
    // It stands in `.imgdelta/incoming/`.
    match folder.ancestors().take(3).find(is_link) {
        None => Ok(()),
        Some(link) => Err(
            Error::new(Kind::Reference, "is a link in the repository's own folder")
                .with_code("outside")
                .in_file(link),
        ),
    }
}

/// Takes the lock of a folder. Where the file system knows none, the digests find out what two conversations at once have made of it.
fn lock(folder: &Path, wait: LockWait) -> Result<FileLock> {
    /// How often another one may have ended just now and taken it away.
    const TRIES: u32 = 64;
    let place = folder.join(LOCK);
    let while_working = || {
        Error::new(Kind::Busy, "another deployment is sending the same image")
            .with_code("locked")
            .in_file(folder)
            .with_hint("wait with --wait 5m")
    };
    for _ in 0..TRIES {
        make(folder)?;
        let file = match open_regular(File::options().write(true).create(true), &place) {
            Ok(file) => file,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => continue,
            Err(cause) => return Err(Error::host("cannot lock", cause).in_file(&place)),
        };
        let lock = FileLock::acquire(file, &place, wait, while_working)?;
        if lock.stands_at(&place) {
            // `gc` is to see that it is in use.
            let _ = lock.file().set_modified(SystemTime::now());
            return Ok(lock);
        }
    }
    Err(while_working())
}

/// What is here of the parts, up to the first byte that is missing or known to be wrong: of all together, and of each.
fn held(folder: &Path, parts: &[FileEntry]) -> Result<(ResumeState, Vec<HeldPart>)> {
    let mut whole = HeldPart::default();
    let mut each = Vec::new();
    for part in parts {
        let mut behind = whole.clone();
        let Some(kept) = kept(&folder.join(part.name.as_str()), part, &mut behind)? else {
            break;
        };
        whole = behind;
        let is_whole = kept.bytes == part.length;
        each.push(kept);
        if !is_whole {
            break;
        }
    }
    let held = ResumeState {
        bytes: whole.bytes,
        sha256: Digest(whole.hash.finalize().into()),
        space: Space::at(folder).map(Into::into),
    };
    Ok((held, each))
}

/// What is here of one part; `None` if nothing is, or it is whole and not what it is to be. `all` takes it in too.
fn kept(place: &Path, part: &FileEntry, all: &mut HeldPart) -> Result<Option<HeldPart>> {
    let mut file = match open_regular(&mut File::options(), place) {
        Ok(file) => file,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(Error::host("cannot open", cause).in_file(place)),
    };
    let failed = |cause| Error::host("cannot read", cause).in_file(place);
    let mut kept = HeldPart {
        bytes: file.metadata().map_err(failed)?.len().min(part.length),
        hash: Sha256::new(),
    };
    read_prefix(&mut file, kept.bytes, |piece| {
        all.hash.update(piece);
        kept.hash.update(piece);
    })
    .map_err(failed)?;
    all.bytes = all.bytes.saturating_add(kept.bytes);
    let is_whole = kept.bytes == part.length;
    let is_wrong = is_whole && Digest(kept.hash.clone().finalize().into()) != part.sha256;
    Ok((!is_wrong).then_some(kept))
}

/// Opens a file that this room has made, or makes it: no link is followed, and nothing but a file is opened.
fn open_regular(options: &mut fs::OpenOptions, place: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = options
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(place)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other("is not a regular file")),
    }
}

/// Passes the first `len` bytes of a file on.
fn read_prefix(file: &mut File, len: u64, mut to: impl FnMut(&[u8])) -> io::Result<()> {
    let mut left = len;
    let mut buffer = Vec::new();
    while left > 0 {
        let now = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(LONGEST_PAYLOAD);
        buffer.resize(now, 0);
        file.read_exact(&mut buffer)?;
        to(&buffer);
        left = left.saturating_sub(now as u64);
    }
    Ok(())
}
