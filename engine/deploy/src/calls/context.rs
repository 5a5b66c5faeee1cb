//! What every call on sites does with its context, and how paths and interruptions are told.

use std::{path::Path, time::Duration};

use imgdelta_core::{Error, Kind, Result};
use imgdelta_operations::{Context, Ids};
use imgdelta_repository::catalogue;

use crate::bundle::DeliveryContext;

/// How long a call waits while another process changes a repository or a medium, if nothing is said.
pub(super) const WAIT: Duration = Duration::from_secs(60);

/// What the catalogue is given.
pub(super) fn catalogue_run(context: &Context, wait: Duration) -> Result<catalogue::Run<'_>> {
    Ok(catalogue::Run {
        work: context.exec(Ids::OfContent)?,
        wait,
    })
}

/// Does something with deliveries, whose stages the context hears of. What fails while it is being stopped was stopped: Ctrl-C reaches ssh too, and
/// its end is not what went wrong.
pub(super) fn with_delivery_context<T>(
    context: &Context,
    wait: Duration,
    work: impl FnOnce(&DeliveryContext<'_>) -> Result<T>,
) -> Result<T> {
    let done = work(&DeliveryContext {
        run: catalogue_run(context, wait)?,
        on_stage: &|stage| context.begin(stage),
    });
    match (done, context.go_on()) {
        (Err(error), Err(stopped)) if error.kind() != Kind::Interrupted => Err(stopped),
        (done, _) => done,
    }
}

/// A path as reports name it.
pub(super) fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// Says of an interrupted run what it leaves.
pub(super) fn cut_short(error: Error, left: &str) -> Error {
    if error.kind() == Kind::Interrupted {
        error.with_detail(format!("{left}; the same command goes on"))
    } else {
        error
    }
}
