//! The conversation of two programs over a pipe: the site's list intersected with headquarters', the choice, the difference, the entry.
//!
//! `docs/protocol.md` of the project describes every frame. Headquarters has a [`ClientSession`], the site calls [`serve`]; each speaks over
//! any pair of a reader and a writer, keeps at most a list and a frame in memory, and believes nothing of the other but what it has proven.
//! What comes over a connection is an entry of a delivery, and is received as one.
//!
//! | module | holds |
//! |---|---|
//! | `frame` | length, kind, payload, digest |
//! | `message` | what each kind of frame says |
//! | `proposal` | how an image is to come |
//! | `failure` | an error on its way to the other side |
//! | `connection` | one end: messages out and in, lists in pieces |
//! | `heartbeat` | silence: how long it is borne, and how it is broken |
//! | `client` | headquarters' end |
//! | `stream` | the files of an entry, one behind the other |
//! | `server` | the site's end |
//! | `session_state` | what it knows of images that are proposed |
//! | `staging` | what a site holds of an entry until it is whole |
//! | `init` | a repository that is started at the other end |
//! | `allowed_root` | the folder that is asked for, if it may be had |
//! | `ssh_url` | `ssh://[user@]host[:port]/path`, and the command that leads there |
//! | `ssh` | a connection through the system's ssh |

mod allowed_root;
mod client;
mod connection;
mod failure;
mod frame;
mod heartbeat;
mod init;
mod message;
mod proposal;
mod server;
mod session_state;
mod ssh;
mod ssh_url;
mod staging;
mod stream;

pub use client::{ClientSession, Delivered, TransferStats};
pub use failure::Failure;
pub use frame::LONGEST_PAYLOAD;
pub use heartbeat::{PATIENCE, Patience, PatientReader};
pub use init::init_over;
pub use message::{InitDone, Opened, SiteSpace};
pub use proposal::Proposal;
pub use server::{ServeOptions, Served, serve};
pub use session_state::MOST_STEPS;
pub use ssh::Transport;
pub use ssh_url::{REMOTE_PROGRAM, SSH, SshUrl, ssh_command};

/// The highest version of the protocol that is spoken here.
pub const VERSION: u16 = 2;

/// The lowest.
pub const LOWEST_VERSION: u16 = 1;
