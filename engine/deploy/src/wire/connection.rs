//! One end of the connection: messages out, messages in, and lists in pieces.

use std::{
    io::{Read, Write},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::Duration,
};

use imgdelta_core::{Error, Kind, Result};
use imgdelta_repository::catalogue::{Inventory, inventory::LONGEST};

use super::{
    LOWEST_VERSION, VERSION,
    failure::{Failure, sanitize},
    frame::{CUT, FramesIn, FramesOut, LONGEST_PAYLOAD, cut, faulty},
    heartbeat::Patience,
    message::{Greeting, LONGEST_PROGRAM, MAGIC, Message, RawBytes, Versions},
};

/// One end of the connection.
#[derive(Debug)]
pub(super) struct Connection<R, W> {
    into: FramesIn<R>,
    /// Beats go out between messages.
    out: Arc<Mutex<FramesOut<W>>>,
}

/// What beats, as long as the connection is there.
pub(super) struct Heartbeat<W> {
    out: Weak<Mutex<FramesOut<W>>>,
    period: Duration,
}

impl<W: Write> Heartbeat<W> {
    /// Says every now and then that this side is alive, until `is_over` ends, or the connection.
    pub(super) fn run(&self, is_over: &Receiver<()>) {
        while let Err(RecvTimeoutError::Timeout) = is_over.recv_timeout(self.period) {
            let Some(out) = self.out.upgrade() else {
                return;
            };
            if locked(&out).beat().is_err() {
                return; // Who speaks next hears why.
            }
        }
    }
}

/// Frames are whole between two calls, whatever became of who made them.
fn locked<T>(out: &Mutex<T>) -> MutexGuard<'_, T> {
    out.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<R: Read, W: Write> Connection<R, W> {
    /// The end that reads here and writes there.
    pub(super) fn new(from: R, to: W) -> Self {
        Self {
            into: FramesIn::new(from),
            out: Arc::new(Mutex::new(FramesOut::new(to))),
        }
    }

    /// From now on the other side beats.
    pub(super) const fn expect_beats(&mut self) {
        self.into.expect_beats();
    }

    /// From now on both sides beat, this one by what is returned.
    pub(super) fn heartbeat(&mut self, patience: &Patience) -> Heartbeat<W> {
        self.into.expect_beats();
        patience.begin();
        Heartbeat {
            out: Arc::downgrade(&self.out),
            period: patience.period(),
        }
    }

    /// Sends a message. If the other side is gone, it may have said why.
    ///
    /// # Errors
    /// Peer, if it is gone.
    pub(super) fn send(&mut self, message: &Message<'_>) -> Result<()> {
        let sent = locked(&self.out).send(message.kind(), |to| message.put(to));
        match sent {
            Err(error) if error.kind() == Kind::Peer => Err(self.last_words().unwrap_or(error)),
            sent => sent,
        }
    }

    /// The next message.
    ///
    /// # Errors
    /// Peer, if there is none, it is none, or it says that the other side cannot go on.
    pub(super) fn receive(&mut self) -> Result<Message<'_>> {
        let (kind, payload) = self.into.next()?;
        match Message::parse(kind, payload)? {
            Message::Failed(failure) => Err(peer_error(failure)),
            message => Ok(message),
        }
    }

    /// What the other side said before it went, if it said that it failed. It may have sent more that nobody had read yet, but not much:
    /// it waits for an answer after each message but a list's.
    fn last_words(&mut self) -> Option<Error> {
        const MOST: u32 = 100;
        for _ in 0..MOST {
            let (kind, payload) = self.into.next().ok()?;
            if let Ok(Message::Failed(failure)) = Message::parse(kind, payload) {
                return Some(peer_error(failure));
            }
        }
        None
    }

    /// Tells the other side what went wrong here, as far as it still listens.
    pub(super) fn fail(&mut self, error: &Error) {
        let failed = Message::Failed(Failure::of(error));
        let _ = locked(&self.out).send(failed.kind(), |to| failed.put(to));
    }

    /// Sends a list in pieces; how long it is was said before.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub(super) fn send_list(&mut self, json: &[u8]) -> Result<()> {
        json.chunks(LONGEST_PAYLOAD)
            .try_for_each(|piece| self.send(&Message::List(RawBytes(piece))))
    }

    /// Receives a list of `length` bytes. Room is made as it comes, not as it is promised.
    ///
    /// # Errors
    /// Peer, if it is longer than it may be, or is no list.
    pub(super) fn receive_list(&mut self, length: u64) -> Result<Inventory> {
        if length > LONGEST {
            return Err(faulty(&format!(
                "a list of {length} bytes is announced, {LONGEST} are allowed"
            )));
        }
        let mut json = Vec::new();
        while (json.len() as u64) < length {
            match self.receive()? {
                Message::List(RawBytes(piece)) => json.extend_from_slice(piece),
                other => return Err(unexpected(&other, "list")),
            }
        }
        if json.len() as u64 > length {
            return Err(faulty("a list is longer than was announced"));
        }
        Inventory::from_json(&json)
            .map_err(|error| faulty(&format!("the list: {}", sanitize(error.message()))))
    }
}

/// What the other side's failure is here. That it lost the connection is no failure of its own.
fn peer_error(failure: Failure) -> Error {
    match failure.code.as_str() {
        CUT => cut("the connection broke off"),
        _ => failure.sanitized().into_error(),
    }
}

/// Who speaks here.
pub(super) fn greeting() -> Greeting {
    let mut program = format!("imgdelta {}", env!("CARGO_PKG_VERSION"));
    program.truncate(LONGEST_PROGRAM);
    Greeting {
        versions: Versions {
            magic: MAGIC,
            lowest: LOWEST_VERSION,
            highest: VERSION,
        },
        program,
    }
}

/// The version that is spoken: the highest that both sides know. Each sees the other's, and both come to the same end.
///
/// # Errors
/// Unsupported, if there is none.
pub(super) fn negotiate(other: &Greeting) -> Result<u16> {
    let (lowest, highest) = (other.versions.lowest, other.versions.highest);
    let version = highest.min(VERSION);
    if version >= lowest.max(LOWEST_VERSION) {
        return Ok(version);
    }
    let theirs = match lowest == highest {
        true => format!("version {lowest}"),
        false => format!("versions {lowest} to {highest}"),
    };
    let message = format!(
        "the other side ({}) speaks {theirs} of the protocol, this one {LOWEST_VERSION} to {VERSION}",
        other.program
    );
    Err(Error::new(Kind::Unsupported, message)
        .with_code("protocol_version")
        .with_hint("bring both sides to the same release of imgdelta"))
}

/// A message that may not come now.
pub(super) fn unexpected(found: &Message<'_>, required: &str) -> Error {
    faulty(&format!(
        "the other side says '{}' where '{required}' is due",
        found.word()
    ))
}

/// The other side went before it said anything: there is nothing to go on with.
pub(super) fn no_answer(error: Error) -> Error {
    match error.code() {
        CUT => error.map_hint(|_| {
            "try 'ssh HOST imgdelta --version': it shows whether the host is reached and has the program"
                .to_owned()
        }),
        _ => error,
    }
}
