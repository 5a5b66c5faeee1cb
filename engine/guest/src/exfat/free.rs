//! The free map: the bitmap of clusters, which no file may contradict.

use imgdelta_core::{BitOrder, Bytes};

use super::{boot::Boot, directory::Item, files::ExFat};
use crate::{
    fault::{Fault, Found},
    runs::Runs,
    unused::Unused,
    window::Window,
};

/// Bytes of the bitmap that are read at once.
const PAGE: u64 = 1 << 16;

/// What of an exFAT volume is certainly unused.
pub(crate) fn unused(volume: &Window<'_>) -> Found<Unused> {
    let boot = Boot::read(volume)?;
    boot.is_clean()?;
    let free = free_map(volume, &boot)?;
    for entry in super::files(*volume)? {
        let entry = entry?;
        if entry.extents.iter().any(|run| free.meets(*run)) {
            let why = format!("{} has clusters that are called free", entry.path);
            return Err(Fault::Unsound(why));
        }
    }
    Ok(Unused {
        free,
        ..Unused::default()
    })
}

/// The clear bits of the bitmap.
fn free_map(volume: &Window<'_>, boot: &Boot) -> Found<Runs> {
    let mut exfat = ExFat::new(*volume, *boot);
    let bitmaps = exfat.root()?.into_iter().filter_map(|item| match item {
        Item::Bitmap(stream) => Some(stream),
        _ => None,
    });
    let bitmaps: Vec<_> = bitmaps.collect();
    let [bitmap] = bitmaps[..] else {
        return Err(Fault::unsound("it does not have one bitmap of clusters"));
    };
    let len = boot.place.clusters.div_ceil(8);
    let runs = exfat.runs(&bitmap)?;
    if bitmap.len < len
        || runs
            .iter()
            .fold(0_u64, |sum, run| sum.saturating_add(run.len.0))
            < len
    {
        return Err(Fault::unsound(
            "its bitmap is shorter than its clusters are many",
        ));
    }
    let table = boot.table(*volume);
    let mut free = Runs::default();
    let mut done = 0;
    for run in runs {
        let at = run.start.0.saturating_sub(volume.start().0);
        let mut inside = 0;
        while inside < run.len.0 && done < len {
            let count = PAGE.min(run.len.0 - inside).min(len - done);
            let page = volume.bytes(at.saturating_add(inside), count, PAGE)?;
            let first = done.saturating_mul(8);
            let bits = Bytes(
                count
                    .saturating_mul(8)
                    .min(boot.place.clusters.saturating_sub(first)),
            );
            let mut bit = 0;
            while bit < bits.in_memory() {
                let (is_used, alike) = BitOrder::Lsb0.run(&page, bit, bits.in_memory());
                if alike == 0 {
                    break;
                }
                if !is_used {
                    let cluster = first.saturating_add(bit as u64).saturating_add(2);
                    let cluster = u32::try_from(cluster).unwrap_or(u32::MAX);
                    free.push(table.run(cluster, alike as u64)?);
                }
                bit += alike;
            }
            (inside, done) = (inside + count, done + count);
        }
    }
    Ok(free)
}
