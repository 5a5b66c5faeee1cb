//! What frames say: one message a kind, read from a payload and judged as far as it can be by itself. Which may come when is the matter of
//! both ends.
//!
//! Payloads are JSON but for the greetings, which any version must be able to read, and for bytes that are passed on. Keys may be added
//! within a version, and those that are not known are passed over.

use imgdelta_core::{Bytes, Error, Format, Kind, Result};
use imgdelta_delta::Digest;
use imgdelta_repository::catalogue::{ImageId, RepositoryId, text::as_text};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    failure::{Failure, sanitize},
    frame::faulty,
    proposal::{Offer, Proposal},
};
use crate::{
    bundle::{BundleEntry, EnteredImage, SiteImage},
    space::Space,
};

/// What a greeting begins with.
pub(super) const MAGIC: [u8; 8] = *b"imgdelta";

imgdelta_core::record! {
    /// The part of a greeting that no version changes.
    pub(super) struct Versions: BigEndian, 12 {
        /// [`MAGIC`].
        0 => magic: [u8; 8],
        /// The lowest version of the protocol that its sender speaks.
        8 => lowest: u16,
        /// The highest.
        10 => highest: u16,
    }
}

/// Who speaks, and which versions: the first frame in each direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Greeting {
    /// The versions.
    pub(super) versions: Versions,
    /// The program, for messages: at most [`LONGEST_PROGRAM`] bytes.
    pub(super) program: String,
}

/// Most bytes of a program's name.
pub(super) const LONGEST_PROGRAM: usize = 128;

/// The repository that is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Open {
    /// Its folder, from the root of the file system, or from the home folder if it begins with `/~`.
    pub(super) path: String,
    /// How many seconds the site is to wait while another process changes the repository; its own setting, if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) wait: Option<u64>,
}

/// The repository that was opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// Its id.
    pub repository: RepositoryId,
    /// The format of images that are made there, unless the user asks for another.
    #[serde(with = "as_text")]
    pub default_format: Format,
    /// The room where its images lie. Programs before it was said do not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub space: Option<SiteSpace>,
}

/// The room where a site's images lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteSpace {
    /// How many bytes are free.
    pub free: u64,
    /// The longest file that the file system takes, where that is less than any disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longest_file: Option<u64>,
    /// Whether what is written may take less than its length.
    #[serde(default)]
    pub shrinks: bool,
}

impl From<Space> for SiteSpace {
    fn from(space: Space) -> Self {
        Self {
            free: space.free.0,
            longest_file: space.longest_file.map(|longest| longest.0),
            shrinks: space.shrinks,
        }
    }
}

impl From<SiteSpace> for Space {
    fn from(space: SiteSpace) -> Self {
        Self {
            free: Bytes(space.free),
            longest_file: space.longest_file.map(Bytes),
            shrinks: space.shrinks,
        }
    }
}

/// A folder that is to become a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Init {
    /// The folder, as in [`Open`].
    pub(super) path: String,
    /// The format of images that are made there.
    #[serde(with = "as_text")]
    pub(super) format: Format,
    /// Whether it is only asked whether it could.
    #[serde(default)]
    pub(super) dry_run: bool,
}

/// The repository that was started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InitDone {
    /// Its id; it has none where it was only asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<RepositoryId>,
    /// The format of images that are made there.
    #[serde(with = "as_text")]
    pub default_format: Format,
}

/// A deployment is about to begin: which images are to come, and how long headquarters' list is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Announce {
    /// The images that the site is to have, for its log; what is really sent, it is asked for one by one.
    pub(super) wanted: Vec<ImageId>,
    /// How many bytes of an inventory follow.
    pub(super) list: u64,
}

/// What the two lists have in common: so many bytes of an inventory follow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Common {
    /// How many bytes.
    pub(super) list: u64,
}

