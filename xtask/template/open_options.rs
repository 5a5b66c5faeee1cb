//! `--input-option`: there is none for this format.

use imgdelta_core::{Options, Result};

/// The names of the options.
pub(crate) const OPEN_OPTIONS: &[&str] = &[];

/// Refuses all that was typed.
pub(crate) fn require_none(options: Options) -> Result<()> {
    options.finish("NAME input", OPEN_OPTIONS)
}
