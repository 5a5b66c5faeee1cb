//! A pipe to write to.

use std::{
    fmt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{Bytes, Error, FileOffset, Result, Sink};

/// A pipe: bytes go out in order of address, gaps as zeros.
#[derive(Debug)]
pub struct PipeSink<W> {
    pipe: Mutex<W>,
    at: AtomicU64,
}

impl<W: std::io::Write + Send + fmt::Debug> PipeSink<W> {
    /// Writes to `pipe`.
    pub const fn new(pipe: W) -> Self {
        Self {
            pipe: Mutex::new(pipe),
            at: AtomicU64::new(0),
        }
    }

    fn fill_to(&self, pipe: &mut W, at: u64) -> Result<()> {
        static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
        let mut now = self.at.load(Ordering::Relaxed);
        while now < at {
            let part = ZEROS
                .get(..Bytes(at - now).in_memory().min(ZEROS.len()))
                .unwrap_or(&ZEROS);
            pipe.write_all(part)
                .map_err(|cause| Error::host("cannot write", cause))?;
            now = now.saturating_add(part.len() as u64);
        }
        self.at.store(now, Ordering::Relaxed);
        Ok(())
    }
}

impl<W: std::io::Write + Send + fmt::Debug> Sink for PipeSink<W> {
    fn write_at(&self, at: FileOffset, bytes: &[u8]) -> Result<()> {
        let mut pipe = self.pipe.lock().unwrap_or_else(PoisonError::into_inner);
        self.fill_to(&mut pipe, at.0)?;
        pipe.write_all(bytes)
            .map_err(|cause| Error::host("cannot write", cause))?;
        self.at
            .store(at.0.saturating_add(bytes.len() as u64), Ordering::Relaxed);
        Ok(())
    }

    fn set_len(&self, len: Bytes) -> Result<()> {
        let mut pipe = self.pipe.lock().unwrap_or_else(PoisonError::into_inner);
        self.fill_to(&mut pipe, len.0)
    }

    fn sync(&self) -> Result<()> {
        let mut pipe = self.pipe.lock().unwrap_or_else(PoisonError::into_inner);
        pipe.flush()
            .map_err(|cause| Error::host("cannot write", cause))
    }

    fn is_sequential(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_fills_gaps_with_zeros() -> Result<()> {
        let sink = PipeSink::new(Vec::new());
        sink.write_at(FileOffset(3), b"abc")?;
        sink.set_len(Bytes(8))?;
        assert_eq!(*sink.pipe.lock().expect("not poisoned"), b"\0\0\0abc\0\0");
        Ok(())
    }
}
