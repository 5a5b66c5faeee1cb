//! Which windows of a disk do not have their leaf digests any more. What cannot be read is damaged too.

use std::{ops::Range, sync::OnceLock};

use imgdelta_core::{Bytes, Error, Kind, Result, parallel};
use imgdelta_delta::{
    Chain, Digest, Origin, WINDOW,
    digest_cache::{LONGEST_RUN, LeafReader, LeafRun},
};
use imgdelta_operations::restored_image::window_at;

use crate::catalogue::Run;

/// Most damaged windows that are mended: 64 GiB of a disk.
const MOST: usize = 1 << 20;

/// Most runs of missing windows that are listed.
const MOST_RUNS: usize = 1000;

/// A window that is not what it was.
#[derive(Clone, Copy, Debug)]
pub(super) struct Damaged {
    /// Its number.
    pub(super) number: u64,
    /// The leaf digest that it is to have; `None`, if it is to be zero.
    pub(super) leaf: Option<Digest>,
}

/// All windows that `disk` does not have as `leaves` say; of a disk that does not open, all that are not zero.
///
/// # Errors
/// Corrupt, if the leaves are damaged; Unsupported, if there are more than [`MOST`]; Interrupted.
pub(super) fn damaged(
    disk: Option<&Chain>,
    mut leaves: LeafReader,
    run: &Run<'_>,
) -> Result<Vec<Damaged>> {
    let size = leaves.size();
    let disk = disk.map(|disk| disk.resized(size));
    let mut all = Vec::new();
    let mut number = 0_u64;
    while let Some(next) = leaves.next_run(LONGEST_RUN)? {
        run.work.progress.go_on()?;
        let found = match (next, &disk) {
            (LeafRun::Zero(count), disk) => {
                let end = number.saturating_add(count);
                let found = match disk {
                    Some(disk) => not_zero(disk, number..end, size, run)?,
                    None => Vec::new(),
                };
                number = end;
                found
            }
            (LeafRun::Leaves(leaves), disk) => {
                let windows: Vec<(u64, Digest)> = (number..).zip(leaves).collect();
                number = number.saturating_add(windows.len() as u64);
                differing(disk.as_ref(), &windows, size, run)?
            }
        };
        all.extend(found);
        if all.len() > MOST {
            let message = format!("more than {MOST} windows are damaged: it is another disk");
            return Err(Error::new(Kind::Unsupported, message).with_code("too_damaged"));
        }
    }
    Ok(all)
}

/// Those of windows with leaves that the disk does not have.
fn differing(
    disk: Option<&Chain>,
    windows: &[(u64, Digest)],
    size: Bytes,
    run: &Run<'_>,
) -> Result<Vec<Damaged>> {
    let look = |(number, leaf): &(u64, Digest)| {
        let (_, len) = window_at(*number, size);
        let zero = *leaf == zero_window(len);
        let Some(disk) = disk else {
            return Ok((!zero).then_some(*leaf).map(Some));
        };
        let found = leaf_of(disk, *number, size)?;
        Ok((found != Some(*leaf)).then(|| (!zero).then_some(*leaf)))
    };
    let looked = run.work.install(|| parallel::map(windows, look))??;
    let all = windows.iter().zip(looked);
    let all = all.filter_map(|((number, _), leaf)| {
        leaf.map(|leaf| Damaged {
            number: *number,
            leaf,
        })
    });
    Ok(all.collect())
}

/// Those of windows that are to be zero that are not.
fn not_zero(disk: &Chain, windows: Range<u64>, size: Bytes, run: &Run<'_>) -> Result<Vec<Damaged>> {
    let mut found = Vec::new();
    let mut number = windows.start;
    while number < windows.end && found.len() <= MOST {
        run.work.progress.go_on()?;
        let (at, len) = window_at(number, size);
        if let Ok(run) = disk.run_at(at)
            && run.origin == Origin::Zero
            && run.len >= len
        {
            // What is zero as far as the tables say is passed over at once.
            number = number.saturating_add((run.len.0 / WINDOW.0).max(1));
            continue;
        }
        if leaf_of(disk, number, size)? != Some(zero_window(len)) {
            found.push(Damaged { number, leaf: None });
        }
        number = number.saturating_add(1);
    }
    Ok(found)
}

/// The leaf of a window of `len` zero bytes.
fn zero_window(len: Bytes) -> Digest {
    static WHOLE: OnceLock<Digest> = OnceLock::new();
    let leaf = |len: Bytes| Digest::leaf(&vec![0; len.in_memory()]);
    match len == WINDOW {
        true => *WHOLE.get_or_init(|| leaf(WINDOW)),
        false => leaf(len),
    }
}

/// The leaf of a window as it is read now; `None`, if it cannot be read.
///
/// # Errors
/// Interrupted.
pub(super) fn leaf_of(disk: &Chain, number: u64, size: Bytes) -> Result<Option<Digest>> {
    let (at, len) = window_at(number, size);
    let mut bytes = vec![0; len.in_memory()];
    match disk.read_at(at, &mut bytes) {
        Ok(()) => Ok(Some(Digest::leaf(&bytes))),
        Err(error) if error.kind() == Kind::Interrupted => Err(error),
        Err(_) => Ok(None),
    }
}

/// Runs of windows, in bytes of a disk of `size`: the first ones.
pub(super) fn runs_of(windows: &[u64], size: u64) -> Vec<Range<u64>> {
    let mut runs: Vec<Range<u64>> = Vec::new();
    for number in windows {
        let start = number.saturating_mul(WINDOW.0);
        let end = start.saturating_add(WINDOW.0).min(size);
        let is_full = runs.len() >= MOST_RUNS;
        match runs.last_mut() {
            Some(last) if last.end == start => last.end = end,
            _ if !is_full => runs.push(start..end),
            _ => break,
        }
    }
    runs
}
