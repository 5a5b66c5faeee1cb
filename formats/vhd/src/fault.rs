//! Every rule that a VHD file can break, one variant each, with the value found and the value required.
//!
//! What is broken is decided where the value is read, never here.

use imgdelta_core::{FileOffset, Kind, VirtOffset};

/// A rule that a VHD file broke.
#[cfg_attr(test, derive(strum::EnumIter))]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case", prefix = "vhd_")]
pub(crate) enum Fault {
    /// Neither end of the file carries a footer.
    #[error("no footer is at the end or at the start, the cookie 'conectix' is required")]
    NoFooter,
    /// XenServer disabled the disk.
    #[error("the cookie is 'v_poison': the disk was disabled on purpose")]
    Poisoned,
    /// No footer has the right checksum.
    #[error("footer checksum is {found:#010x}, computed {computed:#010x}")]
    FooterChecksum { found: u32, computed: u32 },
    /// Only the first piece of a split image is here.
    #[error("the image is split into pieces ({next} follows), one whole file is required")]
    Split { next: String },
    /// A footer of another major version.
    #[error("footer version is {found:#010x}, 0x00010000 is required")]
    FooterVersion { found: u32 },
    /// A disk type that no image has.
    #[error(
        "disk type is {found} ({name}), 2 (fixed), 3 (dynamic) or 4 (differencing) is required"
    )]
    DiskType { found: u32, name: &'static str },
    /// The first tapdisk counted the bits of its bitmaps from the other end.
    #[error("the creator is tapdisk 0.1, whose bitmaps are little-endian, which is not supported")]
    LittleEndianBitmaps,
    /// tapdisk's batmap holds a key hash.
    #[error("the image is an encrypted XenServer VHD, which is not supported")]
    Encrypted,
    /// A size that is not a whole number of sectors.
    #[error("current_size is {found}, a multiple of 512 is required")]
    SizeUnaligned { found: u64 },
    /// A size that no BAT of reason covers.
    #[error("the disk has {found} bytes, at most {most} is supported")]
    SizeTooLarge { found: u64, most: u64 },
    /// A fixed image shorter than its disk.
    #[error("fixed VHD claims {found} bytes, the file holds {held}")]
    FixedTooShort { found: u64, held: u64 },
    /// The dynamic header starts between sectors.
    #[error("data_offset is {found}, a multiple of 512 is required")]
    HeaderUnaligned { found: FileOffset },
    /// The dynamic header would stand on the footer's copy.
    #[error("data_offset is {found}, where the footer copy is, at least 0x200 is required")]
    HeaderInFooter { found: FileOffset },
    /// The dynamic header would stand past the end.
    #[error(
        "data_offset is {found}, the dynamic header takes 1024 bytes and the file ends at {end}"
    )]
    HeaderPastEnd { found: FileOffset, end: u64 },
    /// No dynamic header where the footer says it is.
    #[error("dynamic header cookie is '{found}', 'cxsparse' is required")]
    HeaderCookie { found: String },
    /// The dynamic header has changed since it was written; there is no copy of it.
    #[error("dynamic header checksum is {found:#010x}, computed {computed:#010x}")]
    HeaderChecksum { found: u32, computed: u32 },
    /// A dynamic header of another version.
    #[error("header_version is {found:#010x}, 0x00010000 is required")]
    HeaderVersion { found: u32 },
    /// A block size that cannot be.
    #[error("block_size is {found}, a power of two of at least 512 is required")]
    BlockSize { found: u32 },
    /// A block size beyond the limit.
    #[error("block_size is {found}, at most {most} (256 MiB) is supported")]
    BlockTooLarge { found: u32, most: u32 },
    /// The BAT starts between sectors.
    #[error("table_offset is {found}, a multiple of 512 is required")]
    BatUnaligned { found: FileOffset },
    /// The BAT shares bytes with another structure.
    #[error("the BAT is at {found}, where the {other} is")]
    BatOverlap {
        found: FileOffset,
        other: &'static str,
    },
    /// More BAT entries than is reasonable.
    #[error("max_table_entries is {found}, at most {most} is supported")]
    TooManyEntries { found: u32, most: u32 },
    /// The BAT reaches past the end.
    #[error("the BAT of {entries} entries at {at} does not fit in the file, which ends at {end}")]
    BatPastEnd {
        entries: u32,
        at: FileOffset,
        end: u64,
    },
    /// The BAT does not cover the disk.
    #[error("the BAT covers {covered} bytes, the disk has {size}")]
    BatTooSmall { covered: u64, size: u64 },
    /// A block in front of the first place where one can be, or on a structure.
    #[error("block {block} is at sector {sector}, where the {other} is")]
    BlockInStructure {
        block: u64,
        sector: u32,
        other: &'static str,
    },
    /// A block past the end.
    #[error(
        "block {block} is at sector {sector} and ends at {block_end}, beyond the end of the file at {end}"
    )]
    BlockPastEnd {
        block: u64,
        sector: u32,
        block_end: u64,
        end: u64,
    },
    /// Two blocks that share bytes.
    #[error("blocks {first} and {second} overlap, at sectors {first_sector} and {second_sector}")]
    BlocksOverlap {
        first: u64,
        second: u64,
        first_sector: u32,
        second_sector: u32,
    },
    /// A locator with more data than a path has.
    #[error("parent locator {number} has {found} bytes, at most {most} is supported")]
    LocatorTooLong {
        number: usize,
        found: u32,
        most: u32,
    },
    /// A locator whose data are not in the file.
    #[error(
        "parent locator {number}: {len} bytes at {at} are outside the file, which ends at {end}"
    )]
    LocatorOutside {
        number: usize,
        at: FileOffset,
        len: u32,
        end: u64,
    },
    /// UTF-16 with half a unit.
    #[error("parent locator {number} has {found} bytes of UTF-16, an even number is required")]
    LocatorOdd { number: usize, found: u32 },
    /// A child that does not say whose.
    #[error("differencing VHD names no parent: no id, no name and no locator")]
    NoParent,
    /// The two footers are both sound and say different things.
    #[error("the two footers disagree in {field}")]
    FootersDiffer { field: &'static str },
    /// A dynamic block with data where its bitmap says there is none.
    #[error(
        "block {block}: {sectors} sectors marked unused hold data, the first at {at} (qemu would show that data)"
    )]
    UnusedHoldsData {
        block: u64,
        sectors: u64,
        at: VirtOffset,
    },
    /// The bitmaps of a child are to be ignored.
    #[error("the bitmaps of a differencing VHD say what is its parent's, they cannot be ignored")]
    BitmapsOfChild,
    /// The batmap calls a block full whose bitmap is not.
    #[error("the batmap calls block {block} full, {missing} of its sectors are not present")]
    BatmapLies { block: u64, missing: u64 },
    /// The batmap has changed since it was written.
    #[error("batmap checksum is {found:#010x}, computed {computed:#010x}")]
    BatmapChecksum { found: u32, computed: u32 },
    /// The batmap is not in the file, or too small for the BAT.
    #[error(
        "the batmap has {len} bytes at {at}, {required} are required before the file's end at {end}"
    )]
    BatmapOutside {
        at: FileOffset,
        len: u64,
        required: u64,
        end: u64,
    },
}

