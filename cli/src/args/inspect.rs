//! `info`, `map`, `check` and `digest` as they are typed: one image is looked at.

use std::path::PathBuf;

use clap::Args;
use imgdelta::core::{Attributes, Error, Existing, Kind, Ownership, Result};
use imgdelta::{MapLayers, RepairInto};

use super::{input::Input, memory::Remembered, owner::Owner};
use crate::job::{self, InfoDepth};

/// `info`: what an image is.
#[derive(Debug, Args)]
#[command(
    after_help = "\
Example:
  imgdelta info golden.vhd",
    after_long_help = "\
Parents are not opened unless --chain asks for it.

Examples:
  imgdelta info golden.vhd
  imgdelta info november.vhd --chain
  imgdelta info suspect.qcow2 --refs --json"
)]
pub(crate) struct Info {
    /// The image.
    #[arg(value_name = "IMAGE", help_heading = "Input")]
    image: PathBuf,
    /// Open its parents too, and say what each is.
    #[arg(long, conflicts_with = "refs", help_heading = "Output")]
    chain: bool,
    /// Only list the files that it names; none of them is opened.
    #[arg(long, help_heading = "Output")]
    refs: bool,
    /// How it is opened.
    #[command(flatten)]
    input: Input,
}

impl Info {
    /// What it means.
    pub(crate) fn job(self) -> Result<job::Info> {
        Ok(job::Info {
            image: self.input.open(self.image, None)?,
            depth: match (self.chain, self.refs) {
                (_, true) => InfoDepth::References,
                (true, _) => InfoDepth::Chain,
                _ => InfoDepth::Image,
            },
        })
    }
}

/// `map`: where an image's data is.
#[derive(Debug, Args)]
#[command(
    after_help = "\
Example:
  imgdelta map november.vhd --layer",
    after_long_help = "\
Each run of the disk is data, packed (compressed), zero, or absent (no layer says anything: it reads as zero). Depth 0 is the image \
itself, 1 its parent. If a parent cannot be opened, the image's own layer is shown and that is said.

--files reads partition tables and ext2, ext3, ext4, FAT, exFAT, NTFS and XFS, and cuts runs that hold bytes by the file, or what else, that they \
belong to; with --layer the parents are opened for that.

Examples:
  imgdelta map november.vhd
  imgdelta map november.vhd --layer
  imgdelta map november.vhd --layer --files
  imgdelta map huge.qcow2 --json=lines"
)]
pub(crate) struct Map {
    /// The image.
    #[arg(value_name = "IMAGE", help_heading = "Input")]
    image: PathBuf,
    /// Insist on the whole chain.
    #[arg(long, conflicts_with = "layer", help_heading = "Output")]
    chain: bool,
    /// Show the image's own layer alone; its parents are not opened.
    #[arg(long, help_heading = "Output")]
    layer: bool,
    /// Say to which file, or what else, each run belongs.
    #[arg(long, help_heading = "Output")]
    files: bool,
    /// Take this internal snapshot, by name or id.
    #[arg(long, value_name = "NAME", help_heading = "Input")]
    snapshot: Option<String>,
    /// How it is opened.
    #[command(flatten)]
    input: Input,
}

impl Map {
    /// What it means.
    pub(crate) fn job(self) -> Result<job::Map> {
        Ok(job::Map {
            image: self.input.open(self.image, self.snapshot)?,
            layers: match (self.chain, self.layer) {
                (true, _) => MapLayers::Chain,
                (_, true) => MapLayers::Own,
                _ => MapLayers::ChainIfThere,
            },
            files: self.files,
        })
    }
}

/// `check`: is an image sound?
#[derive(Debug, Args)]
#[command(
    after_help = "\
Example:
  imgdelta check golden.vhd",
    after_long_help = "\
Exit status 0: sound. 1: faults were found, with --repair: are left. 3: it cannot be opened at all. Its parents are not looked at, unless \
--chain asks for it: then the whole chain must be sound, and fit together.

--repair plays the log of a VHDX that was not closed, makes damaged copies of tables anew and clears what means nothing; it guesses \
nothing, and the disk stays the same. Other formats have nothing to be mended so.

