//! `make` as it is typed.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use imgdelta::Unneeded;
use imgdelta::core::{Error, Format, Kind, Result};
use imgdelta::registry::OpenSpec;

use super::{
    input::{self, BaseInput},
    memory::Remembered,
    output::Output,
    values::unneeded,
};
use crate::job;

/// What of the target differs, in which form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// A child of the base, in a hypervisor's format.
    Child,
    /// One small file that 'apply' reads over the base.
    Transport,
}

/// `make`: what of the target differs from the base, as a child of the base.
#[derive(Debug, Args)]
#[command(
    after_help = "\
Example:
  imgdelta make -b golden.vhd -t patched.vhd -o november.vhd",
    after_long_help = "\
The manifest, which proves base and result to 'apply' and 'attach', is written beside the child as CHILD.manifest.json; it travels in a transport \
file.

--leave-out reads partition tables and file systems (ext2, ext3, ext4, FAT, exFAT, NTFS, XFS, swap of Linux). What a file system calls free, a swap \
in which no system sleeps and the page files of Windows are then as they are in the base: what comes out is not the target byte for byte, and the manifest \
proves what comes out. Of a volume that was not left cleanly, is encrypted or is not known, all travels, and a note says why.

Examples:
  imgdelta make -b golden.vhd -t patched.vhd -o november.vhd
  imgdelta make -b golden.vhd -t patched.vhd -o november.vhd --leave-out free,swap,pagefile
  imgdelta make -b golden.raw -t patched.raw -o november.qcow2 --option compression_type=zstd
  imgdelta make -b golden.raw -t patched.raw -o november.imgdelta --form transport
  imgdelta make -b golden.qcow2 -t golden.qcow2 --base-snapshot january -o since-january.qcow2"
)]
pub(crate) struct Make {
    /// Image that the site already has; its parents are followed.
    #[arg(short, long, value_name = "IMAGE", help_heading = "Input")]
    base: PathBuf,
    /// Image to be reproduced; its parents are followed.
    #[arg(short, long, value_name = "IMAGE", help_heading = "Input")]
    target: PathBuf,
    /// Take the target's format as given instead of looking.
    #[arg(long, value_name = "FMT", value_parser = input::format, help_heading = "Input")]
    target_format: Option<Format>,
    /// The same for the target alone.
    #[arg(
        long,
        value_name = "KEY=VAL",
        help_heading = "Input",
        hide_short_help = true
    )]
    target_option: Vec<String>,
    /// Take this internal snapshot of the target, by name or id.
    #[arg(long, value_name = "NAME", help_heading = "Input")]
    snapshot: Option<String>,
    /// How the base is opened, and what is said of both.
    #[command(flatten)]
    inputs: BaseInput,
    /// Take FILE as the target's parent instead of looking for it (repeatable, nearest first).
    #[arg(
        long,
        value_name = "FILE",
        help_heading = "Input",
        hide_short_help = true
    )]
    target_parent: Vec<PathBuf>,
    /// Child to write; its extension says the format, the manifest goes beside it.
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    output: PathBuf,
    /// Leave out what certainly nobody needs of the target: free, swap, pagefile, with commas between them. The result keeps the base's bytes there.
    #[arg(long, value_name = "WHAT", value_delimiter = ',', value_parser = unneeded, help_heading = "Output")]
    leave_out: Vec<Unneeded>,
    /// What to write; without it a transport file if the output is called .imgdelta, else a child.
    #[arg(long, value_name = "FORM", value_enum, help_heading = "Output")]
    form: Option<Form>,
    /// How hard a transport file is packed, 1 to 19 (3 without it).
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=19), help_heading = "Output")]
    level: Option<i32>,
    /// Its format.
    #[command(flatten)]
    image: Output,
    /// What is believed of earlier runs.
    #[command(flatten)]
    memory: Remembered,
}

impl Make {
    /// What it means.
    pub(crate) fn job(self) -> Result<job::Make> {
        Ok(job::Make {
            base: self.inputs.open(self.base)?,
            target: OpenSpec {
                format: self.target_format,
                snapshot: self.snapshot,
                ..self.inputs.open_other(
                    self.target,
                    &self.target_option,
                    &self.target_parent,
                    "--target-parent",
                )?
            },
            transport: transport_of(self.form, self.level, &self.output)?,
            goal: self.image.goal(self.output)?,
            leave_out: self.leave_out,
            memory: self.memory.job(),
        })
    }
}

/// The level of a transport file, if one is meant.
fn transport_of(
    form: Option<Form>,
    level: Option<i32>,
    output: &Path,
) -> Result<Option<job::Transport>> {
    let is_called_so = output.extension().is_some_and(|name| name == "imgdelta");
    let is_meant = form.map_or(is_called_so, |form| form == Form::Transport);
    match (is_meant, level) {
        (true, level) => Ok(Some(job::Transport { level })),
        (false, None) => Ok(None),
        (false, Some(_)) => {
            let message = "--level is for a transport file";
            Err(Error::new(Kind::Usage, message)
                .with_hint("--form transport makes one; a child has --option"))
        }
    }
}
