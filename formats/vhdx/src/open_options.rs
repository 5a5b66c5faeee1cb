//! `--input-option`, understood.

use imgdelta_core::{Options, Result};

/// `--input-option`, understood.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct OpenOptions {
    /// `log=ignore`.
    pub(crate) ignores_log: bool,
}

/// The names of the options that [`OpenOptions`] knows.
pub(crate) const OPEN_OPTIONS: &[&str] = &["log"];

impl OpenOptions {
    /// Takes them from what the user typed.
    pub(crate) fn take(mut options: Options) -> Result<Self> {
        let log = options.take_choice("log", &["replay", "ignore"])?;
        options.finish("vhdx", OPEN_OPTIONS)?;
        Ok(Self {
            ignores_log: log == "ignore",
        })
    }
}
