//! A file of a delivery in pieces, as it is listed: how long they are, what they are called, and where the digests of their blocks stand.
//!
//! FAT takes no file of 4 GiB or more, and of a long file that came damaged one wants to know where. All of it follows from the file's name and length
//! and from the length of a piece; it stands in the list all the same, for whoever reads that without this program.

use imgdelta_core::Bytes;
use imgdelta_delta::Digest;
use imgdelta_repository::catalogue::{Name, text::as_text};
use serde::{Deserialize, Serialize};

use super::block_list::{BLOCK, BLOCKS, LEAST_BLOCK, LINE, LONGEST_BLOCKS, blocks_name};

/// The least length of a piece.
pub const LEAST_PIECE: Bytes = Bytes::mib(1);

/// What no piece is as long as: FAT takes no such file.
pub const PIECE_LIMIT: Bytes = Bytes::gib(4);

/// How long pieces are where nobody says it.
pub const USUAL_PIECE: Bytes = Bytes::gib(1);

/// Most pieces of a file: the list is read into memory.
const MOST_PIECES: u64 = 65_536;

/// Fewest digits of a piece's number.
const DIGITS: usize = 3;

/// What the name of a file with the parity of another one ends with.
pub(super) const PARITY: &str = ".parity";

/// The parity of a file, beside that: see [`parity`](crate::parity). It is called as the file, with `.parity` behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParityEntry {
    /// How much of the file may be lost, in percent.
    pub percent: u8,
    /// How long the parity is in bytes.
    pub length: u64,
    /// The SHA-256 of its bytes.
    #[serde(with = "as_text")]
    pub sha256: Digest,
}

/// A file as it lies in a delivery's folder: a whole one, or a piece.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredFile {
    /// Its name: never a path.
    pub name: Name,
    /// How long it is in bytes.
    pub length: u64,
    /// The SHA-256 of its bytes.
    #[serde(with = "as_text")]
    pub sha256: Digest,
    /// On which medium it lies, if the delivery lies on several; `None`: on each of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub medium: Option<u32>,
    /// Its parity, if there is some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parity: Option<ParityEntry>,
}

impl StoredFile {
    /// The file with its parity, if there is one.
    #[must_use]
    pub fn parity_file(&self) -> Option<Self> {
        let parity = self.parity?;
        Some(Self {
            name: parity_name(&self.name)?,
            length: parity.length,
            sha256: parity.sha256,
            medium: self.medium,
            parity: None,
        })
    }

    /// It, and the file with its parity.
    pub(super) fn with_parity(self) -> impl Iterator<Item = Self> {
        let parity = self.parity_file();
        [Some(self), parity].into_iter().flatten()
    }
}

/// What the file with the parity of one of that name is called; `None`, if that is no name.
pub(super) fn parity_name(name: &Name) -> Option<Name> {
    format!("{name}{PARITY}").parse().ok()
}

/// The pieces of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PieceList {
    /// How long each of them is in bytes; the last one may be shorter.
    pub size: u64,
    /// How long each block of a piece is in bytes that has a digest of its own; the last one of each piece may be shorter.
    pub block: u64,
    /// The file with the SHA-256 of each block, in order.
    pub blocks: StoredFile,
    /// The pieces, in order.
    pub files: Vec<StoredFile>,
}

/// How a file of so many bytes is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    length: u64,
    size: u64,
    block: u64,
}

impl Cut {
    /// A file of `length` bytes in pieces of `size`.
    ///
    /// # Errors
    /// In words, if these are too many.
    pub(super) fn new(length: u64, size: Bytes) -> Result<Self, String> {
        let block = BLOCK.min(size).0;
        let size = size.0;
        let cut = Self {
            length,
            size,
            block,
        };
        cut.validate().map(|()| cut)
    }

    /// What cannot be.
    fn validate(&self) -> Result<(), String> {
        let (size, block) = (self.size, self.block);
        if !(LEAST_PIECE.0..PIECE_LIMIT.0).contains(&size) {
            return Err(format!(
                "pieces of {size} bytes, {} to {} are possible",
                LEAST_PIECE.0,
                PIECE_LIMIT.0.saturating_sub(1)
            ));
        }
        if !(LEAST_BLOCK..=size).contains(&block) {
            return Err(format!(
                "blocks of {block} bytes in pieces of {size}, {LEAST_BLOCK} are the least"
            ));
        }
        let count = self.length.div_ceil(size);
        if count > MOST_PIECES || self.all_blocks().saturating_mul(LINE) > LONGEST_BLOCKS {
            return Err(format!(
                "{count} pieces with {} blocks, which is more than are read",
                self.all_blocks()
            ));
        }
        Ok(())
    }

    /// How many pieces there are.
    pub(super) fn count(&self) -> usize {
        // Within `MOST_PIECES`.
        Bytes(self.length.div_ceil(self.size)).in_memory()
    }

    /// Which piece the byte at `at` lies in.
    pub(super) fn piece_at(&self, at: u64) -> usize {
        match at.checked_div(self.size) {
            Some(piece) => Bytes(piece).in_memory(),
            None => usize::MAX,
        }
    }

    /// Where a piece begins in the file.
    pub(super) fn start(&self, piece: usize) -> u64 {
        self.size.saturating_mul(piece as u64)
    }

    /// How long a piece is.
    pub(super) fn length(&self, piece: usize) -> u64 {
        let left = self.length.saturating_sub(self.start(piece));
        left.min(self.size)
    }

    /// How long a block is.
    pub(super) const fn block(&self) -> u64 {
        self.block
    }

    /// How many blocks a piece has.
    pub(super) fn blocks(&self, piece: usize) -> u64 {
        self.length(piece).div_ceil(self.block)
    }

