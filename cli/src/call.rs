//! Calls of the library: a job in, a report out, each command a function. Nothing here prints, and nothing here ends the process.

mod deployments;
mod env;
mod images;
mod media;
mod outcomes;
mod packed;
pub(crate) mod repo;
mod stdin;
mod version;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use imgdelta::engine::{DigestCache, Pool, RunProgress};
use imgdelta::{Context, Stage};
use serde::Serialize;

use crate::{
    job::{Memory, Settings},
    progress::ProgressDisplay,
    signals::Signals,
};

pub(crate) use deployments::{
    deploy, deploy_dry_run, drop_images, plan, receive, refill, serve, verify_delivery,
};
pub(crate) use env::{Environment, env};
pub(crate) use images::{
    apply, attach, attach_all, check, compare, convert, digest, expand, info, make, make_transport,
    map, package, references, salvage,
};
pub(crate) use version::{Versions, version};

/// What a command found or did.
pub(crate) trait Outcome: Serialize {
    /// The name and version of its form in JSON.
    const SCHEMA: &'static str;

    /// The exit status.
    fn exit(&self) -> u8 {
        0
    }

    /// What the user should know beside it.
    fn notes(&self) -> &[String] {
        &[]
    }

    /// What went wrong with some of several, each with what it is about: told however little is to be said.
    fn failures(&self) -> Vec<(String, &repo::Failed)> {
        Vec::new()
    }
}

/// What every command works with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run<'a> {
    /// Threads, folders, time.
    pub(crate) settings: &'a Settings,
    /// The threads.
    pub(crate) pool: &'a Arc<Pool>,
    /// Counts, and carries the word to stop.
    pub(crate) run_progress: &'a Arc<RunProgress>,
    /// What has arrived.
    pub(crate) signals: &'a Signals,
    /// Shows how far it is.
    pub(crate) display: &'a ProgressDisplay,
    /// Whether writing has begun.
    pub(crate) begun: &'a Arc<AtomicBool>,
}

impl Run<'_> {
    /// What calls of the library are given; `memory`: what digests of earlier runs are good for, where the settings say a folder.
    fn context(&self, memory: Memory) -> Context {
        let (phases, signals) = (self.display.phases(), self.signals.clone());
        let begun = Arc::clone(self.begun);
        let cache = match &self.settings.cache.value {
            Some(folder) => DigestCache::in_folder(folder.clone()),
            None => DigestCache::none(),
        };
        let cache = match memory {
            Memory::Believed => cache,
            Memory::Refreshed => cache.refreshed(),
            Memory::Unused => DigestCache::none(),
        };
        Context::new()
            .pool(self.settings.threads.value, Arc::clone(self.pool))
            .with_progress(Arc::clone(self.run_progress))
            .time(self.settings.time.value)
            .cache(cache)
            .stop_flag(self.signals.flag())
            .on_stage(move |stage| match stage {
                Stage::Write(_) => {
                    // From here on there is something to be taken away.
                    signals.may_end_at_once(false);
                    begun.store(true, Ordering::Relaxed);
                }
                // What is entered stays.
                Stage::Enter(_) => begun.store(true, Ordering::Relaxed),
                stage => phases.begin(stage.to_string()),
            })
    }
}
