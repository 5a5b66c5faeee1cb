//! `serve`: the site's end of a deployment over ssh.

use std::{
    io::{Read, Write},
    path::PathBuf,
    time::Duration,
};

use imgdelta_core::{Ownership, Result};
use imgdelta_operations::Context;
use serde::Serialize;

use super::context::{WAIT, catalogue_run};
use crate::wire::{self, Patience, ServeOptions};

/// How a site's end of a conversation is to be held.
#[derive(Clone, Debug)]
pub struct Serve<R, W> {
    from: R,
    to: W,
    root: Option<PathBuf>,
    wait: Duration,
    patience: Patience,
    ownership: Ownership,
}

/// What a conversation brought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ServeReport {
    /// The ids of the images that were entered.
    pub entered: Vec<String>,
    /// Images that were not. The other side was told why.
    pub refused: Vec<RefusedImage>,
}

/// An image that was not entered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RefusedImage {
    /// Its id.
    pub id: String,
    /// Stable, as in an error.
    pub code: String,
    /// What was found, and where; not stable.
    pub message: String,
}

impl<R: Read, W: Write + Send> Serve<R, W> {
    /// The conversation with who writes what is read here: standard input and output, where ssh has called the program. Nothing else may
    /// write there.
    #[must_use]
    pub fn new(from: R, to: W) -> Self {
        Self {
            from,
            to,
            root: None,
            wait: WAIT,
            patience: Patience::default(),
            ownership: Ownership::default(),
        }
    }

    /// The folder in which, or below which, a repository must lie to be opened; `None`: any that the user of this process may write to.
    #[must_use]
    pub fn root(mut self, root: Option<PathBuf>) -> Self {
        self.root = root;
        self
    }

    /// To whom the files of images belong that are entered, and who may do what with them. Headquarters has no say in it.
    #[must_use]
    pub const fn ownership(mut self, ownership: Ownership) -> Self {
        self.ownership = ownership;
        self
    }

    /// How long to wait while another process changes the repository, if the other side does not say; a minute, if nobody does.
    #[must_use]
    pub const fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// The patience of who is read from, where that is a [`PatientReader`](wire::PatientReader): once headquarters has said that it beats, it is given
    /// up when it is silent for so long.
    #[must_use]
    pub fn patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    /// Holds one conversation to its end. Nothing that comes is believed that is not proven; an image that fails is refused, and the
    /// conversation goes on.
    ///
    /// # Errors
    /// Peer, if the other side breaks off or breaks a rule; Usage or Reference (`outside`), if the repository that it asks for may not be
    /// had; those of the repository; Interrupted. The other side is told, as far as it listens.
    pub fn run(self, context: &Context) -> Result<ServeReport> {
        let options = ServeOptions {
            root: self.root.as_deref(),
            run: catalogue_run(context, self.wait)?,
            patience: &self.patience,
            ownership: self.ownership,
        };
        let served = wire::serve(self.from, self.to, &options)?;
        let refused = served.refused.into_iter().map(|(id, why)| RefusedImage {
            id: id.to_string(),
            code: why.code,
            message: why.message,
        });
        Ok(ServeReport {
            entered: served.entered.iter().map(ToString::to_string).collect(),
            refused: refused.collect(),
        })
    }
}
