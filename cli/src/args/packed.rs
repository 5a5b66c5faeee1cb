//! Inputs that are packed in something else: which disk of a package, and how far a compressed file is unpacked.

use std::path::PathBuf;

use clap::Args;
use imgdelta::core::Bytes;
use imgdelta::registry::{Unpack, unpack::UnpackSpace};

use super::values::size;

/// What is said of packed inputs.
#[derive(Debug, Args)]
pub(crate) struct Packed {
    /// Which disk of an OVF package (.ova, .ovf): its number, or the name of its file.
    #[arg(
        long,
        value_name = "NAME|N",
        help_heading = "Input",
        hide_short_help = true
    )]
    disk: Option<String>,
    /// The most that a compressed file (.gz, .xz, .zst, .bz2) may unpack to [default: 16T].
    #[arg(long, value_name = "SIZE", value_parser = size, help_heading = "Input", hide_short_help = true)]
    unpack_limit: Option<Bytes>,
}

impl Packed {
    /// How an input is unpacked.
    pub(crate) fn unpack(&self) -> Box<Unpack> {
        self.unpack_disk(self.disk.clone())
    }

    /// The same for an input of which another disk is meant.
    pub(crate) fn unpack_disk(&self, disk: Option<String>) -> Box<Unpack> {
        Box::new(Unpack {
            disk,
            room: UnpackSpace {
                // Whoever opens it knows where there is room.
                folder: PathBuf::new(),
                most: self.unpack_limit.unwrap_or(UnpackSpace::MOST),
                stop: None,
            },
            proves: true,
        })
    }
}
