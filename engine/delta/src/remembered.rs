//! Leaf digests of disks that were hashed before, kept in the user's cache folder.
//!
//! They are found by the device, inode, length and times of every file of the chain. A stale entry can only lead to a refusal
//! later, never to a wrong disk: the content id that goes into a manifest is worked out from the leaves that were used.

use std::{
    fs::File,
    io::{BufReader, Read},
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use imgdelta_core::{Bytes, Draft, Existing, FileOffset, Sink};
use sha2::{Digest as _, Sha256};

use crate::{
    chain::Chain,
    tree::{ContentId, Digest, Filler, WINDOW},
};

const MAGIC: &[u8; 16] = b"imgdelta leaves1";
const TAG_ZERO: u8 = 0;
const TAG_LEAVES: u8 = 1;
const TAG_END: u8 = 2;

/// Most leaves in one run of the file.
const RUN: usize = 4096;

/// How much the folder may hold before the oldest entries go.
const FOLDER_LIMIT: u64 = 2 << 30;

/// A file that changed this recently may change again within the clock's grain.
const SETTLED: Duration = Duration::from_secs(2);

/// Where leaf digests are remembered, if anywhere.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    folder: Option<PathBuf>,
}

impl Memory {
    /// Remembers nothing.
    #[must_use]
    pub const fn none() -> Self {
        Self { folder: None }
    }

    /// Remembers in `folder`, which is made when there is something to keep.
    #[must_use]
    pub const fn in_folder(folder: PathBuf) -> Self {
        Self {
            folder: Some(folder),
        }
    }

    /// What is remembered of the disk. Anything that is not whole is as if it were not there.
    #[must_use]
    pub fn recall(&self, chain: &Chain) -> Option<Recalled> {
        Recalled::open(&self.entry(chain)?, chain.size())
    }

    /// Starts to remember the disk; `None` if that is not possible, which is never an error.
    pub(crate) fn keep(&self, chain: &Chain) -> Option<Keeping> {
        let place = self.entry(chain)?;
        std::fs::create_dir_all(place.parent()?).ok()?;
        Keeping::create(place, chain.size())
    }

    fn entry(&self, chain: &Chain) -> Option<PathBuf> {
        Some(
            self.folder
                .as_ref()?
                .join(format!("{}.leaves", key(chain)?)),
        )
    }
}

/// What the chain is known by; `None` if it cannot be told from a changed one.
fn key(chain: &Chain) -> Option<Digest> {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .ok()?;
    let mut hash = Sha256::new()
        .chain_update(MAGIC)
        .chain_update(chain.size().0.to_le_bytes());
    for layer in chain.layers() {
        if layer.stamps().is_empty() {
            return None;
        }
        let facts = layer.image.facts();
        hash.update(format!("{}|{}|{}|", facts.format, facts.size.0, layer.view));
        for stamp in layer.stamps() {
            let settled = i128::try_from(now.saturating_sub(SETTLED).as_nanos()).ok()?;
            if stamp.is_device || stamp.modified.max(stamp.changed) > settled {
                return None;
            }
            hash.update(format!(
                "{} {} {} {} {}|",
                stamp.device, stamp.inode, stamp.len, stamp.modified, stamp.changed
            ));
        }
    }
    Some(Digest(hash.finalize().into()))
}

/// A run of leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LeafRun {
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

/// Leaves that were remembered, in order.
#[derive(Debug)]
pub struct Recalled {
    file: BufReader<File>,
    id: ContentId,
    /// What is left of the run that was read last.
    zeros: u64,
    leaves: u64,
}

impl Recalled {
    fn open(place: &PathBuf, size: Bytes) -> Option<Self> {
        use std::io::{Seek, SeekFrom};
        let mut file = File::open(place).ok()?;
        let mut head = [0; 24];
        file.read_exact(&mut head).ok()?;
        let (magic, stored) = head.split_first_chunk::<16>()?;
        if magic != MAGIC || u64::from_le_bytes(stored.try_into().ok()?) != size.0 {
            return None;
        }
        let mut tail = [0; 33];
        file.seek(SeekFrom::End(-33)).ok()?;
        file.read_exact(&mut tail).ok()?;
        let (tag, id) = tail.split_first()?;
        if *tag != TAG_END {
            return None;
        }
        let id = ContentId(Digest(id.try_into().ok()?));
        file.seek(SeekFrom::Start(24)).ok()?;
        // Its age decides what goes when the folder is full.
        let _ = file.set_modified(SystemTime::now());
        Some(Self {
            file: BufReader::with_capacity(64 << 10, file),
            id,
            zeros: 0,
            leaves: 0,
        })
    }

