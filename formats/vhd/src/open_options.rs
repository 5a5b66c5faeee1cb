//! `--input-option`, understood.

use imgdelta_core::{Options, Result};

/// `--input-option`, understood.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct OpenOptions {
    /// `checksum=ignore`.
    pub(crate) ignores_checksum: bool,
    /// `size=chs`.
    pub(crate) size_by_chs: bool,
    /// `bitmap=ignore`.
    pub(crate) ignores_bitmaps: bool,
}

/// The names of the options that [`OpenOptions`] knows.
pub(crate) const OPEN_OPTIONS: &[&str] = &["size", "checksum", "bitmap"];

impl OpenOptions {
    /// Takes them from what the user typed.
    pub(crate) fn take(mut options: Options) -> Result<Self> {
        let size = options.take_choice("size", &["current", "chs"])?;
        let checksum = options.take_choice("checksum", &["require", "ignore"])?;
        let bitmap = options.take_choice("bitmap", &["follow", "ignore"])?;
        options.finish("vhd", OPEN_OPTIONS)?;
        Ok(Self {
            ignores_checksum: checksum == "ignore",
            size_by_chs: size == "chs",
            ignores_bitmaps: bitmap == "ignore",
        })
    }
}
