//! Copies of an image's files with the right bytes where the bad windows stand in them.

use std::sync::Arc;

use imgdelta_core::{
    AtomicFile, Attributes, Bytes, FileOffset, FileVersion, Kind, Result, Source, State, VirtOffset,
};
use imgdelta_delta::{Chain, ExecContext};

use super::{Windows, real, window_at};
use crate::disk::Disk;

/// Plain bytes of a bad window in one of the image's files.
#[derive(Clone, Copy, Debug)]
struct Piece {
    number: u64,
    guest: VirtOffset,
    len: Bytes,
    file: u16,
    at: FileOffset,
}

/// Files of an image that got right bytes.
#[derive(Debug)]
pub struct Patched {
    /// New versions of them, each with its number among the image's files. They are whole, but have no names yet.
    pub drafts: Vec<(usize, AtomicFile)>,
    /// What of their attributes they lost.
    pub lost: Vec<String>,
}

/// New versions of those files of an open image in which bad windows stand. `None`, where the windows cannot be mended so: they are compressed, or a
/// table sends them elsewhere.
///
/// # Errors
/// Those of where the windows come from; Host, if the host cannot, or a file changed since it was opened; Interrupted.
pub fn patched(
    disk: &Disk,
    windows: &Arc<dyn Windows>,
    exec: ExecContext<'_>,
) -> Result<Option<Patched>> {
    let Some(pieces) = pieces_of(disk, &**windows, exec)? else {
        return Ok(None);
    };
    let mut drafts: Vec<(usize, AtomicFile)> = Vec::new();
    let mut lost = Vec::new();
    for (number, file) in disk.metadata().files.iter().enumerate() {
        let mut own = pieces.iter().filter(|one| usize::from(one.file) == number);
        let Some(first) = own.next() else { continue };
        let Some(mut draft) = copy_of(file)? else {
            return Ok(None);
        };
        for piece in std::iter::once(first).chain(own) {
            exec.progress.go_on()?;
            let (start, len) = window_at(piece.number, disk.size());
            let mut whole = vec![0; len.in_memory()];
            windows.fill(piece.number, &mut whole)?;
            let bytes = part(&whole, start, piece.guest, piece.len);
            draft.sink().write_at(piece.at, bytes)?;
        }
        lost.extend(draft.keep_attributes(Attributes::AsFarAsAllowed)?);
        draft.sink().sync()?;
        drafts.push((number, draft));
    }
    Ok((!drafts.is_empty()).then_some(Patched { drafts, lost }))
}

/// A draft of a file's new version, which holds what it holds; `None`, if what is read is not the file as it stands.
fn copy_of(file: &Arc<dyn Source>) -> Result<Option<AtomicFile>> {
    let (Some(path), Some(opened)) = (file.path(), file.opened()) else {
        return Ok(None);
    };
    if file.file().is_none() || opened.is_device {
        return Ok(None);
    }
    let place = real(path)?;
    let is_it = FileVersion::at(&place).is_some_and(|now| now.is_same_file(opened));
    if !is_it {
        return Ok(None);
    }
    AtomicFile::of_existing(&place, &**file, opened, &**file).map(Some)
}

/// Where the bad windows stand; `None`, where one does not as plain bytes.
fn pieces_of(
    disk: &Disk,
    windows: &dyn Windows,
    exec: ExecContext<'_>,
) -> Result<Option<Vec<Piece>>> {
    let image = &*disk.top.image;
    let below = disk.below();
    let mut pieces = Vec::new();
    for number in windows.numbers() {
        exec.progress.go_on()?;
        let (start, len) = window_at(number, disk.size());
        let mut whole = vec![0; len.in_memory()];
        windows.fill(number, &mut whole)?;
        let end = start.saturating_add(len);
        let mut at = start;
        while at < end {
            let extent = match image.extent_at(at) {
                Ok(extent) => extent.part(at, end.since(at)),
                Err(error) if error.kind() == Kind::Interrupted => return Err(error),
                Err(_) => return Ok(None),
            };
            if extent.len == Bytes::ZERO {
                return Ok(None);
            }
            let right = part(&whole, start, at, extent.len);
            match extent.state {
                State::Data { file, at } => pieces.push(Piece {
                    number,
                    guest: extent.at,
                    len: extent.len,
                    file,
                    at,
                }),
                state if is_right_without(state, below.as_ref(), at, right)? => {}
                _ => return Ok(None),
            }
            at = extent.end();
        }
    }
    Ok(Some(pieces))
}

/// Whether what the image says without plain bytes of its own is right.
fn is_right_without(
    state: State,
    below: Option<&Chain>,
    at: VirtOffset,
    right: &[u8],
) -> Result<bool> {
    let is_zero = || right.iter().all(|byte| *byte == 0);
    Ok(match (state, below) {
        (State::Zero, _) | (State::Absent, None) => is_zero(),
        (State::Absent, Some(below)) => {
            let mut bytes = vec![0; right.len()];
            match below.read_at(at, &mut bytes) {
                Err(error) if error.kind() == Kind::Interrupted => return Err(error),
                read => read.is_ok() && bytes == right,
            }
        }
        _ => false,
    })
}

/// The bytes of a window that starts at `start`, from `at` on.
fn part(whole: &[u8], start: VirtOffset, at: VirtOffset, len: Bytes) -> &[u8] {
    let from = at.since(start).in_memory();
    whole
        .get(from..from.saturating_add(len.in_memory()))
        .unwrap_or_default()
}
