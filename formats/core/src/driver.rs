//! A format is a table: how to recognise, open, create, check and relink its images.

use std::{fmt, sync::Arc};

use crate::{
    Bytes, Error, FileOffset, Format, Identity, Image, ImageWriter, Kind, Options, ParentLink,
    Result, SECTOR, Sink, Source, read_vec,
};

/// Whether a file is of a format.
#[derive(Debug)]
pub enum ProbeResult {
    /// It is not.
    No,
    /// It is.
    Yes,
    /// It is, but damaged: opening it will say how. Never raw.
    Damaged,
}

/// The two ends of a file: all that a probe may look at.
#[derive(Clone, Debug)]
pub struct ProbeWindow {
    head: Vec<u8>,
    tail: Vec<u8>,
    len: Bytes,
}

impl ProbeWindow {
    /// How many bytes of either end a probe sees.
    pub const REACH: Bytes = Bytes::kib(4);

    /// Looks at both ends of `source`.
    ///
    /// # Errors
    /// Host, if the host cannot read.
    pub fn of(source: &dyn Source) -> Result<Self> {
        let len = source.len();
        let reach = len.min(Self::REACH);
        let head = read_vec(source, FileOffset::ZERO, reach)?;
        let tail = read_vec(source, FileOffset(len.0.saturating_sub(reach.0)), reach)?;
        Ok(Self { head, tail, len })
    }

    /// How long the file is.
    #[must_use]
    pub const fn len(&self) -> Bytes {
        self.len
    }

    /// Whether the file is empty.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len.0 == 0
    }

    /// The first bytes, at most [`REACH`](Self::REACH): for formats that begin with text.
    #[must_use]
    pub fn start(&self) -> &[u8] {
        &self.head
    }

    /// `N` bytes at `at` from the start, if the file is that long and `at` is within reach.
    #[must_use]
    pub fn head<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        self.head.get(at..at.checked_add(N)?)?.try_into().ok()
    }

    /// `N` bytes of which the first lies `back` bytes before the end, if the file is that long and `back` is within reach.
    #[must_use]
    pub fn tail<const N: usize>(&self, back: usize) -> Option<[u8; N]> {
        let start = self.tail.len().checked_sub(back)?;
        self.tail.get(start..start.checked_add(N)?)?.try_into().ok()
    }
}

/// Opens the other files that an image is made of (extents, an external data file), under the reference policy.
/// A format hands over the text that the image records and never opens a path itself.
pub trait AuxFiles: Send + Sync {
    /// The file that the image calls `name`.
    ///
    /// # Errors
    /// Reference, if the policy refuses it; Chain, if it is not there.
    fn open(&self, name: &str) -> Result<Arc<dyn Source>>;
}

/// No other files: for images in memory, and for `info --refs`, which opens nothing.
#[derive(Debug)]
pub struct NoAuxFiles;

impl AuxFiles for NoAuxFiles {
    fn open(&self, name: &str) -> Result<Arc<dyn Source>> {
        Err(Error::new(
            Kind::Reference,
            format!("names the file '{name}', which is not opened here"),
        )
        .with_code("reference"))
    }
}

/// What is needed to open an image.
pub struct Open<'a> {
    /// The image's file.
    pub source: Arc<dyn Source>,
    /// How its other files are found.
    pub aux_files: &'a dyn AuxFiles,
    /// `--input-option`.
    pub options: Options,
    /// `--snapshot`: the internal snapshot to read instead of the active disk, by name or id.
    pub snapshot: Option<String>,
}

/// The disk of a new image, as its guest will see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskSpec {
    /// Its size.
    pub size: Bytes,
    /// Its sectors: 512 bytes, or 4096.
    pub sector: Bytes,
}

impl From<Bytes> for DiskSpec {
    /// A disk of that size, in sectors of 512 bytes.
    fn from(size: Bytes) -> Self {
        Self {
            size,
            sector: Bytes(SECTOR),
        }
    }
}

/// What a new image is to be.
pub struct Create<'a> {
    /// Where its files go.
    pub outputs: &'a dyn Outputs,
    /// Its disk.
    pub disk: DiskSpec,
    /// `--option`.
    pub options: Options,
    /// Its parent, if it is a child.
    pub parent: Option<ParentSpec>,
    /// What ids are made of, where it is known before the first byte: a format that has to write its ids first, to a pipe, needs it.
    /// What [`FinishParams::seed`](crate::FinishParams::seed) will say.
    pub seed: Option<[u8; 32]>,
}