/// What an earlier conversation brought of an offer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ResumeState {
    /// How many bytes from its start.
    pub(super) bytes: u64,
    /// Their SHA-256.
    #[serde(with = "as_text")]
    pub(super) sha256: Digest,
    /// The room where it lies, as the site says since it says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) space: Option<SiteSpace>,
}

/// Where what is sent begins: at what is held, or at the start, if that is something else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StartAt {
    /// How many bytes are passed over.
    pub(super) at: u64,
}

/// The site works, and the connection is alive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Working {
    /// How many bytes of the disk it has gone over.
    pub(super) done: u64,
    /// How many there are.
    pub(super) total: u64,
}

/// Bytes that are passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RawBytes<'a>(pub(super) &'a [u8]);

/// Nothing to say beyond the kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Empty;

/// The content of a frame.
trait Body<'a>: Sized {
    /// Reads it.
    fn take(payload: &'a [u8]) -> Result<Self>;

    /// Appends it.
    fn put(&self, to: &mut Vec<u8>) -> Result<()>;
}

macro_rules! json {
    ($($body:ty),*) => {$(
        impl Body<'_> for $body {
            fn take(payload: &[u8]) -> Result<Self> {
                from_json(payload)
            }

            fn put(&self, to: &mut Vec<u8>) -> Result<()> {
                to_json(self, to)
            }
        }
    )*};
}

json!(
    Open,
    Init,
    InitDone,
    Opened,
    Announce,
    Common,
    Proposal,
    SiteImage,
    Offer,
    BundleEntry,
    ResumeState,
    StartAt,
    Working,
    EnteredImage,
    Failure
);

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

impl Body<'_> for Greeting {
    fn take(payload: &[u8]) -> Result<Self> {
        let (versions, program) = payload
            .split_first_chunk()
            .ok_or_else(|| faulty("it is too short"))?;
        let versions = Versions::parse(versions);
        if versions.magic != MAGIC {
            return Err(faulty("it does not begin with 'imgdelta'"));
        }
        if versions.lowest > versions.highest {
            let (lowest, highest) = (versions.lowest, versions.highest);
            return Err(faulty(&format!("its versions are {lowest} to {highest}")));
        }
        if program.len() > LONGEST_PROGRAM {
            return Err(faulty("its program's name is too long"));
        }
        let program =
            std::str::from_utf8(program).map_err(|_| faulty("its program's name is no text"))?;
        Ok(Self {
            versions,
            program: sanitize(program),
        })
    }

    fn put(&self, to: &mut Vec<u8>) -> Result<()> {
        to.extend_from_slice(&self.versions.emit());
        to.extend_from_slice(self.program.as_bytes());
        Ok(())
    }
}

impl<'a> Body<'a> for RawBytes<'a> {
    fn take(payload: &'a [u8]) -> Result<Self> {
        // Else somebody could send nothing for ever.
        match payload {
            [] => Err(faulty("it is empty")),
            bytes => Ok(Self(bytes)),
        }
    }

    fn put(&self, to: &mut Vec<u8>) -> Result<()> {
        to.extend_from_slice(self.0);
        Ok(())
    }
}

impl Body<'_> for Empty {
    fn take(payload: &[u8]) -> Result<Self> {
        match payload {
            [] => Ok(Self),
            _ => Err(faulty("it must be empty")),
        }
    }

    fn put(&self, _: &mut Vec<u8>) -> Result<()> {
        Ok(())
    }
}

fn from_json<T: DeserializeOwned>(payload: &[u8]) -> Result<T> {
    serde_json::from_slice(payload).map_err(|cause| faulty(&cause.to_string()))
}

fn to_json<T: Serialize>(body: &T, to: &mut Vec<u8>) -> Result<()> {
    serde_json::to_writer(to, body).map_err(|cause| {
        Error::new(
            Kind::Unsupported,
            format!("the message cannot be written: {cause}"),
        )
    })
}

/// What is wrong with a payload. It quotes what came, hence it is sanitized.
fn wrong(what: &str, error: &Error) -> Error {
    faulty(&format!("the frame {what}: {}", sanitize(error.message())))
}
