//! The registry on real files: what is opened, as what, and above all what is not.

#![allow(
    clippy::indexing_slicing,
    reason = "a wrong test should stop where it is wrong"
)]

mod accepted;
mod alike;
mod aux_files;
mod broken;
mod chains;
mod identities;
mod links;
mod mixed;
mod null_ids;
mod place;
mod policies;
mod probes;
mod searches;
