//! What travels: the difference of two disks as one small file, made against what the base holds anywhere, and expanded over the base.
//!
//! ```text
//! header │ windows │ map, in segments │ manifest │ index of windows │ index of segments
//! ```
//!
//! Each block of 4 KiB of the target is the base's own, zero, a copy from elsewhere in the base, a stored block, or one stored before. Stored
//! blocks are packed in windows of 256 KiB, each by itself, against a prefix of those pages of the base with which it has most in common. What
//! proves it is over what is unpacked. `docs/transport-format.md` has it byte for byte.
//!
//! | module | holds |
//! |---|---|
//! | [`layout`] | the file, byte for byte |
//! | [`pack`] | two disks become windows and a map: all of it, or some windows once more |
//! | [`file`](mod@file), [`head`] | a file, open; its header, judged |
//! | [`map`] | what each block of the target is |
//! | [`window`] | one window: its prefix and its frame |
//! | [`image`] | a file over its base, as a layer that all of the engine reads |
//! | [`check`](mod@check) | is a file sound, with or without its base |
//! | [`refill`] | damaged windows, put in anew |
//! | [`windows_file`] | windows packed anew, as a file that travels |
//!
//! Inside, `block_states` takes from `make` what differs, `base_index` finds what the base holds (`gear`, `sampled_index`), `moved` and
//! `repeats` find where a block stands already, `plan` writes the map down; `entries` judges the indexes.

mod base_index;
mod block_states;
pub mod check;
mod driver;
mod entries;
mod fault;
pub mod file;
mod file_writer;
mod gear;
pub mod head;
pub mod image;
pub mod layout;
pub mod map;
mod moved;
pub mod pack;
mod plan;
pub mod refill;
mod repeats;
mod sampled_index;
mod varint;
pub mod window;
pub mod windows_file;

pub use base_index::IndexBudget;
pub use check::check;
pub use driver::DRIVER;
pub use file::{TransportFile, is_transport};
pub use file_writer::Written;
pub use head::Head;
pub use image::TransportImage;
pub use pack::{LEVEL, Pack, Packing};
pub use plan::ContentCounts;
pub use refill::{Damage, Refill};
pub use window::PackedWindow;
pub use windows_file::{WantedWindows, WindowsFile, write_windows};
