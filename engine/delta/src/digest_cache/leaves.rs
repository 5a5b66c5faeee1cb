//! Files of leaf digests: read and written in order, in bounded memory, zero runs as runs.
//!
//! ```text
//! magic "imgdelta leaves1" | size of the disk, u64 | runs: 0, count, u64           so many whole zero windows
//!                                                        1, count, u64, digests    so many windows, at most 4096
//!                                                        2, content id             the end
//! ```
//!
//! All numbers are little-endian. Which disk a file is of, and whether it is believed, is the matter of whoever keeps it.

use std::{
    fs::File,
    io::{BufReader, Read, Seek, SeekFrom},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::Arc,
};

use imgdelta_core::{AtomicFile, Bytes, Error, Existing, FileOffset, Kind, Result, Sink};

use crate::tree::{ContentId, Digest, Filler, WINDOW};

/// The first bytes of the file; the last one is the version.
const MAGIC: &[u8; 16] = b"imgdelta leaves1";
/// Magic and size.
const HEAD: Bytes = Bytes(24);
/// The tag of the end and the content id.
const TAIL: u64 = 33;
const TAG_ZERO: u8 = 0;
const TAG_LEAVES: u8 = 1;
const TAG_END: u8 = 2;

/// Most leaves in one run of the file.
pub const LONGEST_RUN: u64 = 4096;

/// A run of leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeafRun {
    /// So many whole zero windows.
    Zero(u64),
    /// These.
    Leaves(Vec<Digest>),
}

impl LeafRun {
    /// The leaves one by one; a zero run of whole windows as often as it is long.
    pub(crate) fn iter(&self) -> Box<dyn Iterator<Item = Digest> + '_> {
        match self {
            Self::Zero(count) => Box::new((0..*count).map(|_| Filler::zero().leaf())),
            Self::Leaves(leaves) => Box::new(leaves.iter().copied()),
        }
    }
}

/// A file of leaves, read in order.
#[derive(Debug)]
pub struct LeafReader {
    file: BufReader<File>,
    size: Bytes,
    id: ContentId,
    /// How many leaves have not been read yet.
    left: u64,
    /// What is left of the run that was read last: zero windows.
    zeros: u64,
    /// What is left of the run that was read last: digests.
    leaves: u64,
}

impl LeafReader {
    /// Opens the file at `place`.
    ///
    /// # Errors
    /// Host, if the host cannot open it; Corrupt, if it is no such file or has no end.
    pub fn open(place: &Path) -> Result<Self> {
        Self::read_ends(place).map_err(|error| error.in_file(place))
    }

