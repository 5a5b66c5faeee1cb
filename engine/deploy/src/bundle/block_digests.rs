//! The digests of the blocks of a piece, or of a whole file, and which of its blocks are not what they must be.
//!
//! They stand in a file of their own, as what sha256sum writes of each block: `split -b BLOCK --filter=sha256sum FILE` writes the same. The
//! list has that file's digest. They prove nothing that the digest of the file does not; they say where it is wrong.

use std::{fmt, path::PathBuf};

use imgdelta_core::{Bytes, Error, FileOffset, FileSource, Kind, Result, Source, read_vec};
use imgdelta_delta::{Digest, RunProgress};
use imgdelta_repository::catalogue::Name;

use super::{
    block_list::{BLOCK, LINE},
    hash::{BlockHash, digest, read},
    piece_list::StoredFile,
};

/// Most runs of blocks that a message names.
const MOST_NAMED: usize = 8;

/// The digests of the blocks of one file that lies there.
#[derive(Debug)]
pub(super) struct BlockDigests {
    block: u64,
    length: u64,
    digests: Vec<Digest>,
}

/// The text for these digests.
pub(super) fn text<'d>(digests: impl IntoIterator<Item = &'d Digest>) -> String {
    let lines = digests.into_iter().map(|digest| format!("{digest}  -\n"));
    lines.collect()
}

/// Where the digests of a file's blocks are said.
#[derive(Clone, Debug)]
pub(super) enum BlockSource {
    /// It is one block: its own digest is that of the block.
    Own,
    /// In that file, for blocks of `block` bytes, behind so many of others.
    Listed {
        /// The file.
        file: StoredFile,
        /// How long a block is in bytes.
        block: u64,
        /// How many digests stand before.
        before: u64,
    },
    /// Nowhere.
    Unknown,
}

impl BlockSource {
    /// That of a file of so many bytes for which there is no list.
    pub(super) const fn without_list(length: u64) -> Self {
        match length > 0 && length <= BLOCK.0 {
            true => Self::Own,
            false => Self::Unknown,
        }
    }
}

impl BlockDigests {
    /// Those of a file, or a piece; `find` finds files of the delivery. `None`, if they are said nowhere.
    ///
    /// # Errors
    /// Corrupt or Digest, if the file that holds them is not what was put there; Host.
    pub(super) fn of(
        part: &StoredFile,
        from: &BlockSource,
        find: &dyn Fn(&Name) -> Result<PathBuf>,
    ) -> Result<Option<Self>> {
        let (listed, block, before) = match from {
            BlockSource::Unknown => return Ok(None),
            BlockSource::Own => {
                return Ok(Some(Self {
                    block: part.length,
                    length: part.length,
                    digests: vec![part.sha256],
                }));
            }
            BlockSource::Listed {
                file,
                block,
                before,
            } => (file, *block, *before),
        };
        let place = find(&listed.name)?;
        let source = FileSource::open(&place)?;
        let required = (listed.length, listed.sha256);
        // However long it is: what is not listed is not read.
        let is_it =
            source.len().0 == required.0 && digest(&source, &RunProgress::default())? == required;
        if !is_it {
            return Err(Error::new(Kind::Digest, "is not what was put there").in_file(&place));
        }
        let count = part.length.div_ceil(block.max(1));
        let (at, length) = (before.saturating_mul(LINE), count.saturating_mul(LINE));
        let lines = read_vec(&source, FileOffset(at), Bytes(length))?;
        let lines = String::from_utf8_lossy(&lines);
        let parsed = lines
            .lines()
            .map(|line| line.strip_suffix("  -")?.parse().ok());
        let digests: Option<Vec<Digest>> = parsed.collect();
        let digests = digests.filter(|digests| digests.len() as u64 == count);
        let digests = digests.ok_or_else(|| {
            Error::new(Kind::Corrupt, "holds no digests of blocks").in_file(&place)
        })?;
        Ok(Some(Self {
            block,
            length: part.length,
            digests,
        }))
    }

    /// How many there are.
    pub(super) const fn count(&self) -> usize {
        self.digests.len()
    }
}

/// Blocks of a file that are not what they must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DamagedBlocks {
    /// Runs: the first block, counted from 1, and the last one.
    runs: Vec<(u64, u64)>,
    /// How many blocks there are.
    count: u64,
    block: u64,
    length: u64,
}

impl DamagedBlocks {
    /// Reads a file block by block. One that it is too short for is damaged.
    ///
    /// # Errors
    /// Host, if the host cannot read; Interrupted.
    pub(super) fn of(
        piece: &FileSource,
        digests: &BlockDigests,
        progress: &RunProgress,
    ) -> Result<Self> {
        let mut hash = BlockHash::new(digests.block);
        let there = piece.len().0.min(digests.length);
        read(piece, (0, there), progress, |_, part| {
            hash.update(part);
            Ok(())
        })?;
        let mut found = hash.finish().into_iter();
        let mut runs: Vec<(u64, u64)> = Vec::new();
        for (number, required) in (1..).zip(&digests.digests) {
            if found.next().as_ref() == Some(required) {
                continue;
            }
            match runs.last_mut() {
                Some(run) if run.1.saturating_add(1) == number => run.1 = number,
                _ => runs.push((number, number)),
            }
        }
        Ok(Self {
            runs,
            count: digests.digests.len() as u64,
            block: digests.block,
            length: digests.length,
        })
    }

    /// Where the first of them begins in the file, if there is one.
    pub(super) fn first(&self) -> Option<u64> {
        let (first, _) = self.runs.first()?;
        Some(first.saturating_sub(1).saturating_mul(self.block))
    }
}

impl fmt::Display for DamagedBlocks {
    /// Ends with `is` or `are`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.count;
        let (from, to) = match (self.runs.first(), self.runs.last()) {
            (Some(first), Some(last)) => (first.0, last.1),
            _ => return f.write_str("no block is"),
        };
        let begins = from.saturating_sub(1).saturating_mul(self.block);
        let ends = to.saturating_mul(self.block).min(self.length);
        let range = format!("of {count} (bytes {begins} to {ends})");
        if self.runs.len() == 1 && from == to {
            return write!(f, "block {from} {range} is");
        }
        let named = self
            .runs
            .iter()
            .take(MOST_NAMED)
            .map(|run| match run.0 == run.1 {
                true => run.0.to_string(),
                false => format!("{} to {}", run.0, run.1),
            });
        let named: Vec<String> = named.collect();
        let more = match self.runs.len() > MOST_NAMED {
            true => " and more",
            false => "",
        };
        write!(f, "blocks {}{more} {range} are", named.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_named_as_people_count_them() {
        let shown = |runs: &[(u64, u64)]| {
            let blocks = DamagedBlocks {
                runs: runs.to_vec(),
                count: 40,
                block: 100,
                length: 3950,
            };
            blocks.to_string()
        };
        assert_eq!(shown(&[]), "no block is");
        assert_eq!(shown(&[(2, 2)]), "block 2 of 40 (bytes 100 to 200) is");
        assert_eq!(
            shown(&[(1, 1), (4, 6), (40, 40)]),
            "blocks 1, 4 to 6, 40 of 40 (bytes 0 to 3950) are"
        );
        let many: Vec<(u64, u64)> = (0..9).map(|run| (run * 2 + 1, run * 2 + 1)).collect();
        assert!(shown(&many).starts_with("blocks 1, 3, 5, 7, 9, 11, 13, 15 and more of 40"));
    }
}
