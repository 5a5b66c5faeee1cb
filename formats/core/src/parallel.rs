//! Loops over what is independent, on the pool of threads that the caller runs on; where it runs on none, one after another.
//!
//! Whoever decides how many threads there are starts the pool and runs its work inside: nothing here starts a thread.

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::iter::{IndexedParallelIterator, IntoParallelRefIterator, ParallelIterator};

use crate::Result;

/// What `each` makes of every item, in the items' order.
///
/// # Errors
/// That of the first item that failed. Of those behind it, some may not have been begun.
pub fn map<T: Sync, R: Send>(items: &[T], each: impl Fn(&T) -> Result<R> + Sync) -> Result<Vec<R>> {
    if width() <= 1 || items.len() <= 1 {
        return items.iter().map(each).collect();
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
    results.into_iter().flatten().collect()
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
}
