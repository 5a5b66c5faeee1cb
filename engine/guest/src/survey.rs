//! A whole disk: its volumes, and what of each certainly nobody needs.

use imgdelta_core::Result;

use crate::{
    contents::Contents,
    disk::Disk,
    exfat, ext, fat,
    fault::{Fault, Found},
    ntfs,
    partition::{self, Layout, Volume},
    swap,
    unused::{Unused, Verdict},
    window::Window,
    xfs,
};

/// A disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survey {
    /// How it is divided.
    pub layout: Layout,
    /// What can be left out of each of [`Layout::volumes`], in the same order. What lies between volumes is in none of them: it stays.
    pub verdicts: Vec<Verdict>,
}

/// Reads the partition table of `disk` and the free map of each volume that it knows.
///
/// Nothing of a whole disk is left out where it is not certain where its volumes are, or where a system sleeps on it, be it Windows with its
/// fast start-up or Linux: what it holds of the disk in memory must be what is there when it wakes. The same goes for a disk on which hashes of
/// whole volumes stand: they are of free blocks too.
///
/// # Errors
/// Those of the disk. What is not sound on it is no error: it is told.
pub fn survey(disk: &dyn Disk) -> Result<Survey> {
    let layout = partition::volumes(disk)?;
    let mut verdicts = Vec::with_capacity(layout.volumes.len());
    let mut reason = layout.doubt.clone();
    for volume in &layout.volumes {
        if volume.contents == Contents::HASHES {
            let number = volume.number;
            reason.get_or_insert_with(|| {
                format!("volume {number} holds hashes of all blocks of another (dm-verity)")
            });
        }
        verdicts.push(match unused(disk, volume) {
            Ok(unused) => Verdict::Known(unused),
            Err(Fault::Disk(error)) => return Err(error),
            Err(Fault::Unsound(why)) => Verdict::Kept(why),
            Err(Fault::Suspended(why)) => {
                let number = volume.number;
                reason.get_or_insert_with(|| format!("volume {number}: {why}"));
                Verdict::Kept(why)
            }
        });
    }
    if let Some(why) = reason {
        for verdict in &mut verdicts {
            if matches!(verdict, Verdict::Known(_)) {
                *verdict = Verdict::Kept(why.clone());
            }
        }
    }
    Ok(Survey { layout, verdicts })
}

/// What can be left out of a volume.
fn unused(disk: &dyn Disk, volume: &Volume) -> Found<Unused> {
    let window = Window::new(disk, volume.start, volume.len);
    match volume.contents {
        Contents::Ext => ext::unused(&window),
        Contents::Fat => fat::unused(&window),
        Contents::ExFat => exfat::unused(&window),
        Contents::Ntfs => ntfs::unused(&window),
        Contents::Xfs => xfs::unused(&window),
        Contents::Swap => swap::unused(&window),
        contents => Err(Fault::unsound(format!(
            "it holds {contents}, which is not read here"
        ))),
    }
}
