//! What a site holds of an offer until it is whole: files in `.imgdelta/incoming/BASE+IMAGE/`, which outlast the conversation, so that the next one
//! resumes where this one was cut.

mod folder;
mod part;

use std::{path::PathBuf, time::Duration};

use imgdelta_core::{Bytes, Error, FileLock, HeldFolder, HeldPlace, Kind, LockWait, Result};
use imgdelta_delta::Digest;
use imgdelta_repository::catalogue::{ImageId, Repository};
use sha2::Digest as _;

use self::{
    folder::{LOCK, folder_name, lock},
    part::{HeldPart, OpenPart, held},
};
use super::{frame::faulty, message::ResumeState};
use crate::{
    bundle::{BundleEntry, FileEntry},
    space::{Space, SpaceNeed, explain_full},
};

/// What a site holds of an offer.
#[derive(Debug)]
pub(super) struct StagedFiles {
    /// Open: whatever is put in the place of it or of a folder above it, all is done in this one.
    folder: HeldFolder,
    /// Where that stands.
    place: HeldPlace,
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
        let place = repository.incoming_folder()?.place(name);
        let (folder, lock) = lock(&place, LockWait::at_most(wait))?;
        let parts: Vec<FileEntry> = entry.files().cloned().collect();
        let (held, kept) = held(&folder, &parts)?;
        Ok(Self {
            folder,
            place,
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
                let error = Error::host("cannot write", cause).in_file(self.folder.path());
                let (need, left) = (
                    SpaceNeed::exactly(to_come),
                    "what came stays, and the same command goes on with it",
                );
                let through = self.folder.through();
                self.named(explain_full(error, "what is to come", need, &through, left))
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

    /// A path [through](HeldFolder::through) the open folder, in which all parts lie under their names, now that they are here: images are opened by
    /// paths. Of errors that speak of it see [`named`](Self::named).
    ///
    /// A part that becomes a link after it was proven is followed by whoever opens it there: what that leads to is read as a disk, and enters nothing
    /// unless it makes the image that was promised.
    ///
    /// # Errors
    /// Peer, if they are not.
    pub(super) fn whole(&self) -> Result<PathBuf> {
        if self.current.is_some() || self.begun < self.parts.len() {
            let at = self.at;
            return Err(faulty(&format!(
                "the end comes after {at} bytes, which are not all"
            )));
        }
        Ok(self.folder.through())
    }

    /// The error, of the files as they are called here.
    pub(super) fn named(&self, error: Error) -> Error {
        self.folder.named(error)
    }

    /// Takes all of it away: it has served.
    pub(super) fn clear(self) {
        // What stays behind, or comes back after a power cut, `gc` takes away: nobody was told that it is gone, so nothing is synced.
        for part in &self.parts {
            let _ = self.folder.place(part.name.as_str()).remove();
        }
        let _ = self.folder.place(LOCK).remove();
        let place = self.place.clone();
        drop(self);
        // Nothing is open any more: where a file system cannot forget a file that is, the folder would stay.
        let _ = place.remove_folder();
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
            let place = self.folder.place(part.name.as_str());
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
        let shown = self.folder.path().display().to_string();
        let longest = self.parts.iter().map(|part| Bytes(part.length)).max();
        let longest = longest.unwrap_or_default();
        let need = SpaceNeed {
            longest,
            longest_at_most: longest,
            ..SpaceNeed::exactly(Bytes(needed))
        };
        need.require("what is to come", Space::at(&self.folder.through()), &shown)?;
        Ok(())
    }

    /// Takes away the files of an earlier offer that this one does not have.
    fn drop_others(&self) -> Result<()> {
        let failed = |cause| Error::host("cannot list", cause).in_file(self.folder.path());
        for place in self.folder.places().map_err(failed)? {
            let is_known =
                |name| name == LOCK || self.parts.iter().any(|part| part.name.as_str() == name);
            if !place.name().to_str().is_some_and(is_known) {
                // Not synced: if it comes back, the next offer drops it again.
                let _ = place.remove();
            }
        }
        Ok(())
    }
}
