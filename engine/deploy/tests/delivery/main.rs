//! Deliveries from the outside: what is packed, what a site takes of it, and what damaged or hostile ones are answered.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "the tests know what they have made and say what they expect"
)]

mod batches;
mod damage;
#[path = "../version_1/disks.rs"]
mod disks;
mod formats;
#[path = "../../../guest/tests/host/mod.rs"]
mod host;
mod kills;
mod left_out;
mod media;
#[path = "../outside/mod.rs"]
mod outside;
mod parity;
mod patent;
mod pieces;
#[allow(dead_code, reason = "nothing is cut here")]
#[path = "../wire/pipe.rs"]
mod pipe;
mod place;
mod refills;
mod refusals;
mod scene;
mod second_ways;
mod sticks;
mod stops;
mod swaps;
mod together;
mod transport;
mod verify;
mod version_1;
