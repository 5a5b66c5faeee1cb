//! What the writer writes, as qemu sees it: sound by `qemu-img check`, and by `qemu-img compare` the disk of the recipe.
//!
//! How our own reader sees it stands in `reads_back`.

#![allow(
    clippy::indexing_slicing,
    reason = "a wrong index should stop the test, loudly"
)]

mod children;
mod random;
mod reads_back;
mod refusals;
mod serial;
mod whole;
