//! Files to write to: by address, by any thread. What is written becomes a file only through a [`AtomicFile`](crate::AtomicFile).

mod pipe;
mod write_back;

use std::{
    fmt,
    fs::File,
    ops::Range,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use rustix::fs::{
    FallocateFlags, OFlags, SeekFrom, copy_file_range, fallocate, fcntl_getfl, fcntl_setfl,
    ioctl_ficlone, seek,
};

pub use self::pipe::PipeSink;
use self::write_back::WriteBack;
use crate::{Bytes, Error, FileOffset, FreeSpace, Result, Source, fs::FileSystem, is_zero};

/// Where the host's direct writes must start and end, in file and memory.
pub const DIRECT_UNIT: usize = 4096;

/// Bytes that can be written at any address, by any thread.
pub trait Sink: fmt::Debug + Send + Sync {
    /// Writes all of `bytes` at `at`. What lies between the writes reads as zero.
    ///
    /// # Errors
    /// Host, if the host cannot write.
    fn write_at(&self, at: FileOffset, bytes: &[u8]) -> Result<()>;

    /// Says that `len` bytes from `at` on will soon be written, so that the host can make room once instead of at each write.
    /// Never an error: a host that cannot reserve finds out when it writes.
    fn reserve(&self, at: FileOffset, len: Bytes) {
        let _ = (at, len);
    }

    /// Takes back what [`reserve`](Sink::reserve) said of `len` bytes from `at` on: nothing has been written there. Never an error: the room
    /// is merely lost where a host cannot take it back.
    fn release(&self, at: FileOffset, len: Bytes) {
        let _ = (at, len);
    }

    /// Sets the file's length: cuts what lies beyond, or grows with zeros.
    ///
    /// # Errors
    /// Host, if the host cannot.
    fn set_len(&self, len: Bytes) -> Result<()>;

    /// Returns when all that was written is durable.
    ///
    /// # Errors
    /// Host, if the host cannot promise it.
    fn sync(&self) -> Result<()>;

    /// Whether it is a file of a file system that shares blocks between files, and `file` another one of the same.
    fn shares_with(&self, file: &dyn Source) -> bool {
        let _ = file;
        false
    }

    /// Has `len` bytes from `at` on be those of `file` from `from` on, blocks being shared where the file system can: whole blocks. False where
    /// that cannot be, whatever of it was done.
    fn share_range(&self, file: &dyn Source, from: FileOffset, at: FileOffset, len: Bytes) -> bool {
        let _ = (file, from, at, len);
        false
    }

    /// Whether bytes must come in order of address, as on a pipe.
    fn is_sequential(&self) -> bool {
        false
    }

    /// Whether old bytes stand where nothing is written, as on a device or in a clone: zeros must then be written too.
    fn needs_zeroing(&self) -> bool {
        false
    }

    /// How many bytes fit, where that is fixed, as on a device.
    fn capacity(&self) -> Option<Bytes> {
        None
    }
}

/// The piece of a file that is left out where it is zero.
const PAGE: usize = 4096;

/// Writes `bytes` at `at` but for pages that are zero: in a new file they stay holes. Where old bytes stand, or bytes come in order,
/// all are written.
///
/// # Errors
/// Those of the sink.
pub fn write_without_zeros(sink: &dyn Sink, at: FileOffset, bytes: &[u8]) -> Result<()> {
    if sink.needs_zeroing() || sink.is_sequential() {
        return sink.write_at(at, bytes);
    }
    write_pages(sink, at, bytes, |_, page| !is_zero(page))
}

/// Writes those pages of `bytes`, the first of which goes to `at`, of which `wanted` says so, given where in `bytes` they start; neighbours
/// as one piece.
///
/// # Errors
/// Those of the sink.
pub fn write_pages(
    sink: &dyn Sink,
    at: FileOffset,
    bytes: &[u8],
    wanted: impl Fn(usize, &[u8]) -> bool,
) -> Result<()> {
    let mut run = 0..0_usize;
    for page in bytes.chunks(PAGE) {
        let end = run.end.saturating_add(page.len());
        if !wanted(run.end, page) {
            write_run(sink, at, bytes, &run)?;
            run.start = end;
        }
        run.end = end;
    }
    write_run(sink, at, bytes, &run)
}

fn write_run(sink: &dyn Sink, at: FileOffset, bytes: &[u8], run: &Range<usize>) -> Result<()> {
    match bytes.get(run.clone()) {
        Some(part) if !part.is_empty() => {
            sink.write_at(at.saturating_add(Bytes::from(run.start)), part)
        }
        _ => Ok(()),
    }
}

/// A regular file or a block device, open for writing.
///
/// Large aligned pieces go past the page cache where the host can do that: durable bytes are then written once, not twice,
/// and several threads do not wait for one lock. All others go through it.
#[derive(Debug)]
pub struct FileSink {
    buffered: File,
    direct: Option<File>,
    path: PathBuf,
    is_device: bool,
    file_system: FileSystem,
    /// Whether it began as a clone of another file.
    is_clone: AtomicBool,
    /// How far the host was told to begin to write back; `None`: it decides itself.
    write_back: Option<WriteBack>,
}

impl FileSink {
    /// Takes a file, or a device, that is open for writing.
    #[must_use]
    pub fn new(file: File, path: &Path, is_device: bool) -> Self {
        let direct = Self::reopen_direct(&file);
        Self {
            file_system: FileSystem::of_file(&file),
            buffered: file,
            direct,
            path: path.to_owned(),
            is_device,
            is_clone: AtomicBool::new(false),
            write_back: None,
        }
    }

    /// The same; the host begins to write to the disk while more is written, so that there is little left to wait for in [`sync`](Sink::sync).
    pub(crate) fn written_back_early(self) -> Self {
        Self {
            write_back: Some(WriteBack::default()),
            ..self
        }
    }

    /// Has the file hold what `original` holds, the blocks being shared until one of them is written to; false, and nothing is done, where
    /// the file system cannot.
    pub fn share(&self, original: &File) -> bool {
        let is_shared = !self.is_device && ioctl_ficlone(&self.buffered, original).is_ok();
        self.is_clone.fetch_or(is_shared, Ordering::Relaxed);
        is_shared
    }

    /// The file itself.
    pub(crate) const fn file(&self) -> &File {
        &self.buffered
    }

    /// The same file once more, past the page cache. A host that has no such thing is no error.
    fn reopen_direct(file: &File) -> Option<File> {
        use std::os::fd::AsRawFd;
        let name = format!("/proc/self/fd/{}", file.as_raw_fd());
        let direct = File::options().write(true).open(name).ok()?;
        let flags = fcntl_getfl(&direct).ok()?;
        fcntl_setfl(&direct, flags | OFlags::DIRECT).ok()?;
        Some(direct)
    }

    /// What the host refused of this file; with what its file system takes, if that was the reason.
    fn failed(&self, what: &str, cause: std::io::Error) -> Error {
        let error = Error::host(what, cause).in_file(&self.path);
        let space = FreeSpace::of_file(&self.buffered).filter(|_| !self.is_device);
        let Some(space) = space else {
            return error;
        };
        match (error.code(), space.longest_file) {
            (Error::NO_SPACE, _) => error.with_detail(format!(
                "{} ({} bytes) are free there",
                space.free, space.free.0
            )),
            (Error::FILE_TOO_LONG, Some(longest)) => error.with_detail(format!(
                "the file system there is FAT: no file is longer than {} bytes",
                longest.0
            )),
            _ => error,
        }
    }

    fn is_direct(at: FileOffset, bytes: &[u8]) -> bool {
        bytes.len() >= 64 << 10
            && bytes.len().is_multiple_of(DIRECT_UNIT)
            && at.is_aligned(Bytes::from(DIRECT_UNIT))
            && bytes.as_ptr().addr().is_multiple_of(DIRECT_UNIT)
    }
}

impl Sink for FileSink {
    fn write_at(&self, at: FileOffset, bytes: &[u8]) -> Result<()> {
        if let Some(direct) = &self.direct
            && Self::is_direct(at, bytes)
        {
            match direct.write_all_at(bytes, at.0) {
                Ok(()) => return Ok(()),
                // EINVAL: this file system wants another alignment. The page cache takes anything.
                Err(cause) if cause.kind() == std::io::ErrorKind::InvalidInput => {}
                Err(cause) => return Err(self.failed("cannot write", cause).at(at)),
            }
        }
        let written = self.buffered.write_all_at(bytes, at.0);
        written.map_err(|cause| self.failed("cannot write", cause).at(at))?;
        if let Some(write_back) = &self.write_back {
            write_back.written_to(&self.buffered, at);
        }
        Ok(())
    }

    fn reserve(&self, at: FileOffset, len: Bytes) {
        if self.direct.is_some() && !self.needs_zeroing() {
            let _ = fallocate(&self.buffered, FallocateFlags::empty(), at.0, len.0);
        }
    }

    fn release(&self, at: FileOffset, len: Bytes) {
        if self.direct.is_some() && !self.needs_zeroing() {
            let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            let _ = fallocate(&self.buffered, punch, at.0, len.0);
        }
    }

    fn shares_with(&self, file: &dyn Source) -> bool {
        !self.is_device
            && self.file_system.shares_blocks()
            && file.file().is_some()
            && file
                .opened()
                .is_some_and(|opened| opened.file_system == self.file_system)
    }

    fn share_range(&self, file: &dyn Source, from: FileOffset, at: FileOffset, len: Bytes) -> bool {
        let Some(source) = file.file().filter(|_| self.shares_with(file)) else {
            return false;
        };
        let (mut from, mut to, end) = (from.0, at.0, at.0.saturating_add(len.0));
        while to < end {
            let left = Bytes(end - to).in_memory();
            match copy_file_range(source, Some(&mut from), &self.buffered, Some(&mut to), left) {
                Ok(copied) if copied > 0 => {}
                _ => return false,
            }
        }
        true
    }

    fn set_len(&self, len: Bytes) -> Result<()> {
        if self.is_device {
            return Ok(());
        }
        let set = self.buffered.set_len(len.0);
        set.map_err(|cause| self.failed("cannot set the length", cause))
    }

    fn sync(&self) -> Result<()> {
        let synced = self.buffered.sync_all();
        synced.map_err(|cause| self.failed("cannot sync", cause))
    }

    fn needs_zeroing(&self) -> bool {
        self.is_device || self.is_clone.load(Ordering::Relaxed)
    }

    fn capacity(&self) -> Option<Bytes> {
        if !self.is_device {
            return None;
        }
        seek(&self.buffered, SeekFrom::End(0)).ok().map(Bytes)
    }
}

/// Bytes in memory, for tests and small parts.
#[derive(Debug, Default)]
pub struct MemSink(Mutex<Vec<u8>>);

impl MemSink {
    /// What has been written so far.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Sink for MemSink {
    fn write_at(&self, at: FileOffset, bytes: &[u8]) -> Result<()> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = Bytes(at.0).in_memory();
        let end = at.saturating_add(bytes.len());
        if all.len() < end {
            all.resize(end, 0);
        }
        if let Some(place) = all.get_mut(at..end) {
            place.copy_from_slice(bytes);
        }
        Ok(())
    }

    fn set_len(&self, len: Bytes) -> Result<()> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .resize(len.in_memory(), 0);
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
