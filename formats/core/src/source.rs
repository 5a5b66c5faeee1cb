//! Files to read from: by address, with no cursor, so that one image serves every thread with no lock.
//!
//! Files and bytes in memory alike: every parser runs without a file system.

use std::{
    fmt,
    fs::File,
    io::{self, IoSliceMut},
    num::NonZeroU64,
    os::unix::fs::{FileExt, FileTypeExt},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use rustix::{
    fs::{Advice, OFlags, SeekFrom, fadvise, seek},
    io::{Errno, ReadWriteFlags, preadv2},
};

use crate::{
    Bytes, Error, FileOffset, Kind, Result,
    fs::{committed_at, version::FileVersion},
};

/// Whether the host stores bytes for a run of a file, and how far that goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllocatedRange {
    /// False: a hole, which reads as zero.
    pub is_data: bool,
    /// The first address of which this may no longer be true.
    pub end: FileOffset,
}

/// Bytes that can be read at any address, by any thread.
pub trait Source: fmt::Debug + Send + Sync {
    /// How many bytes there are.
    fn len(&self) -> Bytes;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == Bytes::ZERO
    }

    /// Fills `buf` with the bytes from `at` on.
    ///
    /// # Errors
    /// Corrupt, if the file ends before that; Host, if the host cannot read.
    fn read_at(&self, at: FileOffset, buf: &mut [u8]) -> Result<()>;

    /// Whether the host stores bytes at `at`. A source that cannot tell says data to the end.
    ///
    /// # Errors
    /// Host, if the host cannot tell.
    fn stored_at(&self, at: FileOffset) -> Result<AllocatedRange> {
        let _ = at;
        Ok(AllocatedRange {
            is_data: true,
            end: FileOffset(self.len().0),
        })
    }

    /// Says that `len` bytes from `at` on will be read next, so that a disk reads them in one go. Never an error: they are read all the same.
    fn will_read(&self, at: FileOffset, len: Bytes) {
        let _ = (at, len);
    }

    /// Which file this is on the host, in the version that was opened: known before the first byte was read. `None` for bytes in memory.
    fn opened(&self) -> Option<&FileVersion> {
        None
    }

    /// Which file this is on the host, as it is now; `None` for bytes in memory.
    ///
    /// # Errors
    /// Host, if the host cannot tell.
    fn stamp(&self) -> Result<Option<FileVersion>> {
        Ok(None)
    }

    /// The file's name, for messages.
    fn path(&self) -> Option<&Path> {
        None
    }

    /// The open file whose bytes these are, all of them and nothing else: to be shared, or to pass its attributes on.
    fn file(&self) -> Option<&File> {
        None
    }

    /// Fills `buf` as far as the file goes, the rest with zeros: for tables whose tail the format lets a file leave out.
    ///
    /// # Errors
    /// Host, if the host cannot read.
    fn read_padded_at(&self, at: FileOffset, buf: &mut [u8]) -> Result<()> {
        let there = self.len().0.saturating_sub(at.0).min(buf.len() as u64);
        let (head, tail) = buf.split_at_mut(Bytes(there).in_memory().min(buf.len()));
        tail.fill(0);
        if head.is_empty() {
            Ok(())
        } else {
            self.read_at(at, head)
        }
    }
}

/// Reads `N` bytes at `at`.
///
/// # Errors
/// As [`Source::read_at`].
pub fn read_array<const N: usize>(source: &dyn Source, at: FileOffset) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    source.read_at(at, &mut bytes)?;
    Ok(bytes)
}

/// Reads `len` bytes at `at` as one piece. `len` must have met a limit, and meets the file's length here before memory is taken.
///
/// # Errors
/// As [`Source::read_at`].
pub fn read_vec(source: &dyn Source, at: FileOffset, len: Bytes) -> Result<Vec<u8>> {
    let end = at
        .checked_add(len)
        .ok_or_else(|| past_the_end(source, at, len))?;
    if end.0 > source.len().0 {
        return Err(past_the_end(source, at, len));
    }
    let mut bytes = vec![0; len.in_memory()];
    source.read_at(at, &mut bytes)?;
    Ok(bytes)
}

