//! A pipe in memory that holds few messages, and ends of it that break after so many frames or bytes.

use std::{
    io::{self, Read, Write},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
};

/// Two ends of a line, each to read from and to write to: a read end without a writer ends, a write end without a reader breaks.
pub(crate) fn line() -> ((ReadEnd, WriteEnd), (ReadEnd, WriteEnd)) {
    let (to_site, from_client) = pipe();
    let (to_client, from_site) = pipe();
    ((from_site, to_site), (from_client, to_client))
}

fn pipe() -> (WriteEnd, ReadEnd) {
    let (to, from) = sync_channel(2);
    let read = ReadEnd {
        from,
        rest: Vec::new(),
    };
    (WriteEnd(to), read)
}

pub(crate) struct ReadEnd {
    from: Receiver<Vec<u8>>,
    rest: Vec<u8>,
}

impl Read for ReadEnd {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.from.recv() {
                Ok(bytes) => self.rest = bytes,
                Err(_) => return Ok(0),
            }
        }
        let len = self.rest.len().min(to.len());
        to[..len].copy_from_slice(&self.rest[..len]);
        self.rest.drain(..len);
        Ok(len)
    }
}

pub(crate) struct WriteEnd(SyncSender<Vec<u8>>);

impl Write for WriteEnd {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        self.0.send(bytes.to_vec()).map_err(gone)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How much of what is written gets through.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cut {
    Never,
    /// After so many frames: each is written at once.
    AfterFrames(u64),
    /// After so many bytes, wherever that is.
    AfterBytes(u64),
}

/// A write end that breaks.
pub(crate) struct Breaking<W> {
    to: Option<W>,
    cut: Cut,
}

impl<W: Write> Breaking<W> {
    pub(crate) fn new(to: W, cut: Cut) -> Self {
        Self { to: Some(to), cut }
    }
}

impl<W: Write> Write for Breaking<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let passed = match &mut self.cut {
            Cut::Never => bytes,
            Cut::AfterFrames(0) => &[],
            Cut::AfterFrames(left) => {
                *left -= 1;
                bytes
            }
            Cut::AfterBytes(left) => {
                let len = bytes
                    .len()
                    .min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= len as u64;
                &bytes[..len]
            }
        };
        let to = self.to.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        to.write_all(passed)?;
        if passed.len() < bytes.len() {
            // The other side sees the end of it too.
            self.to = None;
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.as_mut().map_or(Ok(()), Write::flush)
    }
}
