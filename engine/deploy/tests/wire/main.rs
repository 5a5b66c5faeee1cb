//! The conversation of two managers, from the outside: to its end, cut at every frame, and with an other side that cheats.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "the tests know what they have made, and say what they expect"
)]

mod beats;
mod cuts;
#[path = "../version_1/disks.rs"]
mod disks;
mod hostile_client;
mod hostile_site;
mod lines;
#[path = "../outside/mod.rs"]
mod outside;
mod pipe;
mod place;
mod raw;
mod sends;
mod swaps;
mod talks;
mod version_1;
