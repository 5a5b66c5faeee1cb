//! What a new image is to be: the user's options and the parent, understood and judged before anything is written.

mod parsed;

use imgdelta_core::{
    Bytes, Create, Error, Format, Kind, Outputs, ParentSpec, Result, SECTOR, VirtOffset,
};

use uuid::Uuid;

use crate::{
    info,
    link::{CID, NULL},
};

use parsed::{take_adapter, take_hardware, take_level, take_split, take_subformat};

/// The names of the options that a new image knows.
pub(crate) const CREATE_OPTIONS: &[&str] = &[
    "subformat",
    "adapter_type",
    "hwversion",
    "zeroed_grain",
    "compression_level",
    "split_size",
];

/// Most extents that are written: each is an open file, and VirtualBox reads no more than 1100 lines.
const MOST_PIECES: u64 = 1024;
/// Most sectors of a disk that is written: 64 TiB.
const MOST_SECTORS: u64 = 1 << 37;

/// What kind of disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subformat {
    /// One sparse file.
    Sparse,
    /// A descriptor and one flat file.
    Flat,
    /// The same in the words of ESXi.
    Vmfs,
    /// A descriptor and sparse files of 2047 MiB, or of another size.
    SplitSparse,
    /// A descriptor and flat files of 2047 MiB, or of another size.
    SplitFlat,
    /// One file of compressed grains, written from its start to its end.
    Stream,
}

impl Subformat {
    /// Its createType.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sparse => "monolithicSparse",
            Self::Flat => "monolithicFlat",
            Self::Vmfs => "vmfs",
            Self::SplitSparse => "twoGbMaxExtentSparse",
            Self::SplitFlat => "twoGbMaxExtentFlat",
            Self::Stream => "streamOptimized",
        }
    }

    /// Whether it is split.
    pub(crate) const fn is_split(self) -> bool {
        matches!(self, Self::SplitSparse | Self::SplitFlat)
    }

    /// Whether its extents stand in files of their own.
    pub(crate) const fn has_extent_files(self) -> bool {
        !matches!(self, Self::Sparse | Self::Stream)
    }
}

/// A new image, decided.
#[derive(Clone, Debug)]
pub(crate) struct CreateOptions {
    /// The size of its disk: a multiple of 512.
    pub(crate) size: Bytes,
    /// What kind of disk.
    pub(crate) subformat: Subformat,
    /// The controller.
    pub(crate) adapter: &'static str,
    /// The virtual machine's hardware version.
    pub(crate) hardware: String,
    /// Whether zeros are marked, which VirtualBox refuses to read.
    pub(crate) marks_zero: bool,
    /// The size of each extent but the last, where the disk is split.
    pub(crate) split: Bytes,
    /// How hard grains are pressed: a level of libdeflate; `None`: as usual, and what a source pressed is good enough.
    pub(crate) level: Option<i32>,
    /// The parent, if it is a child.
    pub(crate) parent: Option<Parent>,
    /// What the image's file is called.
    pub(crate) name: String,
    /// What its other files' names begin with.
    pub(crate) stem: String,
}

/// A parent as a descriptor names it.
#[derive(Clone, Debug)]
pub(crate) struct Parent {
    /// Its content id.
    pub(crate) cid: String,
    /// The way to it.
    pub(crate) path: String,
    /// VirtualBox's names of the image and of its state, where it has them.
    pub(crate) uuids: Option<(String, String)>,
}

impl Parent {
    /// How a child names `parent`.
    pub(crate) fn of(parent: &ParentSpec) -> Result<Self> {
        let unsupported = |message: String| Error::new(Kind::Unsupported, message);
        if let Some(format) = parent.format.filter(|format| *format != Format::Vmdk) {
            return Err(unsupported(format!(
                "the parent is {format}, a VMDK child needs a VMDK parent"
            ))
            .with_hint("convert the base to VMDK, or write the child in another format"));
        }
        let cid = parent
            .identity
            .as_ref()
            .filter(|identity| identity.kind == CID && identity.value != "ffffffff")
            .map(|identity| identity.value.clone())
            .ok_or_else(|| {
                unsupported("the parent has no CID that a child could name".into())
                    .with_hint("convert the base to a new VMDK, which gets one")
            })?;
        let path = parent.relative.as_ref().unwrap_or(&parent.absolute).clone();
        validate_name(&path)?;
        // What a parent's file says goes into the child's text: only if it is what it should be.
        let uuid = |name| {
            let found = parent.details.iter().find(|(known, _)| *known == name);
            let uuid = found.and_then(|(_, value)| Uuid::try_parse(value).ok());
            let uuid = uuid.filter(|uuid| !uuid.is_nil());
            uuid.map(|uuid| uuid.hyphenated().to_string())
        };
        Ok(Self {
            cid,
            path,
            uuids: uuid(info::IMAGE).map(|image| {
                let state = uuid(info::MODIFICATION);
                (image, state.unwrap_or_else(|| NULL.into()))
            }),
        })
    }
}

/// A name that a descriptor can hold: it has no way to escape a quote.
fn validate_name(name: &str) -> Result<()> {
    if name.contains('"') || name.chars().any(char::is_control) {
        return Err(Error::new(
            Kind::Unsupported,
            format!(
                "the name '{}' holds a quote or a control character, which no descriptor can hold",
                name.escape_debug()
            ),
        )
        .with_code("vmdk_unrecordable_name"));
    }
    Ok(())
}

