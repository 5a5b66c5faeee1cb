//! Reads a file of leaves from its start to its end. One run of it is held in memory, at most 128 KiB.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use imgdelta_core::{Bytes, Error, FileOffset, Result};
use rustix::fs::OFlags;

use super::{
    CRC, HEAD, LONGEST_RUN, LeafRun, MAGIC_1, MAGIC_2, TAG_END, TAG_LEAVES, TAG_ZERO, TAIL, faulty,
};
use crate::tree::{ContentId, Digest, RepeatedSubtrees, WINDOW};

/// A file of leaves, read in order.
#[derive(Debug)]
pub struct LeafReader {
    file: BufReader<File>,
    /// Whether its parts carry a CRC.
    has_crcs: bool,
    size: Bytes,
    id: ContentId,
    /// Where the next run begins.
    at: FileOffset,
    /// How many leaves have not been read yet.
    left: u64,
    /// What is left of the run that was read last: zero windows.
    zeros: u64,
    /// The run that was read last, if it is one of digests.
    leaves: Vec<u8>,
    /// How many bytes of it have been given.
    given: usize,
}

impl LeafReader {
    /// Opens the file at `place`.
    ///
    /// # Errors
    /// Host, if the host cannot open it; Corrupt, if it is no such file or has no end.
    pub fn open(place: &Path) -> Result<Self> {
        // A FIFO in its place would wait for ever, a link would lead to anything.
        let flags = OFlags::NONBLOCK | OFlags::NOFOLLOW;
        let file = File::options()
            .read(true)
            .custom_flags(flags.bits().cast_signed())
            .open(place)
            .map_err(|cause| Error::host("cannot open", cause).in_file(place))?;
        Self::of(file, place)
    }

    /// Reads an open file, whose messages call it `place`.
    ///
    /// # Errors
    /// Corrupt, if it is no such file or has no end; Host, if the host cannot read it.
    pub fn of(file: File, place: &Path) -> Result<Self> {
        Self::read_ends(file).map_err(|error| error.in_file(place))
    }

