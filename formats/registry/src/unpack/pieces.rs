//! A disk that was cut: `disk.001`, `disk.002` ... as one file.

use std::{fs, path::Path, sync::Arc};

use imgdelta_core::{AuxFiles, Error, Kind, Result, Source};
use imgdelta_packed::{joined::Joined, piece::Piece};

use super::Bare;
use crate::{aux_files::FilesBeside, policy::Policy};

/// Most pieces of a disk.
const MOST: usize = 100_000;

/// The number of the last piece, if the file at `path`, which is called like that piece, is the first and others follow it.
///
/// # Errors
/// Host, if the folder cannot be listed; Unsupported, if there are more pieces than any disk has.
pub(super) fn last_of_several(path: &Path, piece: &Piece) -> Result<Option<u64>> {
    let name = piece
        .number
        .checked_sub(1)
        .map(|before| piece.named(before));
    let before = name.as_deref().and_then(Path::file_name);
    if piece.number > 1 || before.is_some_and(|before| path.with_file_name(before).is_file()) {
        return Ok(None);
    }
    let last = last_number(path, piece)?;
    Ok((last > piece.number).then_some(last))
}

/// All pieces up to number `last`, of which the file in `bare` is the first, as one file.
///
/// # Errors
/// Chain, if one is missing; Corrupt, if one is cut short; Reference, if one is a link that leads elsewhere.
pub(super) fn join(bare: Bare, piece: &Piece, last: u64) -> Result<Bare> {
    let policy = Policy::default();
    let beside = FilesBeside::new(&bare.path, &*bare.source, &policy)?;
    let mut pieces = vec![Arc::clone(&bare.source)];
    for number in piece.number.saturating_add(1)..=last {
        let name = piece.named(number);
        let name = name
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let opened: Arc<dyn Source> = beside
            .open(&name)
            .map_err(|error| missing(error, &name, piece, last))?;
        pieces.push(opened);
    }
    let count = pieces.len();
    let joined = Joined::of(pieces)?;
    let mut notes = bare.notes;
    notes.push(format!(
        "is put together from {count} pieces, {} bytes",
        joined.len().0
    ));
    notes.extend(beside.into_notes());
    Ok(Bare {
        versions: joined.versions(),
        source: Arc::new(joined),
        name: piece.whole.clone(),
        within: vec!["pieces".to_owned()],
        notes,
        ..bare
    })
}

/// The highest number of a piece beside the first: a gap below it is one that is missing.
fn last_number(path: &Path, piece: &Piece) -> Result<u64> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let failed = |cause| Error::host("cannot list", cause).in_file(folder);
    let mut last = piece.number;
    let mut count = 0_usize;
    for entry in fs::read_dir(folder).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let Some(other) = Piece::of(Path::new(&name)) else {
            continue;
        };
        if Some(other.whole.as_os_str()) == piece.whole.file_name() && other.digits == piece.digits
        {
            last = last.max(other.number);
            count = count.saturating_add(1);
        }
    }
    let span = last.saturating_sub(piece.number);
    if count > MOST || span > MOST as u64 {
        let message = format!("has {count} pieces up to number {last}, at most {MOST} are read");
        return Err(Error::new(Kind::Unsupported, message).with_code("too_many_pieces"));
    }
    Ok(last)
}

/// A piece in the middle is not there: all behind it would stand in the wrong place.
fn missing(error: Error, name: &str, piece: &Piece, last: u64) -> Error {
    if error.code() != "companion_missing" {
        return error;
    }
    let message = format!(
        "its piece '{}' is missing, and pieces up to number {last} are there",
        name.escape_debug()
    );
    Error::new(Kind::Chain, message)
        .with_code("piece_missing")
        .with_hint(format!("copy all of {} once more", piece.pattern()))
}
