//! Pieces that lie side by side, or in several folders, read in place as the file that they are parts of.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use imgdelta_core::{Bytes, Error, FileOffset, FileSource, Kind, Result, Source};
use imgdelta_operations::received_image::ReceivedFile;
use imgdelta_repository::catalogue::Name;

use super::{
    entry::faulty,
    file_entry::FileEntry,
    piece_list::{Cut, StoredFile},
    stored_file::find,
};

/// How many pieces are open at once: a host lets a process open so many files and no more.
const MOST_OPEN: usize = 32;

/// Opens a listed file that lies in one of the folders, whole or in pieces. A piece that is missing shows when it is read.
///
/// # Errors
/// Host, if the host cannot open it.
pub(super) fn open(file: &FileEntry, folders: &[&Path]) -> Result<ReceivedFile> {
    let first = folders.first().copied().unwrap_or(Path::new(""));
    let Some(pieces) = &file.pieces else {
        let places = folders.iter().map(|folder| folder.join(file.name.as_str()));
        let mut there = places.filter(|place| place.symlink_metadata().is_ok());
        let place = there.next();
        return ReceivedFile::open(&place.unwrap_or_else(|| first.join(file.name.as_str())));
    };
    let path = first.join(file.name.as_str());
    let source = PieceSource {
        path: path.clone(),
        folders: folders.iter().map(|folder| folder.to_path_buf()).collect(),
        cut: pieces.cut(file.length),
        length: file.length,
        pieces: pieces.files.clone(),
        open: Mutex::default(),
    };
    Ok(ReceivedFile {
        path,
        bytes: Arc::new(source),
    })
}

/// A file in pieces.
#[derive(Debug)]
struct PieceSource {
    path: PathBuf,
    folders: Vec<PathBuf>,
    cut: Cut,
    length: u64,
    pieces: Vec<StoredFile>,
    /// Those that were read last, the latest at the end.
    open: Mutex<Vec<(usize, Arc<FileSource>)>>,
}

impl PieceSource {
    /// A piece, open.
    fn piece(&self, number: usize) -> Result<Arc<FileSource>> {
        if let Some(open) = self.take_open(number) {
            return Ok(open);
        }
        let listed = self.pieces.get(number).ok_or_else(|| self.past_the_end())?;
        let opened = Arc::new(self.open(&listed.name)?);
        if opened.len().0 != listed.length {
            let message = format!(
                "has {} bytes, {} were put there",
                opened.len().0,
                listed.length
            );
            let place = opened.path().unwrap_or(&self.path);
            return Err(Error::new(Kind::Corrupt, message).in_file(place));
        }
        let mut all = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST_OPEN {
            all.remove(0);
        }
        all.push((number, Arc::clone(&opened)));
        Ok(opened)
    }

    /// One that is open already; it is the latest then.
    fn take_open(&self, number: usize) -> Option<Arc<FileSource>> {
        let mut all = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let place = all.iter().position(|(one, _)| *one == number)?;
        let found = all.remove(place);
        let source = Arc::clone(&found.1);
        all.push(found);
        Some(source)
    }

    fn open(&self, name: &Name) -> Result<FileSource> {
        let folders = self.folders.iter().map(PathBuf::as_path);
        FileSource::open(&find(folders, name)?)
    }

    fn past_the_end(&self) -> Error {
        let message = format!("the file ends at {}", self.length);
        Error::new(Kind::Corrupt, message)
            .with_code("truncated")
            .in_file(&self.path)
    }
}

impl Source for PieceSource {
    fn len(&self) -> Bytes {
        Bytes(self.length)
    }

    fn read_at(&self, at: FileOffset, buf: &mut [u8]) -> Result<()> {
        let end = at.0.checked_add(buf.len() as u64);
        if end.is_none_or(|end| end > self.length) {
            return Err(self.past_the_end().at(at));
        }
        let (mut at, mut left) = (at.0, buf);
        while !left.is_empty() {
            let number = self.cut.piece_at(at);
            let within = at.saturating_sub(self.cut.start(number));
            let there = Bytes(self.cut.length(number).saturating_sub(within));
            let (now, rest) = left.split_at_mut(there.in_memory().min(left.len()));
            if now.is_empty() {
                return Err(faulty("a piece is empty"));
            }
            self.piece(number)?.read_at(FileOffset(within), now)?;
            at = at.saturating_add(now.len() as u64);
            left = rest;
        }
        Ok(())
    }

    fn will_read(&self, at: FileOffset, len: Bytes) {
        let number = self.cut.piece_at(at.0);
        let within = at.0.saturating_sub(self.cut.start(number));
        let there = self.cut.length(number).saturating_sub(within);
        if let Ok(piece) = self.piece(number) {
            piece.will_read(FileOffset(within), len.min(Bytes(there)));
        }
    }

    fn path(&self) -> Option<&Path> {
        Some(&self.path)
    }
}
