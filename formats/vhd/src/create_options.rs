//! What a new image is to be: the user's options and the parent, understood and judged before anything is written.

use imgdelta_core::{Bytes, Create, Error, Format, Kind, Options, ParentSpec, Result, SECTOR};

use crate::{
    geometry::Geometry,
    identity,
    layout::{ParentLocator, W2KU, W2RU},
    locator,
};

/// The names of the options that a new image knows.
pub(crate) const CREATE_OPTIONS: &[&str] = &["subformat", "block_size", "size", "creator"];

/// The block size of every writer.
const BLOCK_SIZE: Bytes = Bytes::mib(2);
/// The block sizes that are written; Microsoft tested 512 KiB and 2 MiB, and blktap takes no larger ones.
const BLOCK_SIZES: std::ops::RangeInclusive<u64> = 4 << 10..=2 << 20;
/// The largest disk that is written: 0xff000000 sectors, as Hyper-V and qemu have it.
const MAX_SIZE: Bytes = Bytes::gib(2040);
/// The disks that Azure takes: whole MiB from 20 MiB to 32 TiB, fixed. [Azure: Upload a VHD to Azure, managed disk limits]
const AZURE: std::ops::RangeInclusive<u64> = 20 << 20..=32 << 40;
/// Most blocks: 16 MiB of BAT, in the file and in memory.
const MAX_BLOCKS: u64 = 1 << 22;

/// A new image, decided.
#[derive(Clone, Debug)]
pub(crate) struct CreateOptions {
    /// The size of its disk: a multiple of 512.
    pub(crate) size: Bytes,
    /// Data bytes in a block; `None`: a fixed image.
    pub(crate) block_size: Option<Bytes>,
    /// Four letters for who made it. `win ` makes every reader take the current size.
    pub(crate) creator: [u8; 4],
    /// What the footer says of cylinders, heads and sectors.
    pub(crate) geometry: Geometry,
    /// The parent, if it is a child.
    pub(crate) parent: Option<Link>,
}

/// A parent as the dynamic header names it.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    /// Its unique id.
    pub(crate) id: [u8; 16],
    /// Its base name, as the header has it.
    pub(crate) name: [u8; 512],
    /// Platform code and data of each locator, in the order of the entries.
    pub(crate) locators: Vec<([u8; 4], Vec<u8>)>,
}

impl Link {
    /// How a child names `parent`.
    pub(crate) fn to(parent: &ParentSpec) -> Result<Self> {
        let unsupported = |message: String| Error::new(Kind::Unsupported, message);
        if let Some(format) = parent.format.filter(|format| *format != Format::Vhd) {
            return Err(unsupported(format!(
                "the parent is {format}, a VHD child needs a VHD parent"
            ))
            .with_hint("convert the base to VHD, or write the child in another format"));
        }
        let id = parent.identity.as_ref().and_then(identity::parse);
        let id = id.filter(|id| *id != [0; 16]).ok_or_else(|| {
            unsupported("the parent has no unique id that a child could name".into())
                .with_hint("convert the base to a new VHD, which gets one")
        })?;
        let name = locator::encode_name(&parent.absolute).ok_or_else(|| {
            unsupported("the parent's name is longer than 256 UTF-16 units".into())
        })?;
        let relative = parent.relative.as_deref();
        let relative = relative.map(|path| (W2RU, locator::encode(&locator::relative_path(path))));
        let absolute = (
            W2KU,
            locator::encode(&locator::absolute_path(&parent.absolute)),
        );
        let locators: Vec<_> = relative.into_iter().chain([absolute]).collect();
        let limit = Bytes(u64::from(locator::MAX_TEXT)).in_memory();
        if locators.iter().any(|(_, data)| data.len() > limit) {
            return Err(unsupported(format!(
                "the parent's path takes more than {limit} bytes"
            )));
        }
        Ok(Self { id, name, locators })
    }
}

impl ParentLocator {
    /// An entry for `data` at `at`, with `space` bytes of room.
    pub(crate) fn holding(code: [u8; 4], data: &[u8], at: u64, space: u64) -> Self {
        Self {
            platform_code: code,
            // Bytes, as Windows counts them. Both fit: paths are limited, and room is a few KiB more.
            platform_data_space: u32::try_from(space).unwrap_or(u32::MAX),
            platform_data_length: u32::try_from(data.len()).unwrap_or(u32::MAX),
            reserved: 0,
            platform_data_offset: at,
        }
    }
}

impl CreateOptions {
    /// Understands what is asked for.
    pub(crate) fn of(create: Create<'_>) -> Result<Self> {
        let mut options = create.options;
        let sizing = options.take_choice("size", &["exact", "chs", "azure"])?;
        let is_fixed = takes_fixed(&mut options, sizing, create.parent.is_some())?;
        let block_size = take_block_size(&mut options, is_fixed)?;
        let creator = take_creator(&mut options)?;
        options.finish("vhd", CREATE_OPTIONS)?;
        let size = sized(create.disk.size, sizing)?;
        let parent = create.parent.as_ref();
        if let Some(parent) = parent {
            validate_child_size(size, sizing, parent)?;
        }
        if let Some(block_size) = block_size.filter(|one| size.pieces(*one) > MAX_BLOCKS) {
            return Err(Error::new(
                Kind::Unsupported,
                format!(
                    "the disk has {} blocks of {block_size}, at most {MAX_BLOCKS} are supported",
                    size.pieces(block_size)
                ),
            )
            .with_hint("choose a larger block_size"));
        }
        let copied =
            parent.and_then(|parent| parent.details.iter().find(|(key, _)| *key == "geometry"));
        let copied = copied.and_then(|(_, text)| Geometry::parse(text));
        let geometry = copied.unwrap_or_else(|| Geometry::for_size(size));
        validate_creator(creator, geometry, size)?;
        Ok(Self {
            size,
            block_size,
            creator,
            geometry,
            parent: parent.map(Link::to).transpose()?,
        })
    }
}

