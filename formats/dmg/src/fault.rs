//! Every rule that a UDIF image can break, one variant each, with the value found and the value required.
//!
//! What is broken is decided where the value is read, never here.

use imgdelta_core::Kind;

/// A rule that an image broke.
#[cfg_attr(test, derive(strum::EnumIter))]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case", prefix = "dmg_")]
pub(crate) enum Fault {
    /// It is encrypted.
    #[error("the image is encrypted, and encrypted images are not supported")]
    Encrypted,
    /// The file is shorter than the trailer.
    #[error("the file ends at {end}, the trailer takes 512 bytes")]
    TrailerCut { end: u64 },
    /// There is no trailer.
    #[error("the trailer's signature is '{found}', 'koly' is required")]
    Signature { found: String },
    /// A version of the trailer that nobody here reads.
    #[error("version is {found}, 4 is required")]
    Version { found: u32 },
    /// A trailer of another size.
    #[error("header_size is {found}, 512 is required")]
    TrailerSize { found: u32 },
    /// A part of an image of several.
    #[error("it is one of {found} segments, and images of several are not supported")]
    Segments { found: u32 },
    /// Tables that the file does not hold.
    #[error("the {what} ends at {tables_end}, the trailer begins at {end}")]
    TablesPastEnd {
        what: &'static str,
        tables_end: u64,
        end: u64,
    },
    /// Tables that are longer than any are.
    #[error("the {what} has {found} bytes, at most {most} are read")]
    TablesTooLong {
        what: &'static str,
        found: u64,
        most: u64,
    },
    /// Tables in nothing.
    #[error("neither a property list nor a resource fork says where the disk's chunks are")]
    NoTables,
    /// A property list that is no XML.
    #[error("the property list is no XML: {why}")]
    Xml { why: String },
    /// A property list without tables.
    #[error("the property list has no {missing}")]
    PropertyList { missing: &'static str },
    /// Data of a property list that are no base64.
    #[error("the data of table {number} are no base64: {why}")]
    Base64 { number: usize, why: String },
    /// A resource fork that contradicts itself.
    #[error("a part of the resource fork ends at {part_end} of it, {end} are there")]
    ResourceFork { part_end: u64, end: u64 },
    /// A table with another signature.
    #[error("the signature of table {number} is '{found}', 'mish' is required")]
    TableSignature { number: usize, found: String },
    /// A table that is shorter than its chunks.
    #[error("table {number} has {found} bytes, its header and {chunks} chunks take {required}")]
    TableCut {
        number: usize,
        chunks: u32,
        found: u64,
        required: u64,
    },
    /// A chunk of a kind that nobody here reads.
    #[error("chunk {chunk} of table {number} is of kind {found:#010x}, which is not supported")]
    ChunkKind {
        number: usize,
        chunk: u32,
        found: u32,
    },
    /// A chunk compressed with LZMA.
    #[error("chunk {chunk} of table {number} is compressed with LZMA, which is not supported")]
    Lzma { number: usize, chunk: u32 },
    /// A chunk that does not lie on the disk.
    #[error(
        "chunk {chunk} of table {number} goes from sector {sector} to {chunk_end}, the disk has {sectors}"
    )]
    ChunkPastDisk {
        number: usize,
        chunk: u32,
        sector: u64,
        chunk_end: u64,
        sectors: u64,
    },
    /// A chunk too large to be decoded as a whole.
    #[error("chunk {chunk} of table {number} takes {found} bytes, at most {most} are decoded")]
    ChunkTooLarge {
        number: usize,
        chunk: u32,
        found: u64,
        most: u64,
    },
    /// A chunk whose bytes the file does not hold.
    #[error(
        "the bytes of chunk {chunk} of table {number} end at {bytes_end}, the trailer begins at {end}"
    )]
    ChunkPastEnd {
        number: usize,
        chunk: u32,
        bytes_end: u64,
        end: u64,
    },
    /// A chunk that is stored as it is, with another number of bytes than it has.
    #[error(
        "chunk {chunk} of table {number} is stored as it is in {found} bytes, {required} are required"
    )]
    RawSize {
        number: usize,
        chunk: u32,
        found: u64,
        required: u64,
    },
    /// Two chunks for one part of the disk.
    #[error("two chunks cover sector {sector}")]
    ChunksOverlap { sector: u64 },
    /// A chunk whose bytes do not decode.
    #[error("the chunk of sector {sector} does not decode ({codec}): {why}")]
    Garbage {
        sector: u64,
        codec: &'static str,
        why: String,
    },
    /// A chunk that decodes to less than it covers, or to more.
    #[error(
        "the chunk of sector {sector} decodes ({codec}) to {found} bytes, {required} are required"
    )]
    Length {
        sector: u64,
        codec: &'static str,
        found: String,
        required: usize,
    },
    /// A data fork that the file does not hold.
    #[error("the data fork ends at {fork_end}, the trailer begins at {end}")]
    DataForkPastEnd { fork_end: u64, end: u64 },
    /// Bytes that have changed.
    #[error("the checksum of the data fork is {required:#010x}, computed {found:#010x}")]
    DataForkChecksum { required: u32, found: u32 },
    /// A part of the disk that has changed.
    #[error("the checksum of table {number} is {required:#010x}, computed {found:#010x}")]
    TableChecksum {
        number: usize,
        required: u32,
        found: u32,
    },
    /// Checksums that have changed.
    #[error("the checksum of all tables' checksums is {required:#010x}, computed {found:#010x}")]
    MasterChecksum { required: u32, found: u32 },
}

impl imgdelta_core::Fault for Fault {
    fn kind(&self) -> Kind {
        match self {
            Self::Encrypted
            | Self::Version { .. }
            | Self::Segments { .. }
            | Self::TablesTooLong { .. }
            | Self::ChunkKind { .. }
            | Self::Lzma { .. }
            | Self::ChunkTooLarge { .. } => Kind::Unsupported,
            _ => Kind::Corrupt,
        }
    }

    fn code(&self) -> &'static str {
        self.into()
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
