//! Calls on repositories, from the outside: what their reports say, what they refuse, what a dry run leaves alone, and how they are stopped.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "the tests know what they have made and say what they expect"
)]

mod foresees;
mod place;
mod plans;
mod refuses;
mod reports;
mod stops;
