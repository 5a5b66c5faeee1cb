//! Fuzz targets as plain functions: each knows the right answer for every input, and panics when it is not given.
//!
//! `fuzz/run TARGET SECONDS` feeds them with coverage guidance on stable Rust; `cargo test -p imgdelta-fuzz` replays the
//! corpus and a seeded stretch of random changes of real images. What once failed stays in `corpus/`.

#![allow(clippy::panic, reason = "a fuzz target fails by panicking")]

mod image;
mod pair;

use imgdelta_core::Format;

/// A target: bytes in, panic if the answer is wrong.
pub type Target = fn(&[u8]);

/// All targets by name.
pub const TARGETS: &[(&str, Target)] = &[
    ("vhd", |bytes| image::open(Format::Vhd, bytes)),
    ("qcow2", |bytes| image::open(Format::Qcow2, bytes)),
    ("manifest", image::manifest),
    ("round_trip", pair::round_trip),
    ("chain", pair::chain),
];

/// The target of that name.
#[must_use]
pub fn target(name: &str) -> Option<Target> {
    TARGETS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, target)| *target)
}
