//! The log: which of its entries are to be replayed. Replaying is done over the file and never in it; that is `overlay`'s matter.
//!
//! The log is a ring of pages. An entry takes whole pages, and only its first one begins with the signature of an entry: so no two
//! valid entries overlap, and looking for one ends at the next. That keeps the search linear whatever the log holds.

mod entry;
mod overlay;

use std::sync::Arc;

use imgdelta_core::{Bytes, Error, FileOffset, Result, Source};

use crate::{
    fault::Fault,
    header::Headers,
    layout::{LogEntry, MIB, PAGE},
};

use entry::{Ring, SelectedFooter};
use overlay::Overlay;

/// The longest file that a log may make: 64 TiB, every bitmap, and the largest BAT, metadata and log.
pub(crate) const MAX_FILE: u64 = 66 << 40;

/// A file with its log replayed.
#[derive(Debug)]
pub(crate) struct Replayed {
    /// The file as it would be.
    pub(crate) source: Arc<dyn Source>,
    /// How many entries were replayed.
    pub(crate) entries: usize,
}

/// Replays the log of `source` in memory.
///
/// # Errors
/// Corrupt, if the log holds nothing that can be replayed or writes what no log may.
pub(crate) fn replay(source: &Arc<dyn Source>, headers: &Headers) -> Result<Replayed> {
    let log = headers.log();
    let ring = Ring {
        source: &**source,
        at: log.start,
        len: log.end.saturating_sub(log.start),
        guid: headers.current.log_guid,
    };
    let found = ring.entries()?;
    let sequence = active(&found, &ring);
    let Some(last) = sequence.last() else {
        return Err(Error::from(Fault::LogEmpty)
            .in_structure("log")
            .at(FileOffset(log.start)));
    };
    let end = end_of(source.len().0, last)
        .map_err(|(fault, field)| in_entry(fault, field, &ring, last))?;
    let mut overlay = Overlay::new(source, log, end);
    for entry in &sequence {
        overlay.apply(&ring, entry)?;
    }
    Ok(Replayed {
        source: Arc::new(overlay),
        entries: sequence.len(),
    })
}

/// How long the file is once the log is replayed, which the last entry says.
fn end_of(len: u64, last: &SelectedFooter) -> Result<u64, (Fault, &'static str)> {
    let required = last.head.flushed_file_offset;
    if len < required {
        let found = len;
        return Err((
            Fault::LogTruncated { found, required },
            "flushed_file_offset",
        ));
    }
    let found = last.head.last_file_offset;
    let most = MAX_FILE.max(len);
    if found > most {
        return Err((Fault::LogFileTooLong { found, most }, "last_file_offset"));
    }
    Ok(Bytes(found).round_up(Bytes(MIB)).0.max(len))
}

fn in_entry(fault: Fault, field: &'static str, ring: &Ring<'_>, entry: &SelectedFooter) -> Error {
    let at = ring
        .at
        .saturating_add(entry.at)
        .saturating_add(LogEntry::at(field));
    Error::from(fault)
        .in_field("log entry", field)
        .at(FileOffset(at))
}

/// The entries to be replayed, oldest first: of all runs of entries that follow one another and whose last one's tail is one of them,
/// the run with the greatest sequence number, from that tail on. Empty if there is no such run. [VHDX] 2.3.3
fn active(found: &[SelectedFooter], ring: &Ring<'_>) -> Vec<SelectedFooter> {
    let mut best: Vec<&SelectedFooter> = Vec::new();
    for head in found.iter().filter(|entry| !has_before(found, entry, ring)) {
        let mut run = vec![head];
        while let Some(next) = run.last().and_then(|last| after(found, last, ring)) {
            run.push(next);
        }
        let Some(last) = run.last() else { continue };
        let Some(tail) = run
            .iter()
            .position(|entry| entry.at == u64::from(last.head.tail))
        else {
            continue;
        };
        let is_newer = best
            .last()
            .is_none_or(|best| best.head.sequence_number < last.head.sequence_number);
        if is_newer {
            best = run.split_off(tail);
        }
    }
    best.into_iter().cloned().collect()
}

/// The entry that goes on where `entry` ends, if there is one and its number is the next.
fn after<'a>(
    found: &'a [SelectedFooter],
    entry: &SelectedFooter,
    ring: &Ring<'_>,
) -> Option<&'a SelectedFooter> {
    let at = ring.wrapped(entry.at.saturating_add(u64::from(entry.head.entry_length)));
    let next = found.binary_search_by_key(&at, |entry| entry.at).ok()?;
    let next = found.get(next)?;
    let number = entry.head.sequence_number.checked_add(1);
    (number == Some(next.head.sequence_number)).then_some(next)
}

/// Whether another entry goes on with `entry`. The one before it in the ring is the only one that can.
fn has_before(found: &[SelectedFooter], entry: &SelectedFooter, ring: &Ring<'_>) -> bool {
    let place = found.partition_point(|other| other.at < entry.at);
    let before = match place.checked_sub(1) {
        Some(before) => found.get(before),
        None => found.last(),
    };
    before
        .and_then(|before| after(found, before, ring))
        .is_some_and(|next| next.at == entry.at && next.head == entry.head)
}

/// The page that `at` lies in.
const fn page_of(at: u64) -> u64 {
    at / PAGE
}
