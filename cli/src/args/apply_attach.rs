//! `apply` and `attach` as they are typed: what is done with a child at the site.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use imgdelta::Evidence;
use imgdelta::core::{Attributes, Format, Result};
use imgdelta::registry::OpenSpec;

use super::{
    input::{self, BaseInput},
    memory::Remembered,
    output::Output,
};
use crate::job;

/// A child and the base that it is to fit.
#[derive(Debug, Args)]
struct Pair {
    /// The manifest, where it is not CHILD.manifest.json.
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "by_identity",
        help_heading = "Input"
    )]
    manifest: Option<PathBuf>,
    /// Do without a manifest: only the identity that the child records is checked, the content is not.
    #[arg(long, help_heading = "Input")]
    by_identity: bool,
    /// Take the child's format as given instead of looking.
    #[arg(long, visible_alias = "input-format", value_name = "FMT", value_parser = input::format, help_heading = "Input", hide_short_help = true)]
    child_format: Option<Format>,
    /// The same for the child alone.
    #[arg(
        long,
        value_name = "KEY=VAL",
        help_heading = "Input",
        hide_short_help = true
    )]
    child_option: Vec<String>,
    /// How the base is opened, and what is said of both.
    #[command(flatten)]
    inputs: BaseInput,
    /// What is believed of earlier runs.
    #[command(flatten)]
    memory: Remembered,
}

impl Pair {
    fn job(self, child: PathBuf, base: PathBuf) -> Result<job::Pair> {
        Ok(job::Pair {
            child: OpenSpec {
                format: self.child_format,
                ..self
                    .inputs
                    .open_other(child, &self.child_option, &[], "--parent")?
            },
            base: self.inputs.open(base)?,
            evidence: match (self.by_identity, self.manifest) {
                (true, _) => Evidence::Identity,
                (false, Some(file)) => Evidence::ManifestAt(file),
                (false, None) => Evidence::ManifestBeside,
            },
            memory: self.memory.job(),
        })
    }
}

/// What becomes of base and child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// A full image.
    Image,
    /// A child of the base, of what is a transport file.
    Child,
}

/// `apply`: base and child as a full image.
#[derive(Debug, Args)]
#[command(
    after_help = "\
Example:
  imgdelta apply november.vhd -b golden.vhd -o patched.vhd",
    after_long_help = "\
The base is proven before the first byte is written, the result before it gets its name. The base may be of any format, and a \
chain; what the child itself records as its parent is not followed.

Examples:
  imgdelta apply november.vhd -b golden.vhd -o patched.vhd
  imgdelta apply november.qcow2 -b golden.raw -o patched.raw
  imgdelta apply november.vhd -b golden.vhd --by-identity -o patched.qcow2
  imgdelta apply november.imgdelta -b golden.qcow2 -o november.qcow2 --form child"
)]
pub(crate) struct Apply {
    /// The child, or a transport file.
    #[arg(value_name = "CHILD", help_heading = "Input")]
    child: PathBuf,
    /// The local copy of its base; its parents are followed.
    #[arg(short, long, value_name = "IMAGE", help_heading = "Input")]
    base: PathBuf,
    /// Child and base.
    #[command(flatten)]
    pair: Pair,
    /// Image to write; its extension says the format.
    #[arg(short, long, value_name = "IMAGE", help_heading = "Output")]
    output: PathBuf,
    /// What to write: a full image, or of a transport file a child of the base with its manifest.
    #[arg(long, value_name = "FORM", value_enum, default_value_t = Form::Image, hide_default_value = true, help_heading = "Output")]
    form: Form,
    /// Its format.
    #[command(flatten)]
    image: Output,
}

impl Apply {
    /// What it means.
    pub(crate) fn job(self) -> Result<job::Apply> {
        Ok(job::Apply {
            pair: self.pair.job(self.child, self.base)?,
            goal: self.image.goal(self.output)?,
            expands: self.form == Form::Child,
        })
    }
}

/// `attach`: a child that names the local copy of its base.
#[derive(Debug, Args)]
#[command(
    after_help = "\
Example:
  imgdelta attach november.vhd -b golden.vhd",
    after_long_help = "\
Only the fields in which the child names its parent change, and only in a copy that takes the child's name when it is whole. Owner, \
group, permissions, access control list and extended attributes stay as they are. A base whose digests are remembered from an \
earlier run is not read again, and the result says so; --prove reads it.

Examples:
  imgdelta attach november.vhd -b golden.vhd
  imgdelta attach november.qcow2 -b /srv/images/golden.qcow2 --prove
  imgdelta attach --all /srv/images"
)]
pub(crate) struct Attach {
    /// The child.
    #[arg(
        value_name = "CHILD",
        help_heading = "Input",
        required_unless_present = "all"
    )]
    child: Option<PathBuf>,
    /// The local copy of its base; its parents are followed.
    #[arg(
        short,
        long,
        value_name = "IMAGE",
        help_heading = "Input",
        required_unless_present = "all"
    )]
    base: Option<PathBuf>,
    /// Child and base.
    #[command(flatten)]
    pair: Pair,
    /// Link each child in DIR to the image there, or in --search, that its manifest, else its identity, names.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["child", "base", "manifest", "by_identity"], help_heading = "Input")]
    all: Option<PathBuf>,
    /// Prove base and child; write nothing.
    #[arg(short = 'n', long, help_heading = "Output")]
    dry_run: bool,
    /// Go on where the child cannot keep its owner, group, access control list or other attributes.
    #[arg(long, help_heading = "Output")]
    force: bool,
}

impl Attach {
    /// What it means.
    pub(crate) fn job(self) -> Result<job::Attach> {
        let attributes = if self.force {
            Attributes::AsFarAsAllowed
        } else {
            Attributes::Require
        };
        let children = match (self.all, self.child, self.base) {
            (None, Some(child), Some(base)) => {
                job::Children::One(Box::new(self.pair.job(child, base)?))
            }
            (folder, ..) => job::Children::All {
                folder: folder.unwrap_or_default(),
                policy: self.pair.inputs.parents.policy_with(&[], "--parent"),
                memory: self.pair.memory.job(),
            },
        };
        Ok(job::Attach {
            children,
            dry_run: self.dry_run,
            attributes,
        })
    }
}
