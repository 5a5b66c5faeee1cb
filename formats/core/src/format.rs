//! The formats, by name.

use std::{fmt, str::FromStr};

use crate::{Error, Kind, Result};

/// The formats that the project knows or will know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "their names are their meaning")]
#[non_exhaustive]
pub enum Format {
    Raw,
    Vhd,
    Vhdx,
    Vmdk,
    Vdi,
    Qcow2,
    Qcow1,
    Qed,
    Parallels,
    Dmg,
    /// What travels between two sites: it is read over its base alone, so no driver has it, and it is not among [`ALL`](Self::ALL).
    Transport,
}

impl Format {
    /// All that have a driver.
    pub const ALL: [Self; 10] = [
        Self::Raw,
        Self::Vhd,
        Self::Vhdx,
        Self::Vmdk,
        Self::Vdi,
        Self::Qcow2,
        Self::Qcow1,
        Self::Qed,
        Self::Parallels,
        Self::Dmg,
    ];

    /// Its name, as users type it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Vhd => "vhd",
            Self::Vhdx => "vhdx",
            Self::Vmdk => "vmdk",
            Self::Vdi => "vdi",
            Self::Qcow2 => "qcow2",
            Self::Qcow1 => "qcow1",
            Self::Qed => "qed",
            Self::Parallels => "parallels",
            Self::Dmg => "dmg",
            Self::Transport => "imgdelta",
        }
    }

    /// What qemu calls it.
    #[must_use]
    pub const fn qemu_name(self) -> &'static str {
        match self {
            Self::Vhd => "vpc",
            Self::Qcow1 => "qcow",
            other => other.name(),
        }
    }

    /// The format of that name, its own or qemu's.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| {
            let names = [format.name(), format.qemu_name()];
            names.iter().any(|known| known.eq_ignore_ascii_case(name))
        })
    }
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::of_name(text).ok_or_else(|| {
            let shown: String = text.chars().take(80).collect();
            let message = format!("'{}' is no format", shown.escape_debug());
            Error::new(Kind::Unsupported, message).with_code("no_such_format")
        })
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
