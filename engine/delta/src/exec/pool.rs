//! The threads of a run: a rayon pool, started when it is first needed, its threads named `imgdelta-N`.
//!
//! It serves pipelines, whose workers are blocking tasks, and plain loops over what is independent. Pipelines that mostly wait for the disk
//! have more workers than there are to be threads that compute: where a run has such a one, their threads are a pool of their own.

use std::sync::OnceLock;

use imgdelta_core::{Error, Kind, Result};
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::ExecContext;

/// The threads of a run, shared by all that it does.
#[derive(Debug)]
pub struct Pool {
    threads: usize,
    computing: Started,
    waiting: Started,
}

/// A pool, if it has been started, or why it could not be.
type Started = OnceLock<std::result::Result<ThreadPool, String>>;

impl Pool {
    /// For a run of so many threads. None is started yet.
    #[must_use]
    pub const fn new(threads: usize) -> Self {
        Self {
            threads,
            computing: OnceLock::new(),
            waiting: OnceLock::new(),
        }
    }

    /// The pool for so many workers.
    fn started(&self, workers: usize) -> Result<&ThreadPool> {
        let (pool, threads) = if workers <= self.threads {
            (&self.computing, self.threads)
        } else {
            (&self.waiting, io_workers(self.threads))
        };
        let start = || start(threads).map_err(|error| error.message().to_owned());
        match pool.get_or_init(start) {
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
            Some(pool) => pool.started(workers.len())?,
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

    /// Does `work` on a thread of the pool, so that loops over what is independent (`imgdelta_core::parallel`) run on all of its threads. With
    /// one thread, on the caller's own. Calls of the engine in it are done as elsewhere.
    ///
    /// # Errors
    /// Host, if no threads can be started.
    pub fn install<R: Send>(&self, work: impl FnOnce() -> R + Send) -> Result<R> {
        if self.threads <= 1 {
            return Ok(work());
        }
        match self.pool {
            Some(pool) => Ok(pool.started(self.threads)?.install(work)),
            None => Ok(start(self.threads)?.install(work)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use super::*;
    use crate::progress::RunProgress;

    #[test]
    fn loops_inside_run_on_the_pool_and_pipelines_too() -> Result<()> {
        let progress = RunProgress::default();
        for threads in [1, 2, 7] {
            let pool = Pool::new(threads);
            let exec = ExecContext {
                pool: Some(&pool),
                ..ExecContext::new(threads, &progress)
            };
            let items: Vec<usize> = (0..20).collect();
            let done = exec.install(|| {
                imgdelta_core::parallel::map(&items, |item| {
                    let sum = AtomicUsize::new(0);
                    let workers = vec![*item; 5];
                    exec.side_by_side(workers, |item| {
                        sum.fetch_add(item, Relaxed);
                    })?;
                    Ok(sum.into_inner())
                })
            })??;
            assert!(done.iter().zip(&items).all(|(sum, item)| *sum == item * 5));
        }
        Ok(())
    }
}
