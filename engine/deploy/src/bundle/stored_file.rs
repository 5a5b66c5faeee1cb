//! A file of a delivery as it lies there: found, read, and held against the list. What is wrong with a piece is told by its blocks.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use imgdelta_core::{Error, FileOffset, FileSource, Kind, Result, Source as _};
use imgdelta_delta::{Digest, RunProgress};
use imgdelta_repository::catalogue::Name;

use super::{
    block_digests::{BlockDigests, BlockSource, DamagedBlocks},
    file_entry::FileEntry,
    hash::digest,
    piece_list::{PieceList, StoredFile},
};

/// The finer word for what is not what was put there.
pub(super) const DAMAGED: &str = "delivery_damaged";

/// Something that lies in a delivery is not what was put there.
pub(super) fn damaged(kind: Kind, what: &str, place: &Path) -> Error {
    Error::new(kind, what)
        .with_code(DAMAGED)
        .in_file(place)
        .with_hint("nothing of it is used; deploy once more onto this medium, or copy it again")
}

/// Where the file of that name lies, in the first of the folders that has it.
///
/// # Errors
/// Corrupt, if it is in none of them; Reference, if it is no regular file.
pub(super) fn find<'f>(
    folders: impl IntoIterator<Item = &'f Path>,
    name: &Name,
) -> Result<PathBuf> {
    let mut missing = None;
    for folder in folders {
        let place = folder.join(name.as_str());
        match fs::symlink_metadata(&place) {
            Ok(metadata) if metadata.is_file() => return Ok(place),
            Ok(_) => {
                return Err(Error::new(Kind::Reference, "is not a regular file")
                    .with_code("not_a_file")
                    .in_file(&place)
                    .with_hint(
                        "nothing of it is read; deploy once more onto this medium, or copy it again",
                    ));
            }
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                missing.get_or_insert(place);
            }
            Err(cause) => return Err(Error::host("cannot look at", cause).in_file(&place)),
        }
    }
    let place = missing.unwrap_or_else(|| PathBuf::from(name.as_str()));
    Err(damaged(Kind::Corrupt, "is listed, but not there", &place))
}

/// A file of a delivery as it lies there: a whole one, a piece, the digests of blocks, or the parity of one.
#[derive(Clone, Debug)]
pub(super) struct Part<'a> {
    /// As it is listed.
    pub(super) stored: StoredFile,
    /// Of which file it is a piece, and its place among them.
    piece: Option<(&'a FileEntry, &'a PieceList, usize)>,
    /// Where the digests of its blocks are said.
    blocks: BlockSource,
    /// Whether a site needs it.
    pub(super) is_needed: bool,
}

/// The files that a listed file lies there as.
pub(super) fn parts(file: &FileEntry) -> Vec<Part<'_>> {
    let Some(pieces) = &file.pieces else {
        let listed = file.blocks_file().zip(file.blocks);
        let listed = listed.map(|(file, list)| BlockSource::Listed {
            file,
            block: list.block,
            before: 0,
        });
        let whole = Part {
            stored: file.as_stored(),
            piece: None,
            blocks: listed.unwrap_or_else(|| BlockSource::without_list(file.length)),
            is_needed: true,
        };
        let blocks = file.blocks_file().map(Part::beside);
        return whole.with_parity().chain(blocks).collect();
    };
    let cut = pieces.cut(file.length);
    let piece = |(number, stored): (usize, &StoredFile)| Part {
        stored: stored.clone(),
        piece: Some((file, pieces, number)),
        blocks: BlockSource::Listed {
            file: pieces.blocks.clone(),
            block: cut.block(),
            before: cut.blocks_before(number),
        },
        is_needed: true,
    };
    let blocks = Part::beside(pieces.blocks.clone());
    let parts = pieces.files.iter().enumerate().map(piece);
    parts.flat_map(Part::with_parity).chain([blocks]).collect()
}

