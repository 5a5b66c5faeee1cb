//! What frames say: one message a kind, read from a payload and checked as far as it can be by itself. Which may come when, both ends know.
//!
//! Keys may be added to a payload within a version, and those that are not known are passed over.

mod body;
mod payload;

use imgdelta_core::{Error, Result};

use self::body::Body;
pub(super) use self::payload::{
    Announce, Common, Empty, Greeting, Init, LONGEST_PROGRAM, MAGIC, Open, RawBytes, ResumeState,
    StartAt, Versions, Working,
};
pub use self::payload::{InitDone, Opened, SiteSpace};
use super::{
    failure::{Failure, sanitize},
    frame::faulty,
    proposal::{Offer, Proposal},
};
use crate::bundle::{BundleEntry, EnteredImage, SiteImage};

macro_rules! messages {
    ($($(#[$doc:meta])* $code:literal $word:literal $name:ident($body:ty),)*) => {
        /// What a frame says.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub(super) enum Message<'a> {
            $($(#[$doc])* $name($body),)*
        }

        impl<'a> Message<'a> {
            /// What a frame of `kind` says.
            ///
            /// # Errors
            /// Peer, if there is no such kind, or its payload is not what it must be.
            pub(super) fn parse(kind: u8, payload: &'a [u8]) -> Result<Self> {
                match kind {
                    $($code => <$body as Body<'a>>::take(payload)
                        .map(Self::$name)
                        .map_err(|error| wrong(concat!("'", $word, "'"), &error)),)*
                    _ => Err(faulty(&format!("frames of kind {kind} are not known in versions {} to {}", super::LOWEST_VERSION, super::VERSION))),
                }
            }

            /// The kind of its frame.
            pub(super) const fn kind(&self) -> u8 {
                match self {
                    $(Self::$name(_) => $code,)*
                }
            }

            /// Appends its payload.
            ///
            /// # Errors
            /// Unsupported, if it cannot be written.
            pub(super) fn put(&self, to: &mut Vec<u8>) -> Result<()> {
                match self {
                    $(Self::$name(body) => body.put(to),)*
                }
            }

            /// What it is called.
            pub(super) const fn word(&self) -> &'static str {
                match self {
                    $(Self::$name(_) => $word,)*
                }
            }
        }
    };
}

messages! {
    /// Headquarters says who it is.
    1 "hello" Hello(Greeting),
    /// The site says who it is.
    2 "welcome" Welcome(Greeting),
    /// Headquarters asks for a repository.
    3 "open" Open(Open),
    /// The site has opened it.
    4 "opened" Opened(Opened),
    /// Headquarters announces what is to come, and its list.
    5 "notice" Announce(Announce),
    /// A piece of a list, in either direction.
    6 "list" List(RawBytes<'a>),
    /// The site answers with what it has of that list.
    7 "common" Common(Common),
    /// Headquarters has chosen how an image is to come.
    8 "choice" Choice(Proposal),
    /// The site would take it.
    9 "ready" Ready(Empty),
    /// The site has it.
    10 "there" AlreadyPresent(SiteImage),
    /// Headquarters says what is sent, in version 1.
    11 "offer" Offer(Offer),
    /// The site says what it holds of it.
    12 "held" ResumeState(ResumeState),
    /// Headquarters says where it goes on.
    13 "from" StartAt(StartAt),
    /// A piece of the difference.
    14 "data" Data(RawBytes<'a>),
    /// That was all of it.
    15 "end" End(Empty),
    /// The site is at work.
    16 "working" Working(Working),
    /// The site has proven and entered the image.
    17 "entered" Entered(EnteredImage),
    /// The site does not take this image, or could not finish it. The conversation goes on.
    18 "refused" Refused(Failure),
    /// Either side cannot go on. The conversation is over.
    19 "failed" Failed(Failure),
    /// Headquarters has no more, and the site agrees: the conversation is over.
    20 "bye" Bye(Empty),
    /// The site keeps the step until what is made from it has come.
    21 "kept" Kept(Empty),
    /// Headquarters says what is sent, in version 2.
    22 "entry" Entry(BundleEntry),
    /// Headquarters asks for a new repository, in place of one that is there.
    23 "init" Init(Init),
    /// The site has started it.
    24 "made" InitDone(InitDone),
}

/// What is wrong with a payload. It quotes what came, hence it is sanitized.
fn wrong(what: &str, error: &Error) -> Error {
    faulty(&format!("the frame {what}: {}", sanitize(error.message())))
}
