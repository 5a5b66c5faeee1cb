//! A file of a delivery as it is listed: whole, or in pieces, with what lies beside it.

use imgdelta_delta::Digest;
use imgdelta_repository::catalogue::{Name, text::as_text};
use serde::{Deserialize, Serialize};

use super::{
    block_list::{BlockList, blocks_name},
    piece_list::{ParityEntry, PieceList, StoredFile},
};

/// A file of a delivery, in the delivery's own folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Its name: never a path.
    pub name: Name,
    /// How long it is in bytes.
    pub length: u64,
    /// The SHA-256 of its bytes.
    #[serde(with = "as_text")]
    pub sha256: Digest,
    /// The pieces that lie there in its place, if it is cut: one behind the other they are the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pieces: Option<PieceList>,
    /// On which medium it lies whole, if the delivery lies on several; `None`: on each of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub medium: Option<u32>,
    /// The digests of its blocks, if it lies there whole and is longer than one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocks: Option<BlockList>,
    /// Its parity, if it lies there whole and has some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parity: Option<ParityEntry>,
}

impl FileEntry {
    /// A file that lies there whole.
    pub(super) const fn whole(name: Name, length: u64, sha256: Digest) -> Self {
        Self {
            name,
            length,
            sha256,
            pieces: None,
            medium: None,
            blocks: None,
            parity: None,
        }
    }

    /// The same, lying there whole, and nothing beside it.
    pub(super) fn by_itself(&self) -> Self {
        Self::whole(self.name.clone(), self.length, self.sha256)
    }

    /// It, as it lies there whole.
    pub(super) fn as_stored(&self) -> StoredFile {
        StoredFile {
            name: self.name.clone(),
            length: self.length,
            sha256: self.sha256,
            medium: self.medium,
            parity: self.parity,
        }
    }

    /// The file with the digests of its blocks, if it lies there whole and has one.
    pub(super) fn blocks_file(&self) -> Option<StoredFile> {
        let blocks = self.blocks?;
        Some(StoredFile {
            name: blocks_name(&self.name).ok()?,
            length: blocks.length,
            sha256: blocks.sha256,
            medium: self.medium,
            parity: None,
        })
    }

    /// The files that lie there: itself, or its pieces, and the digests of their blocks; and the parity of each.
    #[must_use]
    pub fn stored(&self) -> Vec<StoredFile> {
        let stored: Vec<StoredFile> = match &self.pieces {
            Some(pieces) => pieces.stored().cloned().collect(),
            None => [self.as_stored()]
                .into_iter()
                .chain(self.blocks_file())
                .collect(),
        };
        let with_parity = stored.into_iter().flat_map(StoredFile::with_parity);
        with_parity.collect()
    }

    /// What cannot be of how it lies there.
    ///
    /// # Errors
    /// In words.
    pub(super) fn validate(&self) -> Result<(), String> {
        let (pieces, blocks) = (self.pieces.as_ref(), self.blocks.as_ref());
        if pieces.is_some() && blocks.is_some() {
            return Err("digests of blocks beside those of its pieces".to_owned());
        }
        blocks.map_or(Ok(()), |list| list.validate(self.length))?;
        pieces.map_or(Ok(()), |list| list.validate(&self.name, self.length))
    }
}
