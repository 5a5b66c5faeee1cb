//! Fuzz targets as plain functions: each knows the right answer for every input, and panics when it is not given.
//!
//! `fuzz/run TARGET SECONDS` feeds them with coverage guidance on stable Rust; `cargo test -p imgdelta-fuzz` replays the
//! corpus and a seeded stretch of random changes of real images. What once failed stays in `corpus/`.

#![allow(clippy::panic, reason = "a fuzz target fails by panicking")]

mod gpt;
mod guest;
mod image;
mod lists;
mod packed;
mod pages;
mod pair;
mod parity;
mod paths;
mod transport;

use imgdelta_core::Format;

pub use parity::parity_files;
pub use transport::transport_files;

/// A target: bytes in, panic if the answer is wrong.
pub type Target = fn(&[u8]);

/// All targets by name.
pub const TARGETS: &[(&str, Target)] = &[
    ("vhd", |bytes| image::open(Format::Vhd, bytes)),
    ("qcow2", |bytes| image::open(Format::Qcow2, bytes)),
    ("vmdk_text", |bytes| {
        image::open_as(Format::Vmdk, b"# Disk DescriptorFile\n", bytes);
    }),
    ("vmdk_sparse", |bytes| {
        image::open_as(Format::Vmdk, b"KDMV", bytes)
    }),
    ("vmdk_stream", |bytes| {
        image::open_as(Format::Vmdk, b"KDMV\x03\0\0\0\x01\0\x03\0", bytes);
    }),
    ("vmdk_cowd", |bytes| {
        image::open_as(Format::Vmdk, b"COWD\x01", bytes)
    }),
    ("vmdk_sesparse", |bytes| {
        image::open_as(
            Format::Vmdk,
            b"\xbe\xba\xfe\xca\0\0\0\0\x01\0\0\0\x02\0\0\0",
            bytes,
        );
    }),
    ("vdi", |bytes| image::open(Format::Vdi, bytes)),
    ("qcow1", |bytes| image::open(Format::Qcow1, bytes)),
    ("qed", |bytes| image::open(Format::Qed, bytes)),
    ("parallels", |bytes| image::open(Format::Parallels, bytes)),
    ("dmg", |bytes| image::open(Format::Dmg, bytes)),
    ("vhdx_front", vhdx),
    ("vhdx_metadata", vhdx),
    ("vhdx_log", vhdx),
    ("vhdx_bat", vhdx),
    ("packed", packed::open),
    ("archive", packed::archive),
    ("ovf", packed::ovf),
    ("digests", packed::digests),
    ("recorded_path", paths::recorded),
    ("gpt", gpt::resize),
    ("guest", guest::look),
    ("manifest", image::manifest),
    ("record", lists::record),
    ("inventory", lists::inventory),
    ("delivery", lists::delivery),
    ("leaves", lists::leaves),
    ("talk", lists::talk),
    ("round_trip", pair::round_trip),
    ("chain", pair::chain),
    ("transport_unpack", transport::unpack),
    ("transport_pack", transport::pack),
    ("parity", parity::heal),
];

/// The targets of VHDX differ in what their seeds begin with: headers and region tables, metadata, log, BAT.
fn vhdx(bytes: &[u8]) {
    image::open_source(Format::Vhdx, pages::source(bytes));
}

/// The target of that name.
#[must_use]
pub fn target(name: &str) -> Option<Target> {
    TARGETS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, target)| *target)
}
