//! Loops over what is independent, on the pool of threads that the caller runs on; where it runs on none, one after another.
//!
//! Whoever decides how many threads there are starts the pool and runs its work inside: nothing here starts a thread.

use std::{
    ops::Range,
    sync::atomic::{AtomicUsize, Ordering},
};

use rayon::iter::{IndexedParallelIterator, IntoParallelRefIterator, ParallelIterator};

use crate::Result;

/// Items that wait in [`in_order`] for each thread, so that none of them is idle because one item takes longer.
const AHEAD: usize = 4;

/// What `each` makes of every item, in the items' order.
///
/// # Errors
/// That of the first item that failed. Of those behind it, some may not have been begun.
pub fn map<T: Sync, R: Send>(items: &[T], each: impl Fn(&T) -> Result<R> + Sync) -> Result<Vec<R>> {
    results(items, each).into_iter().collect()
}

/// Hands `take` what `each` makes of every item, in the items' order: what `take` sees is the same at any number of threads. At most `most` items
/// and what became of them are in memory at once; on one thread it is one.
///
/// # Errors
/// The one that comes first in the items' order, of an item, of `each` or of `take`; nothing behind it is taken.
pub fn in_order<T: Sync, R: Send>(
    items: impl IntoIterator<Item = Result<T>>,
    most: usize,
    each: impl Fn(&T) -> Result<R> + Sync,
    mut take: impl FnMut(R) -> Result<()>,
) -> Result<()> {
    let mut items = items.into_iter();
    let threads = width();
    let together = if threads <= 1 {
        1
    } else {
        threads.saturating_mul(AHEAD).min(most).max(1)
    };
    let mut group = Vec::new();
    loop {
        let mut failed = Ok(());
        for item in items.by_ref().take(together) {
            match item {
                Ok(item) => group.push(item),
                Err(error) => {
                    failed = Err(error);
                    break;
                }
            }
        }
        let is_last = group.len() < together;
        for result in results(&group, &each) {
            take(result?)?;
        }
        failed?;
        if is_last {
            return Ok(());
        }
        group.clear();
    }
}

/// The numbers of `range` in pieces of `len`, of which the last may be shorter.
pub fn pieces(range: Range<u64>, len: u64) -> impl Iterator<Item = Result<Range<u64>>> {
    let (len, end) = (len.max(1), range.end);
    let count = end.saturating_sub(range.start).div_ceil(len);
    (0..count).map(move |number| {
        let start = range.start.saturating_add(number.saturating_mul(len));
        Ok(start..start.saturating_add(len).min(end))
    })
}

/// What `each` makes of every item, in the items' order, up to the first that failed.
fn results<T: Sync, R: Send>(items: &[T], each: impl Fn(&T) -> Result<R> + Sync) -> Vec<Result<R>> {
    if width() <= 1 || items.len() <= 1 {
        let mut has_failed = false;
        let until_failed = items.iter().map_while(|item| {
            if has_failed {
                return None;
            }
            let result = each(item);
            has_failed = result.is_err();
            Some(result)
        });
        return until_failed.collect();
    }
    // The first that failed so far: what stands behind it need not be done any more.
    let failed = AtomicUsize::new(usize::MAX);
    let all = items.par_iter().enumerate().with_max_len(1);
    let results: Vec<Option<Result<R>>> = all
        .map(|(number, item)| {
            if number > failed.load(Ordering::Relaxed) {
                return None;
            }
            let result = each(item);
            if result.is_err() {
                failed.fetch_min(number, Ordering::Relaxed);
            }
            Some(result)
        })
        .collect();
    let first = failed.into_inner();
    results
        .into_iter()
        .take(first.saturating_add(1))
        .flatten()
        .collect()
}

/// How many items are worked on at once; 1 outside of a pool.
#[must_use]
pub fn width() -> usize {
    if rayon::current_thread_index().is_some() {
        rayon::current_num_threads()
    } else {
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Error, Kind};

    #[test]
    fn items_come_back_in_order_and_the_first_failure_counts() {
        let items: Vec<u32> = (0..500).collect();
        let doubled = |item: &u32| Ok(item * 2);
        let failing = |item: &u32| match item % 100 {
            99 => Err(Error::new(Kind::Usage, format!("item {item}"))),
            _ => Ok(()),
        };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(7).build();
        let pool = pool.expect("threads");
        for (all, failed) in [
            (map(&items, doubled), map(&items, failing)),
            pool.install(|| (map(&items, doubled), map(&items, failing))),
        ] {
            let all = all.expect("none fails");
            assert!(all.iter().zip(&items).all(|(two, one)| *two == one * 2));
            assert_eq!(failed.expect_err("one fails").message(), "item 99");
        }
        assert_eq!((width(), pool.install(width)), (1, 7));
    }

    #[test]
    fn what_is_taken_and_the_first_failure_are_the_same_on_one_thread_and_on_seven() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(7).build();
        let pool = pool.expect("threads");
        let refused = |what: &str, item: u64| {
            let refuses = matches!((what, item), ("item", 77) | ("each", 55) | ("take", 33));
            if refuses {
                Err(Error::new(Kind::Corrupt, format!("{what} {item}")))
            } else {
                Ok(item)
            }
        };
        // Who refuses, what is the first failure of that, and how many were taken before it.
        for (who, message, count) in [
            (&["item", "each", "take"][..], "take 33", 33),
            (&["item", "each"][..], "each 55", 55),
            (&["item"][..], "item 77", 77),
            (&[][..], "", 1000),
        ] {
            let asked = |what: &str, item| {
                if who.contains(&what) {
                    refused(what, item)
                } else {
                    Ok(item)
                }
            };
            let run = || {
                let mut taken = Vec::new();
                let items = (0..1000).map(|item| asked("item", item));
                let result = in_order(
                    items,
                    11,
                    |item| asked("each", *item),
                    |item| {
                        taken.push(asked("take", item)?);
                        Ok(())
                    },
                );
                (taken, result.map_err(|error| error.message().to_owned()))
            };
            let (alone, together) = (run(), pool.install(run));
            assert_eq!(alone, together);
            assert_eq!(alone.0, (0..count).collect::<Vec<u64>>());
            assert_eq!(alone.1.err().unwrap_or_default(), message);
        }
    }

    #[test]
    fn pieces_cover_a_range_and_no_more() {
        let of = |range, len| pieces(range, len).collect::<Result<Vec<_>>>();
        assert_eq!(of(3..10, 3).expect("pieces"), [3..6, 6..9, 9..10]);
        assert_eq!(of(5..5, 3).expect("none"), []);
        assert_eq!(of(7..9, 0).expect("two"), [7..8, 8..9]);
        let end = u64::MAX;
        assert_eq!(
            of(end - 5..end, 4).expect("two"),
            [end - 5..end - 1, end - 1..end]
        );
    }
}
