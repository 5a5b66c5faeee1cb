//! How inputs are opened: format, options, snapshot, and where the files that they name may be.

use std::path::PathBuf;

use clap::Args;
use imgdelta::core::{Format, Options, Result};
use imgdelta::registry::{OpenSpec, ParentOption, Policy, written_formats};

use super::packed::Packed;

/// One input and where its parents may be.
#[derive(Debug, Args)]
pub(crate) struct Input {
    /// Take the input's format as given instead of looking: raw, vhd, qcow2.
    #[arg(long, value_name = "FMT", value_parser = format, help_heading = "Input")]
    input_format: Option<Format>,
    /// What one format alone has, e.g. size=chs, bitmap=ignore, dirty=ignore (repeatable).
    #[arg(
        long,
        value_name = "KEY=VAL",
        help_heading = "Input",
        hide_short_help = true
    )]
    input_option: Vec<String>,
    /// What it may be packed in.
    #[command(flatten)]
    packed: Packed,
    /// Where parents are.
    #[command(flatten)]
    parents: Parents,
}

/// Where the files that an image names may be.
#[derive(Debug, Args)]
pub(crate) struct Parents {
    /// Look for files that an image names in DIR too (repeatable).
    #[arg(long, value_name = "DIR", help_heading = "Input")]
    search: Vec<PathBuf>,
    /// Take FILE as the parent instead of looking for it; it must have the identity that the image records (repeatable, nearest first).
    #[arg(
        long,
        value_name = "FILE",
        help_heading = "Input",
        hide_short_help = true
    )]
    parent: Vec<PathBuf>,
    /// Take a parent that has another identity than the image records: the disk may be the right one all the same; a note says so.
    #[arg(long, help_heading = "Input", hide_short_help = true)]
    accept_parent_id: bool,
    /// The format of a parent where the image does not record it, or --parent names it, instead of what its bytes say.
    #[arg(long, value_name = "FMT", value_parser = format, help_heading = "Input", hide_short_help = true)]
    backing_format: Option<Format>,
}

impl Parents {
    /// As a policy, with the typed parents.
    pub(crate) fn policy(&self) -> Policy {
        self.policy_with(&self.parent, "--parent")
    }

    /// As a policy, with the parents that were typed behind `option`.
    pub(crate) fn policy_with(&self, parent: &[PathBuf], option: &'static str) -> Policy {
        Policy {
            search: self.search.clone(),
            parent: parent.to_vec(),
            backing_format: self.backing_format,
            accept_parent_id: self.accept_parent_id,
            parent_option: ParentOption::Named(option),
        }
    }
}

impl Input {
    /// How `path` is to be opened.
    pub(crate) fn open(&self, path: PathBuf, snapshot: Option<String>) -> Result<OpenSpec> {
        Ok(OpenSpec {
            path,
            format: self.input_format,
            options: Options::parse(&self.input_option)?,
            snapshot,
            policy: self.parents.policy(),
            unpack: Some(self.packed.unpack()),
        })
    }

    /// How a second image, which has no parent of its own, is to be opened beside it.
    pub(crate) fn open_other(
        &self,
        path: PathBuf,
        format: Option<Format>,
        parent: &[PathBuf],
        snapshot: Option<String>,
        disk: Option<String>,
    ) -> Result<OpenSpec> {
        Ok(OpenSpec {
            path,
            format: format.or(self.input_format),
            options: Options::parse(&self.input_option)?,
            snapshot,
            policy: self.parents.policy_with(parent, "--other-parent"),
            unpack: Some(self.packed.unpack_disk(disk)),
        })
    }
}

/// Options for one side: those for both, and its own.
pub(crate) fn both(common: &[String], own: &[String]) -> Result<Options> {
    Options::parse(&[common, own].concat())
}

/// The name of a format.
pub(crate) fn format(name: &str) -> Result<Format, String> {
    Format::of_name(name).ok_or_else(|| one_of(Format::ALL))
}

/// The name of a format that is to be written. One that is only read is a format too: the work says that.
pub(crate) fn new_format(name: &str) -> Result<Format, String> {
    let is_written = |format: &Format| written_formats().any(|written| written == *format);
    Format::of_name(name).ok_or_else(|| one_of(Format::ALL.into_iter().filter(is_written)))
}

fn one_of(formats: impl IntoIterator<Item = Format>) -> String {
    let known: Vec<&str> = formats.into_iter().map(Format::name).collect();
    format!("one of {} is required", known.join(", "))
}