impl imgdelta_core::Fault for Fault {
    fn kind(&self) -> Kind {
        match self {
            Self::Poisoned
            | Self::Split { .. }
            | Self::LittleEndianBitmaps
            | Self::Encrypted
            | Self::SizeTooLarge { .. }
            | Self::BlockTooLarge { .. }
            | Self::TooManyEntries { .. }
            | Self::LocatorTooLong { .. } => Kind::Unsupported,
            Self::NoParent => Kind::Chain,
            Self::BitmapsOfChild => Kind::Usage,
            _ => Kind::Corrupt,
        }
    }

    fn code(&self) -> &'static str {
        self.into()
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::FooterChecksum { .. } | Self::HeaderChecksum { .. } => Some(
                "--input-option checksum=ignore reads it all the same, as some old test images need"
                    .into(),
            ),
            Self::UnusedHoldsData { .. } => {
                Some("--input-option bitmap=ignore reads that data, as qemu does".into())
            }
            Self::BitmapsOfChild => Some("leave out --input-option bitmap".into()),
            Self::Split { next } => Some(format!(
                "join the pieces in order into one file: this one, {next} and those after it"
            )),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use imgdelta_core::Fault as _;
    use strum::IntoEnumIterator;

    use super::*;

    #[test]
    fn a_refusal_reads_found_before_required() {
        let fault = Fault::FixedTooShort { found: 10, held: 5 };
        assert_eq!(
            fault.to_string(),
            "fixed VHD claims 10 bytes, the file holds 5"
        );
        assert_eq!(imgdelta_core::Fault::kind(&fault), Kind::Corrupt);
    }

    /// Programs match on codes, and the kind decides the exit status: a new line is for a new fault, no line changes.
    #[test]
    fn every_code_is_the_one_that_it_always_was() {
        let codes: String = Fault::iter()
            .map(|fault| format!("{} {:?}\n", fault.code(), fault.kind()))
            .collect();
        assert_eq!(codes, include_str!("../tests/codes.txt"));
    }
}
