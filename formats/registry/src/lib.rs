//! The one list of drivers: probe, open, find a parent under a policy, create.
//!
//! Whoever opens an image goes through here, and whatever an image names is opened here or nowhere:
//!
//! | room | holds |
//! |---|---|
//! | [`probe`](mod@probe) | which format a file has |
//! | [`policy`] | which of the files that an image names may be looked at |
//! | [`open`] | an image, or a chain of them |
//! | [`references`](mod@references) | what an image names, nothing of it opened |
//! | [`create`](mod@create) | new images, which appear whole or not at all |
//! | [`link`] | how a child is to name its base |
//!
//! Inside, `hint` reads recorded paths, `beneath` opens them without leaving a folder, `parent` chooses among them, `search` finds
//! more by identity, `companions` does the same for a format's other files, `named` has every error say its file, and `foreign` knows what nobody here can read.

mod atomic_file_set;
mod beneath;
mod companions;
pub mod create;
mod foreign;
mod hint;
pub mod link;
mod named;
pub mod open;
mod parent;
pub mod policy;
pub mod probe;
pub mod references;
mod search;

use imgdelta_core::Driver;

pub use atomic_file_set::AtomicFileSet;
pub use create::{Output, OutputSpec, create, create_in, create_stream, driver_for, refuse_inputs};
pub use link::{needs_search, new_parent};
pub use open::{
    MOST_LAYERS, OpenSpec, Opened, OpenedRepair, check_image, open_chain, open_image, repair_image,
};
pub use policy::{Candidate, Policy, Reason, Refused, candidates};
pub use probe::probe;
pub use references::references;

/// Every format that can be read and written. Raw claims nothing by its bytes and stands last.
pub static DRIVERS: &[&Driver] = &[
    &imgdelta_vhd::DRIVER,
    &imgdelta_vhdx::DRIVER,
    &imgdelta_qcow2::DRIVER,
    &imgdelta_vmdk::DRIVER,
    &imgdelta_vdi::DRIVER,
    &imgdelta_raw::DRIVER,
];
