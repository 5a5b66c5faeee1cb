//! How inputs are opened: format, options, snapshot, and where the files that they name may be.

use std::path::PathBuf;

use clap::Args;
use imgdelta::core::{Format, Options, Result};
use imgdelta::registry::{OpenSpec, ParentOption, Policy, written_formats};

use super::packed::Packed;

/// One input and where its parents may be.
#[derive(Debug, Args)]
pub(crate) struct Input {
    /// What it is.
    #[command(flatten)]
    form: InputForm,
    /// Where parents are.
    #[command(flatten)]
    parents: Parents,
}

/// What an input is, where that is said instead of looked at.
#[derive(Debug, Args)]
pub(crate) struct InputForm {
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
}

/// A base beside another input: its own flags, and those for both.
#[derive(Debug, Args)]
pub(crate) struct BaseInput {
    /// Take the base's format as given instead of looking.
    #[arg(long, value_name = "FMT", value_parser = format, help_heading = "Input")]
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
    /// Take this internal snapshot of the base, by name or id.
    #[arg(long, value_name = "NAME", help_heading = "Input")]
    base_snapshot: Option<String>,
    /// Which disk of the base, where that is an OVF package; --disk is the other input's.
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
    pub(super) parents: Parents,
}

impl BaseInput {
    /// How the base at `path` is to be opened.
    pub(crate) fn open(&self, path: PathBuf) -> Result<OpenSpec> {
        Ok(OpenSpec {
            path,
            format: self.base_format,
            options: self.options(&self.base_option)?,
            snapshot: self.base_snapshot.clone(),
            policy: self.parents.policy(),
            unpack: Some(self.packed.unpack_disk(self.base_disk.clone())),
        })
    }

    /// How the other input is to be opened: with its `meta` options and those for both, its parents being those typed behind `option`.
    pub(crate) fn open_other(
        &self,
        path: PathBuf,
        own: &[String],
        parent: &[PathBuf],
        option: &'static str,
    ) -> Result<OpenSpec> {
        Ok(OpenSpec {
            path,
            options: self.options(own)?,
            policy: self.parents.policy_with(parent, option),
            unpack: Some(self.packed.unpack()),
            ..OpenSpec::default()
        })
    }

    /// The options for both, and those of one.
    fn options(&self, own: &[String]) -> Result<Options> {
        Options::parse(&[self.input_option.as_slice(), own].concat())
    }
}

/// Where the files that an image names are looked for, and which of them are taken.
#[derive(Debug, Args)]
pub(crate) struct Search {
    /// Look for files that an image names in DIR too (repeatable).
    #[arg(long, value_name = "DIR", help_heading = "Input")]
    search: Vec<PathBuf>,
    /// Take a parent that has another identity than the image records: the disk may be the right one all the same; a note says so.
    #[arg(long, help_heading = "Input", hide_short_help = true)]
    accept_parent_id: bool,
    /// The format of a parent where the image does not record it, or an option names it, instead of what its bytes say.
    #[arg(long, value_name = "FMT", value_parser = format, help_heading = "Input", hide_short_help = true)]
    backing_format: Option<Format>,
}

/// Where the parents of an image are.
#[derive(Debug, Args)]
pub(crate) struct Parents {
    /// Where they are looked for.
    #[command(flatten)]
    search: Search,
    /// Take FILE as the parent instead of looking for it; it must have the identity that the image records (repeatable, nearest first).
    #[arg(
        long,
        value_name = "FILE",
        help_heading = "Input",
        hide_short_help = true
    )]
    parent: Vec<PathBuf>,
}

impl Search {
    /// As a policy, with the parents that were typed behind an option.
    pub(crate) fn policy(&self, parent: &[PathBuf], parent_option: ParentOption) -> Policy {
        Policy {
            search: self.search.clone(),
            parent: parent.to_vec(),
            backing_format: self.backing_format,
            accept_parent_id: self.accept_parent_id,
            parent_option,
        }
    }
}

impl Parents {
    /// As a policy, with the typed parents.
    pub(crate) fn policy(&self) -> Policy {
        self.policy_with(&self.parent, "--parent")
    }

    /// As a policy, with the parents that were typed behind `option`.
    pub(crate) fn policy_with(&self, parent: &[PathBuf], option: &'static str) -> Policy {
        self.search.policy(parent, ParentOption::Named(option))
    }
}

impl InputForm {
    /// How `path` is to be opened, its parents left to what is usual.
    pub(crate) fn open(&self, path: PathBuf) -> Result<OpenSpec> {
        Ok(OpenSpec {
            path,
            format: self.input_format,
            options: Options::parse(&self.input_option)?,
            unpack: Some(self.packed.unpack()),
            ..OpenSpec::default()
        })
    }
}

impl Input {
    /// How `path` is to be opened.
    pub(crate) fn open(&self, path: PathBuf, snapshot: Option<String>) -> Result<OpenSpec> {
        Ok(OpenSpec {
            snapshot,
            policy: self.parents.policy(),
            ..self.form.open(path)?
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
            format: format.or(self.form.input_format),
            snapshot,
            policy: self.parents.policy_with(parent, "--other-parent"),
            unpack: Some(self.form.packed.unpack_disk(disk)),
            ..self.form.open(path)?
        })
    }
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
