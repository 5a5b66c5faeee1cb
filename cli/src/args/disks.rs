//! `convert` and `compare` as they are typed: whole disks, whatever their chains.

use std::path::PathBuf;

use clap::Args;
use imgdelta::core::{Bytes, Format, Result};

use super::{
    input::{self, Input},
    memory::Remembered,
    output::Output,
    values::size,
};
use crate::job;

/// `convert`: a disk, whatever its chain, as one whole image.
#[derive(Debug, Args)]
#[command(
    after_help = "\
Example:
  imgdelta convert golden.vhd -o golden.qcow2",
    after_long_help = "\
'-' as source is standard input: a raw disk, or an image that is known by its bytes, kept in a file until it is read; '-' as output writes \
to standard output, where the format can be streamed.

Examples:
  imgdelta convert golden.vhd -o golden.qcow2 --option compression_type=zstd
  imgdelta convert golden.raw -o golden.vhd --option size=azure,subformat=fixed
  imgdelta convert server.qcow2 --snapshot before-update -o server.raw
  imgdelta convert server.qcow2 --size 80G -o larger.vhdx
  imgdelta convert debian.img.xz -o debian.qcow2
  imgdelta convert appliance.ova --disk 2 -o data.vhdx
  ssh host cat disk.raw | imgdelta convert - -o disk.qcow2"
)]
pub(crate) struct Convert {
    /// Image to read, its parents included; '-' is standard input.
    #[arg(value_name = "SOURCE", help_heading = "Input")]
    source: PathBuf,
    /// Take this internal snapshot, by name or id.
    #[arg(long, value_name = "NAME", help_heading = "Input")]
    snapshot: Option<String>,
    /// How it is opened.
    #[command(flatten)]
    input: Input,
    /// Image to write; its extension says the format; '-' is standard output.
    #[arg(short, long, value_name = "IMAGE", help_heading = "Output")]
    output: PathBuf,
    /// Make the disk so large, e.g. 40G: cut, or grown with zeros. The backup of a sound GPT moves to the new end.
    #[arg(long, value_name = "SIZE", value_parser = size, help_heading = "Output")]
    size: Option<Bytes>,
    /// Refuse a child that has no manifest beside it. One that is there is held against what is read in any case.
    #[arg(long, help_heading = "Input", hide_short_help = true)]
    prove: bool,
    /// Its form.
    #[command(flatten)]
    form: Output,
}

impl Convert {
    /// What it means.
    pub(crate) fn job(self) -> Result<job::Convert> {
        Ok(job::Convert {
            source: self.input.open(self.source, self.snapshot)?,
            goal: self.form.goal(self.output)?,
            size: self.size,
            needs_manifest: self.prove,
        })
    }
}

/// `salvage`: what can be read of a disk, as a new image.
#[derive(Debug, Args)]
#[command(
    after_help = "\
Example:
  imgdelta salvage broken.qcow2 -o rescued.raw",
    after_long_help = "\
What cannot be read is zero in the new image and listed: the disk's addresses, sector by sector. Exit status 0: all was read. 3: something was not, \
and the image was written all the same, or the source does not open at all.

Examples:
  imgdelta salvage broken.qcow2 -o rescued.raw
  imgdelta salvage broken.vhdx -o rescued.qcow2 --json"
)]
pub(crate) struct Salvage {
    /// Image to read, its parents included.
    #[arg(value_name = "SOURCE", help_heading = "Input")]
    source: PathBuf,
    /// Take this internal snapshot, by name or id.
    #[arg(long, value_name = "NAME", help_heading = "Input")]
    snapshot: Option<String>,
    /// How it is opened.
    #[command(flatten)]
    input: Input,
    /// Image to write; its extension says the format.
    #[arg(short, long, value_name = "IMAGE", help_heading = "Output")]
    output: PathBuf,
    /// Its form.
    #[command(flatten)]
    form: Output,
}

impl Salvage {
    /// What it means.
    pub(crate) fn job(self) -> Result<job::Salvage> {
        Ok(job::Salvage {
            source: self.input.open(self.source, self.snapshot)?,
            goal: self.form.goal(self.output)?,
        })
    }
}

/// `compare`: are two disks equal?
#[derive(Debug, Args)]
#[command(
    after_help = "\
Example:
  imgdelta compare golden.vhd golden.qcow2",
    after_long_help = "\
Formats may differ: what counts are the bytes that a guest sees. With -q it stops at the first difference.

--files reads partition tables and ext2, ext3, ext4, FAT, exFAT, NTFS and XFS on both disks. A block that belongs to a file on one of them counts \
for that file, and what it is on the other is told beside it. The sums are the bytes that differ.

Examples:
  imgdelta compare golden.vhd golden.qcow2
  imgdelta compare golden.raw patched.raw --list
  imgdelta compare golden.raw patched.raw --files
  imgdelta compare --ignore-size disk.raw disk.vhd"
)]
pub(crate) struct Compare {
    /// One image, its parents included.
    #[arg(value_name = "A", help_heading = "Input")]
    one: PathBuf,
    /// The other.
    #[arg(value_name = "B", help_heading = "Input")]
    other: PathBuf,
    /// Take B's format as given; without it --input-format is for both.
    #[arg(long, value_name = "FMT", value_parser = input::format, help_heading = "Input")]
    other_format: Option<Format>,
    /// Take this internal snapshot of A, by name or id.
    #[arg(long, value_name = "NAME", help_heading = "Input")]
    snapshot: Option<String>,
    /// Take this internal snapshot of B, by name or id.
    #[arg(
        long,
        value_name = "NAME",
        help_heading = "Input",
        hide_short_help = true
    )]
    other_snapshot: Option<String>,
    /// Which disk of B, where that is an OVF package; --disk is A's.
    #[arg(
        long,
        value_name = "NAME|N",
        help_heading = "Input",
        hide_short_help = true
    )]
    other_disk: Option<String>,
    /// Take FILE as B's parent instead of looking for it (repeatable, nearest first).
    #[arg(
        long,
        value_name = "FILE",
        help_heading = "Input",
        hide_short_help = true
    )]
    other_parent: Vec<PathBuf>,
    /// How they are opened.
    #[command(flatten)]
    input: Input,
    /// List every run of differing bytes: address and length.
    #[arg(long, help_heading = "Output")]
    list: bool,
    /// Say whose the bytes are that differ: files, directories, metadata of file systems, swap, free space.
    #[arg(long, help_heading = "Output")]
    files: bool,
    /// Disks of different sizes are the same if the rest of the larger is zero.
    #[arg(long, help_heading = "Output")]
    ignore_size: bool,
    /// What is believed of earlier runs: with --prove a child is held against the manifest beside it.
    #[command(flatten)]
    memory: Remembered,
}

impl Compare {
    /// What it means; `stops_early` if nobody wants to know how much differs.
    pub(crate) fn job(self, stops_early: bool) -> Result<job::Compare> {
        Ok(job::Compare {
            one: self.input.open(self.one, self.snapshot)?,
            other: self.input.open_other(
                self.other,
                self.other_format,
                &self.other_parent,
                self.other_snapshot,
                self.other_disk,
            )?,
            stops_early: stops_early && !self.list && !self.files,
            lists: self.list,
            files: self.files,
            ignores_size: self.ignore_size,
            memory: self.memory.job(),
        })
    }
}
