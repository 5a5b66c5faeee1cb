//! The kinds of disks that createType names.

use crate::{descriptor::Descriptor, fault::Fault};

/// Kinds of disks that are devices of their hosts. What decides is what their files are: recipes and copies have ordinary ones, and devices
/// are refused by whoever opens files.
const DEVICES: [&str; 8] = [
    "fullDevice",
    "partitionedDevice",
    "vmfsRDM",
    "vmfsRawDeviceMap",
    "vmfsRDMP",
    "vmfsPassthroughRawDeviceMap",
    "vmfsRaw",
    "vmfsRawDevice",
];

/// Kinds of disks that are files.
const FILES: [&str; 16] = [
    "monolithicSparse",
    "monolithicFlat",
    "twoGbMaxExtentSparse",
    "2GbMaxExtentSparse",
    "twoGbMaxExtentFlat",
    "2GbMaxExtentFlat",
    "streamOptimized",
    "custom",
    "vmfs",
    "vmfsPreallocated",
    "vmfsThick",
    "vmfsZeroedThick",
    "vmfsEagerZeroedThick",
    "vmfsThin",
    "vmfsSparse",
    "seSparse",
];

/// The kind of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DiskKind {
    /// Its createType.
    pub(crate) name: &'static str,
    /// Whether it stands for a device of its host.
    pub(crate) is_device: bool,
}

impl DiskKind {
    /// What kind of disk the descriptor says it is, if it is one that is read.
    pub(crate) fn of(descriptor: &Descriptor) -> Result<Self, Fault> {
        if let Some(version) = descriptor.header("version")
            && !matches!(version, b"1" | b"2" | b"3" | b"4")
        {
            let found = version.escape_ascii().to_string();
            return Err(Fault::DescriptorVersion { found });
        }
        let found = descriptor.header("createType").ok_or(Fault::NoCreateType)?;
        let found = found.escape_ascii().to_string();
        if found.eq_ignore_ascii_case("vmfsSeSparse") {
            return Ok(Self {
                name: "seSparse",
                is_device: false,
            });
        }
        let known = |list: &[&'static str]| {
            let mut names = list.iter().copied();
            names.find(|name| name.eq_ignore_ascii_case(&found))
        };
        match (known(&FILES), known(&DEVICES)) {
            (Some(name), _) => Ok(Self {
                name,
                is_device: false,
            }),
            (None, Some(name)) => Ok(Self {
                name,
                is_device: true,
            }),
            (None, None) => Err(Fault::CreateType { found }),
        }
    }
}
