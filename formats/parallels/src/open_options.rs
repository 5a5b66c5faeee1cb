//! `--input-option`, understood.

use imgdelta_core::{Options, Result};

/// The names of the options that reading knows.
pub(crate) const OPEN_OPTIONS: &[&str] = &["descriptor"];

/// What the input options say: whether a file is read alone, whatever a descriptor beside it says.
pub(crate) fn is_alone(mut options: Options) -> Result<bool> {
    let choice = options.take_choice("descriptor", &["refuse", "ignore"])?;
    options.finish("parallels input", OPEN_OPTIONS)?;
    Ok(choice == "ignore")
}
