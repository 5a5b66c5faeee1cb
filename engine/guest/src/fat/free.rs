//! The free map: entries that are 0, the same in all copies, and in no file's chain.

use super::boot::Boot;
use crate::{
    fault::{Fault, Found},
    runs::Runs,
    unused::Unused,
    window::Window,
};

/// Bytes of the copies that are compared at once.
const PAGE: u64 = 1 << 16;

/// What of a FAT volume is certainly unused.
pub(crate) fn unused(volume: &Window<'_>) -> Found<Unused> {
    let boot = Boot::read(volume)?;
    let mut table = boot.table(*volume);
    boot.is_clean(&mut table)?;
    are_same(volume, &boot)?;
    let mut free = Runs::default();
    for cluster in 2..boot.clusters.saturating_add(2) {
        let cluster = u32::try_from(cluster).unwrap_or(u32::MAX);
        if table.value(cluster)? == 0 {
            free.push(table.run(cluster, 1)?);
        }
    }
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

/// Makes sure that both copies of the table say the same.
fn are_same(volume: &Window<'_>, boot: &Boot) -> Found<()> {
    let Some(copy) = boot.copy else {
        return Ok(());
    };
    let len = boot.width.bytes(boot.clusters.saturating_add(2));
    let mut done = 0;
    while done < len {
        let count = PAGE.min(len - done);
        let [one, other] = [boot.table, copy].map(|at| volume.bytes(at + done, count, PAGE));
        if one? != other? {
            return Err(Fault::unsound("the copies of its table differ"));
        }
        done += count;
    }
    Ok(())
}
