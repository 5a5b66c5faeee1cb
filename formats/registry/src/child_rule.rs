//! What a format demands of a child's base: said once, for whoever makes, stores, ships or attaches children.

use imgdelta_core::{Bytes, ChildRule, Driver, Error, Format, Kind, Result, SECTOR, Sectors};

use crate::{DRIVERS, driver_of};

/// A disk as far as the rule asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskTraits {
    /// The format of its top image.
    pub format: Format,
    /// Its size in bytes.
    pub size: Bytes,
    /// The size of its sectors in bytes.
    pub sector: Bytes,
}

impl DiskTraits {
    /// Whether the image says how large its sectors are. One that does not is taken to have those of its base, unless they are unusual.
    fn says_sector(&self) -> bool {
        let records =
            driver_of(self.format).is_some_and(|driver| driver.sectors == Sectors::Recorded);
        records || self.sector != Bytes(SECTOR)
    }
}

/// What the format of `driver` demands of its children.
///
/// # Errors
/// Unsupported (`no_children`), if it has none.
pub fn child_rule(driver: &Driver) -> Result<ChildRule> {
    driver.child.ok_or_else(|| {
        Error::new(
            Kind::Unsupported,
            format!("{} has no differencing disks", driver.format),
        )
        .with_code("no_children")
    })
}

/// The names of the formats that have children: `vhd, vhdx, qcow2`.
#[must_use]
pub fn formats_with_children() -> String {
    formats(|driver| driver.child.is_some())
}

/// Makes sure that an image of the format of `driver` can be a child of a base in format `base`.
///
/// # Errors
/// Unsupported: `no_children`, `base_format`.
pub fn check_base_format(driver: &Driver, base: Format) -> Result<()> {
    if child_rule(driver)?.same_format && base != driver.format {
        return Err(Error::new(
            Kind::Unsupported,
            format!(
                "the base is {base}, but a {0} child needs a {0} base",
                driver.format
            ),
        )
        .with_code("base_format"));
    }
    Ok(())
}

/// Makes sure that a child of the format of `driver` can turn `base` into `target`.
///
/// # Errors
/// Unsupported: `no_children`, `base_format`, `size_differs`, `sector_size`.
pub fn check_child(driver: &Driver, base: &DiskTraits, target: &DiskTraits) -> Result<()> {
    let rule = child_rule(driver)?;
    check_base_format(driver, base.format)?;
    // Disks are counted in sectors: a raw file of odd length is held rounded up.
    let is_same_size = base.size == target.size || base.size == target.size.round_up(Bytes(SECTOR));
    if rule.same_size && !is_same_size {
        let others = formats(|driver| {
            driver.child.is_some_and(|rule| !rule.same_size)
                && check_base_format(driver, base.format).is_ok()
        });
        return Err(Error::new(
            Kind::Unsupported,
            format!(
                "the target has {} bytes, the base has {}; a {} child must have its base's size",
                target.size.0, base.size.0, driver.format
            ),
        )
        .with_code("size_differs")
        .with_hint(format!("a child of another size can be made as {others}")));
    }
    if driver.sectors == Sectors::Recorded && target.says_sector() && base.sector != target.sector {
        return Err(Error::new(
            Kind::Unsupported,
            format!(
                "the target has sectors of {} bytes, the base of {}; a {} child has its base's",
                target.sector.0, base.sector.0, driver.format
            ),
        )
        .with_code("sector_size"));
    }
    Ok(())
}

/// The names of the formats of which this is true.
fn formats(is: impl Fn(&Driver) -> bool) -> String {
    let names = DRIVERS.iter().filter(|driver| is(driver));
    names
        .map(|driver| driver.format.name())
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(format: Format, size: u64, sector: u64) -> DiskTraits {
        DiskTraits {
            format,
            size: Bytes(size),
            sector: Bytes(sector),
        }
    }

    fn code(child: Format, base: &DiskTraits, target: &DiskTraits) -> Option<String> {
        let driver = driver_of(child).expect("it is known");
        let refused = check_child(driver, base, target).err()?;
        assert_eq!(refused.kind(), Kind::Unsupported);
        Some(refused.code().to_owned())
    }

    #[test]
    fn each_demand_has_its_code() {
        let raw = disk(Format::Raw, 4096, 512);
        let vhd = disk(Format::Vhd, 4096, 512);
        assert_eq!(
            code(Format::Raw, &raw, &raw).as_deref(),
            Some("no_children")
        );
        assert_eq!(
            code(Format::Vhd, &raw, &raw).as_deref(),
            Some("base_format")
        );
        assert_eq!(
            code(Format::Vhd, &vhd, &disk(Format::Raw, 8192, 512)).as_deref(),
            Some("size_differs")
        );
        assert_eq!(
            code(Format::Vhd, &vhd, &disk(Format::Raw, 3585, 512)),
            None,
            "rounded up to whole sectors"
        );
        assert_eq!(
            code(Format::Qcow2, &raw, &disk(Format::Vhdx, 8192, 4096)),
            None
        );
    }

    #[test]
    fn a_target_that_says_nothing_of_sectors_has_those_of_its_base() {
        let base = disk(Format::Vhdx, 8192, 4096);
        assert_eq!(
            code(Format::Vhdx, &base, &disk(Format::Raw, 8192, 512)),
            None
        );
        assert_eq!(
            code(Format::Vhdx, &base, &disk(Format::Qcow2, 8192, 512)),
            None
        );
        assert_eq!(
            code(Format::Vhdx, &base, &disk(Format::Vhdx, 8192, 512)).as_deref(),
            Some("sector_size")
        );
        let base = disk(Format::Vhdx, 8192, 512);
        assert_eq!(
            code(Format::Vhdx, &base, &disk(Format::Raw, 8192, 4096)).as_deref(),
            Some("sector_size")
        );
    }
}
