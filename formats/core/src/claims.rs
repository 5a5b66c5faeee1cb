//! Runs of a file that several claim for themselves: what `check` asks of formats that count no references.
//!
//! A table may be as long as its file, so not all runs are held at once: they are asked for again, from where the last pass ended.

use crate::Result;

/// A run of a file that somebody says is its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claimed<T> {
    /// Its first byte.
    pub start: u64,
    /// The first byte behind it.
    pub end: u64,
    /// Whose it is.
    pub owner: T,
}

/// Most runs that one pass looks at.
const MOST: usize = 1 << 20;

/// Finds runs that share bytes. `walk` hands over all runs, in any order, and the same each time it is called; `found` is told the owners of
/// two of them, the one that starts first in front, and where the second starts. A run that shares bytes with several is told once.
///
/// # Errors
/// Those of `walk`.
pub fn overlaps<T: Copy + Ord>(
    walk: impl FnMut(&mut dyn FnMut(Claimed<T>)) -> Result<()>,
    found: impl FnMut(T, T, u64),
) -> Result<()> {
    overlaps_of(MOST, walk, found)
}

/// As [`overlaps`], with `most` runs a pass.
fn overlaps_of<T: Copy + Ord>(
    most: usize,
    mut walk: impl FnMut(&mut dyn FnMut(Claimed<T>)) -> Result<()>,
    mut found: impl FnMut(T, T, u64),
) -> Result<()> {
    let mut furthest: Option<Claimed<T>> = None;
    let mut from = 0;
    loop {
        let mut pass = Pass {
            from,
            until: None,
            kept: Vec::new(),
        };
        walk(&mut |one| pass.keep(one, most))?;
        pass.kept.sort_unstable();
        for one in &pass.kept {
            if let Some(before) = furthest.filter(|before| one.start < before.end) {
                found(before.owner, one.owner, one.start);
            }
            if furthest.is_none_or(|before| before.end < one.end) {
                furthest = Some(*one);
            }
        }
        match pass.until {
            Some(until) => from = until,
            None => return Ok(()),
        }
    }
}

/// The runs of one pass.
struct Pass<T> {
    /// Where the first may start.
    from: u64,
    /// Where the next pass begins; `None`, if all that is left fits into this one.
    until: Option<u64>,
    kept: Vec<Claimed<T>>,
}

impl<T: Copy + Ord> Pass<T> {
    /// Keeps a run that starts in this pass; makes the pass shorter when there are too many.
    fn keep(&mut self, one: Claimed<T>, most: usize) {
        let starts_here =
            one.start >= self.from && self.until.is_none_or(|until| one.start < until);
        if !starts_here || one.start >= one.end {
            return;
        }
        self.kept.push(one);
        if self.kept.len() < most.saturating_mul(2) {
            return;
        }
        self.kept.sort_unstable();
        let start_of = |at: usize| self.kept.get(at).map_or(0, |one| one.start);
        // All in one place is damage that the first of them show.
        let cut = start_of(most).max(start_of(0).saturating_add(1));
        self.until = Some(cut);
        self.kept.retain(|one| one.start < cut);
        self.kept.truncate(most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Owners of what shares bytes, found with so many runs a pass.
    fn found(runs: &[(u64, u64)], most: usize) -> Vec<(usize, usize, u64)> {
        let mut shared = Vec::new();
        let walk = |tell: &mut dyn FnMut(Claimed<usize>)| {
            for (owner, (start, end)) in runs.iter().enumerate() {
                tell(Claimed {
                    start: *start,
                    end: *end,
                    owner,
                });
            }
            Ok(())
        };
        overlaps_of(most, walk, |one, other, at| shared.push((one, other, at)))
            .expect("nothing fails");
        shared
    }

    #[test]
    fn runs_side_by_side_share_nothing() {
        let runs = [(10, 20), (0, 10), (20, 21), (30, 40), (5, 5)];
        assert!(found(&runs, 1).is_empty());
        assert!(found(&runs, 100).is_empty());
    }

    #[test]
    fn what_shares_bytes_is_found_in_however_many_passes() {
        // A long run that reaches over several others, one that equals another, and one that touches by a byte.
        let runs = [
            (100, 200),
            (0, 50),
            (110, 120),
            (49, 60),
            (300, 310),
            (300, 310),
            (130, 131),
        ];
        let expected = vec![(1, 3, 49), (0, 2, 110), (0, 6, 130), (4, 5, 300)];
        for most in [2, 3, 4, 100] {
            assert_eq!(found(&runs, most), expected, "{most} a pass");
        }
    }

    #[test]
    fn any_number_of_runs_in_one_place_ends() {
        let runs = vec![(7, 9); 1000];
        let shared = found(&runs, 10);
        assert!(shared.len() >= 9, "{}", shared.len());
        assert!(shared.iter().all(|(_, _, at)| *at == 7));
    }
}
