//! A repository on disk, from the outside: what each operation does, what a killed process leaves, and what hostile files are answered.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "the tests know what they have made and say what they expect"
)]

mod adds;
mod arrives;
mod changes;
mod children;
mod corpus;
mod crashes;
mod hostile;
mod inventories;
mod kin;
mod looks;
mod many;
mod mends;
mod model;
mod place;
mod protects;
mod refuses;
mod scans;
mod several;
mod swaps;
mod under_way;
mod verifies;
mod weighs;
mod witnesses;
