//! The calls on sites from the outside: what each does, what its report says, and what it leaves when it fails or is stopped.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "the tests know what they have made and say what they expect"
)]

mod folders;
mod hosts;
mod mediums;
#[allow(dead_code, reason = "what the tests of deliveries need beside")]
#[path = "../delivery/place.rs"]
mod place;
mod plans;
mod refusals;
mod reports;
mod stops;
mod world;
