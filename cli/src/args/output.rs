//! How an output is made: format, options, whether it may replace something.

use std::path::PathBuf;

use clap::Args;
use imgdelta::Ids;
use imgdelta::core::{Existing, Format, Options, Result};
use imgdelta::registry::OutputSpec;

use super::{input, owner::Owner};
use crate::job::{Goal, is_stream};

/// The form of an image that is written.
#[derive(Debug, Args)]
pub(crate) struct Output {
    /// The output's format; without it the extension says it.
    #[arg(short, long, value_name = "FMT", value_parser = input::new_format, help_heading = "Output")]
    format: Option<Format>,
    /// What one format alone has, e.g. block_size=512K, subformat=fixed, cluster_size=128K (repeatable).
    #[arg(long, value_name = "KEY=VAL", help_heading = "Output")]
    option: Vec<String>,
    /// Replace an existing file.
    #[arg(long, help_heading = "Output")]
    force: bool,
    /// Say what would come out and how large it would be; write nothing.
    #[arg(short = 'n', long, help_heading = "Output")]
    dry_run: bool,
    /// Write random ids instead of ids made from the content: for two copies of one image side by side.
    #[arg(long, help_heading = "Output", hide_short_help = true)]
    new_ids: bool,
    /// To whom it belongs.
    #[command(flatten)]
    owner: Owner,
}

impl Output {
    /// What is to be written, and where. A stream is raw unless said otherwise, as standard input is.
    pub(crate) fn goal(&self, path: PathBuf) -> Result<Goal> {
        let stream = is_stream(&path).then_some(Format::Raw);
        Ok(Goal {
            output: OutputSpec {
                path,
                format: self.format.or(stream),
                options: Options::parse(&self.option)?,
                existing: if self.force {
                    Existing::Replace
                } else {
                    Existing::Keep
                },
                ownership: self.owner.ownership()?,
            },
            dry_run: self.dry_run,
            ids: if self.new_ids {
                Ids::Random
            } else {
                Ids::OfContent
            },
        })
    }
}
