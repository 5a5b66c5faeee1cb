//! Every rule that a VMDK can break, one variant each, with the value found and the value required.
//!
//! What is broken is decided where the value is read, never here.

use imgdelta_core::{FileOffset, Kind, VirtOffset};

/// What to do with a disk that is a device.
pub(crate) const DEVICE_HINT: &str =
    "copy the device to a file, for example with dd, and convert that";

/// A rule that a VMDK broke.
#[cfg_attr(test, derive(strum::EnumIter))]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case", prefix = "vmdk_")]
pub(crate) enum Fault {
    // The descriptor.
    /// The text is longer than any descriptor.
    #[error("the descriptor has {found} bytes, at most {most} are read")]
    DescriptorTooLong { found: u64, most: u64 },
    /// A line is longer than any of a descriptor.
    #[error("a line of the descriptor has {found} bytes, at most {most} are read")]
    LineTooLong { found: usize, most: usize },
    /// The text does not begin as descriptors do.
    #[error(
        "is no descriptor: its title '# Disk DescriptorFile', or version and createType, are required"
    )]
    NoTitle,
    /// Something stands behind the end of the text.
    #[error("bytes stand behind a NUL at {at} of the descriptor, where its text ends")]
    TextBehindNul { at: usize },
    /// A key that means one thing is there twice.
    #[error("the descriptor says {key} twice, once is required")]
    Twice { key: &'static str },
    /// A version of the text that nobody knows.
    #[error("descriptor version is '{found}', 1 to 4 is required")]
    DescriptorVersion { found: String },
    /// Nothing says what kind of disk it is.
    #[error("the descriptor has no createType, which is required")]
    NoCreateType,
    /// A kind of disk that nobody here knows.
    #[error("createType '{found}' is not supported")]
    CreateType { found: String },
    /// A disk that only its hypervisor can read.
    #[error("the disk is encrypted, '{key}' of its descriptor says so: not supported")]
    Encrypted { key: String },
    /// Something of ESXi stood between the disk and its file.
    #[error("ddb.iofilters names '{found}', which may have changed what stands in the extents")]
    Filter { found: String },
    /// A child of what is no file.
    #[error("ddb.objectParentUri names a parent that is an object of a datastore, no file")]
    ObjectParent,
    /// A file beside a disk that is none.
    #[error("is a changed-block-tracking file, which holds nothing of the disk")]
    Tracking,
    /// A line that begins like an extent.
    #[error(
        "extent line '{found}' cannot be read, ACCESS SECTORS TYPE \"file\" OFFSET is required"
    )]
    ExtentLine { found: String },
    /// A type of extents that nobody here knows.
    #[error("an extent has the type '{found}', which is not supported")]
    ExtentType { found: String },
    /// No extent at all.
    #[error("the descriptor names no extent, at least one is required")]
    NoExtents,
    /// More files than can be told apart.
    #[error("the extents stand in more than {most} files")]
    TooManyExtents { most: usize },
    /// An embedded descriptor with several extents.
    #[error("the embedded descriptor names {found} extents, its own file alone is required")]
    EmbeddedExtents { found: usize },
    /// More sectors than there can be.
    #[error("the extents have {found} sectors, at most {most} are supported")]
    DiskTooLarge { found: u128, most: u64 },
    /// An extent that must not be read.
    #[error("extent {number} is NOACCESS, so the disk cannot be read")]
    NoAccess { number: usize },
    /// An extent whose data are on a device of its host.
    #[error(
        "{kind} '{name}' stands for a raw device: the file holds {held} bytes of the {needed} that are needed"
    )]
    DeviceExtent {
        kind: String,
        name: String,
        held: u64,
        needed: u128,
    },
    /// An extent that is no file.
    #[error("extent '{name}' is an object of a datastore, no file")]
    ObjectExtent { name: String },
    /// A snapshot that an array keeps.
    #[error("isNativeSnapshot is 'yes': the data are in the storage array")]
    NativeSnapshot,
    /// An id that is no number.
    #[error("{key} is '{found}', 1 to 8 hexadecimal digits are required")]
    Cid { key: &'static str, found: String },
    /// A path to a parent and the word that there is none.
    #[error("names the parent file '{hint}', but parentCID ffffffff says that it has none")]
    HintWithoutParent { hint: String },
    /// An encoding that nobody knows.
    #[error("encoding '{found}' is not known, and a name is not ASCII")]
    Encoding { found: String },
    /// A name that is not text in its encoding.
    #[error("the name '{found}' is not {encoding}")]
    Name {
        found: String,
        encoding: &'static str,
    },
    /// A flat extent shorter than the disk needs.
    #[error("flat extent '{name}' holds {held} bytes, {needed} are needed")]
    FlatTooShort {
        name: String,
        held: u64,
        needed: u128,
    },

    /// A flat extent longer than the disk needs.
    #[error("flat extent '{name}' holds {held} bytes, its lines say {needed}")]
    FlatTooLong {
        name: String,
        held: u64,
        needed: u128,
    },

    // Headers.
    /// The file ends in its header.
    #[error("the file ends at {end}, the header takes {needed} bytes")]
    HeaderCut { end: u64, needed: u64 },
    /// Another magic than the extent's type has.
    #[error("the extent begins with {found:#010x}, {required:#010x} is required")]
    Magic { found: u64, required: u64 },
    /// A version that nobody knows.
    #[error("{structure} version is {found:#x}, {required} is required")]
    Version {
        structure: &'static str,
        found: u64,
        required: &'static str,
    },
    /// Line ends were changed: it was sent as text.
    #[error(
        "the newline test reads {found}, '\\n \\r\\n' is required: the file was transferred as text"
    )]
    Newlines { found: String },
    /// A grain size that cannot be.
    #[error("grain size is {found} sectors, a power of two of {least} to {most} is required")]
    GrainSize { found: u64, least: u64, most: u64 },
    /// Grains that are unpacked as a whole and would take too much memory.
    #[error("a compressed grain has {found} sectors, at most {most} are supported")]
    GrainTooLarge { found: u64, most: u64 },
    /// BlockState tables of another size.
    #[error("a grain table has {found} entries, 1 to {most} are required")]
    TableEntries { found: u64, most: u64 },
    /// A capacity that cannot be.
    #[error("capacity is {found} sectors, 1 to {most} is required")]
    Capacity { found: u64, most: u64 },
    /// The descriptor says more than the header.
    #[error("the extent line says {line} sectors, the header has {capacity}")]
    Sectors { line: u64, capacity: u64 },
    /// A descriptor that is not where it is said to be.
    #[error("the descriptor takes sectors {at} to {end}, the file has {file}")]
    DescriptorPlace { at: u64, end: u64, file: u64 },
    /// A compression that nobody knows.
    #[error("compression algorithm is {found}, 1 (deflate) is required")]
    Algorithm { found: u16 },
    /// A grain directory that is not in the file.
    #[error(
        "{directory} of {entries} entries at sector {at} ends past the end of the file at {end}"
    )]
    DirectoryPlace {
        directory: &'static str,
        entries: u64,
        at: u64,
        end: u64,
    },
    /// A grain directory beyond all reason.
    #[error("the grain directory has {found} entries, at most {most} are supported")]
    DirectoryTooLarge { found: u64, most: u64 },
    /// A grain directory that does not cover the extent.
    #[error("the grain directory has {found} entries, {required} are required")]
    DirectoryEntries { found: u64, required: u64 },
    /// A stream without its end.
    #[error("stream footer not found - file truncated?")]
    NoFooter,
    /// A footer that does not fit its header.
    #[error("the footer's {field} is {found:#x}, the header's is {required:#x}")]
    Footer {
        field: &'static str,
        found: u64,
        required: u64,
    },
    /// A footer that sends on to a footer.
    #[error("the footer does not say where the grain directory is")]
    FooterWithoutDirectory,
    /// A field that must be as it always is.
    #[error("{field} is {found:#x}, {required:#x} is required")]
    SeField {
        field: &'static str,
        found: u64,
        required: u64,
    },
    /// An extent that was not closed.
    #[error("the journal must be replayed (replay_journal is {found}), which only ESXi does")]
    Journal { found: u64 },

    // Tables and grains.
    /// A grain table outside.
    #[error("grain table {table} is at {at}, inside the file's {first}..{end} is required")]
    TablePlace {
        table: u64,
        at: FileOffset,
        first: u64,
        end: u64,
    },
    /// A grain directory entry that cannot be.
    #[error(
        "grain directory entry {table} is {found:#x}, 0 or 0x10000000 in its upper half is required"
    )]
    SeDirectory { table: u64, found: u64 },
    /// A grain table entry that cannot be.
    #[error("grain {grain} has the entry {found:#x}, whose kind is not known")]
    SeEntry { grain: u64, found: u64 },
    /// A grain outside.
    #[error(
        "grain {grain} is at sector {sector}, which is in front of the grains at sector {first}"
    )]
    GrainInMetadata { grain: u64, sector: u64, first: u64 },
    /// A grain that the file does not hold.
    #[error(
        "grain {grain} at sector {sector} ends at {grain_end}, beyond the end of the file at {end}"
    )]
    GrainPastEnd {
        grain: u64,
        sector: u64,
        grain_end: u64,
        end: u64,
    },
    /// Another grain's data.
    #[error("grain marker says sector {found}, the table says {required}")]
    MarkerAddress { found: u64, required: u64 },
    /// More data than a grain can have.
    #[error("the data of grain {grain} have {found} bytes, 1 to {most} is required")]
    MarkerSize { grain: u64, found: u64, most: u64 },
    /// Data that unpack to less than a grain.
    #[error("grain {grain} unpacks to {found} bytes, {required} are required")]
    GrainShort {
        grain: u64,
        found: usize,
        required: usize,
    },
    /// Data that unpack to more than a grain.
    #[error("grain {grain} unpacks to more than its {required} bytes")]
    GrainLong { grain: u64, required: usize },
    /// Data that do not unpack.
    #[error("the data of grain {grain} do not unpack: {why}")]
    GrainGarbage { grain: u64, why: String },
    /// Something in a stream that cannot be there.
    #[error("marker has type {found}, 0 to 4 is required")]
    MarkerKind { found: u32 },
    /// A grain of a stream that is none of the disk's.
    #[error("the grain for sector {found} lies beyond the disk or between two grains")]
    MarkerPlace { found: u64 },
    /// Bytes were asked for that the image does not hold.
    #[error("the grain at {at} is not stored, so it cannot be read")]
    NotStored { at: VirtOffset },

    /// Both directories are whole, and neither is better.
    #[error("the grain tables and the redundant ones say different things of {count} grains")]
    CopiesDisagree { count: u64 },

    // Found by `check`.
    /// Both directories say different things.
    #[error("grain {grain} is {found} by the grain directory, {redundant} by the redundant one")]
    CopiesDiffer {
        grain: u64,
        found: String,
        redundant: String,
    },
    /// Two grains in one place.
    #[error("grains {first} and {second} share sector {sector}")]
    Shared {
        first: u64,
        second: u64,
        sector: u64,
    },
    /// A grain where a table or the directory stands.
    #[error("grain {grain} at sector {sector} lies over the tables at sector {table}")]
    GrainOverTable { grain: u64, sector: u64, table: u64 },
    /// The descriptor says less than the header.
    #[error("the extent line says {line} sectors, the header has {capacity}")]
    SectorsDiffer { line: u64, capacity: u64 },
    /// A stream that just stops.
    #[error("the stream has no end marker behind its footer")]
    NoEnd,
    /// More lines than a descriptor of 64 TiB has.
    #[error("the descriptor has {found} lines, at most {most} are read")]
    TooManyLines { found: usize, most: usize },
    /// A sparse extent for two parts of the disk.
    #[error("two lines name the sparse extent '{name}', which is one part of the disk")]
    ExtentTwice { name: String },
}

