//! What a new image is to be: the user's options and the parent, understood and judged before anything is written.

use imgdelta_core::{
    Bytes, Create, Error, Format, Kind, NewParent, Options, Outputs, Result, SECTOR,
};

use uuid::Uuid;

use crate::{descriptor::MOST_EXTENTS, facts, link::CID, relink::NULL, sparse::MOST_SECTORS};

/// The names of the options that a new image knows.
pub(crate) const CREATE_OPTIONS: &[&str] =
    &["subformat", "adapter_type", "hwversion", "zeroed_grain"];

/// Kinds of disks that are written, qemu's names for them.
const SUBFORMATS: [&str; 5] = [
    "monolithicSparse",
    "monolithicFlat",
    "twoGbMaxExtentSparse",
    "twoGbMaxExtentFlat",
    "streamOptimized",
];
/// Controllers that VMware knows.
const ADAPTERS: [&str; 5] = ["ide", "buslogic", "lsilogic", "legacyESX", "pvscsi"];
/// The extent of a split disk: 2047 MiB, since 2^31 bytes are too many for some. VMware and VirtualBox do the same.
pub(crate) const SPLIT: Bytes = Bytes(4_192_256 * SECTOR);

/// What kind of disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subformat {
    /// One sparse file.
    Sparse,
    /// A descriptor and one flat file.
    Flat,
    /// A descriptor and sparse files of 2047 MiB.
    SplitSparse,
    /// A descriptor and flat files of 2047 MiB.
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
pub(crate) struct Plan {
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
    pub(crate) fn of(parent: &NewParent) -> Result<Self> {
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
        judge_name(&path)?;
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
            uuids: uuid(facts::IMAGE).map(|image| {
                let state = uuid(facts::MODIFICATION);
                (image, state.unwrap_or_else(|| NULL.into()))
            }),
        })
    }
}

/// A name that a descriptor can hold: it has no way to escape a quote.
fn judge_name(name: &str) -> Result<()> {
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

impl Plan {
    /// What `create` asks for.
    pub(crate) fn of(create: Create<'_>) -> Result<Self> {
        let mut options = create.options;
        let subformat = take_subformat(&mut options)?;
        let adapter = take_adapter(&mut options, subformat)?;
        let hardware = take_hardware(&mut options)?;
        let marks_zero = options.take_choice("zeroed_grain", &["off", "on"])? == "on";
        options.finish("vmdk", CREATE_OPTIONS)?;
        let size = create.disk.size.round_up(Bytes(SECTOR));
        judge_size(size)?;
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
        judge_count(subformat, size)?;
        let name = create.outputs.name().unwrap_or_else(|| "disk.vmdk".into());
        judge_name(&name)?;
        let stem = stem(&name, subformat, size, create.outputs);
        Ok(Self {
            size,
            subformat,
            adapter,
            hardware,
            marks_zero,
            parent,
            name,
            stem,
        })
    }

    /// The sizes of the extents, in order.
    pub(crate) fn extents(&self) -> Vec<Bytes> {
        extents(self.subformat, self.size)
    }

    /// What the file of an extent is called.
    pub(crate) fn extent_name(&self, number: usize) -> String {
        extent_name(&self.stem, self.subformat, number)
    }
}

/// The sizes of the extents of a disk.
fn extents(subformat: Subformat, size: Bytes) -> Vec<Bytes> {
    if !subformat.is_split() {
        return vec![size];
    }
    let count = size.pieces(SPLIT);
    let sizes = (0..count).map(|number| {
        let start = number.saturating_mul(SPLIT.0);
        Bytes(size.0.saturating_sub(start)).min(SPLIT)
    });
    sizes.collect()
}

/// What the file of an extent is called.
fn extent_name(stem: &str, subformat: Subformat, number: usize) -> String {
    match subformat {
        Subformat::SplitSparse => format!("{stem}-s{:03}.vmdk", number + 1),
        Subformat::SplitFlat => format!("{stem}-f{:03}.vmdk", number + 1),
        Subformat::Flat | Subformat::Sparse | Subformat::Stream => format!("{stem}-flat.vmdk"),
    }
}

/// What the extents' names begin with: the image's own name; where that replaces an image, the first of which all are free, so that the old
/// image stays whole until the new one is.
fn stem(name: &str, subformat: Subformat, size: Bytes, outputs: &dyn Outputs) -> String {
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
    let count = extents(subformat, size).len();
    let is_free = |stem: &String| {
        (0..count).all(|number| outputs.is_free(&extent_name(stem, subformat, number)))
    };
    let others = (2..10_000).map(|number| format!("{plain}-{number}"));
    let mut stems = std::iter::once(plain.to_owned()).chain(others);
    stems.find(is_free).unwrap_or_else(|| plain.to_owned())
}

/// The choice whose name is `value`, whatever its case.
fn chosen<'a>(options: &mut Options, key: &str, choices: &[&'a str]) -> Result<Option<&'a str>> {
    let Some(value) = options.take(key) else {
        return Ok(None);
    };
    let found = choices
        .iter()
        .find(|name| name.eq_ignore_ascii_case(&value));
    found.copied().map(Some).ok_or_else(|| {
        Error::new(
            Kind::Usage,
            format!(
                "option {key} is '{value}', one of {} is required",
                choices.join(", ")
            ),
        )
    })
}

/// What kind of disk, by its name in any case.
fn take_subformat(options: &mut Options) -> Result<Subformat> {
    Ok(match chosen(options, "subformat", &SUBFORMATS)? {
        None | Some("monolithicSparse") => Subformat::Sparse,
        Some("monolithicFlat") => Subformat::Flat,
        Some("twoGbMaxExtentSparse") => Subformat::SplitSparse,
        Some("twoGbMaxExtentFlat") => Subformat::SplitFlat,
        Some(_) => Subformat::Stream,
    })
}

/// The controller; for a stream, which goes into virtual machines of today, a SCSI one.
fn take_adapter(options: &mut Options, subformat: Subformat) -> Result<&'static str> {
    let default = if subformat == Subformat::Stream {
        "lsilogic"
    } else {
        "ide"
    };
    Ok(chosen(options, "adapter_type", &ADAPTERS)?.unwrap_or(default))
}

/// The hardware version, as a number.
fn take_hardware(options: &mut Options) -> Result<String> {
    let version = options.take("hwversion").unwrap_or_else(|| "4".into());
    match version.parse::<u8>() {
        Ok(3..=99) => Ok(version),
        _ => Err(Error::new(
            Kind::Usage,
            format!("option hwversion is '{version}', a number from 3 to 99 is required"),
        )),
    }
}

/// As many extents as are read again: each is an open file.
fn judge_count(subformat: Subformat, size: Bytes) -> Result<()> {
    let count = size.pieces(SPLIT);
    if !subformat.is_split() || count <= MOST_EXTENTS as u64 {
        return Ok(());
    }
    Err(Error::new(
        Kind::Unsupported,
        format!(
            "the disk would have {count} extents of 2047 MiB, at most {MOST_EXTENTS} are written"
        ),
    )
    .with_code("vmdk_too_many_pieces")
    .with_hint("choose --option subformat=monolithicSparse or monolithicFlat"))
}

/// A size that some VMDK can have.
fn judge_size(size: Bytes) -> Result<()> {
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
