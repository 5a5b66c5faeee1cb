//! The choice of base, against models that know the disks byte by byte and try everything.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "the models know their sizes and say what they expect"
)]

mod batch_steps;
mod batches;
mod measures;
mod outward;
mod overlaps;
mod shelf;
