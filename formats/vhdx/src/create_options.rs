//! What a new image is to be: the user's options and the parent, understood and judged before anything is written.

use imgdelta_core::{Bytes, Create, Error, Kind, Options, ParentSpec, Result};

use crate::{
    header::MAX_LOG,
    layout::{BatShape, MIB},
    link::Link,
    metadata::MAX_SIZE,
};

/// The names of the options that a new image knows.
pub(crate) const CREATE_OPTIONS: &[&str] =
    &["subformat", "block_size", "logical_sector_size", "log_size"];

/// The smallest default block: that of disk2vhd and openvmm, and small enough for children.
const BLOCK_SIZE: Bytes = Bytes::mib(2);
/// The block sizes that there are. [VHDX] 3.1.2.4
const BLOCK_SIZES: std::ops::RangeInclusive<u64> = MIB..=256 << 20;
/// Most blocks of a disk whose block size nobody chose.
const MOST_BLOCKS: u64 = 1 << 20;
/// Where the log goes, and with it all that follows.
const LOG_AT: u64 = MIB;
/// The room of the metadata.
const METADATA_LEN: u64 = MIB;
/// The sector that the guest had better use: what Windows writes.
pub(crate) const PHYSICAL_SECTOR: u32 = 4096;

/// A new image, decided.
#[derive(Clone, Debug)]
pub(crate) struct CreateOptions {
    /// The size of its disk: a multiple of the sector.
    pub(crate) size: Bytes,
    /// Bytes of a block: a power of two.
    pub(crate) block_size: Bytes,
    /// The sector that the guest sees, in bytes.
    pub(crate) sector: u32,
    /// Bytes of the log.
    pub(crate) log_size: u32,
    /// Whether all blocks stand in the file from the start.
    pub(crate) is_fixed: bool,
    /// The parent, if it is a child.
    pub(crate) parent: Option<Link>,
}

impl CreateOptions {
    /// What `create` asks for.
    pub(crate) fn of(create: Create<'_>) -> Result<Self> {
        let mut options = create.options;
        let is_fixed = options.take_choice("subformat", &["dynamic", "fixed"])? == "fixed";
        let block_size = take_block_size(&mut options)?;
        let parent = create.parent.as_ref();
        let sector = take_sector(&mut options, create.disk.sector, parent)?;
        let log_size = take_log_size(&mut options)?;
        options.finish("vhdx", CREATE_OPTIONS)?;
        if is_fixed && parent.is_some() {
            return Err(Error::new(
                Kind::Usage,
                "a fixed image has no parent: subformat=fixed does not go with a child",
            ));
        }
        let size = create.disk.size.round_up(Bytes(u64::from(sector)));
        validate_size(size)?;
        Ok(Self {
            size,
            block_size: block_size.unwrap_or_else(|| default_block_size(size)),
            sector,
            log_size,
            is_fixed,
            parent: parent.map(Link::to).transpose()?,
        })
    }

    /// How its BAT is laid out.
    pub(crate) fn shape(&self) -> BatShape {
        BatShape::new(self.size.0, self.block_size.0, u64::from(self.sector))
    }

    /// Where the log stands, in bytes.
    pub(crate) const fn log_at(&self) -> u64 {
        LOG_AT
    }

    /// Where the metadata stand, and how much room they have.
    pub(crate) fn metadata(&self) -> (u64, u64) {
        (LOG_AT.saturating_add(self.log_size.into()), METADATA_LEN)
    }

    /// Where the BAT stands, and how much room it has: whole MiB.
    pub(crate) fn bat(&self) -> (u64, u64) {
        let (at, len) = self.metadata();
        let entries = self.shape().entries(self.parent.is_some());
        let room = Bytes(entries.saturating_mul(8)).round_up(Bytes(MIB));
        (at.saturating_add(len), room.0)
    }

    /// Where blocks may stand.
    pub(crate) fn data_at(&self) -> u64 {
        let (at, len) = self.bat();
        at.saturating_add(len)
    }
}

fn take_block_size(options: &mut Options) -> Result<Option<Bytes>> {
    let asked = options.take_size("block_size")?;
    let is_one = |size: &Bytes| size.0.is_power_of_two() && BLOCK_SIZES.contains(&size.0);
    match asked.filter(|size| !is_one(size)) {
        None => Ok(asked),
        Some(other) => Err(Error::new(
            Kind::Usage,
            format!(
                "option block_size is {}, a power of two from 1M to 256M is required",
                other.0
            ),
        )),
    }
}

/// The sector: a child has its parent's, as Hyper-V demands, any other image that of the disk, unless another is asked for.
fn take_sector(options: &mut Options, disk: Bytes, parent: Option<&ParentSpec>) -> Result<u32> {
    let asked = match options.take("logical_sector_size").as_deref() {
        None => None,
        Some("512") => Some(512),
        Some("4096" | "4K" | "4k") => Some(4096),
        Some(other) => {
            return Err(Error::new(
                Kind::Usage,
                format!("option logical_sector_size is '{other}', one of 512, 4096 is required"),
            ));
        }
    };
    let below = parent.and_then(parent_sector);
    match (asked, below) {
        (Some(asked), Some(below)) if asked != below => Err(Error::new(
            Kind::Usage,
            format!(
                "option logical_sector_size is {asked}, the parent has sectors of {below} bytes"
            ),
        )),
        (asked, below) => {
            Ok(below
                .or(asked)
                .unwrap_or(if disk == Bytes(4096) { 4096 } else { 512 }))
        }
    }
}

/// The sector of the parent's disk, if its format says.
pub(crate) fn parent_sector(parent: &ParentSpec) -> Option<u32> {
    let mut details = parent.details.iter();
    let (_, text) = details.find(|(key, _)| *key == "LogicalSectorSize")?;
    text.parse().ok().filter(|one| matches!(one, 512 | 4096))
}

fn take_log_size(options: &mut Options) -> Result<u32> {
    let asked = options.take_size("log_size")?.unwrap_or(Bytes(MIB));
    u32::try_from(asked.0)
        .ok()
        .filter(|size| (1..=MAX_LOG).contains(size) && asked.is_multiple_of(Bytes(MIB)))
        .ok_or_else(|| {
            Error::new(
                Kind::Usage,
                format!(
                    "option log_size is {}, a multiple of 1M up to 1G is required",
                    asked.0
                ),
            )
        })
}

fn validate_size(size: Bytes) -> Result<()> {
    if size == Bytes::ZERO {
        return Err(Error::new(
            Kind::Unsupported,
            "a VHDX holds at least one sector, the disk is empty",
        ));
    }
    if size.0 > MAX_SIZE {
        return Err(Error::new(
            Kind::Unsupported,
            format!(
                "the disk has {} bytes, a VHDX holds at most {MAX_SIZE} (64 TiB)",
                size.0
            ),
        )
        .with_code("vhdx_too_large"));
    }
    Ok(())
}

/// The smallest block from 2 MiB on of which the disk has not too many.
fn default_block_size(size: Bytes) -> Bytes {
    let least = Bytes(size.pieces(Bytes(MOST_BLOCKS)));
    BLOCK_SIZE.max(Bytes(least.0.next_power_of_two()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_grow_with_the_disk() {
        for (size, block) in [(512, 2), (1 << 41, 2), ((1 << 41) + 512, 4), (1 << 46, 64)] {
            assert_eq!(default_block_size(Bytes(size)), Bytes::mib(block), "{size}");
        }
    }
}
