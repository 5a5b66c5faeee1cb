//! A packed file put onto a medium in pieces: each written beside its place as `NAME.part`, synced, read back from the medium, and only then renamed. A piece that
//! lies there already is kept if its bytes are right, whatever its length or time says.

use std::{fs, path::Path};

use imgdelta_core::{
    AtomicFile, Bytes, Error, Existing, FileOffset, FileSource, Kind, Result, Source as _,
};
use imgdelta_delta::{Digest, RunProgress};
use imgdelta_operations::Stage;
use imgdelta_repository::catalogue::Name;
use sha2::{Digest as _, Sha256};

use super::{
    DeliveryContext, block_digests,
    block_list::blocks_name,
    file_entry::FileEntry,
    hash::{BlockHash, digest, read, sha256_on_medium},
    piece_list::{Cut, PieceList, StoredFile},
};

/// A packed file that is to lie on a medium in pieces.
#[derive(Debug)]
pub(super) struct CutFile {
    source: FileSource,
    /// As it is listed.
    pub(super) entry: FileEntry,
    /// The text of the file with the digests of blocks.
    blocks: String,
}

impl CutFile {
    /// Reads the file at `packed`, which is called `name` in the delivery, for pieces of `size`.
    ///
    /// # Errors
    /// Unsupported (`too_many_pieces`), if there would be more than are read; Host; Interrupted.
    pub(super) fn read(
        packed: &Path,
        name: Name,
        size: Bytes,
        progress: &RunProgress,
    ) -> Result<Self> {
        let source = FileSource::open(packed)?;
        let length = source.len().0;
        let too_many = |what: String| {
            Error::new(Kind::Unsupported, format!("'{name}' would have {what}"))
                .with_code("too_many_pieces")
                .with_hint("make the pieces longer: --piece 1GiB")
        };
        let cut = Cut::new(length, size).map_err(too_many)?;
        progress.begin(Bytes(length));
        let (mut whole, mut files, mut blocks) = (Sha256::new(), Vec::new(), String::new());
        for number in 0..cut.count() {
            let (mut piece, mut hashes) = (Sha256::new(), BlockHash::new(cut.block()));
            let range = (cut.start(number), cut.length(number));
            read(&source, range, progress, |_, part| {
                whole.update(part);
                piece.update(part);
                hashes.update(part);
                Ok(())
            })?;
            files.push(StoredFile {
                name: cut.name(&name, number).map_err(too_many)?,
                length: cut.length(number),
                sha256: Digest(piece.finalize().into()),
                medium: None,
                parity: None,
            });
            blocks.push_str(&block_digests::text(&hashes.finish()));
        }
        let pieces = PieceList {
            size: size.0,
            block: cut.block(),
            blocks: StoredFile {
                name: blocks_name(&name).map_err(too_many)?,
                length: blocks.len() as u64,
                sha256: Digest::plain(blocks.as_bytes()),
                medium: None,
                parity: None,
            },
            files,
        };
        let entry = FileEntry {
            pieces: Some(pieces),
            ..FileEntry::whole(name, length, Digest(whole.finalize().into()))
        };
        Ok(Self {
            source,
            entry,
            blocks,
        })
    }

    /// Puts all pieces into `folder`.
    ///
    /// # Errors
    /// Host, if the host cannot write, or a piece is not read back as it was written (`not_read_back`); Interrupted.
    pub(super) fn put(&self, folder: &Path, context: &DeliveryContext<'_>) -> Result<()> {
        let Some(pieces) = &self.entry.pieces else {
            return Ok(());
        };
        let cut = pieces.cut(self.entry.length);
        context.run.work.progress.begin(Bytes(self.entry.length));
        for (number, piece) in pieces.files.iter().enumerate() {
            let place = folder.join(piece.name.as_str());
            put(&self.source, cut.start(number), piece, &place, context)?;
        }
        let place = folder.join(pieces.blocks.name.as_str());
        let draft = AtomicFile::create(&place, Existing::Replace)?;
        draft
            .sink()
            .write_at(FileOffset::ZERO, self.blocks.as_bytes())?;
        draft.commit()
    }
}

/// Puts a stretch of `source` from `from` on at `place`, unless it lies there.
///
/// # Errors
/// As [`CutFile::put`].
pub(super) fn put(
    source: &FileSource,
    from: u64,
    listed: &StoredFile,
    place: &Path,
    context: &DeliveryContext<'_>,
) -> Result<()> {
    let progress = context.run.work.progress;
    (context.on_stage)(Stage::Check(place));
    if is_there(place, listed, progress)? {
        return Ok(());
    }
    let draft = AtomicFile::create_part(place)?;
    let sink = draft.sink();
    read(source, (from, listed.length), progress, |at, part| {
        sink.write_at(FileOffset(at), part)
    })?;
    sink.sync()?;
    let back = draft.read_back()?;
    back.forget();
    let (length, found) = digest(&back, progress)?;
    if (length, found) == (listed.length, listed.sha256) {
        return draft.commit();
    }
    Err(Error::new(Kind::Host, "is not read back as it was written")
        .with_code("not_read_back")
        .in_file(place)
        .with_detail(format!("written   sha256 {}", listed.sha256))
        .with_detail(format!("read back sha256 {found}"))
        .with_hint("the medium, its reader or the cable fails: take another one"))
}

/// Whether that file lies there already, by its bytes on the medium.
fn is_there(place: &Path, listed: &StoredFile, progress: &RunProgress) -> Result<bool> {
    let found = fs::symlink_metadata(place);
    if !found.is_ok_and(|found| found.is_file() && found.len() == listed.length) {
        return Ok(false);
    }
    match sha256_on_medium(place, progress) {
        Ok((_, found)) => Ok(found == listed.sha256),
        Err(error) if error.kind() == Kind::Interrupted => Err(error),
        // What cannot be read is written once more.
        Err(_) => Ok(false),
    }
}
