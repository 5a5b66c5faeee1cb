//! The command while the host fails: at every call that changes a file, at random times, by signal, by limit, by a second run.
//!
//! Whatever happens, an output is whole or not there, what stood there before stands there still, and exit status 0 means
//! done. Nothing here feeds it damaged images: that is `hostile`.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "the tests know their files, and a wrong one should stop them where it is made"
)]

mod cache;
mod cuts;
#[path = "../cli/host.rs"]
mod host;
mod kills;
mod limits;
#[path = "../cli/medium.rs"]
#[expect(dead_code, reason = "what is done here needs less of it")]
mod medium;
mod pulled;
mod races;
mod repositories;
mod scene;
mod several;
mod shim;
mod signals;
mod sites;
mod strangers;
mod sweep;
#[path = "../watched/mod.rs"]
mod watched;
mod worn;

/// What a test returns.
type Outcome = Result<(), Box<dyn std::error::Error>>;
