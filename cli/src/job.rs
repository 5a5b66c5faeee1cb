//! What is to be done: every command as data, its formats named and its options parsed. It never sees clap, and does nothing.

mod deploy;
mod repository;
mod settings;

use std::path::{Path, PathBuf};

use imgdelta::core::{Attributes, Bytes, Error, Kind, Result};
use imgdelta::registry::{OpenSpec, OutputSpec, Policy};
use imgdelta::{Evidence, Ids, MapLayers, RepairInto, Unneeded};

pub(crate) use deploy::{
    Deploy, DropImages, Keeping, Plan, Receive, Refill, Serve, VerifyDelivery,
};
pub(crate) use imgdelta::repository::catalogue::Edit;
pub(crate) use repository::{Add, Editing, Init, Inventory, Manner, Remove, RequireSigner, Verify};
pub(crate) use settings::{Origin, Overrides, Progress, Setting, Settings};

/// Standard input or output, where a path is expected.
pub(crate) const STREAM: &str = "-";

/// Whether a path stands for standard input or output.
pub(crate) fn is_stream(path: &Path) -> bool {
    path.as_os_str() == STREAM
}

/// An image that is to be written.
#[derive(Clone, Debug)]
pub(crate) struct Goal {
    /// Where, in which format, and whether it may replace something.
    pub(crate) output: OutputSpec,
    /// Whether it is only worked out.
    pub(crate) dry_run: bool,
    /// What its ids are made of.
    pub(crate) ids: Ids,
}

/// `make`.
#[derive(Clone, Debug)]
pub(crate) struct Make {
    /// The image that the site has.
    pub(crate) base: OpenSpec,
    /// The image to be reproduced.
    pub(crate) target: OpenSpec,
    /// The child, or the transport file.
    pub(crate) goal: Goal,
    /// How a transport file is made, if one is.
    pub(crate) transport: Option<Transport>,
    /// What of the target is left out.
    pub(crate) leave_out: Vec<Unneeded>,
    /// What digests of earlier runs are good for.
    pub(crate) memory: Memory,
}

/// How a transport file is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Transport {
    /// How hard it is packed; `None`: as usual.
    pub(crate) level: Option<i32>,
}

/// What digests of earlier runs are good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Memory {
    /// They stand for reading a disk that has not changed.
    Believed,
    /// Nothing: all is read, and kept for later runs.
    Refreshed,
    /// Nothing, and none are kept.
    Unused,
}

/// A child and the base that it is to fit.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    /// The child; its own parent is not followed.
    pub(crate) child: OpenSpec,
    /// The local copy of its base.
    pub(crate) base: OpenSpec,
    /// What proves them.
    pub(crate) evidence: Evidence,
    /// What digests of earlier runs are good for.
    pub(crate) memory: Memory,
}

/// `apply`.
#[derive(Clone, Debug)]
pub(crate) struct Apply {
    /// Child and base.
    pub(crate) pair: Pair,
    /// The full image.
    pub(crate) goal: Goal,
    /// Whether it is to be a child instead, of a transport file.
    pub(crate) expands: bool,
}

/// Which children are to be linked.
#[derive(Clone, Debug)]
pub(crate) enum Children {
    /// One, to a base.
    One(Box<Pair>),
    /// All of a folder, each to the base that it names.
    All {
        /// The folder.
        folder: PathBuf,
        /// Where bases are besides.
        policy: Policy,
        /// What digests of earlier runs are good for.
        memory: Memory,
    },
}

/// `attach`.
#[derive(Clone, Debug)]
pub(crate) struct Attach {
    /// Which children.
    pub(crate) children: Children,
    /// Whether it is only proven.
    pub(crate) dry_run: bool,
    /// Whether the child must keep its owner and the like.
    pub(crate) attributes: Attributes,
}

/// `convert`.
#[derive(Clone, Debug)]
pub(crate) struct Convert {
    /// The disk to be read; standard input if its path says so.
    pub(crate) source: OpenSpec,
    /// The image; standard output if its path says so.
    pub(crate) goal: Goal,
    /// How large the disk is to be, if not as large as it is.
    pub(crate) size: Option<Bytes>,
    /// Whether a child needs a manifest.
    pub(crate) needs_manifest: bool,
}

/// `salvage`.
#[derive(Clone, Debug)]
pub(crate) struct Salvage {
    /// The disk to be read.
    pub(crate) source: OpenSpec,
    /// The image.
    pub(crate) goal: Goal,
}

/// `compare`.
#[derive(Clone, Debug)]
pub(crate) struct Compare {
    /// One disk.
    pub(crate) one: OpenSpec,
    /// The other.
    pub(crate) other: OpenSpec,
    /// Whether the first difference is enough.
    pub(crate) stops_early: bool,
    /// Whether every run of differing bytes is told.
    pub(crate) lists: bool,
    /// Whether it is told whose they are.
    pub(crate) files: bool,
    /// Whether a rest of zeros does not count.
    pub(crate) ignores_size: bool,
    /// What digests of earlier runs are good for.
    pub(crate) memory: Memory,
}

/// How far `info` looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InfoDepth {
    /// At the image alone.
    Image,
    /// At its parents too.
    Chain,
    /// Only at the names that it records.
    References,
}

/// `info`.
#[derive(Clone, Debug)]
pub(crate) struct Info {
    /// The image.
    pub(crate) image: OpenSpec,
    /// How far to look.
    pub(crate) depth: InfoDepth,
}

/// `map`.
#[derive(Clone, Debug)]
pub(crate) struct Map {
    /// The image.
    pub(crate) image: OpenSpec,
    /// Which layers.
    pub(crate) layers: MapLayers,
    /// Whether it is told whose the bytes are.
    pub(crate) files: bool,
}

/// `check`.
#[derive(Clone, Debug)]
pub(crate) struct Check {
    /// The image.
    pub(crate) image: OpenSpec,
    /// Where a mended one goes, if it is to be mended.
    pub(crate) repair: Option<RepairInto>,
    /// Whether its chain is checked too.
    pub(crate) chain: bool,
    /// The base of a transport file.
    pub(crate) base: Option<OpenSpec>,
}

/// `digest`.
#[derive(Clone, Debug)]
pub(crate) struct Digest {
    /// The disk.
    pub(crate) image: OpenSpec,
    /// Whether the plain SHA-256 is wanted instead of the content id.
    pub(crate) plain: bool,
    /// What digests of earlier runs are good for.
    pub(crate) memory: Memory,
}

/// Refuses standard input or output where only a file will do.
pub(crate) fn refuse_stream(path: &Path, what: &str) -> Result<()> {
    if is_stream(path) {
        Err(Error::new(
            Kind::Usage,
            format!("{what} cannot be '-': it must be a file"),
        )
        .with_hint("'imgdelta convert - -o FILE' keeps a stream as a file"))
    } else {
        Ok(())
    }
}
