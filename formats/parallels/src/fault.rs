//! Every rule that a Parallels disk can break, one variant each, with the value found and the value required.
//!
//! What is broken is decided where the value is read, never here.

use imgdelta_core::{FileOffset, Kind};

/// A rule that a disk broke.
#[cfg_attr(test, derive(strum::EnumIter))]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case", prefix = "parallels_")]
pub(crate) enum Fault {
    /// The file ends inside its header.
    #[error("the file ends at {end}, the header takes 64 bytes")]
    HeaderCut { end: u64 },
    /// The magic is another one.
    #[error("magic is '{found}', 'WithoutFreeSpace' or 'WithouFreSpacExt' is required")]
    Magic { found: String },
    /// Another version of the format.
    #[error("version is {found}, 2 is required")]
    Version { found: u32 },
    /// Blocks of no sector.
    #[error("tracks is 0: a block has at least one sector")]
    NoTracks,
    /// The BAT does not fit into the file.
    #[error("the BAT of {entries} entries ends at {bat_end}, the file ends at {end}")]
    BatPastEnd {
        entries: u32,
        bat_end: u64,
        end: u64,
    },
    /// The BAT does not cover the disk.
    #[error("nb_sectors is {found}, the BAT's {entries} blocks hold {held}")]
    DiskPastBat { found: u64, entries: u32, held: u64 },
    /// A block that the file does not hold.
    #[error("block {block} (entry {entry:#x}) ends at {block_end}, the file ends at {end}")]
    BlockPastEnd {
        block: u64,
        entry: u32,
        block_end: u64,
        end: u64,
    },
    /// A block in front of where blocks begin.
    #[error("block {block} (entry {entry:#x}) is at {at}, blocks begin at {least}")]
    BlockInFront {
        block: u64,
        entry: u32,
        at: FileOffset,
        least: FileOffset,
    },
    /// Blocks begin where they cannot: found by `check`.
    #[error("data_off is {found} sectors, {least} up to {most} is required")]
    DataOffset { found: u32, least: u64, most: u64 },
    /// Two blocks of the disk in one place: found by `check`.
    #[error("blocks {first} and {second} share bytes")]
    Shared { first: u64, second: u64 },
    /// A file of a disk of several, opened alone.
    #[error("it is a part of the disk that {descriptor} describes: alone it is another disk")]
    Part { descriptor: &'static str },
    /// A descriptor longer than any is.
    #[error("the descriptor has {found} bytes, at most {most} are read")]
    DescriptorTooLong { found: u64, most: u64 },
    /// A descriptor that is no XML.
    #[error("the descriptor is no XML: {why}")]
    Xml { why: String },
    /// A descriptor of something else.
    #[error("the descriptor is a <{found}>, a <Parallels_disk_image> is required")]
    Root { found: String },
    /// A descriptor of another version.
    #[error("the descriptor's Version is '{found}', 1.0 is required")]
    DescriptorVersion { found: String },
    /// An element that must be there is not.
    #[error("<{parent}> has no <{element}>")]
    Missing {
        parent: &'static str,
        element: &'static str,
    },
    /// An element that is no number.
    #[error("{element} is '{found}', a whole number is required")]
    Number {
        element: &'static str,
        found: String,
    },
    /// An element that is no GUID.
    #[error("{element} is '{found}', a GUID is required")]
    Guid {
        element: &'static str,
        found: String,
    },
    /// A disk with a padding whose meaning nobody has published.
    #[error("Padding is {found}, and padded disks are not supported")]
    Padding { found: u64 },
    /// Its files are encrypted.
    #[error("the disk is encrypted (engine {engine}), and encrypted disks are not supported")]
    Encrypted { engine: String },
    /// Something whose name is not its own.
    #[error("two <{element}> are called {guid}")]
    Twice { element: &'static str, guid: String },
    /// Sectors of another size.
    #[error("LogicSectorSize is {found}, 512 or 4096 is required")]
    SectorSize { found: u64 },
    /// Storages that leave a gap or overlap.
    #[error("a storage goes from sector {start} to {storage_end}, from {required} on is required")]
    StorageRange {
        start: u64,
        storage_end: u64,
        required: u64,
    },
    /// Storages that do not make the disk.
    #[error("the storages end at sector {found}, the disk has {required}")]
    StorageEnd { found: u64, required: u64 },
    /// A kind of file that nobody here knows.
    #[error("the Type of an image is '{found}', Compressed or Plain is required")]
    ImageType { found: String },
    /// More files than a disk is made of.
    #[error("the descriptor names {found} files, at most {most} are read")]
    TooManyFiles { found: usize, most: usize },
    /// Nobody says which snapshot is the disk.
    #[error("the descriptor does not say which of its images is the disk")]
    NoTop,
    /// A snapshot without a file.
    #[error("the storage from sector {start} has no image of {guid}")]
    NoImage { start: u64, guid: String },
    /// A snapshot that is not in the tree.
    #[error("{guid} is the parent of a snapshot, and no snapshot itself")]
    NoShot { guid: String },
    /// Snapshots that are their own parents.
    #[error("the snapshots' parents lead from {guid} back to it")]
    ShotLoop { guid: String },
    /// A raw file that hides the one below it.
    #[error("the file '{file}' of a snapshot is plain: only the lowest can be")]
    PlainOverlay { file: String },
    /// A raw file that is too short.
    #[error("the plain file ends at {end}, its storage takes {required} bytes")]
    PlainCut { end: u64, required: u64 },
}

impl imgdelta_core::Fault for Fault {
    fn kind(&self) -> Kind {
        match self {
            Self::Version { .. }
            | Self::DescriptorTooLong { .. }
            | Self::DescriptorVersion { .. }
            | Self::Padding { .. }
            | Self::Encrypted { .. }
            | Self::ImageType { .. }
            | Self::TooManyFiles { .. } => Kind::Unsupported,
            Self::Part { .. }
            | Self::NoImage { .. }
            | Self::NoShot { .. }
            | Self::ShotLoop { .. } => Kind::Chain,
            _ => Kind::Corrupt,
        }
    }

    fn code(&self) -> &'static str {
        self.into()
    }

    fn hint(&self) -> Option<String> {
        matches!(self, Self::Part { .. }).then(|| {
            "open the folder instead; --input-option descriptor=ignore reads the file alone"
                .to_owned()
        })
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