fn past_the_end(source: &dyn Source, at: FileOffset, len: Bytes) -> Error {
    let end = u128::from(at.0) + u128::from(len.0);
    let error = Error::new(
        Kind::Corrupt,
        format!(
            "the file ends at {}, {}..{end} is needed",
            source.len().0,
            at.0
        ),
    )
    .with_code("truncated")
    .at(at);
    match source.path() {
        Some(path) => error.in_file(path),
        None => error,
    }
}

/// A regular file or a block device.
#[derive(Debug)]
pub struct FileSource {
    file: File,
    path: PathBuf,
    len: u64,
    opened: FileVersion,
    /// Where data was last found to begin behind a hole: whoever goes over the file asks there next, and the host is asked once.
    data: AtomicU64,
}

impl FileSource {
    /// Opens `path` for reading. A file that was committed with others and has not got its name yet is read where it is.
    ///
    /// # Errors
    /// Host, if the host cannot open it or it is neither a regular file nor a block device (a FIFO would wait for ever).
    pub fn open(path: &Path) -> Result<Self> {
        use std::os::unix::fs::OpenOptionsExt;
        let open = |place: &Path, flags: OFlags| {
            File::options()
                .read(true)
                .custom_flags((flags | OFlags::NONBLOCK).bits().cast_signed())
                .open(place)
        };
        // It may get its name at this moment.
        let committed = committed_at(path);
        let committed = committed.and_then(|draft| open(&draft, OFlags::NOFOLLOW).ok());
        let file = match committed {
            Some(file) => file,
            None => open(path, OFlags::empty())
                .map_err(|cause| Error::host("cannot open", cause).in_file(path))?,
        };
        Self::of(file, path)
    }

    /// Takes an open file.
    ///
    /// # Errors
    /// As [`FileSource::open`].
    pub fn of(file: File, path: &Path) -> Result<Self> {
        let metadata = file
            .metadata()
            .map_err(|cause| Error::host("cannot look at", cause).in_file(path))?;
        let kind = metadata.file_type();
        let len = if kind.is_file() {
            metadata.len()
        } else if kind.is_block_device() {
            seek(&file, SeekFrom::End(0))
                .map_err(|cause| Error::host("cannot measure", cause.into()).in_file(path))?
        } else {
            return Err(Error::new(Kind::Host, "not a regular file or block device")
                .with_code("not_a_file")
                .in_file(path));
        };
        Ok(Self {
            opened: FileVersion::of_open(&file, &metadata, len),
            file,
            path: path.to_owned(),
            len,
            data: AtomicU64::new(u64::MAX),
        })
    }
}

impl FileSource {
    /// Has the host forget what it remembers of the file, so that what is read next comes from the medium. What was written and is not on the medium
    /// yet stays; where a host cannot, it is read from memory all the same.
    pub fn forget(&self) {
        let _ = fadvise(&self.file, 0, None, Advice::DontNeed);
    }
}

impl Source for FileSource {
    fn len(&self) -> Bytes {
        Bytes(self.len)
    }

    fn read_at(&self, at: FileOffset, buf: &mut [u8]) -> Result<()> {
        self.file
            .read_exact_at(buf, at.0)
            .map_err(|cause| match cause.kind() {
                io::ErrorKind::UnexpectedEof => past_the_end(self, at, Bytes::from(buf.len())),
                _ => Error::host("cannot read", cause).at(at).in_file(&self.path),
            })
    }

    fn stored_at(&self, at: FileOffset) -> Result<AllocatedRange> {
        let end = FileOffset(self.len);
        let is_known = self.data.load(Ordering::Relaxed) == at.0;
        let data = if is_known {
            Ok(at.0)
        } else {
            seek(&self.file, SeekFrom::Data(at.0))
        };
        match data {
            Ok(data) if data > at.0 => {
                self.data.store(data, Ordering::Relaxed);
                Ok(AllocatedRange {
                    is_data: false,
                    end: FileOffset(data.min(self.len)),
                })
            }
            Ok(_) => {
                let hole = seek(&self.file, SeekFrom::Hole(at.0)).unwrap_or(self.len);
                Ok(AllocatedRange {
                    is_data: true,
                    end: FileOffset(hole.min(self.len)),
                })
            }
            // ENXIO: no data from here to the end.
            Err(Errno::NXIO) => Ok(AllocatedRange {
                is_data: false,
                end,
            }),
            // Devices and some file systems know no holes.
            Err(_) => Ok(AllocatedRange { is_data: true, end }),
        }
    }

