//! Frames: a length, a kind, a payload of at most 1 MiB, and a digest over all of it.
//!
//! ```text
//! 0          length     u32, big-endian: bytes of the payload
//! 4          kind       u8
//! 5          payload
//! 5+length   digest     u64, big-endian: XXH3-64 over all that stands before, seeded with the frame's number in its direction
//! ```

use std::io::{ErrorKind, Read, Write};

use imgdelta_core::{Error, Kind, Result};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Most bytes of a payload.
pub const LONGEST_PAYLOAD: usize = 1 << 20;

/// Most bytes of the first frame's payload, for before it nobody knows who speaks.
pub(super) const LONGEST_GREETING: usize = 256;

/// The kind of a frame that only says that its sender is alive.
pub(super) const ALIVE: u8 = 23;

/// Bytes of the digest behind the payload.
const DIGEST: usize = 8;

imgdelta_core::record! {
    /// What a frame begins with.
    pub(super) struct Head: BigEndian, 5 {
        /// Bytes of the payload.
        0 => length: u32,
        /// What the payload is.
        4 => kind: u8,
    }
}

/// The frames that come in.
#[derive(Debug)]
pub(super) struct FramesIn<R> {
    from: R,
    /// How many came so far: what the next one's digest is seeded with.
    number: u64,
    /// Whether frames may come that only say that the other side is alive.
    beats: bool,
    /// The frame as it came, from its head to its digest.
    bytes: Vec<u8>,
}

/// The frames that go out.
#[derive(Debug)]
pub(super) struct FramesOut<W> {
    to: W,
    /// How many went so far.
    number: u64,
    /// The frame as it goes.
    bytes: Vec<u8>,
}

impl<R: Read> FramesIn<R> {
    /// Those that `from` brings.
    pub(super) const fn new(from: R) -> Self {
        Self {
            from,
            number: 0,
            beats: false,
            bytes: Vec::new(),
        }
    }

    /// From now on the other side may say nothing but that it is alive.
    pub(super) const fn expect_beats(&mut self) {
        self.beats = true;
    }

    /// The next frame that says more than that: its kind and its payload.
    ///
    /// # Errors
    /// Peer, if the connection ends, or what comes is no frame.
    pub(super) fn next(&mut self) -> Result<(u8, &[u8])> {
        let (kind, length) = loop {
            let (kind, length) = self.read()?;
            if !self.beats || (kind, length) != (ALIVE, 0) {
                break (kind, length);
            }
        };
        let payload = self
            .bytes
            .get(Head::SIZE..Head::SIZE.saturating_add(length));
        Ok((kind, payload.unwrap_or_default()))
    }

    /// Reads a frame: its kind, and how long its payload is.
    fn read(&mut self) -> Result<(u8, usize)> {
        let Some(head) = self.head()? else {
            return Err(cut("the connection ended"));
        };
        let length = self.judged(&head)?;
        self.bytes
            .resize(Head::SIZE.saturating_add(length).saturating_add(DIGEST), 0);
        let rest = self.bytes.get_mut(Head::SIZE..).unwrap_or_default();
        self.from.read_exact(rest).map_err(|cause| broken(&cause))?;
        let (said, digest) = self
            .bytes
            .split_last_chunk::<DIGEST>()
            .ok_or_else(|| faulty("a frame has no digest"))?;
        let (found, computed) = (
            u64::from_be_bytes(*digest),
            xxh3_64_with_seed(said, self.number),
        );
        if found != computed {
            let message = format!(
                "the digest of frame {} is {found:#018x}, computed {computed:#018x}",
                self.number
            );
            return Err(Error::new(Kind::Peer, message).with_code("frame_digest"));
        }
        self.number = self.number.saturating_add(1);
        Ok((head.kind, length))
    }

    /// The next frame's head, `None` where the connection ended before it.
    fn head(&mut self) -> Result<Option<Head>> {
        self.bytes.clear();
        self.bytes.resize(Head::SIZE, 0);
        let mut have = 0;
        while let Some(room) = self.bytes.get_mut(have..).filter(|room| !room.is_empty()) {
            match self.from.read(room) {
                Ok(0) if have == 0 => return Ok(None),
                Ok(0) => return Err(self.cut_within(have)),
                Ok(count) => have = have.saturating_add(count),
                Err(cause) if cause.kind() == ErrorKind::Interrupted => {}
                Err(cause) => return Err(broken(&cause)),
            }
        }
        Ok(self.bytes.first_chunk().map(Head::parse))
    }

