//! What a child of a format demands of its base: asked before it is made, so that another form can be taken instead.

use imgdelta_core::{Bytes, Driver, Format, SECTOR, Sectors};
use imgdelta_delta::Chain;
use imgdelta_registry::DRIVERS;

/// The driver of a format.
pub(super) fn driver_of(format: Format) -> Option<&'static Driver> {
    DRIVERS
        .iter()
        .copied()
        .find(|driver| driver.format == format)
}

/// The extension of new images of a format.
pub(super) fn extension_of(format: Format) -> &'static str {
    let known = driver_of(format).and_then(|driver| driver.extensions.first().copied());
    known.unwrap_or_else(|| format.name())
}

/// Why no child of `format` can turn `base`, an image of the format `of_base`, into a disk like `target`; `None` if one can.
pub(super) fn fault_of_child(
    format: Format,
    of_base: Format,
    base: &Chain,
    target: &Chain,
) -> Option<String> {
    let Some((driver, rule)) = driver_of(format).and_then(|driver| Some((driver, driver.child?)))
    else {
        return Some(format!("{format} has no differencing disks"));
    };
    if rule.same_format && of_base != format {
        return Some(format!(
            "the base is {of_base}, but a {format} child needs a {format} base"
        ));
    }
    let (have, want) = (base.size(), target.size());
    if rule.same_size && have != want && have != want.round_up(Bytes(SECTOR)) {
        return Some(format!("a {format} child must have its base's size"));
    }
    if driver.sectors == Sectors::Recorded && base.disk().sector != target.disk().sector {
        return Some(format!("a {format} child has its base's sectors"));
    }
    None
}
