//! What a child of a format demands of its base: asked before it is made, so that another form can be taken instead.

use imgdelta_core::{Error, Format, Kind, Result};
use imgdelta_registry::{DiskTraits, check_child, driver_of};

/// Makes sure that a child of `format` can turn `base` into `target`.
///
/// # Errors
/// As [`check_child`]; Unsupported, if this build does not have the format.
pub(super) fn require_child(format: Format, base: &DiskTraits, target: &DiskTraits) -> Result<()> {
    let driver = driver_of(format)
        .ok_or_else(|| Error::new(Kind::Unsupported, format!("{format} is not supported")))?;
    check_child(driver, base, target)
}
