//! The threads of a run: one rayon pool, started when it is first needed, its threads named `imgdelta-N`.
//!
//! It serves pipelines, whose workers are blocking tasks, and plain loops over what is independent.

use std::sync::{
    OnceLock,
    atomic::{AtomicUsize, Ordering},
};

use imgdelta_core::{Error, Kind, Result};
use rayon::{
    ThreadPool, ThreadPoolBuilder,
    iter::{IndexedParallelIterator, IntoParallelRefIterator, ParallelIterator},
};

use super::ExecContext;

/// The threads of a run, shared by all that it does.
#[derive(Debug)]
pub struct Pool {
    threads: usize,
    pool: OnceLock<std::result::Result<ThreadPool, String>>,
}

impl Pool {
    /// For a run of so many threads. None is started yet.
    #[must_use]
    pub const fn new(threads: usize) -> Self {
        Self {
            threads,
            pool: OnceLock::new(),
        }
    }

    /// The pool. It has as many threads as the widest pipeline has workers.
    fn started(&self) -> Result<&ThreadPool> {
        let start = || start(io_workers(self.threads)).map_err(|error| error.message().to_owned());
        match self.pool.get_or_init(start) {
            Ok(pool) => Ok(pool),
            Err(why) => Err(Error::new(Kind::Host, why.clone())),
        }
    }
}

/// How many workers a run of `threads` threads has where it mostly waits for the disk.
pub(super) fn io_workers(threads: usize) -> usize {
    match threads {
        0 | 1 => 1,
        many => many.saturating_mul(4).min(many.max(16)),
    }
}

/// A pool of so many threads.
fn start(threads: usize) -> Result<ThreadPool> {
    ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|number| format!("imgdelta-{number}"))
        .build()
        .map_err(|cause| {
            Error::new(
                Kind::Host,
                format!("cannot start {threads} threads: {cause}"),
            )
        })
}

impl ExecContext<'_> {
    /// Does `work` with each of `workers`, side by side. One worker is the caller's own thread. Where the pool has fewer threads, the last
    /// workers begin when others have ended.
    ///
    /// # Errors
    /// Host, if no threads can be started.
    pub(crate) fn side_by_side<W: Send>(
        &self,
        workers: Vec<W>,
        work: impl Fn(W) + Sync,
    ) -> Result<()> {
        if workers.len() <= 1 {
            workers.into_iter().for_each(work);
            return Ok(());
        }
        let own;
        let pool = match self.pool {
            Some(pool) => pool.started()?,
            None => {
                own = start(workers.len())?;
                &own
            }
        };
        let work = &work;
        pool.in_place_scope(|scope| {
            for worker in workers {
                scope.spawn(move |_| work(worker));
            }
        });
        Ok(())
    }

    /// What `each` makes of every item, side by side, in the items' order. Nothing of it may be a pipeline that waits for another item.
    ///
    /// # Errors
    /// That of the first item that failed; Host, if no threads can be started.
    pub fn map<T: Sync, R: Send>(
        &self,
        items: &[T],
        each: impl Fn(&T) -> Result<R> + Sync,
    ) -> Result<Vec<R>> {
        if self.threads <= 1 || items.len() <= 1 {
            return items.iter().map(each).collect();
        }
        let own;
        let pool = match self.pool {
            Some(pool) => pool.started()?,
            None => {
                own = start(self.threads.min(items.len()))?;
                &own
            }
        };
        // The first that failed so far: what stands behind it need not be done any more.
        let failed = AtomicUsize::new(usize::MAX);
        let results: Vec<Option<Result<R>>> = pool.install(|| {
            let all = items.par_iter().enumerate().with_max_len(1);
            all.map(|(number, item)| {
                if number > failed.load(Ordering::Relaxed) {
                    return None;
                }
                let result = each(item);
                if result.is_err() {
                    failed.fetch_min(number, Ordering::Relaxed);
                }
                Some(result)
            })
            .collect()
        });
        results.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::Watch;

    #[test]
    fn items_come_back_in_order_and_the_first_failure_counts() -> Result<()> {
        let watch = Watch::default();
        let items: Vec<u32> = (0..500).collect();
        for threads in [1, 2, 7] {
            let pool = Pool::new(threads);
            for pool in [None, Some(&pool)] {
                let exec = ExecContext {
                    pool,
                    ..ExecContext::new(threads, &watch)
                };
                let doubled = exec.map(&items, |item| Ok(item * 2))?;
                assert!(doubled.iter().zip(&items).all(|(two, one)| *two == one * 2));
                let failing = |item: &u32| match item % 100 {
                    99 => Err(Error::new(Kind::Usage, format!("item {item}"))),
                    _ => Ok(()),
                };
                let error = exec.map(&items, failing).expect_err("it fails");
                assert_eq!(error.message(), "item 99");
            }
        }
        Ok(())
    }
}