/// The parent that a child is to name.
#[derive(Clone, Debug, Default)]
pub struct ParentSpec {
    /// Its format.
    pub format: Option<Format>,
    /// The size of its disk.
    pub size: Bytes,
    /// Its path from the child's folder, with `/` between; `None` if there is no way.
    pub relative: Option<String>,
    /// Its absolute path, with `/` between.
    pub absolute: String,
    /// What it is called in its format.
    pub identity: Option<Identity>,
    /// The facts that a child of the same format copies, in the format's own spelling (VHD: `geometry`).
    pub details: Vec<(&'static str, String)>,
}

/// Makes the files of a new image: the first under the name that the user gave, others beside it.
pub trait Outputs: Send + Sync {
    /// The file that carries the user's name.
    ///
    /// # Errors
    /// Host, if the host cannot make it.
    fn main(&self) -> Result<Arc<dyn Sink>>;

    /// Another file that goes with it, called `name`, in the same folder.
    ///
    /// # Errors
    /// Usage, if something stands there; Host, if the host cannot make it.
    fn other(&self, name: &str) -> Result<Arc<dyn Sink>>;

    /// What the main file will be called, without its folder; `None` where it has no name.
    fn name(&self) -> Option<String> {
        None
    }

    /// Whether another file may be called `name`: nothing stands there, and nobody has asked for it yet. An image of several
    /// files takes fresh names for all but the main one, so that what it replaces stays whole until it is.
    fn is_free(&self, name: &str) -> bool {
        let _ = name;
        true
    }

    /// Whether what stands in the main file's place may be replaced. Where it may not, fresh names are no help: other files
    /// that stand in the way are an error.
    fn replaces(&self) -> bool {
        false
    }
}

/// One output and no other: in memory, or a pipe.
#[derive(Debug)]
pub struct OneOutput(pub Arc<dyn Sink>);

impl Outputs for OneOutput {
    fn main(&self) -> Result<Arc<dyn Sink>> {
        Ok(Arc::clone(&self.0))
    }

    fn other(&self, name: &str) -> Result<Arc<dyn Sink>> {
        Err(Error::new(
            Kind::Usage,
            format!("there is no place for the second file '{name}'"),
        ))
    }
}

/// What the images of a format say of the sectors that the guest sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sectors {
    /// Nothing: the virtual machine's own settings do.
    Unsaid,
    /// They have 512 bytes: a guest that knows others would not find its partitions.
    Fixed,
    /// Each image says how large they are, and a child has those of its parent.
    Recorded,
}

/// What a child demands of its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChildRule {
    /// Whether the parent must be of the child's own format.
    pub same_format: bool,
    /// Whether the parent's disk must have the child's size.
    pub same_size: bool,
    /// Whether a parent is looked for by its identity among all images of a folder when no hint leads to it.
    pub searched: bool,
    /// Whether a child knows its parent by a name alone, so that it can be given one that nobody opens: for a base that is a disk of which no
    /// file tells by itself, as a snapshot inside of an image is.
    pub by_name: bool,
    /// Whether the parent is of the format that its bytes say, as a child records none. Where one does (qcow2), a parent of which nothing is
    /// recorded is not looked at: a guest can write any header to its raw disk, and no identity would prove it wrong.
    pub probed: bool,
}

/// Bytes to be written over a copy of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patch {
    /// Where.
    pub at: FileOffset,
    /// What.
    pub bytes: Vec<u8>,
}

/// What `check` found.
#[derive(Debug, Default)]
pub struct CheckReport {
    /// Rules that are broken; content is or may become wrong.
    pub faults: Vec<Error>,
    /// What is not as it should be but harms no content: leaks, a missing copy.
    pub notes: Vec<String>,
    /// Counts for the report, in order: `clusters`, `leaked`.
    pub counts: Vec<(&'static str, u64)>,
}

impl CheckReport {
    /// Most faults that a report lists; the rest is counted.
    pub const LIMIT: usize = 1000;

    /// Notes a broken rule, up to [`LIMIT`](Self::LIMIT).
    pub fn fault(&mut self, fault: impl Into<Error>) {
        if self.faults.len() < Self::LIMIT {
            self.faults.push(fault.into());
        }
    }

