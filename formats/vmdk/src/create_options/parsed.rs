//! The options of a new image, each taken as what it means.

use imgdelta_core::{Bytes, Error, Kind, Options, Result, SECTOR};

use super::Subformat;

/// Kinds of disks that are written: qemu's names for them, and VMware's for that of ESXi.
const SUBFORMATS: [&str; 6] = [
    "monolithicSparse",
    "monolithicFlat",
    "twoGbMaxExtentSparse",
    "twoGbMaxExtentFlat",
    "streamOptimized",
    "vmfs",
];
/// Controllers that VMware knows.
const ADAPTERS: [&str; 5] = ["ide", "buslogic", "lsilogic", "legacyESX", "pvscsi"];
/// The extent of a split disk: 2047 MiB, since 2^31 bytes are too many for some. VMware and VirtualBox do the same.
const SPLIT: Bytes = Bytes(4_192_256 * SECTOR);
/// What the extent of a split disk is a multiple of: units of a flat one must not lie in two.
const SPLIT_UNIT: Bytes = Bytes::mib(1);
/// The largest extent of a split disk: grain tables reach to 2 TiB.
const MOST_SPLIT: Bytes = Bytes::gib(1024);

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
pub(super) fn take_subformat(options: &mut Options) -> Result<Subformat> {
    Ok(match chosen(options, "subformat", &SUBFORMATS)? {
        None | Some("monolithicSparse") => Subformat::Sparse,
        Some("monolithicFlat") => Subformat::Flat,
        Some("vmfs") => Subformat::Vmfs,
        Some("twoGbMaxExtentSparse") => Subformat::SplitSparse,
        Some("twoGbMaxExtentFlat") => Subformat::SplitFlat,
        Some(_) => Subformat::Stream,
    })
}

/// The controller; for a stream, which goes into virtual machines of today, and for ESXi a SCSI one.
pub(super) fn take_adapter(options: &mut Options, subformat: Subformat) -> Result<&'static str> {
    let default = match subformat {
        Subformat::Stream | Subformat::Vmfs => "lsilogic",
        _ => "ide",
    };
    Ok(chosen(options, "adapter_type", &ADAPTERS)?.unwrap_or(default))
}

/// The hardware version, as a number.
pub(super) fn take_hardware(options: &mut Options) -> Result<String> {
    let version = options.take("hwversion").unwrap_or_else(|| "4".into());
    match version.parse::<u8>() {
        Ok(3..=99) => Ok(version),
        _ => Err(Error::new(
            Kind::Usage,
            format!("option hwversion is '{version}', a number from 3 to 99 is required"),
        )),
    }
}

/// How large the extents of a split disk are.
pub(super) fn take_split(options: &mut Options, subformat: Subformat) -> Result<Bytes> {
    let Some(split) = options.take_size("split_size")? else {
        return Ok(SPLIT);
    };
    if !subformat.is_split() {
        return Err(Error::new(
            Kind::Usage,
            format!("split_size does not go with {}", subformat.name()),
        )
        .with_hint("twoGbMaxExtentSparse and twoGbMaxExtentFlat are split"));
    }
    if split < SPLIT_UNIT || split > MOST_SPLIT || !split.is_multiple_of(SPLIT_UNIT) {
        return Err(Error::new(
            Kind::Usage,
            format!(
                "option split_size is {} bytes, a multiple of 1 MiB from 1 MiB to 1 TiB is required",
                split.0
            ),
        ));
    }
    Ok(split)
}

/// How hard grains are pressed.
pub(super) fn take_level(options: &mut Options, subformat: Subformat) -> Result<Option<i32>> {
    let Some(level) = options.take("compression_level") else {
        return Ok(None);
    };
    if subformat != Subformat::Stream {
        return Err(Error::new(
            Kind::Usage,
            format!("compression_level does not go with {}", subformat.name()),
        )
        .with_hint("of these, only streamOptimized is compressed"));
    }
    match level.parse() {
        Ok(level @ 1..=12) => Ok(Some(level)),
        _ => Err(Error::new(
            Kind::Usage,
            format!("option compression_level is '{level}', 1 to 12 is required"),
        )),
    }
}
