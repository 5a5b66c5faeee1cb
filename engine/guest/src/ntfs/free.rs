//! The free map: `$Bitmap`, which no file may contradict; the page files; and whether Windows sleeps.

use imgdelta_core::{BitOrder, Bytes};

use super::{
    attribute::Piece,
    clean::is_clean,
    files::{Listed, list},
    shadow,
    volume::{Ntfs, contents},
};
use crate::{
    fault::{Fault, Found},
    runs::Runs,
    unused::Unused,
    window::Window,
};

/// The record of `$Bitmap`.
const BITMAP: u64 = 6;
/// Bytes of it that are read at once.
const PAGE: u64 = 1 << 16;
/// Files in the root directory whose contents Windows makes anew when it starts.
const PAGE_FILES: [&str; 2] = ["/pagefile.sys", "/swapfile.sys"];
/// The file that Windows sleeps in.
const SLEEP_FILE: &str = "/hiberfil.sys";

/// What of an NTFS volume is certainly unused.
pub(crate) fn unused(volume: &Window<'_>) -> Found<Unused> {
    let ntfs = Ntfs::open(*volume)?;
    // Before the rest: a system that sleeps keeps the other volumes too.
    let mut files = Vec::new();
    for listed in list(Ntfs::open(*volume)?)? {
        let listed = listed?;
        let path = listed.entry.path.to_ascii_lowercase();
        if path == SLEEP_FILE {
            is_awake(&ntfs, &listed)?;
        } else if PAGE_FILES.contains(&path.as_str()) {
            files.extend(listed.data);
        }
    }
    is_clean(&ntfs)?;
    shadow::has_none(volume)?;
    let free = free_map(&ntfs)?;
    for listed in list(Ntfs::open(*volume)?)? {
        let entry = listed?.entry;
        if entry.extents.iter().any(|run| free.meets(*run)) {
            let why = format!("{} has clusters that are called free", entry.path);
            return Err(Fault::Unsound(why));
        }
    }
    let files = files
        .iter()
        .filter_map(|piece: &Piece| Some(ntfs.run(piece.first?, piece.count)));
    Ok(Unused {
        free,
        page_files: Runs::of(files.collect()),
        ..Unused::default()
    })
}

/// Makes sure that Windows does not sleep in this file. A fast start-up is a sleep, too.
fn is_awake(ntfs: &Ntfs<'_>, listed: &Listed) -> Found<()> {
    let head = ntfs.read(&listed.data, 0, 4096)?;
    let is_woken = head.to_ascii_uppercase().starts_with(b"WAKE");
    if is_woken || listed.data.is_empty() || head.iter().all(|byte| *byte == 0) {
        return Ok(());
    }
    Err(Fault::Suspended(
        "Windows sleeps in its hiberfil.sys: it is hibernated, or was shut down for a fast start-up"
            .into(),
    ))
}

/// The clear bits of `$Bitmap`.
fn free_map(ntfs: &Ntfs<'_>) -> Found<Runs> {
    let (pieces, len) = contents(&ntfs.file(BITMAP)?.attributes)?;
    let clusters = ntfs.boot.clusters;
    let there = pieces
        .iter()
        .fold(0_u64, |sum, piece| sum.saturating_add(piece.count));
    let there = there.saturating_mul(ntfs.boot.cluster).min(len);
    let is_whole = pieces.iter().all(|piece| piece.first.is_some());
    if there < clusters.div_ceil(8) || !is_whole {
        return Err(Fault::unsound(
            "its $Bitmap is shorter than its clusters are many",
        ));
    }
    let mut free = Runs::default();
    let mut done = 0;
    while done < clusters.div_ceil(8) {
        let page = ntfs.read(&pieces, done, PAGE)?;
        let first = done.saturating_mul(8);
        let bits = Bytes((PAGE * 8).min(clusters.saturating_sub(first))).in_memory();
        let mut bit = 0;
        while bit < bits {
            let (is_used, alike) = BitOrder::Lsb0.run(&page, bit, bits);
            if alike == 0 {
                break;
            }
            if !is_used {
                free.push(ntfs.run(first.saturating_add(bit as u64), alike as u64));
            }
            bit += alike;
        }
        done = done.saturating_add(PAGE);
    }
    Ok(free)
}
