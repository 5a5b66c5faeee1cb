//! A transport file that is to be sent on, in the making: proven, but neither durable nor in its place.
//!
//! [`MakeTransport`](crate::MakeTransport) does the same for its user's files. Here the disks are open, what they are called their keeper says, and
//! leaves may be known of both.

use imgdelta_core::{Error, Format, Outputs, Result};
use imgdelta_delta::{DigestCache, ExecContext, Made, digest_cache::LeafReader, manifest::LeftOut};
use imgdelta_registry::{AtomicFileSet, OutputSpec, package_file};
use imgdelta_transport::{
    IndexBudget, Pack, Packing, WantedWindows, layout::layer_size, write_windows,
};

use crate::{disk::Disk, make::describe};

/// The level of zstd at which what is sent is packed, unless it is said.
pub const LEVEL: i32 = imgdelta_transport::LEVEL;

/// What is remembered of images that a repository keeps: their leaves are known from elsewhere.
static NOTHING_KNOWN: DigestCache = DigestCache::none();

/// What differs between two disks, to be sent as a transport file.
#[derive(Clone, Copy, Debug)]
pub struct SentTransport<'a> {
    /// The base, and what it is called.
    pub base: (&'a str, &'a Disk),
    /// The disk that comes out, and what its image is called.
    pub target: (&'a str, &'a Disk),
    /// What of the target is left out, as the manifest is to say it.
    pub left_out: &'a [LeftOut],
    /// The level of zstd, 1 to 19.
    pub level: i32,
    /// Threads, counters, time.
    pub exec: ExecContext<'a>,
}

/// A transport file that is written and whose disks are proven. Dropped, it leaves nothing behind.
#[derive(Debug)]
pub struct WrittenTransport {
    /// The proofs of base, target and layer.
    pub made: Made,
    /// Its file.
    pub drafts: AtomicFileSet,
}

impl SentTransport<'_> {
    /// Writes the file that `spec` says, with its manifest in it. What the leaves of base and target say, where they are `known`, needs no comparing.
    ///
    /// # Errors
    /// Usage, if there is no such level; Unsupported, if such a file cannot tell of these disks ([`is_beyond`]); those of the disks, and with leaves
    /// those of them; Host, if an input changed meanwhile, or the host cannot write; Interrupted.
    pub fn write(
        &self,
        spec: &OutputSpec,
        known: Option<(LeafReader, LeafReader)>,
    ) -> Result<WrittenTransport> {
        let target = self.target.1;
        let packing = self.prepare(known)?;
        let name = spec.path.file_name().unwrap_or_default().to_string_lossy();
        let mut manifest = describe(
            packing.made(),
            self.base,
            self.target,
            (&name, Format::Transport),
            layer_size(target.size()),
        )?;
        manifest.left_out = self.left_out.to_vec();
        let drafts = self.begin(spec)?;
        packing.write(&*drafts.main()?, &manifest)?;
        Ok(WrittenTransport {
            made: packing.made().clone(),
            drafts,
        })
    }

    /// As [`write`](Self::write), but those windows alone, for who has the file and has them damaged.
    ///
    /// # Errors
    /// As [`write`](Self::write); Unsupported (`windows_differ`), if that file was made with other windows than these.
    pub fn write_windows(
        &self,
        spec: &OutputSpec,
        known: Option<(LeafReader, LeafReader)>,
        wanted: &WantedWindows,
    ) -> Result<WrittenTransport> {
        let packing = self.prepare(known)?;
        let drafts = self.begin(spec)?;
        write_windows(&packing, wanted, &*drafts.main()?)?;
        Ok(WrittenTransport {
            made: packing.made().clone(),
            drafts,
        })
    }

    fn prepare(&self, known: Option<(LeafReader, LeafReader)>) -> Result<Packing<'_>> {
        let pack = Pack {
            base: &self.base.1.chain,
            target: &self.target.1.chain,
            level: self.level,
            budget: IndexBudget::default(),
            memory: &NOTHING_KNOWN,
            work: self.exec,
        };
        pack.prepare_knowing(known)
    }

    /// The output, which must be none of the files that are read.
    fn begin(&self, spec: &OutputSpec) -> Result<AtomicFileSet> {
        let disks = [self.base.1, self.target.1].into_iter();
        let read: Vec<_> = disks.flat_map(Disk::versions).collect();
        package_file(spec, &read)
    }
}

/// Whether such a file cannot tell of the disks, so that another form is to be sent.
#[must_use]
pub fn is_beyond(error: &Error) -> bool {
    ["disk_too_large", "too_many_segments"].contains(&error.code())
}
