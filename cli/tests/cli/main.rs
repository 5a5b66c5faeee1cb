//! The command as users meet it: a folder, a line, what it said, how it ended, what it left.
//!
//! What the formats and the engine do right is their own tests' matter; here it is that the command asks them for the right thing.

// A wrong fixture should stop the test at the place where it is made, loudly.
#![allow(clippy::panic, clippy::indexing_slicing)]

mod completes;
mod conformance;
mod deploy;
mod deploy_clone;
mod deploy_cut;
mod deploy_drop;
mod deploy_exfat;
mod deploy_hosts;
mod deploy_meet;
mod deploy_months;
mod deploy_room;
mod deploy_ssh;
mod devices;
mod disks;
mod docs;
mod extents;
mod far;
mod guests;
mod hints;
mod host;
mod hyperv;
mod json;
mod keeps;
mod lines;
mod links;
mod machines;
mod medium;
mod migration;
mod moved;
mod names;
mod network;
mod nights;
mod only_read;
mod oracle;
mod owners;
mod packages;
mod packed;
mod parity;
mod passed_on;
mod passed_over;
mod peers;
mod pieces;
mod place;
mod plan;
mod promises;
mod refills;
mod refuses;
mod repo;
mod repo_damage;
mod requires_signer;
mod resize;
mod roles;
mod salvages;
mod same;
mod signed;
mod space;
mod sshd;
mod survives;
mod transport;
mod verifies;
mod year;
