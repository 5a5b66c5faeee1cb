//! What `check` says of a disk's partition table: its checksums and its backup, and whether what it says can be.

use imgdelta_guest::volumes;
use imgdelta_registry::OpenSpec;

use crate::{disk::Disk, guest_disk::GuestDisk};

/// What is wrong with the partition table of a disk, a line each. The table is the guest's: no image is damaged for it. Of a child alone, most
/// of whose disk is its parents', nothing is said; nor of a disk that does not open, which is told elsewhere.
pub(crate) fn table_notes(spec: &OpenSpec, with_parents: bool) -> Vec<String> {
    let disk = match with_parents {
        true => Disk::open(spec),
        false => Disk::open_alone(spec),
    };
    let Ok(disk) = disk else {
        return Vec::new();
    };
    if !with_parents && disk.top.image.parent().is_some() {
        return Vec::new();
    }
    let lines = match volumes(&GuestDisk::of(&disk.chain)) {
        Ok(layout) => layout.doubt.into_iter().chain(layout.notes).collect(),
        Err(error) => vec![format!("it cannot be read: {error}")],
    };
    let lines = lines.into_iter();
    lines
        .map(|line| format!("partition table: {line}"))
        .collect()
}