    /// The disk's content id.
    #[must_use]
    pub const fn id(&self) -> ContentId {
        self.id
    }

    /// The next `count` leaves, of which there must be as many; `None` if the file is not what it should be.
    pub(crate) fn take(&mut self, mut count: u64) -> Option<Vec<LeafRun>> {
        let mut runs = Vec::new();
        while count > 0 {
            self.next_run()?;
            if self.zeros > 0 {
                let now = self.zeros.min(count);
                self.zeros -= now;
                count -= now;
                runs.push(LeafRun::Zero(now));
            } else {
                let now = self.leaves.min(count);
                let mut leaves = vec![Digest::default(); usize::try_from(now).ok()?];
                for leaf in &mut leaves {
                    self.file.read_exact(&mut leaf.0).ok()?;
                }
                self.leaves -= now;
                count -= now;
                runs.push(LeafRun::Leaves(leaves));
            }
        }
        Some(runs)
    }

    fn next_run(&mut self) -> Option<()> {
        if self.zeros > 0 || self.leaves > 0 {
            return Some(());
        }
        let mut head = [0; 9];
        self.file.read_exact(&mut head).ok()?;
        let (tag, count) = head.split_first()?;
        let count = u64::from_le_bytes(count.try_into().ok()?);
        match *tag {
            TAG_ZERO if count > 0 => self.zeros = count,
            TAG_LEAVES if (1..=RUN as u64).contains(&count) => self.leaves = count,
            _ => return None,
        }
        Some(())
    }
}

/// Leaves on their way into memory. Whatever goes wrong, nothing is remembered.
#[derive(Debug)]
pub(crate) struct Keeping {
    draft: Draft,
    sink: Arc<dyn Sink>,
    at: FileOffset,
    zeros: u64,
    leaves: Vec<u8>,
    failed: bool,
}

impl Keeping {
    fn create(place: PathBuf, size: Bytes) -> Option<Self> {
        let draft = Draft::create(&place, Existing::Replace).ok()?;
        let sink = draft.sink();
        let mut keeping = Self {
            draft,
            sink,
            at: FileOffset::ZERO,
            zeros: 0,
            leaves: Vec::new(),
            failed: false,
        };
        keeping.write(&[MAGIC.as_slice(), &size.0.to_le_bytes()].concat());
        Some(keeping)
    }

    pub(crate) fn zeros(&mut self, count: u64) {
        self.flush_leaves();
        self.zeros += count;
    }

    pub(crate) fn leaf(&mut self, leaf: &Digest) {
        self.flush_zeros();
        self.leaves.extend_from_slice(&leaf.0);
        if self.leaves.len() >= RUN * 32 {
            self.flush_leaves();
        }
    }

    pub(crate) fn finish(mut self, id: ContentId) {
        self.flush_leaves();
        self.flush_zeros();
        self.write(&[&[TAG_END], id.0.0.as_slice()].concat());
        if self.failed {
            return;
        }
        let folder = self.draft.place().parent().map(PathBuf::from);
        if self.draft.commit().is_ok()
            && let Some(folder) = folder
        {
            prune(&folder);
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
        self.failed |= self.sink.write_at(self.at, bytes).is_err();
        self.at = self.at.saturating_add(Bytes::from(bytes.len()));
    }
}

/// Removes the entries that were used longest ago until the folder is small enough.
fn prune(folder: &std::path::Path) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    let mut entries: Vec<(SystemTime, u64, PathBuf)> = entries
        .flatten()
        .filter(|entry| {
            entry
                .path()
                .extension()
                .is_some_and(|extension| extension == "leaves")
        })
        .filter_map(|entry| {
            let metadata = entry.metadata().ok()?;
            Some((metadata.modified().ok()?, metadata.len(), entry.path()))
        })
        .collect();
    entries.sort();
    let mut total: u64 = entries.iter().map(|(_, len, _)| *len).sum();
    for (_, len, path) in entries {
        if total <= FOLDER_LIMIT {
            return;
        }
        if std::fs::remove_file(path).is_ok() {
            total -= len;
        }
    }
}

/// How many windows a disk has.
pub(crate) fn windows_of(size: Bytes) -> u64 {
    size.pieces(WINDOW)
}
