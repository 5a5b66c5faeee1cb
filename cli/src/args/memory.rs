//! What is believed of earlier runs, as it is typed.

use clap::Args;

use crate::job::Memory;

/// What digests of earlier runs are good for.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct Remembered {
    /// Read everything, whatever is remembered, and remember it anew.
    #[arg(long, conflicts_with = "no_cache", help_heading = "Performance")]
    prove: bool,
    /// Neither use nor keep digests of earlier runs.
    #[arg(long, help_heading = "Performance")]
    no_cache: bool,
}

impl Remembered {
    /// What it means.
    pub(super) const fn job(self) -> Memory {
        match (self.prove, self.no_cache) {
            (_, true) => Memory::Unused,
            (true, false) => Memory::Refreshed,
            (false, false) => Memory::Believed,
        }
    }
}
