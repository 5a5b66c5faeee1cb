//! The digests of a file's blocks as they are listed: how long a block is, and how long the file is that holds them.
//!
//! They say where a file is damaged. What is no longer than a block needs none: its own digest is that of its block.

use imgdelta_core::Bytes;
use imgdelta_delta::Digest;
use imgdelta_repository::catalogue::{Name, text::as_text};
use serde::{Deserialize, Serialize};

/// How long a block is that has a digest of its own, where a piece is not shorter.
pub(super) const BLOCK: Bytes = Bytes::mib(4);

/// The shortest block that is read: of shorter ones there would be more than can be looked at.
pub(super) const LEAST_BLOCK: u64 = 1 << 16;

/// The longest file with digests of blocks: those of 4 TiB, in blocks of 4 MiB.
pub(super) const LONGEST_BLOCKS: u64 = 68 << 20;

/// How long the line of one digest is: 64 digits, and what sha256sum writes behind them for its standard input.
pub(super) const LINE: u64 = 68;

/// What the name of the file with the digests of blocks ends with.
pub(super) const BLOCKS: &str = ".blocks";

/// The digests of the blocks of a file that lies there whole, in a file beside it. That is called as the file, with `.blocks` behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockList {
    /// How long a block is in bytes; the last one may be shorter.
    pub block: u64,
    /// How long the file with the digests is in bytes.
    pub length: u64,
    /// The SHA-256 of its bytes.
    #[serde(with = "as_text")]
    pub sha256: Digest,
}

impl BlockList {
    /// The one of that text, for blocks of 4 MiB.
    pub(super) fn of(text: &str) -> Self {
        Self {
            block: BLOCK.0,
            length: text.len() as u64,
            sha256: Digest::plain(text.as_bytes()),
        }
    }

    /// Whether a file of so many bytes has one: it is longer than a block, and its blocks are not too many.
    pub(super) fn is_of(length: u64) -> bool {
        length > BLOCK.0 && lines(length, BLOCK.0) <= LONGEST_BLOCKS
    }

    /// Makes sure that it may be of a file of so many bytes.
    ///
    /// # Errors
    /// In words, what cannot be.
    pub(super) fn validate(&self, length: u64) -> Result<(), String> {
        let lines = lines(length, self.block);
        if self.block < LEAST_BLOCK || lines > LONGEST_BLOCKS {
            return Err(format!(
                "blocks of {} bytes, {LEAST_BLOCK} are the least, and {} are the most of them",
                self.block,
                LONGEST_BLOCKS / LINE
            ));
        }
        match self.length == lines {
            true => Ok(()),
            false => Err(format!(
                "{} bytes with digests of blocks, {lines} are required",
                self.length
            )),
        }
    }
}

/// How long the digests are of a file of `length` bytes in blocks of `block`.
fn lines(length: u64, block: u64) -> u64 {
    length.div_ceil(block.max(1)).saturating_mul(LINE)
}

/// What the file with the digests of blocks is called.
///
/// # Errors
/// In words, if that is no name.
pub(super) fn blocks_name(file: &Name) -> Result<Name, String> {
    let name = format!("{file}{BLOCKS}");
    name.parse().map_err(|error| format!("{error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_longer_than_a_block_has_one_and_no_other_is_believed() {
        let has = [0, BLOCK.0, BLOCK.0 + 1, 4 << 40, (4 << 40) + 1].map(BlockList::is_of);
        assert_eq!(has, [false, false, true, true, false]);
        let list = |block, length| BlockList {
            block,
            length,
            sha256: Digest::default(),
        };
        let length = 3 * BLOCK.0 + 1;
        assert_eq!(list(BLOCK.0, 4 * LINE).validate(length), Ok(()));
        for (block, lines) in [
            (BLOCK.0, 4 * LINE - 1),
            (BLOCK.0, 3 * LINE),
            (BLOCK.0 + (1 << 20), 4 * LINE),
            (0, 0),
            (1 << 15, length.div_ceil(1 << 15) * LINE),
        ] {
            assert!(list(block, lines).validate(length).is_err(), "{block}");
        }
        let endless = list(1 << 16, u64::MAX).validate(u64::MAX);
        assert!(endless.is_err());
    }
}