impl CreateOptions {
    /// What `create` asks for.
    pub(crate) fn of(create: Create<'_>) -> Result<Self> {
        let mut options = create.options;
        let subformat = take_subformat(&mut options)?;
        let adapter = take_adapter(&mut options, subformat)?;
        let hardware = take_hardware(&mut options)?;
        let marks_zero = options.take_choice("zeroed_grain", &["off", "on"])? == "on";
        let split = take_split(&mut options, subformat)?;
        let level = take_level(&mut options, subformat)?;
        options.finish("vmdk", CREATE_OPTIONS)?;
        let size = create.disk.size.round_up(Bytes(SECTOR));
        validate_size(size)?;
        let parent = create.parent.as_ref().map(Parent::of).transpose()?;
        if parent.is_some() && !matches!(subformat, Subformat::Sparse | Subformat::SplitSparse) {
            return Err(Error::new(
                Kind::Unsupported,
                format!("a {} image cannot be a child", subformat.name()),
            )
            .with_code("vmdk_child_subformat")
            .with_hint("children are monolithicSparse or twoGbMaxExtentSparse"));
        }
        if let Some(other) = create.parent.as_ref().map(|parent| parent.size)
            && other.round_up(Bytes(SECTOR)) != size
        {
            return Err(Error::new(
                Kind::Unsupported,
                format!(
                    "the child has {} bytes, the parent has {}; VMware wants them equal",
                    size.0, other.0
                ),
            ));
        }
        if marks_zero && !matches!(subformat, Subformat::Sparse | Subformat::SplitSparse) {
            return Err(Error::new(
                Kind::Usage,
                format!("zeroed_grain=on does not go with {}", subformat.name()),
            ));
        }
        validate_count(subformat, size, split)?;
        let name = create.outputs.name().unwrap_or_else(|| "disk.vmdk".into());
        validate_name(&name)?;
        let sizes = extents(subformat, size, split);
        let stem = stem(&name, subformat, sizes.len(), create.outputs);
        Ok(Self {
            size,
            subformat,
            adapter,
            hardware,
            marks_zero,
            split,
            level,
            parent,
            name,
            stem,
        })
    }

    /// The sizes of the extents, in order.
    pub(crate) fn extents(&self) -> Vec<Bytes> {
        extents(self.subformat, self.size, self.split)
    }

    /// The extent that byte `at` of the disk lies in: its number, and where it starts.
    pub(crate) const fn extent_of(&self, at: VirtOffset) -> (u64, VirtOffset) {
        if self.subformat.is_split() && self.split.0 > 0 {
            let number = at.0 / self.split.0;
            (number, VirtOffset(number * self.split.0))
        } else {
            (0, VirtOffset::ZERO)
        }
    }

    /// What the file of an extent is called.
    pub(crate) fn extent_name(&self, number: usize) -> String {
        extent_name(&self.stem, self.subformat, number)
    }
}

/// The sizes of the extents of a disk.
fn extents(subformat: Subformat, size: Bytes, split: Bytes) -> Vec<Bytes> {
    if !subformat.is_split() {
        return vec![size];
    }
    let sizes = (0..size.pieces(split)).map(|number| {
        let start = number.saturating_mul(split.0);
        Bytes(size.0.saturating_sub(start)).min(split)
    });
    sizes.collect()
}

/// What the file of an extent is called.
fn extent_name(stem: &str, subformat: Subformat, number: usize) -> String {
    match subformat {
        Subformat::SplitSparse => format!("{stem}-s{:03}.vmdk", number + 1),
        Subformat::SplitFlat => format!("{stem}-f{:03}.vmdk", number + 1),
        Subformat::Flat | Subformat::Vmfs | Subformat::Sparse | Subformat::Stream => {
            format!("{stem}-flat.vmdk")
        }
    }
}

/// What the extents' names begin with: the image's own name; where that replaces an image, the first of which all are free, so that the old
/// image stays whole until the new one is.
fn stem(name: &str, subformat: Subformat, count: usize, outputs: &dyn Outputs) -> String {
    let plain = match name
        .len()
        .checked_sub(5)
        .map(|at| name.split_at_checked(at))
    {
        Some(Some((stem, end))) if end.eq_ignore_ascii_case(".vmdk") => stem,
        _ => name,
    };
    if !subformat.has_extent_files() || !outputs.replaces() {
        return plain.to_owned();
    }
    let is_free = |stem: &String| {
        (0..count).all(|number| outputs.is_free(&extent_name(stem, subformat, number)))
    };
    let others = (2..10_000).map(|number| format!("{plain}-{number}"));
    let mut stems = std::iter::once(plain.to_owned()).chain(others);
    stems.find(is_free).unwrap_or_else(|| plain.to_owned())
}

/// No more extents than most readers take.
fn validate_count(subformat: Subformat, size: Bytes, split: Bytes) -> Result<()> {
    let count = size.pieces(split);
    if !subformat.is_split() || count <= MOST_PIECES {
        return Ok(());
    }
    let mib = split.0 >> 20;
    Err(Error::new(
        Kind::Unsupported,
        format!(
            "the disk would have {count} extents of {mib} MiB, at most {MOST_PIECES} are written"
        ),
    )
    .with_code("vmdk_too_many_pieces")
    .with_hint(
        "choose a larger split_size, or --option subformat=monolithicSparse or monolithicFlat",
    ))
}

/// A size that some VMDK can have.
fn validate_size(size: Bytes) -> Result<()> {
    if size == Bytes::ZERO {
        return Err(Error::new(
            Kind::Unsupported,
            "a VMDK holds at least one sector, the disk is empty",
        ));
    }
    if size.0 / SECTOR > MOST_SECTORS {
        return Err(Error::new(
            Kind::Unsupported,
            format!("the disk has {} bytes, at most 64 TiB are written", size.0),
        ));
    }
    Ok(())
}
