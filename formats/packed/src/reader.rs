//! A [`Source`] as a stream with a cursor, for the libraries that unpack.

use std::{
    fmt,
    io::{self, Read, Seek, SeekFrom},
};

use imgdelta_core::{Bytes, Error, FileOffset, Kind, Source};

/// The bytes of a source, from its start on.
#[derive(Debug)]
pub(crate) struct SourceReader<'a> {
    source: &'a dyn Source,
    at: u64,
}

impl<'a> SourceReader<'a> {
    /// At the first byte.
    pub(crate) const fn new(source: &'a dyn Source) -> Self {
        Self { source, at: 0 }
    }
}

impl Read for SourceReader<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let left = self.source.len().0.saturating_sub(self.at);
        let len = Bytes(left).in_memory().min(buf.len());
        let (wanted, _) = buf.split_at_mut(len);
        self.source
            .read_at(FileOffset(self.at), wanted)
            .map_err(|error| io::Error::other(Carried(error)))?;
        self.at = self.at.saturating_add(len as u64);
        Ok(len)
    }
}

impl Seek for SourceReader<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.source.len().0.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}

/// The source's own error on its way through a library that only knows those of the host.
#[derive(Debug)]
struct Carried(Error);

impl fmt::Display for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Carried {}

/// What a library says went wrong: the source's own error if it was that, else damage, `what` being the file in a sentence.
pub(crate) fn damage(what: &str, cause: io::Error) -> Error {
    let message = match cause.kind() {
        io::ErrorKind::UnexpectedEof => format!("{what} is cut short"),
        _ => format!("{what} is damaged: {cause}"),
    };
    match cause.downcast::<Carried>() {
        Ok(carried) => carried.0,
        Err(_) => Error::new(Kind::Corrupt, message).with_code("packed_damaged"),
    }
}
