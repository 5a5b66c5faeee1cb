//! Which repository is meant, and how it is changed: what all verbs of a repository take.

use std::{path::PathBuf, time::Duration};

use clap::Args;

use super::values::time;
use crate::job::Manner;

/// Where the repository is.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// The repository [default: the folder one stands in] [env: IMGDELTA_REPO=].
    #[arg(long, value_name = "FOLDER", help_heading = "Repository")]
    pub(crate) repo: Option<PathBuf>,
}

/// How a repository is changed.
#[derive(Debug, Args)]
pub(crate) struct Change {
    /// Where it is.
    #[command(flatten)]
    pub(crate) place: Place,
    /// Wait while another process changes it, at most so long: 30s, 5m, 1h30m [default: not at all].
    #[arg(long, value_name = "TIME", value_parser = time, help_heading = "Repository")]
    wait: Option<Duration>,
    /// Say what would be done; write nothing.
    #[arg(short = 'n', long, help_heading = "Repository")]
    dry_run: bool,
}

impl Change {
    /// What it means.
    pub(crate) fn manner(&self) -> Manner {
        Manner {
            wait: self.wait.unwrap_or_default(),
            dry_run: self.dry_run,
        }
    }
}
