//! What every command takes: the form of the result, how much is said, how many threads.

use std::path::PathBuf;

use clap::{ArgAction, Args, ValueEnum};

use crate::{
    job::{Overrides, Progress},
    report::Form,
};

/// Options of every command.
#[derive(Debug, Args)]
pub(crate) struct General {
    /// Write the result as JSON; with '=lines' one line an item.
    #[arg(
        long, global = true, value_name = "FORM", num_args = 0..=1, require_equals = true,
        default_missing_value = "document", help_heading = "General"
    )]
    json: Option<Json>,
    /// Say less: once for no summary and no progress, twice for no notes either.
    #[arg(short, long, global = true, action = ArgAction::Count, conflicts_with = "verbose", help_heading = "General")]
    quiet: u8,
    /// Say more: which files, what came from memory.
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = "General")]
    verbose: u8,
    /// Show sizes as exact numbers of bytes.
    #[arg(long, global = true, help_heading = "General", hide_short_help = true)]
    bytes: bool,
    /// Show how far it is; auto: on a terminal [default: auto] [env: IMGDELTA_PROGRESS=].
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        help_heading = "General",
        hide_short_help = true
    )]
    progress: Option<ProgressWhen>,
    /// Work with N threads [default: all cores] [env: IMGDELTA_THREADS=].
    #[arg(
        short = 'j',
        long,
        global = true,
        value_name = "N",
        help_heading = "Performance"
    )]
    threads: Option<u16>,
}

/// Forms of JSON.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Json {
    /// One document.
    Document,
    /// One line an item.
    Lines,
}

/// When progress is shown.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum ProgressWhen {
    /// On a terminal.
    Auto,
    /// Also where there is no terminal, as lines.
    Always,
    /// Not.
    Never,
    /// One JSON object a line, for programs.
    Json,
}

impl General {
    /// How the result is to be told.
    pub(crate) fn form(&self) -> Form {
        match self.json {
            None => Form::Text,
            Some(Json::Document) => Form::Json,
            Some(Json::Lines) => Form::JsonLines,
        }
    }

    /// How much is said: 0 is usual, less is less.
    pub(crate) fn loudness(&self) -> i8 {
        let step = |count: u8| i8::try_from(count.min(2)).unwrap_or_default();
        step(self.verbose) - step(self.quiet)
    }

    /// Whether sizes are shown as exact numbers.
    pub(crate) const fn exact(&self) -> bool {
        self.bytes
    }

    /// What was typed of the settings that the environment can say too; `repository` was typed with the command.
    pub(crate) fn overrides(&self, repository: Option<&PathBuf>) -> Overrides {
        Overrides {
            threads: self.threads,
            progress: self.progress.map(|when| match when {
                ProgressWhen::Auto => Progress::Auto,
                ProgressWhen::Always => Progress::Always,
                ProgressWhen::Never => Progress::Never,
                ProgressWhen::Json => Progress::Json,
            }),
            repository: repository.cloned(),
        }
    }
}