/// How a part is looked at.
#[derive(Clone, Copy)]
pub(super) struct Look<'a> {
    /// Whether it is read from the medium, where the host lets go of what it remembers.
    pub(super) is_on_medium: bool,
    /// How long the longest listed file is: of what is longer, nothing beyond that is read.
    pub(super) longest: &'a dyn Fn() -> u64,
    /// Counters.
    pub(super) progress: &'a RunProgress,
    /// What lies in the folders under that name, found as [`find`] does.
    pub(super) find: &'a dyn Fn(&Name) -> Result<PathBuf>,
    /// The listed file that has such a digest.
    pub(super) named: &'a dyn Fn(&Digest) -> Option<String>,
}

impl Part<'_> {
    /// What lies beside another one and a site can do without.
    const fn beside(stored: StoredFile) -> Self {
        Self {
            blocks: BlockSource::without_list(stored.length),
            stored,
            piece: None,
            is_needed: false,
        }
    }

    /// It, and its parity.
    fn with_parity(self) -> impl Iterator<Item = Self> {
        let parity = self.stored.parity_file().map(Self::beside);
        [Some(self), parity].into_iter().flatten()
    }

    /// What is wrong with it, if anything is; and how long it is, as far as that is known.
    ///
    /// # Errors
    /// Host, if the host cannot read; Interrupted.
    pub(super) fn fault(&self, place: &Path, look: &Look<'_>) -> Result<(u64, Option<Error>)> {
        let source = FileSource::open(place)?;
        if look.is_on_medium {
            source.forget();
        }
        let length = source.len().0;
        let required = &self.stored;
        if length > required.length && length > (look.longest)() {
            let error = self.described(&source, place, look)?;
            return Ok((length, Some(self.with_range(error))));
        }
        let (_, found) = digest(&source, look.progress)?;
        if (length, found) == (required.length, required.sha256) {
            return Ok((length, None));
        }
        let error = match (look.named)(&found) {
            Some(other) => damaged(Kind::Digest, &format!("is what '{other}' should be"), place),
            None => self.described(&source, place, look)?,
        };
        let error = error
            .with_detail(format!("promised sha256 {}", required.sha256))
            .with_detail(format!("found    sha256 {found}"));
        Ok((length, Some(self.with_range(error))))
    }

    /// What is wrong with it, by the blocks that are.
    fn described(&self, source: &FileSource, place: &Path, look: &Look<'_>) -> Result<Error> {
        let (length, required) = (source.len().0, self.stored.length);
        let (kind, whole) = match length == required {
            true => (Kind::Digest, "is not what was put there".to_owned()),
            false => {
                let message = format!("has {length} bytes, {required} were put there");
                (Kind::Corrupt, message)
            }
        };
        let digests = match BlockDigests::of(&self.stored, &self.blocks, look.find) {
            Ok(Some(digests)) => digests,
            Ok(None) => return Ok(damaged(kind, &whole, place)),
            Err(error) if error.kind() == Kind::Interrupted => return Err(error),
            Err(error) => {
                let message = format!("{whole}; which block is damaged is not known: {error}");
                return Ok(damaged(kind, &message, place));
            }
        };
        let blocks = DamagedBlocks::of(source, &digests, look.progress)?;
        let Some(at) = blocks.first() else {
            let message = match length > required {
                true => format!(
                    "{whole}; its {} blocks are what they must be",
                    digests.count()
                ),
                false => format!("{whole}, and was read again: the medium or its reader fails"),
            };
            return Ok(damaged(kind, &message, place));
        };
        let message = match kind {
            Kind::Corrupt => format!("{whole}; {blocks} not there, or not what was put there"),
            _ => format!("{blocks} not what was put there"),
        };
        Ok(damaged(kind, &message, place).at(FileOffset(at)))
    }

    /// What it is missing from, if it is a piece.
    pub(super) fn with_range(&self, error: Error) -> Error {
        let Some((file, pieces, number)) = self.piece else {
            return error;
        };
        let cut = pieces.cut(file.length);
        let from = cut.start(number);
        let to = from.saturating_add(cut.length(number));
        error.with_detail(format!(
            "it is piece {} of {}, bytes {from} to {to} of '{}', {} blocks of {}",
            number.saturating_add(1),
            cut.count(),
            file.name,
            cut.blocks(number),
            imgdelta_core::Bytes(cut.block())
        ))
    }
}
