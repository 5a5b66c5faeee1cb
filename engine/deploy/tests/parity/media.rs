//! A file and its parity in memory, and what is done to them.

use imgdelta_core::{Bytes, Error, FileOffset, Kind, MemSink, MemSource, Result, Sink, Source};
use imgdelta_delta::{Digest, RunProgress};
use imgdelta_deploy::parity::{Parity, Shape, Survey, write};

/// Bytes that repeat nowhere.
pub(super) fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    (0..length).map(|_| next()).collect()
}

/// The parity of a file.
pub(super) fn parity_of(data: &[u8], shape: &Shape) -> Vec<u8> {
    let sink = MemSink::default();
    let progress = RunProgress::default();
    let sha256 = Digest::plain(data);
    write(&MemSource(data.to_vec()), &sha256, shape, &sink, &progress).expect("it is written");
    let bytes = sink.bytes();
    assert_eq!(bytes.len() as u64, shape.parity_len());
    bytes
}

/// A file on a medium with bad sectors, in bytes.
#[derive(Debug)]
pub(super) struct Worn {
    pub(super) bytes: Vec<u8>,
    pub(super) bad: Vec<std::ops::Range<usize>>,
}

impl Source for Worn {
    fn len(&self) -> Bytes {
        Bytes::from(self.bytes.len())
    }

    fn read_at(&self, at: FileOffset, buf: &mut [u8]) -> Result<()> {
        let at = at.0 as usize;
        let end = at + buf.len();
        if self.bad.iter().any(|bad| bad.start < end && at < bad.end) {
            let cause = std::io::Error::from_raw_os_error(5);
            return Err(Error::host("cannot read", cause));
        }
        let there = self.bytes.get(at..end);
        let there = there.ok_or_else(|| Error::new(Kind::Corrupt, "ends before that"))?;
        buf.copy_from_slice(there);
        Ok(())
    }
}

/// A survey of `damaged`, and the file as its parity works it out, or in words why it cannot.
pub(super) fn healed(
    original: &[u8],
    damaged: &dyn Source,
    parity: &dyn Source,
) -> Result<(Survey, std::result::Result<Vec<u8>, String>)> {
    let progress = RunProgress::default();
    let parity = Parity::open(parity, original.len() as u64, &Digest::plain(original))?;
    let sink = MemSink::default();
    sink.set_len(Bytes::from(original.len()))?;
    let survey = parity.survey(
        damaged,
        &mut |at, bytes| sink.write_at(FileOffset(at), bytes),
        &progress,
    )?;
    if let Some(shortage) = parity.shortage(&survey, &progress)? {
        let refused = parity.restore(&survey, &MemSource(sink.bytes()), &sink, &progress);
        assert_eq!(refused.expect_err("refused").kind(), Kind::Corrupt);
        return Ok((survey, Err(shortage)));
    }
    parity.restore(&survey, &MemSource(sink.bytes()), &sink, &progress)?;
    Ok((survey, Ok(sink.bytes())))
}

/// As [`healed`], of bytes that can be read.
pub(super) fn healed_bytes(
    original: &[u8],
    damaged: Vec<u8>,
    parity: &[u8],
) -> (Survey, std::result::Result<Vec<u8>, String>) {
    let parity = MemSource(parity.to_vec());
    healed(original, &MemSource(damaged), &parity).expect("the parity is read")
}
