//! Parity files: what is lost of a file is worked out again, byte for byte, or it is said that it cannot be; whatever stands in a parity file.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "the tests know their files"
)]

mod heals;
mod hostile;
mod media;
