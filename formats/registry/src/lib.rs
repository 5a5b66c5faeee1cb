//! The one list of drivers: probe, open, find a parent under a policy, create.
//!
//! Whoever opens an image goes through here, and whatever an image names is opened here or nowhere:
//!
//! | module | holds |
//! |---|---|
//! | [`probe`](mod@probe) | which format a file has |
//! | [`policy`] | which of the files that an image names may be looked at |
//! | [`layer`] | one image, and which layer that is |
//! | [`open`] | an image, or a chain of them |
//! | [`references`](mod@references) | what an image names, nothing of it opened |
//! | [`create`](mod@create) | new images, which appear whole or not at all |
//! | [`link`] | how a child is to name its base |
//! | [`unpack`] | what a disk is packed in: compression, archives, packages, pieces |
//!
//! [`child_rule`](fn@child_rule) and [`check_child`] say what a format demands of a child's base. Each format but raw is a feature.
//!
//! Inside, `recorded_path` reads recorded paths, `sandbox` opens them without leaving a folder, `name_matching` finds those whose names Windows or macOS write in
//! other letters among what `listing` has read of their folders, `parent` chooses among them, `identity_search` finds more by identity, `aux_files` does the same for a format's other files, `folder`
//! knows folders that are images, `error_context` has every error say its file, and `unsupported` knows what nobody here can read.

mod atomic_file_set;
mod aux_files;
mod child_rule;
pub mod create;
mod error_context;
mod folder;
mod identity_search;
pub mod layer;
pub mod link;
mod listing;
mod name_matching;
pub mod open;
pub mod open_spec;
mod package_output;
mod parent;
pub mod policy;
pub mod probe;
mod recorded_path;
pub mod references;
mod refusal;
mod sandbox;
pub mod unpack;
mod unsupported;

use imgdelta_core::{Driver, Format};

pub use atomic_file_set::{AtomicFileSet, refuse_inputs};
pub use child_rule::{
    DiskTraits, check_base_format, check_child, child_rule, formats_with_children,
};
pub use create::{
    Output, OutputSpec, ResolvedOutput, check_name, create, driver_for, driver_of_new, is_package,
    written_formats,
};
pub use layer::{Opened, open_layer};
pub use link::{needs_search, new_parent, unlinked_parent};
pub use open::{
    MOST_LAYERS, OpenedRepair, check_image, driver_of_image, open_bytes, open_chain, open_image,
    open_source, repair_image,
};
pub use open_spec::{OpenSpec, Unpack};
pub use package_output::{NewPackage, PackageSpec, check_output, package_file};
pub use policy::{Candidate, ParentOption, Policy, candidates};
pub use probe::{is_raw_name, probe, refuse_packed};
pub use references::references;
pub use refusal::{Reason, Refused};
pub use unpack::PackedDisk;

/// Every format that can be read. Raw claims nothing by its bytes and stands last.
pub static DRIVERS: &[&Driver] = &[
    #[cfg(feature = "vhd")]
    &imgdelta_vhd::DRIVER,
    #[cfg(feature = "vhdx")]
    &imgdelta_vhdx::DRIVER,
    #[cfg(feature = "qcow2")]
    &imgdelta_qcow2::DRIVER,
    #[cfg(feature = "vmdk")]
    &imgdelta_vmdk::DRIVER,
    #[cfg(feature = "vdi")]
    &imgdelta_vdi::DRIVER,
    #[cfg(feature = "qcow1")]
    &imgdelta_qcow1::DRIVER,
    #[cfg(feature = "qed")]
    &imgdelta_qed::DRIVER,
    #[cfg(feature = "parallels")]
    &imgdelta_parallels::DRIVER,
    #[cfg(feature = "dmg")]
    &imgdelta_dmg::DRIVER,
    &imgdelta_raw::DRIVER,
];

/// The driver of a format; `None` if this build has none.
#[must_use]
pub fn driver_of(format: Format) -> Option<&'static Driver> {
    DRIVERS
        .iter()
        .copied()
        .find(|driver| driver.format == format)
}

/// The extension of new images of a format, without dot.
#[must_use]
pub fn extension_of(format: Format) -> &'static str {
    let known = driver_of(format).and_then(|driver| driver.extensions.first().copied());
    known.unwrap_or_else(|| format.name())
}