    /// The length that a head says, if a frame may have it.
    fn judged(&self, head: &Head) -> Result<usize> {
        let length = usize::try_from(head.length).unwrap_or(usize::MAX);
        let is_first = self.number == 0;
        if is_first && length > LONGEST_GREETING {
            return Err(self.stranger());
        }
        if length > LONGEST_PAYLOAD {
            return Err(faulty(&format!(
                "frame {} is {length} bytes long, {LONGEST_PAYLOAD} are allowed",
                self.number
            )));
        }
        Ok(length)
    }

    fn cut_within(&self, have: usize) -> Error {
        if self.number == 0 {
            return self.stranger();
        }
        cut(&format!(
            "the connection ended after {have} bytes of a frame"
        ))
    }

    /// Who answers does not speak this language at all. Mostly it is a login shell whose start files print something.
    fn stranger(&self) -> Error {
        let said: String = String::from_utf8_lossy(&self.bytes)
            .trim_end_matches('\0')
            .escape_debug()
            .collect();
        Error::new(
            Kind::Peer,
            format!("what answers is not imgdelta: it begins with '{said}'"),
        )
        .with_code("not_imgdelta")
        .with_hint("the other side's shell must print nothing: try 'ssh HOST true'")
    }
}

impl<W: Write> FramesOut<W> {
    /// Says that this side is alive.
    pub(super) fn beat(&mut self) -> Result<()> {
        self.send(ALIVE, |_| Ok(()))
    }

    /// Those that `to` takes.
    pub(super) const fn new(to: W) -> Self {
        Self {
            to,
            number: 0,
            bytes: Vec::new(),
        }
    }

    /// Sends a frame whose payload `fill` appends, and sees it off.
    ///
    /// # Errors
    /// Peer, if the connection ended; Unsupported, if the payload is too long; else those of `fill`.
    pub(super) fn send(
        &mut self,
        kind: u8,
        fill: impl FnOnce(&mut Vec<u8>) -> Result<()>,
    ) -> Result<()> {
        self.bytes.clear();
        self.bytes.resize(Head::SIZE, 0);
        fill(&mut self.bytes)?;
        let length = self.bytes.len().saturating_sub(Head::SIZE);
        let too_long = || {
            let message = format!("{length} bytes do not fit a frame of {LONGEST_PAYLOAD}");
            Error::new(Kind::Unsupported, message).with_code("frame_length")
        };
        if length > LONGEST_PAYLOAD {
            return Err(too_long());
        }
        let head = Head {
            length: u32::try_from(length).map_err(|_| too_long())?,
            kind,
        };
        if let Some(room) = self.bytes.first_chunk_mut() {
            *room = head.emit();
        }
        let digest = xxh3_64_with_seed(&self.bytes, self.number);
        self.bytes.extend_from_slice(&digest.to_be_bytes());
        self.number = self.number.saturating_add(1);
        self.to
            .write_all(&self.bytes)
            .and_then(|()| self.to.flush())
            .map_err(|cause| broken(&cause))
    }
}

/// The finer word for a rule of the protocol that was broken.
pub(super) const PROTOCOL: &str = "protocol";

/// The other side broke a rule of the protocol.
pub(super) fn faulty(message: &str) -> Error {
    Error::new(Kind::Peer, message).with_code(PROTOCOL)
}

/// The finer word for a connection that is not there any more.
pub(super) const CUT: &str = "cut";

/// The connection is not there any more.
pub(super) fn cut(message: &str) -> Error {
    Error::new(Kind::Peer, message)
        .with_code(CUT)
        .with_hint("the same command run again goes on where this one stopped")
}

fn broken(cause: &std::io::Error) -> Error {
    match cause.kind() {
        ErrorKind::UnexpectedEof => cut("the connection ended within a frame"),
        ErrorKind::TimedOut => cut("nothing was heard from the other side any more"),
        _ => cut(&format!("the connection broke: {cause}")),
    }
}

#[cfg(test)]
mod tests;
