//! `--input-option`, understood.

use imgdelta_core::{Options, Result};

/// Names of the input options.
pub(crate) const OPEN_OPTIONS: &[&str] = &["dirty", "corrupt"];

/// What the input options say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenOptions {
    /// Nothing is said of the dirty bit.
    pub(crate) ignores_dirty: bool,
    /// The corrupt bit is no reason to refuse.
    pub(crate) ignores_corrupt: bool,
}

impl OpenOptions {
    /// Takes them from `options`.
    pub(crate) fn of(mut options: Options) -> Result<Self> {
        let ignores_dirty = options.take_choice("dirty", &["note", "ignore"])? == "ignore";
        let ignores_corrupt = options.take_choice("corrupt", &["refuse", "ignore"])? == "ignore";
        options.finish("qcow2 input", OPEN_OPTIONS)?;
        Ok(Self {
            ignores_dirty,
            ignores_corrupt,
        })
    }
}
