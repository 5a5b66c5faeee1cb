//! `serve`: the site's end of a deployment over ssh, on standard input and output. What is said there is the matter of the wire.

use std::io;

use imgdelta_core::Result;
use imgdelta_deploy::wire::{self, Deliveries, Site};

use super::Run;
use crate::job;

/// Holds one conversation to its end.
pub(crate) fn serve(job: &job::Serve, run: &Run<'_>) -> Result<()> {
    let site = Site {
        root: job.root.as_deref(),
        install: &Deliveries,
        run: run.catalogue(job.wait)?,
    };
    wire::serve(io::stdin(), io::stdout(), &site).map(|_| ())
}
