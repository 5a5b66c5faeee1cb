//! `apply` and `attach` as they are typed: what is done with a child at the site.

use std::path::PathBuf;

use clap::Args;
use imgdelta::Evidence;
use imgdelta::core::{Attributes, Format, Options, Result};
use imgdelta::registry::OpenSpec;

use super::{
    input::{self, Parents},
    memory::Remembered,
    output::Output,
    packed::Packed,
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
    /// Take the base's format as given instead of looking.
    #[arg(long, value_name = "FMT", value_parser = input::format, help_heading = "Input")]
    base_format: Option<Format>,
    /// What one format alone has, for both inputs, e.g. size=chs (repeatable).
    #[arg(
        long,
        value_name = "KEY=VAL",
        help_heading = "Input",
        hide_short_help = true
    )]
    input_option: Vec<String>,
    /// The same for the base alone.
    #[arg(
        long,
        value_name = "KEY=VAL",
        help_heading = "Input",
        hide_short_help = true
    )]
    base_option: Vec<String>,
    /// The same for the child alone.
    #[arg(
        long,
        value_name = "KEY=VAL",
        help_heading = "Input",
        hide_short_help = true
    )]
    child_option: Vec<String>,
    /// Take this internal snapshot of the base, by name or id.
    #[arg(
        long,
        value_name = "NAME",
        help_heading = "Input",
        hide_short_help = true
    )]
    base_snapshot: Option<String>,
    /// Which disk of the base, where that is an OVF package; --disk is the child's.
    #[arg(
        long,
        value_name = "NAME|N",
        help_heading = "Input",
        hide_short_help = true
    )]
    base_disk: Option<String>,
    /// What they may be packed in.
    #[command(flatten)]
    packed: Packed,
    /// Where the parents of the base are.
    #[command(flatten)]
    parents: Parents,
    /// What is believed of earlier runs.
    #[command(flatten)]
    memory: Remembered,
}

impl Pair {
    fn job(self, child: PathBuf, base: PathBuf) -> Result<job::Pair> {
        let child_options: Options = input::both(&self.input_option, &self.child_option)?;
        Ok(job::Pair {
            child: OpenSpec {
                path: child,
                format: self.child_format,
                options: child_options,
                snapshot: None,
                policy: self.parents.policy_with(&[], "--parent"),
                unpack: Some(self.packed.unpack()),
            },
            base: OpenSpec {
                path: base,
                format: self.base_format,
                options: input::both(&self.input_option, &self.base_option)?,
                snapshot: self.base_snapshot,
                policy: self.parents.policy(),
                unpack: Some(self.packed.unpack_disk(self.base_disk)),
            },
            evidence: match (self.by_identity, self.manifest) {
                (true, _) => Evidence::Identity,
                (false, Some(file)) => Evidence::ManifestAt(file),
                (false, None) => Evidence::ManifestBeside,
            },
            memory: self.memory.job(),
        })
    }
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
  imgdelta apply november.vhd -b golden.vhd --by-identity -o patched.qcow2"
)]
pub(crate) struct Apply {
    /// The child.
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
    /// Its form.
    #[command(flatten)]
    form: Output,
}

impl Apply {
    /// What it means.
    pub(crate) fn job(self) -> Result<job::Apply> {
        Ok(job::Apply {
            pair: self.pair.job(self.child, self.base)?,
            goal: self.form.goal(self.output)?,
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
                policy: self.pair.parents.policy_with(&[], "--parent"),
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