    /// The faults in few words: a line for each kind, the first of it and how many more there are. Those whose codes are `known` are left out.
    #[must_use]
    pub fn summary(&self, known: &[&str]) -> Vec<String> {
        let mut kinds: Vec<(&Error, usize)> = Vec::new();
        for fault in &self.faults {
            match kinds
                .iter_mut()
                .find(|(first, _)| first.code() == fault.code())
            {
                Some((_, count)) => *count += 1,
                None => kinds.push((fault, 1)),
            }
        }
        let is_full = self.faults.len() >= Self::LIMIT;
        kinds.retain(|(first, _)| !known.contains(&first.code()));
        let line = |(first, count): (&Error, usize)| {
            let more = count - 1;
            let least = if is_full { "at least " } else { "" };
            match more {
                0 => format!("{}; 'check' says where", first.message()),
                _ => format!(
                    "{}, and {least}{more} more like it; 'check' lists them",
                    first.message()
                ),
            }
        };
        kinds.into_iter().map(line).collect()
    }
}

/// How an image is to be mended.
#[derive(Debug)]
pub struct Repair {
    /// The file that is to be changed, as it is to be read: a format that replays a log hands over the replayed file.
    pub source: Arc<dyn Source>,
    /// What is to be written over a copy of it.
    pub patches: Vec<Patch>,
    /// How long the copy is to be.
    pub len: Bytes,
    /// What that mends, one line each; nothing, if there is nothing to mend.
    pub done: Vec<String>,
}

/// Takes a child's file and its new parent.
pub type Relink = fn(&Arc<dyn Source>, &ParentSpec) -> Result<Vec<Patch>>;

/// Takes what a new image is to be.
pub type Start = fn(Create<'_>) -> Result<Box<dyn ImageWriter>>;

/// A format.
pub struct Driver {
    /// Which.
    pub format: Format,
    /// Extensions of its files, without dot, in lower case; the first is for new files.
    pub extensions: &'static [&'static str],
    /// Extensions that promise this format: a file that carries one and is not of the format is damaged.
    pub exclusive_extensions: &'static [&'static str],
    /// The file that stands for a folder which is an image of the format as a whole; `None` where no folder is.
    pub folder_file: Option<&'static str>,
    /// Names of its `--option`s, for help.
    pub create_options: &'static [&'static str],
    /// Names of its `--input-option`s, for help.
    pub open_options: &'static [&'static str],
    /// Whether it can be written to a pipe.
    pub streams: bool,
    /// What it says of the guest's sectors.
    pub sectors: Sectors,
    /// Whether a file is of the format. A claim needs more than a magic where there is more.
    pub probe: fn(&ProbeWindow) -> ProbeResult,
    /// Opens an image.
    pub open: fn(Open<'_>) -> Result<Arc<dyn Image>>,
    /// Starts a new image; `None` if the format is only read. [`start`](Self::start) says so.
    pub create: Option<Start>,
    /// Looks for faults, in the whole image but not in its parents. An image that cannot be opened is an error.
    pub check: fn(Open<'_>) -> Result<CheckReport>,
    /// Works out how a damaged image is mended, nothing of it guessed; `None` if nothing can be mended in this format. An image
    /// that does not open is an error.
    pub repair: Option<fn(Open<'_>) -> Result<Repair>>,
    /// What its children demand; `None` if it has none.
    pub child: Option<ChildRule>,
    /// How to make a child name another parent: what to write over a copy of it.
    pub relink: Option<Relink>,
    /// Reads the parent link alone, without opening any other file: for `info --refs`. All other references come with it.
    pub references: fn(&Arc<dyn Source>) -> Result<References>,
}

impl Driver {
    /// The code of the error of a format that is only read.
    pub const ONLY_READ: &'static str = "only_read";

    /// Starts a new image.
    ///
    /// # Errors
    /// Unsupported ([`ONLY_READ`](Self::ONLY_READ)), if the format is only read; else those of `create`.
    pub fn start(&self, create: Create<'_>) -> Result<Box<dyn ImageWriter>> {
        match self.create {
            Some(start) => start(create),
            None => Err(self.only_read()),
        }
    }

    /// The error of a format that is only read.
    #[must_use]
    pub fn only_read(&self) -> Error {
        let message = format!("{} images are only read, none is written", self.format);
        Error::new(Kind::Unsupported, message).with_code(Self::ONLY_READ)
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Driver({})", self.format)
    }
}

/// What an image names outside itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct References {
    /// Its parent.
    pub parent: Option<ParentLink>,
    /// Its other files, as it spells them.
    pub aux_files: Vec<String>,
}
