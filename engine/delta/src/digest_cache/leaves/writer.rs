//! Writes a file of leaves as they come, of the newest version.

use std::{path::Path, sync::Arc};

use imgdelta_core::{AtomicFile, Bytes, Error, Existing, FileOffset, Result, Sink};

use super::{CRC, HEAD, LONGEST_RUN, MAGIC_2, TAG_END, TAG_LEAVES, TAG_ZERO};
use crate::tree::{ContentId, Digest};

/// How many bytes of parts are written together.
const WRITE: usize = 64 << 10;

/// A file of leaves on its way. It appears whole or not at all.
#[derive(Debug)]
pub struct LeafWriter {
    draft: AtomicFile,
    sink: Arc<dyn Sink>,
    /// Where the next parts go, and those that wait to be written together: of a disk whose data is scattered each is small.
    at: FileOffset,
    parts: Vec<u8>,
    zeros: u64,
    leaves: Vec<u8>,
    /// The first failure. What is written is a by-product: whoever writes it need not stop.
    failure: Option<Error>,
}

impl LeafWriter {
    /// Starts the file that will stand at `place`, over what may stand there.
    ///
    /// # Errors
    /// Host, if the host cannot.
    pub fn create(place: &Path) -> Result<Self> {
        AtomicFile::create(place, Existing::Replace).map(Self::into_draft)
    }

    /// Starts the file whose draft that is, empty.
    #[must_use]
    pub fn into_draft(draft: AtomicFile) -> Self {
        let sink = draft.sink();
        Self {
            draft,
            sink,
            at: FileOffset(HEAD.0 + CRC),
            parts: Vec::new(),
            zeros: 0,
            leaves: Vec::new(),
            failure: None,
        }
    }

    /// The next `count` windows are zero.
    pub(crate) fn zeros(&mut self, count: u64) {
        self.flush_leaves();
        self.zeros = self.zeros.saturating_add(count);
    }

    /// The leaf of the next window.
    pub(crate) fn leaf(&mut self, leaf: &Digest) {
        self.flush_zeros();
        self.leaves.extend_from_slice(&leaf.0);
        if self.leaves.len() as u64 >= LONGEST_RUN * 32 {
            self.flush_leaves();
        }
    }

    /// All windows of the disk have been given. The draft is complete, but neither durable nor in its place.
    pub(crate) fn finish(mut self, size: Bytes, id: ContentId) -> Result<AtomicFile> {
        self.flush_leaves();
        self.flush_zeros();
        self.part(&[&[TAG_END], id.0.0.as_slice()].concat());
        self.write();
        self.at = FileOffset::ZERO;
        self.part(&[MAGIC_2.as_slice(), &size.0.to_le_bytes()].concat());
        self.write();
        match self.failure {
            Some(failure) => Err(failure),
            None => Ok(self.draft),
        }
    }

    fn flush_zeros(&mut self) {
        if self.zeros > 0 {
            let run = [&[TAG_ZERO], self.zeros.to_le_bytes().as_slice()].concat();
            self.zeros = 0;
            self.part(&run);
        }
    }

    fn flush_leaves(&mut self) {
        if !self.leaves.is_empty() {
            let count = self.leaves.len() as u64 / 32;
            let run = [&[TAG_LEAVES], count.to_le_bytes().as_slice(), &self.leaves].concat();
            self.leaves.clear();
            self.part(&run);
        }
    }

    /// Takes a part and its CRC.
    fn part(&mut self, part: &[u8]) {
        self.parts.extend_from_slice(part);
        self.parts.extend(crc32fast::hash(part).to_le_bytes());
        if self.parts.len() >= WRITE {
            self.write();
        }
    }

    /// Writes the parts that wait.
    fn write(&mut self) {
        if self.failure.is_none() {
            self.failure = self.sink.write_at(self.at, &self.parts).err();
        }
        self.at = self.at.saturating_add(Bytes::from(self.parts.len()));
        self.parts.clear();
    }
}
