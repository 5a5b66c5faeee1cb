//! The command on images that somebody damaged, or made to harm: cut, malformed, endless, naming what is not theirs.
//!
//! Whatever it is given, it answers with the right exit status, soon and in little memory, tells no secret and leaves no file.
//! Nothing here lets the host fail: that is `faults`.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "the tests know their files, and a wrong one should stop them where it is made"
)]

mod bases;
mod bombs;
mod canary;
mod cuts;
mod malformed;
mod memory;
mod place;
mod references;
mod traced;
#[path = "../watched/mod.rs"]
mod watched;

/// What a test returns.
type Outcome = Result<(), Box<dyn std::error::Error>>;