    fn will_read(&self, at: FileOffset, len: Bytes) {
        // Of what is in memory already the host need not be told: that costs as much as reading it.
        let mut first = [0];
        let mut first = [IoSliceMut::new(&mut first)];
        let probed = preadv2(&self.file, &mut first, at.0, ReadWriteFlags::NOWAIT);
        if probed == Err(Errno::AGAIN) {
            let _ = fadvise(&self.file, at.0, NonZeroU64::new(len.0), Advice::WillNeed);
        }
    }

    fn opened(&self) -> Option<&FileVersion> {
        Some(&self.opened)
    }

    fn stamp(&self) -> Result<Option<FileVersion>> {
        let metadata = self
            .file
            .metadata()
            .map_err(|cause| Error::host("cannot look at", cause).in_file(&self.path))?;
        let len = if metadata.file_type().is_file() {
            metadata.len()
        } else {
            self.len
        };
        Ok(Some(FileVersion::of_open(&self.file, &metadata, len)))
    }

    fn path(&self) -> Option<&Path> {
        Some(&self.path)
    }

    fn file(&self) -> Option<&File> {
        Some(&self.file)
    }
}

/// Bytes in memory: for tests, fuzzing and small parts of other sources.
#[derive(Clone)]
pub struct MemSource(pub Vec<u8>);

impl fmt::Debug for MemSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemSource({} bytes)", self.0.len())
    }
}

impl Source for MemSource {
    fn len(&self) -> Bytes {
        Bytes::from(self.0.len())
    }

    fn read_at(&self, at: FileOffset, buf: &mut [u8]) -> Result<()> {
        let bytes = usize::try_from(at.0)
            .ok()
            .and_then(|at| self.0.get(at..at.checked_add(buf.len())?))
            .ok_or_else(|| past_the_end(self, at, Bytes::from(buf.len())))?;
        buf.copy_from_slice(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_past_the_end_says_where_the_file_ends() {
        let source = MemSource(vec![7; 100]);
        let error = source
            .read_at(FileOffset(90), &mut [0; 20])
            .expect_err("it ends at 100");
        assert_eq!(error.kind(), Kind::Corrupt);
        assert_eq!(
            error.to_string(),
            "the file ends at 100, 90..110 is needed (offset 90)"
        );
        assert!(read_vec(&source, FileOffset(u64::MAX), Bytes(2)).is_err());
    }

    #[test]
    fn a_padded_read_fills_up_with_zeros() -> Result<()> {
        let source = MemSource(vec![7; 100]);
        let mut buf = [1; 20];
        source.read_padded_at(FileOffset(90), &mut buf)?;
        assert_eq!(buf[..10], [7; 10]);
        assert_eq!(buf[10..], [0; 10]);
        source.read_padded_at(FileOffset(5000), &mut buf)?;
        assert_eq!(buf, [0; 20]);
        Ok(())
    }

    #[test]
    fn holes_of_a_file_are_seen() -> Result<()> {
        let mut file = tempfile::NamedTempFile::new().expect("a place for a file");
        io::Write::write_all(&mut file, &[9; 4096]).expect("room");
        file.as_file().set_len(1 << 20).expect("room");
        let source = FileSource::open(file.path())?;
        let head = source.stored_at(FileOffset(0))?;
        assert!(head.is_data);
        assert_eq!(source.stamp()?.map(|stamp| stamp.len), Some(1 << 20));
        Ok(())
    }

    #[test]
    fn a_folder_is_not_an_image() {
        let error = FileSource::open(Path::new("/")).expect_err("it is a folder");
        assert_eq!(error.kind(), Kind::Host);
    }
}
