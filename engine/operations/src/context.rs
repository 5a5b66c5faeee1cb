//! What every call is given: threads, progress, cancellation, where digests are remembered, who hears of each stage.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use imgdelta_core::{Error, Result};
use imgdelta_delta::{DigestCache, ExecContext, Pool, RunProgress};

/// What every call is given. Cheap to clone; all clones count into the same [`RunProgress`].
///
/// Calls work on as many threads as there are cores, unless [`threads`](Self::threads) says otherwise: those of one pool, which is started
/// when it is first needed and ends with the last clone. The result never depends on their number.
#[derive(Clone)]
pub struct Context {
    threads: usize,
    pool: Arc<Pool>,
    progress: Arc<RunProgress>,
    stop_flag: Option<Arc<AtomicBool>>,
    time: Option<u64>,
    cache: DigestCache,
    on_stage: Arc<dyn Fn(Stage<'_>) + Send + Sync>,
}

impl Default for Context {
    fn default() -> Self {
        Self::new()
    }
}

impl Context {
    /// All cores, nothing remembered between runs, nobody listening, no time recorded in images.
    #[must_use]
    pub fn new() -> Self {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        Self {
            threads,
            pool: Arc::new(Pool::new(threads)),
            progress: Arc::default(),
            stop_flag: None,
            time: None,
            cache: DigestCache::none(),
            on_stage: Arc::new(|_| ()),
        }
    }

    /// With so many threads; 0 counts as 1.
    #[must_use]
    pub fn threads(self, threads: usize) -> Self {
        let threads = threads.max(1);
        self.pool(threads, Arc::new(Pool::new(threads)))
    }

    /// On the threads of `pool`, of which there are so many, which others may share.
    #[must_use]
    pub fn pool(mut self, threads: usize, pool: Arc<Pool>) -> Self {
        (self.threads, self.pool) = (threads, pool);
        self
    }

    /// With these counters, which another thread may read, and by which it may stop the run.
    #[must_use]
    pub fn with_progress(mut self, progress: Arc<RunProgress>) -> Self {
        self.progress = progress;
        self
    }

    /// With a flag that a signal handler may set, looked at where a call waits for a program that it has started: the same signal may have ended
    /// that one before anybody had the time to call [`RunProgress::stop`], and its end is then not what went wrong.
    #[must_use]
    pub fn stop_flag(mut self, flag: Arc<AtomicBool>) -> Self {
        self.stop_flag = Some(flag);
        self
    }

    /// With this time recorded in images that record one, in seconds since 1970; `None`: the format's zero.
    #[must_use]
    pub const fn time(mut self, time: Option<u64>) -> Self {
        self.time = time;
        self
    }

    /// With leaf digests remembered between runs as `cache` says.
    #[must_use]
    pub fn cache(mut self, cache: DigestCache) -> Self {
        self.cache = cache;
        self
    }

    /// With leaf digests remembered between runs in `folder`, which is made when there is something to keep.
    #[must_use]
    pub fn cache_in(self, folder: PathBuf) -> Self {
        self.cache(DigestCache::in_folder(folder))
    }

    /// `listener` hears of each stage as it begins, on the thread that made the call.
    #[must_use]
    pub fn on_stage(mut self, listener: impl Fn(Stage<'_>) + Send + Sync + 'static) -> Self {
        self.on_stage = Arc::new(listener);
        self
    }

    /// The counters: how far the run is, and the way to stop it.
    #[must_use]
    pub const fn progress(&self) -> &Arc<RunProgress> {
        &self.progress
    }

    /// Fails when the run is to stop: by [`RunProgress::stop`], or by the [`stop_flag`](Self::stop_flag).
    ///
    /// # Errors
    /// Interrupted.
    pub fn go_on(&self) -> Result<()> {
        match &self.stop_flag {
            Some(flag) if flag.load(Ordering::Relaxed) => Err(Error::interrupted()),
            _ => self.progress.go_on(),
        }
    }

    /// Where digests are remembered.
    #[must_use]
    pub const fn digest_cache(&self) -> &DigestCache {
        &self.cache
    }

    /// The time that is recorded, in seconds since 1970.
    pub(crate) const fn recorded_time(&self) -> Option<u64> {
        self.time
    }

    /// As the engine is told of it, ids being made of what `ids` says.
    ///
    /// # Errors
    /// Host, if the host has no random numbers.
    pub fn exec(&self, ids: Ids) -> Result<ExecContext<'_>> {
        Ok(ExecContext {
            pool: Some(&self.pool),
            time: self.time,
            new_ids: match ids {
                Ids::OfContent => None,
                Ids::Random => Some(random_seed()?),
            },
            ..ExecContext::new(self.threads, &self.progress)
        })
    }

