//! The conversation of two managers over a pipe: the site's list intersected with headquarters', the choice, the difference, the entry.
//!
//! `docs/protocol.md` of the project describes every frame. Headquarters has a [`Client`], the site calls [`serve`]; each speaks over
//! any pair of a reader and a writer, keeps at most a list and a frame in memory, and believes nothing of the other but what it has proven.
//! Which base is best is not decided here, nor is anything packed or made: what comes over a line is an entry of a delivery, and is received as
//! one.
//!
//! | module | holds |
//! |---|---|
//! | `frame` | length, kind, payload, digest |
//! | `message` | what each kind of frame says |
//! | `proposal` | how an image is to come |
//! | `failure` | an error on its way to the other side |
//! | `line` | one end: messages out and in, lists in pieces |
//! | `beat` | silence: how long it is borne, and how it is broken |
//! | `client` | headquarters' end |
//! | `stream` | the files of an entry, one behind the other |
//! | `site` | the site's end |
//! | `arriving` | what it knows of images that are proposed |
//! | `incoming` | what a site holds of an entry until it is whole |
//! | `init` | a repository that is started at the other end |
//! | `root` | the folder that is asked for, if it may be had |
//! | `ssh_url` | `ssh://[user@]host[:port]/path`, and the command that leads there |
//! | `ssh` | a line through the system's ssh |

mod arriving;
mod beat;
mod client;
mod failure;
mod frame;
mod incoming;
mod init;
mod line;
mod message;
mod proposal;
mod root;
mod site;
mod ssh;
mod ssh_url;
mod stream;

pub use arriving::MOST_STEPS;
pub use beat::{PATIENCE, Patience, PatientReader};
pub use client::{Client, Delivered, Transfer};
pub use failure::Failure;
pub use frame::LONGEST_PAYLOAD;
pub use init::init_over;
pub use message::{Made, Opened, SiteSpace};
pub use proposal::Proposal;
pub use site::{ServeOptions, Served, serve};
pub use ssh::Transport;
pub use ssh_url::{REMOTE_PROGRAM, SSH, SshUrl, ssh_command};

/// The highest version of the protocol that is spoken here.
pub const VERSION: u16 = 2;

/// The lowest.
pub const LOWEST_VERSION: u16 = 1;