    fn read_ends(place: &Path) -> Result<Self> {
        // A FIFO in its place would wait for ever.
        let not_waiting = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
        let mut file = File::options()
            .read(true)
            .custom_flags(not_waiting)
            .open(place)
            .map_err(|cause| Error::host("cannot open", cause))?;
        if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
            return Err(faulty("is not a regular file"));
        }
        let mut head = [0; HEAD.0 as usize];
        let mut tail = [0; TAIL as usize];
        let ends = file
            .read_exact(&mut head)
            .and_then(|()| file.seek(SeekFrom::End(-TAIL.cast_signed())))
            .and_then(|_| file.read_exact(&mut tail))
            .and_then(|()| file.seek(SeekFrom::Start(HEAD.0)));
        ends.map_err(|_| faulty("is too short"))?;
        let (magic, size) = split::<16, 8>(&head)?;
        let (tag, id) = split::<1, 32>(&tail)?;
        if magic != *MAGIC {
            return Err(faulty("is not of version 1"));
        }
        if tag != [TAG_END] {
            return Err(faulty("has no end"));
        }
        let size = Bytes(u64::from_le_bytes(size));
        Ok(Self {
            file: BufReader::with_capacity(64 << 10, file),
            size,
            id: ContentId(Digest(id)),
            left: size.pieces(WINDOW),
            zeros: 0,
            leaves: 0,
        })
    }

    /// The disk's content id, as the file says. Whoever reads all leaves can work it out.
    #[must_use]
    pub const fn id(&self) -> ContentId {
        self.id
    }

    /// The size of the disk.
    #[must_use]
    pub const fn size(&self) -> Bytes {
        self.size
    }

    /// The next leaves, of which there are at most `most`; `None` behind the last window of the disk.
    ///
    /// # Errors
    /// Corrupt, if the file is not what it should be.
    pub fn next_run(&mut self, most: u64) -> Result<Option<LeafRun>> {
        let most = most.min(self.left);
        if most == 0 {
            return Ok(None);
        }
        self.begin_run()?;
        if self.zeros > 0 {
            let now = self.zeros.min(most);
            self.zeros -= now;
            self.left -= now;
            return Ok(Some(LeafRun::Zero(now)));
        }
        let now = self.leaves.min(most);
        let mut leaves = vec![Digest::default(); Bytes(now).in_memory()];
        for leaf in &mut leaves {
            self.file
                .read_exact(&mut leaf.0)
                .map_err(|_| faulty("ends within a run"))?;
        }
        self.leaves -= now;
        self.left -= now;
        Ok(Some(LeafRun::Leaves(leaves)))
    }

    /// The next `count` leaves, of which there must be as many.
    pub(crate) fn take(&mut self, mut count: u64) -> Result<Vec<LeafRun>> {
        let mut runs: Vec<LeafRun> = Vec::new();
        while count > 0 {
            let run = self
                .next_run(count)?
                .ok_or_else(|| faulty("has fewer leaves than are needed"))?;
            count -= match &run {
                LeafRun::Zero(count) => *count,
                LeafRun::Leaves(leaves) => leaves.len() as u64,
            };
            // However short the runs of the file are, these are not.
            match (runs.last_mut(), run) {
                (Some(LeafRun::Zero(before)), LeafRun::Zero(more)) => *before += more,
                (Some(LeafRun::Leaves(before)), LeafRun::Leaves(more)) => before.extend(more),
                (_, run) => runs.push(run),
            }
        }
        Ok(runs)
    }

    /// Passes over the leaves of the next `count` windows, all of which must be zero. However many runs the file makes of them, none is kept.
    ///
    /// # Errors
    /// Corrupt, if one is not, or the file is not what it should be.
    pub(crate) fn pass_zeros(&mut self, mut count: u64) -> Result<()> {
        let zero = Filler::zero().leaf();
        while count > 0 {
            let before = self.left;
            let run = self
                .next_run(count.min(LONGEST_RUN))?
                .ok_or_else(|| faulty("has fewer leaves than are needed"))?;
            if let LeafRun::Leaves(leaves) = run {
                // The disk's last window may be short: its leaf is another one though it is zero.
                let last = (self.left == 0).then(|| self.last_if_zero());
                let is_zero = |number: usize, leaf: &Digest| {
                    *leaf == zero || (number == leaves.len() && last == Some(*leaf))
                };
                if !(1..)
                    .zip(&leaves)
                    .all(|(number, leaf)| is_zero(number, leaf))
                {
                    return Err(faulty("says that there is data where there is none"));
                }
            }
            count -= before - self.left;
        }
        Ok(())
    }

    /// The leaf of the disk's last window, if that is zero.
    fn last_if_zero(&self) -> Digest {
        let zeros = [0; WINDOW.0 as usize];
        let len = match self.size.0 % WINDOW.0 {
            0 => WINDOW,
            rest => Bytes(rest),
        };
        Digest::leaf(zeros.get(..len.in_memory()).unwrap_or(&zeros))
    }

    /// Reads the head of the next run, if none is begun.
    fn begin_run(&mut self) -> Result<()> {
        if self.zeros > 0 || self.leaves > 0 {
            return Ok(());
        }
        let mut head = [0; 9];
        self.file
            .read_exact(&mut head)
            .map_err(|_| faulty("ends between runs"))?;
        let (tag, count) = split::<1, 8>(&head)?;
        let count = u64::from_le_bytes(count);
        match tag {
            [TAG_ZERO] if count > 0 => self.zeros = count,
            [TAG_LEAVES] if (1..=LONGEST_RUN).contains(&count) => self.leaves = count,
            [tag] => return Err(faulty(&format!("has a run {tag} of {count} leaves"))),
        }
        Ok(())
    }

    /// The open file, for its times.
    pub(crate) fn file(&self) -> &File {
        self.file.get_ref()
    }
}

/// A file of leaves on its way. It appears whole or not at all.
#[derive(Debug)]
pub struct LeafWriter {
    draft: AtomicFile,
    sink: Arc<dyn Sink>,
    at: FileOffset,
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
        let draft = AtomicFile::create(place, Existing::Replace)?;
        let sink = draft.sink();
        Ok(Self {
            draft,
            sink,
            at: FileOffset(HEAD.0),
            zeros: 0,
            leaves: Vec::new(),
            failure: None,
        })
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
        self.write(&[&[TAG_END], id.0.0.as_slice()].concat());
        self.at = FileOffset::ZERO;
        self.write(&[MAGIC.as_slice(), &size.0.to_le_bytes()].concat());
        match self.failure {
            Some(failure) => Err(failure),
            None => Ok(self.draft),
        }
    }

    fn flush_zeros(&mut self) {
        if self.zeros > 0 {
            let run = [&[TAG_ZERO], self.zeros.to_le_bytes().as_slice()].concat();
            self.zeros = 0;
            self.write(&run);
        }
    }

    fn flush_leaves(&mut self) {
        if !self.leaves.is_empty() {
            let count = self.leaves.len() as u64 / 32;
            let run = [&[TAG_LEAVES], count.to_le_bytes().as_slice(), &self.leaves].concat();
            self.leaves.clear();
            self.write(&run);
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        if self.failure.is_none() {
            self.failure = self.sink.write_at(self.at, bytes).err();
        }
        self.at = self.at.saturating_add(Bytes::from(bytes.len()));
    }
}

/// The first and the next bytes of a record.
fn split<const A: usize, const B: usize>(bytes: &[u8]) -> Result<([u8; A], [u8; B])> {
    let parts = bytes
        .split_first_chunk::<A>()
        .and_then(|(first, rest)| Some((*first, *rest.first_chunk::<B>()?)));
    parts.ok_or_else(|| faulty("is too short"))
}

fn faulty(what: &str) -> Error {
    Error::new(Kind::Corrupt, format!("the file of leaf digests {what}")).with_code("leaves")
}