impl imgdelta_core::Fault for Fault {
    fn kind(&self) -> Kind {
        match self {
            Self::DescriptorVersion { .. }
            | Self::CreateType { .. }
            | Self::Encrypted { .. }
            | Self::Filter { .. }
            | Self::ObjectParent
            | Self::ExtentType { .. }
            | Self::Tracking
            | Self::NoAccess { .. }
            | Self::DeviceExtent { .. }
            | Self::ObjectExtent { .. }
            | Self::NativeSnapshot
            | Self::Encoding { .. }
            | Self::Version { .. }
            | Self::Algorithm { .. }
            | Self::Journal { .. }
            | Self::DescriptorTooLong { .. }
            | Self::LineTooLong { .. }
            | Self::TooManyLines { .. }
            | Self::GrainTooLarge { .. }
            | Self::TooManyExtents { .. }
            | Self::DiskTooLarge { .. }
            | Self::DirectoryTooLarge { .. } => Kind::Unsupported,
            Self::Capacity { found, .. } if *found > 0 => Kind::Unsupported,
            Self::HintWithoutParent { .. } => Kind::Chain,
            _ => Kind::Corrupt,
        }
    }

    fn code(&self) -> &'static str {
        self.into()
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NoFooter => Some(
                "--input-option footer=scan reads what is there, grain by grain: the rest is zero"
                    .into(),
            ),
            Self::Journal { .. } => Some("let ESXi open and close the disk, then copy it".into()),
            Self::Encrypted { .. } => {
                Some("let the hypervisor remove the encryption, then copy the disk".into())
            }
            Self::Filter { .. } => Some(
                "if the filter changes no data, --input-option filters=ignore reads the extents as they are"
                    .into(),
            ),
            Self::DeviceExtent { .. } => Some(DEVICE_HINT.into()),
            Self::ObjectExtent { .. } | Self::ObjectParent => {
                Some("let ESXi write the disk to files: vmkfstools -i, or an export as OVF".into())
            }
            Self::CopiesDisagree { .. } => Some(
                "'imgdelta check' lists them; --input-option tables=primary or tables=redundant reads by one of both"
                    .into(),
            ),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use imgdelta_core::Fault as _;
    use strum::IntoEnumIterator;

    use super::*;

    /// Programs match on codes, and the kind decides the exit status: a new line is for a new fault, no line changes.
    #[test]
    fn every_code_is_the_one_that_it_always_was() {
        let codes: String = Fault::iter()
            .map(|fault| format!("{} {:?}\n", fault.code(), fault.kind()))
            .collect();
        assert_eq!(codes, include_str!("../tests/codes.txt"));
    }
}