    /// How many blocks lie before a piece.
    pub(super) fn blocks_before(&self, piece: usize) -> u64 {
        self.size.div_ceil(self.block).saturating_mul(piece as u64)
    }

    /// How many blocks all of them have.
    pub(super) fn all_blocks(&self) -> u64 {
        let whole = self.length.checked_div(self.size).unwrap_or_default();
        let rest = self.length.checked_rem(self.size).unwrap_or_default();
        let of_whole = self.size.div_ceil(self.block).saturating_mul(whole);
        of_whole.saturating_add(rest.div_ceil(self.block))
    }

    /// What a piece is called.
    ///
    /// # Errors
    /// In words, if that is no name.
    pub(super) fn name(&self, file: &Name, piece: usize) -> Result<Name, String> {
        let digits = self.count().to_string().len().max(DIGITS);
        let number = piece.saturating_add(1);
        let name = format!("{file}.{number:0digits$}");
        name.parse().map_err(|error| format!("{error}"))
    }
}

/// The name of the file whose piece, digests of blocks or parity a file of this name is; `None`, if it is none of them.
pub(super) fn whole_name(name: &str) -> Option<&str> {
    if let Some(of) = name.strip_suffix(PARITY) {
        return Some(whole_name(of).unwrap_or(of));
    }
    if let Some(whole) = name.strip_suffix(BLOCKS) {
        return Some(whole);
    }
    let (whole, number) = name.rsplit_once('.')?;
    let is_number =
        (DIGITS..=5).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then_some(whole)
}

impl PieceList {
    /// How the file is cut, of so many bytes.
    pub(super) const fn cut(&self, length: u64) -> Cut {
        Cut {
            length,
            size: self.size,
            block: self.block,
        }
    }

    /// Makes sure that it is a list of pieces of the file of that name and length.
    ///
    /// # Errors
    /// In words, what cannot be.
    pub(super) fn validate(&self, name: &Name, length: u64) -> Result<(), String> {
        let cut = self.cut(length);
        cut.validate()?;
        if self.files.len() != cut.count() {
            return Err(format!(
                "{} pieces, {} are required",
                self.files.len(),
                cut.count()
            ));
        }
        let (blocks, lines) = (&self.blocks, cut.all_blocks().saturating_mul(LINE));
        if blocks.name != blocks_name(name)? || blocks.length != lines {
            return Err(format!(
                "'{}' of {} bytes for digests of blocks, '{name}{BLOCKS}' of {lines} is required",
                blocks.name, blocks.length
            ));
        }
        for (number, piece) in self.files.iter().enumerate() {
            let (required, length) = (cut.name(name, number)?, cut.length(number));
            if piece.name != required || piece.length != length {
                return Err(format!(
                    "a piece '{}' of {} bytes, '{required}' of {length} is required",
                    piece.name, piece.length
                ));
            }
        }
        Ok(())
    }

    /// All files of it, as they lie there.
    pub(super) fn stored(&self) -> impl Iterator<Item = &StoredFile> {
        self.files.iter().chain([&self.blocks])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(length: u64, size: Bytes) -> Cut {
        Cut::new(length, size).expect("it can be")
    }

    #[test]
    fn pieces_and_blocks_add_up_to_the_file() {
        for size in [
            Bytes::mib(1),
            Bytes::mib(5),
            Bytes(5_000_001),
            Bytes::gib(1),
        ] {
            for length in [
                1,
                size.0 - 1,
                size.0,
                size.0 + 1,
                size.0 * 3,
                size.0 * 7 + 5,
            ] {
                let cut = cut(length, size);
                let pieces = 0..cut.count();
                let lengths: u64 = pieces.clone().map(|piece| cut.length(piece)).sum();
                assert_eq!(lengths, length);
                let mut blocks = 0;
                for piece in pieces {
                    assert_eq!(cut.blocks_before(piece), blocks, "{piece} of {length}");
                    assert!(cut.length(piece) > 0);
                    blocks += cut.blocks(piece);
                }
                assert_eq!(cut.all_blocks(), blocks);
            }
        }
    }

    #[test]
    fn names_sort_as_the_pieces_do_and_are_recognised() {
        let file: Name = "a.imgdelta".parse().expect("a name");
        let names = |count: u64| -> Vec<String> {
            let cut = cut(count << 20, Bytes::mib(1));
            let names = (0..cut.count()).map(|piece| cut.name(&file, piece));
            names
                .map(|name| name.expect("a name").to_string())
                .collect()
        };
        assert_eq!(names(2), ["a.imgdelta.001", "a.imgdelta.002"]);
        for count in [9, 999, 1000, 12_345] {
            let names = names(count);
            assert!(names.is_sorted(), "{count}");
            let all = names
                .iter()
                .all(|name| whole_name(name) == Some("a.imgdelta"));
            assert!(all, "{count}");
        }
        assert_eq!(whole_name("a.imgdelta.blocks"), Some("a.imgdelta"));
        assert_eq!(whole_name("a.imgdelta.parity"), Some("a.imgdelta"));
        assert_eq!(whole_name("a.imgdelta.001.parity"), Some("a.imgdelta"));
        for name in ["a.imgdelta", "a.01", "a.0x1", "a.000001", "001"] {
            assert_eq!(whole_name(name), None, "{name}");
        }
    }

    #[test]
    fn what_is_too_much_is_refused_in_words() {
        for (length, size) in [
            (1 << 30, Bytes(1)),
            (1 << 30, Bytes::gib(4)),
            (1 << 40, Bytes::mib(1)),
            (u64::MAX, Bytes(PIECE_LIMIT.0 - 1)),
        ] {
            assert!(Cut::new(length, size).is_err(), "{length} in {size}");
        }
        assert!(Cut::new(4 << 40, Bytes::gib(1)).is_ok());
    }
}