Examples:
  imgdelta check golden.vhd
  imgdelta check golden.qcow2 --json
  imgdelta check november.vhd --chain
  imgdelta check --repair -o mended.vhdx win11.vhdx
  imgdelta check --repair --in-place win11.vhdx"
)]
pub(crate) struct Check {
    /// The image.
    #[arg(value_name = "IMAGE", help_heading = "Input")]
    image: PathBuf,
    /// Check its parents too, and whether each child still stands on its base: by the manifest beside it, else by what it records.
    #[arg(long, conflicts_with = "repair", help_heading = "Input")]
    chain: bool,
    /// The base of a transport file: it is proven, and all of the file unpacked over it.
    #[arg(short, long, value_name = "IMAGE", conflicts_with_all = ["repair", "chain"], help_heading = "Input")]
    base: Option<PathBuf>,
    /// How it is opened.
    #[command(flatten)]
    input: Input,
    /// Write a mended image: to -o, or in place of the damaged one.
    #[arg(long, help_heading = "Output", requires = "mended")]
    repair: bool,
    /// Where the mended image goes.
    #[arg(
        short,
        long,
        value_name = "FILE",
        help_heading = "Output",
        group = "mended",
        requires = "repair"
    )]
    output: Option<PathBuf>,
    /// The mended image takes the damaged one's place.
    #[arg(long, help_heading = "Output", group = "mended", requires = "repair")]
    in_place: bool,
    /// Replace an existing file; in place: go on where owner, group or other attributes cannot be kept.
    #[arg(long, help_heading = "Output", requires = "repair")]
    force: bool,
    /// To whom the mended image belongs.
    #[command(flatten)]
    owner: Owner,
}

impl Check {
    /// What it means.
    pub(crate) fn job(self) -> Result<job::Check> {
        let existing = if self.force {
            Existing::Replace
        } else {
            Existing::Keep
        };
        let ownership = self.owner.ownership()?;
        if ownership != Ownership::default() && self.output.is_none() {
            let message = "--owner and --mode are for a mended image that is a file of its own";
            return Err(Error::new(Kind::Usage, message)
                .with_hint("-o FILE names it; in place it keeps what the damaged one has"));
        }
        let into = |output| RepairInto::File {
            output,
            existing,
            ownership,
        };
        let attributes = if self.force {
            Attributes::AsFarAsAllowed
        } else {
            Attributes::Require
        };
        let in_place = self.in_place.then_some(RepairInto::Place(attributes));
        let base = self
            .base
            .map(|base| self.input.open(base, None))
            .transpose()?;
        Ok(job::Check {
            base,
            image: self.input.open(self.image, None)?,
            repair: self.output.map(into).or(in_place),
            chain: self.chain,
        })
    }
}

/// `digest`: the content id of a disk.
#[derive(Debug, Args)]
#[command(
    after_help = "\
Example:
  imgdelta digest golden.vhd",
    after_long_help = "\
The content id is the same whatever the format. It is remembered for files that do not change, where the \
file system tells a change; --prove reads all the same.

Examples:
  imgdelta digest golden.vhd
  imgdelta digest golden.vhd --plain
  imgdelta digest golden.vhd --prove"
)]
pub(crate) struct Digest {
    /// The image, its parents included.
    #[arg(value_name = "IMAGE", help_heading = "Input")]
    image: PathBuf,
    /// The SHA-256 of the disk's bytes, for comparison with published checksums.
    #[arg(long, help_heading = "Output")]
    plain: bool,
    /// Take this internal snapshot, by name or id.
    #[arg(long, value_name = "NAME", help_heading = "Input")]
    snapshot: Option<String>,
    /// How it is opened.
    #[command(flatten)]
    input: Input,
    /// What is believed of earlier runs.
    #[command(flatten)]
    memory: Remembered,
}

impl Digest {
    /// What it means.
    pub(crate) fn job(self) -> Result<job::Digest> {
        Ok(job::Digest {
            image: self.input.open(self.image, self.snapshot)?,
            plain: self.plain,
            memory: self.memory.job(),
        })
    }
}
