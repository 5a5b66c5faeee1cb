//! The registry on real files: what is opened, as what, and above all what is not.

#![allow(
    clippy::indexing_slicing,
    reason = "a wrong test should stop where it is wrong"
)]

mod broken;
mod chains;
mod companions;
mod identities;
mod links;
mod place;
mod policies;
mod probes;
mod searches;