    /// Says that a stage begins.
    pub fn begin(&self, stage: Stage<'_>) {
        (self.on_stage)(stage);
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("threads", &self.threads)
            .field("time", &self.time)
            .field("cache", &self.cache)
            .finish_non_exhaustive()
    }
}

/// What the ids in a new image are made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ids {
    /// The content: the same input gives the same bytes.
    #[default]
    OfContent,
    /// Chance: two copies of one image can live side by side.
    Random,
}

/// What begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage<'a> {
    /// A child is made.
    Make(&'a Path),
    /// A full image is made of base and child.
    Apply(&'a Path),
    /// A disk is written as one image.
    Convert(&'a Path),
    /// Two disks are compared; the first is named.
    Compare(&'a Path),
    /// A disk is read for its content id.
    Digest(&'a Path),
    /// A base or a child is read and proven.
    Prove(&'a Path),
    /// A damaged image is mended.
    Repair(&'a Path),
    /// A disk is read to learn whether its image fits at this place.
    Measure(&'a Path),
    /// A disk is read for the ids that stand in front of its data.
    ReadIds,
    /// An image is added to a repository.
    Add(&'a Path),
    /// The images that stand in a repository's folder are taken in.
    Scan(&'a Path),
    /// The images of the repository in this folder are held against their content ids.
    Verify(&'a Path),
    /// Images were entered in the repository in this folder: they stay, whatever becomes of the others.
    Enter(&'a Path),
    /// The image of this name is packed for its way to a site.
    Pack(&'a str),
    /// A file that has travelled is read for its SHA-256.
    Check(&'a Path),
    /// The base of this name, from which an image that came is made, is read and proven.
    ProveBase(&'a str),
    /// The image of this name is made from what came.
    Install(&'a str),
    /// A site on another host is called, at this URL.
    Connect(&'a str),
    /// Bytes are about to be written to this output: from here on a device may hold half an image.
    Write(&'a Path),
}

/// `make november.vhd`.
impl fmt::Display for Stage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Make(path) => write!(f, "make {}", path.display()),
            Self::Apply(path) => write!(f, "apply {}", path.display()),
            Self::Convert(path) => write!(f, "convert {}", path.display()),
            Self::Compare(path) => write!(f, "compare {}", path.display()),
            Self::Digest(path) => write!(f, "digest {}", path.display()),
            Self::Prove(path) => write!(f, "prove {}", path.display()),
            Self::Repair(path) => write!(f, "mend {}", path.display()),
            Self::Pack(name) => write!(f, "pack {name}"),
            Self::Check(path) => write!(f, "check {}", path.display()),
            Self::ProveBase(name) => write!(f, "prove {name}"),
            Self::Install(name) => write!(f, "make {name}"),
            Self::Connect(url) => write!(f, "ask {url}"),
            Self::ReadIds => f.write_str("read the disk for its ids"),
            Self::Measure(path) => write!(f, "measure {}", path.display()),
            Self::Add(path) => write!(f, "add {}", path.display()),
            Self::Scan(path) => write!(f, "scan {}", path.display()),
            Self::Verify(path) => write!(f, "verify {}", path.display()),
            Self::Enter(path) => write!(f, "enter in {}", path.display()),
            Self::Write(path) => write!(f, "write {}", path.display()),
        }
    }
}

/// 32 bytes that nobody can foretell.
fn random_seed() -> Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|cause| Error::host("the host has no random numbers", cause.into()))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_is_another_one_each_time() {
        let [one, two] = [
            random_seed().expect("random"),
            random_seed().expect("random"),
        ];
        assert_ne!(one, two);
        assert_ne!(one, [0; 32]);
    }
}
