//! Whether a volume was left cleanly: the flags of `$Volume`, and what `$LogFile` says of itself. \[ntfs-3g\] libntfs-3g/logfile.c

use super::{
    attribute::{Value, kind},
    record::mended,
    volume::{Ntfs, contents},
};
use crate::{
    fault::{Fault, Found},
    window::le,
};

/// The records of `$LogFile` and `$Volume`.
const LOG_FILE: u64 = 2;
const VOLUME: u64 = 3;
/// Flags with which nothing is certain: dirty, log to be resized, to be upgraded, journal being deleted, ids being repaired, chkdsk at work.
const NOT_CLEAN: u16 = 0xc037;
/// The bytes of a restart page at most.
const PAGE: u64 = 4096;

/// Makes sure that nothing is to be checked or replayed.
pub(super) fn is_clean(ntfs: &Ntfs<'_>) -> Found<()> {
    let file = ntfs.file(VOLUME)?;
    let facts = file.attributes.iter().find(|one| one.kind == kind::VOLUME);
    let Some(Value::Here(facts)) = facts.map(|one| &one.value) else {
        return Err(Fault::unsound("it does not say whether it is clean"));
    };
    let flags = le::<u16>(facts, 10);
    if facts.len() < 12 || flags & NOT_CLEAN != 0 {
        return Err(Fault::Unsound(format!(
            "it was not left cleanly: its flags are {flags:#x}"
        )));
    }
    is_log_closed(ntfs)
}

/// Makes sure that the log is empty, or was closed: the newer of its two restart pages says so.
fn is_log_closed(ntfs: &Ntfs<'_>) -> Found<()> {
    let open = || Fault::unsound("its log was not closed: it must be replayed");
    let (pieces, len) = contents(&ntfs.file(LOG_FILE)?.attributes)?;
    if len < 2 * PAGE {
        return Err(open());
    }
    let pages = ntfs.read(&pieces, 0, 2 * PAGE)?;
    if pages.iter().all(|byte| *byte == 0xff) {
        // As mkntfs leaves it, and ntfs-3g.
        return Ok(());
    }
    let pages = pages
        .chunks_exact(4096)
        .filter_map(|page| mended(page.to_vec(), *b"RSTR"));
    let areas = pages.filter_map(|page| {
        let at = usize::from(le::<u16>(&page, 24));
        let area = page.get(at..at + 16)?;
        let (number, in_use, flags) =
            (le::<u64>(area, 0), le::<u16>(area, 12), le::<u16>(area, 14));
        Some((number, in_use == u16::MAX || flags & 2 != 0))
    });
    match areas.max_by_key(|(number, _)| *number) {
        Some((_, true)) => Ok(()),
        _ => Err(open()),
    }
}
