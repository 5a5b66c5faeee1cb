//! Which readers of others read a cell truly, and which cells have none: those are named here.

use std::path::{Path, PathBuf};

use imgdelta_fixtures::{
    pair::Resize,
    peers::{self, Peer},
};

use super::sets::{DATA_FILE, Role, Set};

/// A reader of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reader {
    Qemu,
    Libyal,
    SevenZip,
    Dissect,
    VirtualBox,
    /// The bytes of the file are the disk.
    Bytes,
}

impl Reader {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Qemu => "qemu-img",
            Self::Libyal => "libyal",
            Self::SevenZip => "7zz",
            Self::Dissect => "dissect",
            Self::VirtualBox => "VirtualBox",
            Self::Bytes => "the file itself",
        }
    }

    /// What it sees; nothing where it is not installed.
    pub(super) fn read(
        self,
        image: &Path,
        format: &str,
        parents: &[PathBuf],
    ) -> Result<Option<Vec<u8>>, String> {
        let peer = match self {
            Self::Qemu => Peer::QemuImg,
            Self::Libyal => Peer::Libyal,
            Self::SevenZip => Peer::SevenZip,
            Self::Dissect => Peer::Dissect,
            Self::VirtualBox => Peer::VirtualBox,
            Self::Bytes => {
                return std::fs::read(image)
                    .map(Some)
                    .map_err(|cause| cause.to_string());
            }
        };
        if peers::find(peer).is_none() {
            return Ok(None);
        }
        let seen = match self {
            Self::Qemu => qemu(image, format),
            Self::Libyal => peers::libyal(format, image, parents),
            Self::SevenZip => peers::sevenzip(image, format),
            Self::VirtualBox => peers::virtualbox_raw(image, parents),
            // dissect is given the parents of VDI alone; others it finds by the link.
            _ if format == "vdi" => peers::dissect(format, image, parents),
            _ => peers::dissect(format, image, &[]),
        };
        let seen = seen.map_err(|said| format!("{}: {said}", self.name()))?;
        Ok(Some(seen))
    }
}

/// What qemu sees, and finds when it checks. It looks for a data file in the folder that it is started in, unless it is told.
fn qemu(image: &Path, format: &str) -> Result<Vec<u8>, String> {
    let out = image.with_file_name("qemu.raw");
    let data = image.with_file_name(DATA_FILE);
    let mut options = format!("driver={format},file.filename={}", image.display());
    if data.exists() {
        options += &format!(
            ",data-file.driver=file,data-file.filename={}",
            data.display()
        );
    }
    if format == "qcow2" {
        peers::qemu_img(&["check", "--image-opts", &options])?;
    }
    let target = out.to_string_lossy();
    peers::qemu_img(&["convert", "--image-opts", &options, "-O", "raw", &target])?;
    std::fs::read(out).map_err(|cause| cause.to_string())
}

/// The readers of a cell, or why it has none. Where there is only one, no other reads this variant truly; faults of others that were
/// met here:
///
/// - qemu and dissect ignore the parent of a VHD; libvhdi takes sectors from a VHD child that stand behind one of its own in a byte of
///   the bitmap; VirtualBox wants blocks of 2 MiB;
/// - qemu opens no VHDX with sectors of 4 KiB, and no child; 7-Zip none whose last block is cut; libvhdi shows the parent where a whole
///   block of a child is zero, and fails behind the parent's end;
/// - libvmdk knows no zeroed grains;
/// - qemu, 7-Zip and VirtualBox read a VDI with blocks of 1 MiB only, qemu and 7-Zip no child; dissect fails behind the parent's end.
pub(super) fn of(set: &Set, resize: Resize) -> Result<Vec<Reader>, &'static str> {
    use Reader::{Bytes, Dissect, Libyal, Qemu, SevenZip, VirtualBox};
    let is_child = set.role == Role::Child;
    let is_grown = resize == Resize::Grown;
    Ok(match set.format {
        "raw" => vec![Bytes],
        // No other reads zstd, subclusters, data files and chains alike.
        "qcow2" => vec![Qemu],
        "vhd" if is_child && set.options.is_empty() => vec![SevenZip, VirtualBox],
        "vhd" if is_child => vec![SevenZip],
        "vhd" => vec![Libyal, SevenZip],
        "vhdx" if is_child && !is_grown && set.has("block_size=32M") => vec![Libyal, Dissect],
        "vhdx" if is_child => vec![Dissect],
        "vhdx" if set.has("logical_sector_size=4096") => vec![Libyal, Dissect],
        "vhdx" => vec![Qemu, Libyal],
        "vmdk" if is_child && set.has("zeroed_grain=on") => vec![Qemu],
        "vmdk" => vec![Qemu, Libyal],
        _ if is_grown && !set.options.is_empty() => {
            return Err("nobody else reads a VDI child behind its parent's end with such blocks");
        }
        _ if is_grown => vec![VirtualBox],
        _ if is_child && set.options.is_empty() => vec![Dissect, VirtualBox],
        _ if is_child || set.has("block_size") => vec![Dissect],
        _ => vec![Qemu, SevenZip, Dissect],
    })
}
