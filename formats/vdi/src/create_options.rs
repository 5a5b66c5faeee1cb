//! What a new image is to be: the user's options and the parent, understood and judged before anything is written.

use imgdelta_core::{Bytes, Create, Error, Format, Kind, Options, ParentSpec, Result, SECTOR};

use crate::{
    identity::{self, NULL},
    layout::{DIFFERENCING, FIXED, NORMAL},
};

/// The names of the options that a new image knows.
pub(crate) const CREATE_OPTIONS: &[&str] = &["subformat", "static", "block_size"];

/// The block size of every writer; qemu and 7-Zip read no other.
const BLOCK_SIZE: Bytes = Bytes::mib(1);
/// The smallest blocks that are written.
const LEAST_BLOCK: Bytes = Bytes::kib(4);
/// The largest blocks that are written.
const LARGEST_BLOCK: Bytes = Bytes::mib(64);
/// The largest blocks of a child: each comes as one piece, and pieces have at most 2 MiB.
const LARGEST_OF_CHILD: Bytes = Bytes::mib(2);
/// Most blocks: 16 MiB of map, in the file and in memory.
const MOST_BLOCKS: u64 = 1 << 22;

/// A new image, decided.
#[derive(Clone, Debug)]
pub(crate) struct CreateOptions {
    /// The size of its disk: a multiple of 512.
    pub(crate) size: Bytes,
    /// Data bytes in a block.
    pub(crate) block_size: Bytes,
    /// `imageType`.
    pub(crate) image_type: u32,
    /// The parent's creation and modification UUIDs, if it is a child.
    pub(crate) parent: Option<([u8; 16], [u8; 16])>,
}

impl CreateOptions {
    /// What `create` asks for.
    pub(crate) fn of(create: Create<'_>) -> Result<Self> {
        let mut options = create.options;
        let is_fixed = take_fixed(&mut options)?;
        let block_size = options.take_size("block_size")?.unwrap_or(BLOCK_SIZE);
        options.finish("vdi", CREATE_OPTIONS)?;
        let largest = if create.parent.is_some() {
            LARGEST_OF_CHILD
        } else {
            LARGEST_BLOCK
        };
        let is_allowed = (LEAST_BLOCK..=largest).contains(&block_size);
        if !block_size.0.is_power_of_two() || !is_allowed {
            return Err(Error::new(
                Kind::Usage,
                format!(
                    "option block_size is {}, a power of two from 4K to {}M is required",
                    block_size.0,
                    largest.0 >> 20
                ),
            ));
        }
        let size = create.disk.size.round_up(Bytes(SECTOR));
        if size == Bytes::ZERO {
            return Err(Error::new(
                Kind::Unsupported,
                "a VDI holds at least one sector, the disk is empty",
            ));
        }
        if size.pieces(block_size) > MOST_BLOCKS {
            return Err(too_many_blocks(size, block_size, largest));
        }
        let parent = create.parent.as_ref().map(parent_uuids).transpose()?;
        let image_type = match (is_fixed, parent) {
            (true, Some(_)) => {
                return Err(Error::new(
                    Kind::Usage,
                    "a fixed image has no parent: subformat=fixed does not go with a child",
                ));
            }
            (true, None) => FIXED,
            (false, Some(_)) => DIFFERENCING,
            (false, None) => NORMAL,
        };
        Ok(Self {
            size,
            block_size,
            image_type,
            parent,
        })
    }

    /// Whether all blocks stand in the file.
    pub(crate) const fn is_fixed(&self) -> bool {
        self.image_type == FIXED
    }

    /// How many blocks the disk has.
    pub(crate) const fn blocks(&self) -> u64 {
        self.size.pieces(self.block_size)
    }
}

/// Fixed or not: `subformat`, or `static` as qemu calls it.
fn take_fixed(options: &mut Options) -> Result<bool> {
    let given = options.take("static");
    let subformat = options.take_choice("subformat", &["dynamic", "fixed"])?;
    match given.as_deref() {
        None => Ok(subformat == "fixed"),
        Some("on") => Ok(true),
        Some("off") => Ok(subformat == "fixed"),
        Some(other) => Err(Error::new(
            Kind::Usage,
            format!("option static is '{other}', one of on, off is required"),
        )),
    }
}

fn too_many_blocks(size: Bytes, block_size: Bytes, largest: Bytes) -> Error {
    let error = Error::new(
        Kind::Unsupported,
        format!(
            "the disk of {} bytes has {} blocks of {block_size}, at most {MOST_BLOCKS} are written",
            size.0,
            size.pieces(block_size)
        ),
    )
    .with_code("vdi_too_large");
    if block_size < largest {
        error.with_hint("use a larger --option block_size")
    } else {
        error
    }
}

/// The UUIDs by which a child names `parent`.
pub(crate) fn parent_uuids(parent: &ParentSpec) -> Result<([u8; 16], [u8; 16])> {
    let unsupported = |message: String| Error::new(Kind::Unsupported, message);
    if let Some(format) = parent.format.filter(|format| *format != Format::Vdi) {
        return Err(unsupported(format!(
            "the parent is {format}, a VDI child needs a VDI parent"
        ))
        .with_hint("convert the base to VDI, or write the child in another format"));
    }
    let uuids = parent.identity.as_ref().and_then(identity::parse);
    uuids
        .filter(|(create, modify)| *create != NULL && *modify != NULL)
        .ok_or_else(|| {
            unsupported("the parent has no UUIDs that a child could name".into())
                .with_hint("convert the base to a new VDI, which gets them")
        })
}
