//! What of a volume certainly nobody needs.

use crate::runs::Runs;

/// Runs that nobody needs, in bytes of the disk, by why. No byte is in two of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unused {
    /// Blocks that the file system calls free.
    pub free: Runs,
    /// Pages of a swap.
    pub swap: Runs,
    /// Blocks of `pagefile.sys` and `swapfile.sys`, whose contents Windows does not take up again.
    pub page_files: Runs,
}

/// What can be left out of a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// This.
    Known(Unused),
    /// Nothing, and why.
    Kept(String),
}
