//! The conversation of two managers over a pipe: the site's list intersected with headquarters', the choice, the difference, the entry.
//!
//! `PROTOCOL.md` beside this crate's manifest describes every frame. Headquarters has a [`Client`], the site calls [`serve`]; each speaks over
//! any pair of a reader and a writer, keeps at most a list and a frame in memory, and believes nothing of the other but what it has proven.
//! Which base is best is not decided here, nor is anything packed or applied: [`Sending`] and [`Deliveries`] ask other rooms for that.
//!
//! | room | holds |
//! |---|---|
//! | `frame` | length, kind, payload, digest |
//! | `message` | what each kind of frame says |
//! | `failure` | an error on its way to the other side |
//! | `offer` | what was chosen, and the parts that are sent |
//! | `line` | one end: messages out and in, lists in pieces |
//! | `client` | headquarters' end |
//! | `sending` | images of headquarters announced, chosen for, packed and sent over it |
//! | `site` | the site's end |
//! | `deliveries` | what comes over it made into images, as what comes on a stick |
//! | `install` | what it asks of whoever makes images |
//! | `incoming` | what a site holds of an offer until it is whole |
//! | `root` | the folder that is asked for, if it may be had |
//! | `ssh_url` | `ssh://[user@]host[:port]/path`, and the command that leads there |
//! | `ssh` | a line through the system's ssh |

mod client;
mod deliveries;
mod failure;
mod frame;
mod incoming;
mod install;
mod line;
mod message;
mod offer;
mod root;
mod sending;
mod site;
mod ssh;
mod ssh_url;

pub use client::{Client, Outcome};
pub use deliveries::Deliveries;
pub use failure::Failure;
pub use frame::LONGEST_PAYLOAD;
pub use install::{Install, Installed, Received, Whole};
pub use message::{Entered, Opened, There};
pub use offer::{Choice, MOST_PARTS, Offer, Parcel, Part};
pub use sending::{Sending, Sent, SentImage};
pub use site::{MOST_STEPS, Served, Site, serve};
pub use ssh::Transport;
pub use ssh_url::{REMOTE_PROGRAM, SSH, SshUrl, ssh_command};

/// The version of the protocol that is spoken here.
pub const VERSION: u16 = 1;
