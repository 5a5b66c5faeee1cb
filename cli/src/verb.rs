//! The commands, done: what was typed becomes a job, that is done, and what comes of it is told once the progress bar is gone.

mod images;
mod meta;
mod repo;
mod sites;

use std::{io, path::PathBuf};

use imgdelta::core::{Error, Result};

use crate::{
    args::Command,
    call::{Outcome, Run},
    job::{self, Goal},
    report::{Report, Text},
};

/// Tells a result; gives the exit status.
pub(crate) type Telling = Box<dyn FnOnce() -> Result<u8>>;

/// What a command has while it is done.
pub(crate) struct Session<'a> {
    /// Settings, threads, signals.
    pub(crate) run: &'a Run<'a>,
    /// How its result is told.
    pub(crate) report: Report,
    /// What it is about to write: named if it fails.
    pub(crate) output: &'a mut Option<PathBuf>,
}

impl Session<'_> {
    /// Remembers what a job is to write.
    fn writes(&mut self, goal: &Goal) {
        if !goal.dry_run && !job::is_stream(&goal.output.path) {
            *self.output = Some(goal.output.path.clone());
        }
    }

    /// Will tell a result.
    fn tells<T: Outcome + Text + 'static>(&self, outcome: T) -> Telling {
        let report = self.report;
        Box::new(move || {
            report.result(&outcome).map_err(unwritten)?;
            Ok(outcome.exit())
        })
    }

    /// Will write bytes as they are.
    fn writes_bytes(&self, bytes: Vec<u8>) -> Telling {
        let report = self.report;
        Box::new(move || {
            report.bytes(&bytes).map_err(unwritten)?;
            Ok(0)
        })
    }
}

/// A command.
pub(crate) trait Verb {
    /// Does it.
    fn run(self, session: &mut Session<'_>) -> Result<Telling>;
}

/// Does whatever command was typed.
macro_rules! verbs {
    ($($name:ident),+ $(,)?) => {
        impl Verb for Command {
            fn run(self, session: &mut Session<'_>) -> Result<Telling> {
                match self {
                    $(Self::$name(verb) => verb.run(session),)+
                }
            }
        }
    };
}

verbs!(
    Make,
    Apply,
    Attach,
    Convert,
    Salvage,
    Compare,
    Info,
    Map,
    Check,
    Digest,
    Repo,
    Inventory,
    Plan,
    Deploy,
    Receive,
    Verify,
    Serve,
    Env,
    Version,
    Completions,
    Man,
);

fn unwritten(cause: io::Error) -> Error {
    Error::host("cannot write the result", cause)
}