/// Whether the image is fixed. Azure takes no other; a child cannot be.
fn takes_fixed(options: &mut Options, sizing: &str, is_child: bool) -> Result<bool> {
    let choices: &[&'static str] = if sizing == "azure" {
        &["fixed", "dynamic"]
    } else {
        &["dynamic", "fixed"]
    };
    let is_fixed = options.take_choice("subformat", choices)? == "fixed";
    if is_fixed && is_child {
        let message = "a fixed VHD has no parent, subformat=dynamic is required for a child";
        return Err(Error::new(Kind::Usage, message));
    }
    if sizing == "azure" && !is_fixed {
        let message = "size=azure is for fixed images, subformat=fixed is required with it";
        return Err(Error::new(Kind::Usage, message));
    }
    Ok(is_fixed)
}

/// The block size, unless the image is fixed.
fn take_block_size(options: &mut Options, is_fixed: bool) -> Result<Option<Bytes>> {
    let asked = options.take_size("block_size")?;
    let size = asked.unwrap_or(BLOCK_SIZE);
    if is_fixed && asked.is_some() {
        let message = "a fixed VHD has no blocks, block_size is for dynamic ones";
        return Err(Error::new(Kind::Usage, message));
    }
    if !size.0.is_power_of_two() || !BLOCK_SIZES.contains(&size.0) {
        let message =
            format!("option block_size is {size}, a power of two from 4 KiB to 2 MiB is required");
        return Err(Error::new(Kind::Usage, message));
    }
    Ok((!is_fixed).then_some(size))
}

/// Up to four letters, filled up with blanks.
fn take_creator(options: &mut Options) -> Result<[u8; 4]> {
    let text = options.take("creator").unwrap_or_else(|| "win ".into());
    let padded = format!("{text:<4}");
    let letters = padded.as_bytes().try_into().ok();
    letters
        .filter(|letters: &[u8; 4]| {
            !text.is_empty() && letters.iter().all(|byte| (0x20..0x7f).contains(byte))
        })
        .ok_or_else(|| {
            let message =
                format!("option creator is '{text}', up to four ASCII letters are required");
            Error::new(Kind::Usage, message)
        })
}

/// The size by the rule that the user chose.
fn sized(asked: Bytes, sizing: &str) -> Result<Bytes> {
    let size = match sizing {
        "azure" => return azure_size(asked),
        // A disk that no geometry holds is read by its current size everywhere.
        "chs" => Geometry::that_holds(asked)
            .map_or_else(|| asked.round_up(Bytes(SECTOR)), Geometry::size),
        _ => asked.round_up(Bytes(SECTOR)),
    };
    if size > MAX_SIZE {
        return Err(Error::new(
            Kind::Unsupported,
            format!(
                "the disk has {} bytes, a VHD holds at most {} (2040 GiB)",
                size.0, MAX_SIZE.0
            ),
        )
        .with_hint("choose a format for larger disks, such as qcow2"));
    }
    Ok(size)
}

/// The smallest disk that holds `asked` and that Azure takes. A fixed image has no table that would end at 2040 GiB.
fn azure_size(asked: Bytes) -> Result<Bytes> {
    let size = asked.max(Bytes(*AZURE.start())).round_up(Bytes::mib(1));
    if AZURE.contains(&size.0) {
        return Ok(size);
    }
    Err(Error::new(
        Kind::Unsupported,
        format!(
            "the disk has {} bytes, Azure takes disks of {} to {}",
            asked.0,
            Bytes(*AZURE.start()),
            Bytes(*AZURE.end())
        ),
    )
    .with_code("vhd_azure_size"))
}

/// Windows opens no child whose size is not its parent's.
fn validate_child_size(size: Bytes, sizing: &str, parent: &ParentSpec) -> Result<()> {
    if size == parent.size {
        return Ok(());
    }
    let message = format!(
        "the child has {} bytes, its parent has {}: a VHD child must have its parent's size",
        size.0, parent.size.0
    );
    let hint = if sizing == "exact" {
        "convert the base to VHD at the target's size, or write the child as qcow2"
    } else {
        "leave out the option size"
    };
    Err(Error::new(Kind::Unsupported, message).with_hint(hint))
}

/// qemu reads images of these two creators by their geometry; then it must say the size.
fn validate_creator(creator: [u8; 4], geometry: Geometry, size: Bytes) -> Result<()> {
    let goes_by_chs = matches!(&creator, b"vpc " | b"qemu");
    if !goes_by_chs || geometry == Geometry::MAX || geometry.size() == size {
        return Ok(());
    }
    let message = format!(
        "option creator is '{}', by which qemu takes the size from the geometry {geometry}: {} bytes, not {}",
        creator.escape_ascii(),
        geometry.size().0,
        size.0
    );
    Err(Error::new(Kind::Usage, message).with_hint("add size=chs, or choose another creator"))
}
