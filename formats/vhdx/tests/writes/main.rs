//! What we write is what was asked for, as other projects and our own reader see it.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a wrong test should stop"
)]

mod bases;
mod bytes;
mod children;
mod making;
#[path = "../reading/mod.rs"]
mod reading;
mod refusals;
mod relinks;