    fn read_ends(file: File) -> Result<Self> {
        if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
            return Err(faulty("is not a regular file"));
        }
        let mut reader = Self {
            file: BufReader::with_capacity(64 << 10, file),
            has_crcs: false,
            size: Bytes::ZERO,
            id: ContentId(Digest::default()),
            at: FileOffset::ZERO,
            left: 0,
            zeros: 0,
            leaves: Vec::new(),
            given: 0,
        };
        reader.read_head()?;
        reader.read_tail()?;
        reader.rewind()?;
        Ok(reader)
    }

    fn read_head(&mut self) -> Result<()> {
        let mut head = [0; HEAD.0 as usize];
        self.fill(&mut head, "is too short")?;
        let (magic, size) = split::<16, 8>(&head)?;
        self.has_crcs = match &magic {
            MAGIC_1 => false,
            MAGIC_2 => true,
            _ => return Err(faulty("is not of version 1 or 2")),
        };
        self.require_crc(&[&head])?;
        self.size = Bytes(u64::from_le_bytes(size));
        Ok(())
    }

    fn read_tail(&mut self) -> Result<()> {
        let len = TAIL + if self.has_crcs { CRC } else { 0 };
        let mut tail = [0; TAIL as usize];
        let start = self.file.seek(SeekFrom::End(-len.cast_signed()));
        let start = start.map_err(|_| faulty("is too short"))?;
        if start < self.head().0 {
            return Err(faulty("is too short"));
        }
        self.at = FileOffset(start);
        self.fill(&mut tail, "is too short")?;
        let (tag, id) = split::<1, 32>(&tail)?;
        if tag != [TAG_END] {
            return Err(faulty("has no end"));
        }
        self.require_crc(&[&tail])?;
        self.id = ContentId(Digest(id));
        Ok(())
    }

    /// Goes back to the first leaf.
    fn rewind(&mut self) -> Result<()> {
        let at = self.head();
        self.file
            .seek(SeekFrom::Start(at.0))
            .map_err(|cause| Error::host("cannot read", cause))?;
        self.at = FileOffset(at.0);
        self.left = self.size.pieces(WINDOW);
        (self.zeros, self.given) = (0, 0);
        self.leaves.clear();
        Ok(())
    }

    /// The bytes before the first run.
    const fn head(&self) -> Bytes {
        Bytes(HEAD.0 + if self.has_crcs { CRC } else { 0 })
    }

    /// Reads all of it once, so that damage is known before anything rests on it; none of its leaves is kept.
    ///
    /// # Errors
    /// Corrupt, if a run is damaged or too few or too many leaves are there.
    pub(crate) fn checked(mut self) -> Result<Self> {
        while self.left > 0 {
            self.begin_run()?;
            self.left -= self.in_run();
            (self.zeros, self.given) = (0, self.leaves.len());
        }
        let mut tag = [0];
        self.fill(&mut tag, "has no end")?;
        if tag != [TAG_END] {
            return Err(faulty("has more leaves than its disk"));
        }
        self.rewind()?;
        Ok(self)
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
        if self.in_run() == 0 {
            self.begin_run()?;
        }
        let now = self.in_run().min(most);
        self.left -= now;
        if self.zeros > 0 {
            self.zeros -= now;
            return Ok(Some(LeafRun::Zero(now)));
        }
        let end = self.given.saturating_add(Bytes(now * 32).in_memory());
        let bytes = self.leaves.get(self.given..end).unwrap_or_default();
        self.given = end;
        let (leaves, _) = bytes.as_chunks::<32>();
        Ok(Some(LeafRun::Leaves(
            leaves.iter().copied().map(Digest).collect(),
        )))
    }

    /// The next `count` leaves, of which there must be as many.
    pub(crate) fn take(&mut self, mut count: u64) -> Result<Vec<LeafRun>> {
        let mut runs: Vec<LeafRun> = Vec::new();
        while count > 0 {
            let run = self
                .next_run(count)?
                .ok_or_else(|| faulty("has fewer leaves than are needed"))?;
            count -= run.count();
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
        let zero = RepeatedSubtrees::zero().leaf();
        while count > 0 {
            let run = self
                .next_run(count.min(LONGEST_RUN))?
                .ok_or_else(|| faulty("has fewer leaves than are needed"))?;
            count -= run.count();
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

    /// How many leaves of the run that was read last have not been given.
    const fn in_run(&self) -> u64 {
        self.zeros + (self.leaves.len().saturating_sub(self.given) / 32) as u64
    }

    /// Reads the next run, none of the last one being left.
    fn begin_run(&mut self) -> Result<()> {
        self.leaves.clear();
        self.given = 0;
        let start = self.at;
        let run = self.read_run().map_err(|error| error.at(start));
        if run.is_err() {
            self.leaves.clear();
        }
        run
    }

    fn read_run(&mut self) -> Result<()> {
        let mut head = [0; 9];
        self.fill(&mut head, "ends between runs")?;
        let (tag, count) = split::<1, 8>(&head)?;
        let count = u64::from_le_bytes(count);
        let is_there = (1..=self.left).contains(&count);
        match tag {
            [TAG_ZERO] if is_there => {
                self.require_crc(&[&head])?;
                self.zeros = count;
            }
            [TAG_LEAVES] if is_there && count <= LONGEST_RUN => {
                let mut leaves = std::mem::take(&mut self.leaves);
                leaves.resize(Bytes(count * 32).in_memory(), 0);
                self.fill(&mut leaves, "ends within a run")?;
                self.require_crc(&[&head, &leaves])?;
                self.leaves = leaves;
            }
            [tag] => return Err(faulty(&format!("has a run {tag} of {count} leaves"))),
        }
        Ok(())
    }

    /// Reads the CRC of what was just read, where the file has any, and compares.
    fn require_crc(&mut self, parts: &[&[u8]]) -> Result<()> {
        if !self.has_crcs {
            return Ok(());
        }
        let mut found = [0; CRC as usize];
        self.fill(&mut found, "ends within a run")?;
        let mut crc = crc32fast::Hasher::new();
        parts.iter().for_each(|part| crc.update(part));
        let (found, computed) = (u32::from_le_bytes(found), crc.finalize());
        if found == computed {
            return Ok(());
        }
        Err(faulty(&format!(
            "is damaged: checksum is {found:#010x}, computed {computed:#010x}"
        )))
    }

    fn fill(&mut self, buf: &mut [u8], failure: &str) -> Result<()> {
        self.file
            .read_exact(buf)
            .map_err(|cause| match cause.kind() {
                io::ErrorKind::UnexpectedEof => faulty(failure),
                _ => Error::host("cannot read the file of leaf digests", cause),
            })?;
        self.at = self.at.saturating_add(Bytes::from(buf.len()));
        Ok(())
    }

    /// The open file, for its times.
    pub(crate) fn file(&self) -> &File {
        self.file.get_ref()
    }
}

/// The first and the next bytes of a record.
fn split<const A: usize, const B: usize>(bytes: &[u8]) -> Result<([u8; A], [u8; B])> {
    let parts = bytes
        .split_first_chunk::<A>()
        .and_then(|(first, rest)| Some((*first, *rest.first_chunk::<B>()?)));
    parts.ok_or_else(|| faulty("is too short"))
}
