//! What each command does: one file a command, a job in, a result out. Nothing here prints, and nothing here ends the process.

mod apply;
mod attach;
mod check;
mod compare;
mod convert;
mod deploy;
mod digest;
mod disk;
mod env;
mod info;
mod inventory;
mod line;
mod make;
mod map;
mod pair;
mod plan;
mod receive;
pub(crate) mod repo;
mod serve;
mod stream;
mod version;
mod writing;

use std::sync::{Arc, atomic::AtomicBool};

use imgdelta_core::{Error, Result};
use imgdelta_delta::{DigestCache, ExecContext, Pool, Watch};
use serde::Serialize;

use crate::{
    job::{Ids, Settings},
    progress::Showing,
    signals::Signals,
};

pub(crate) use apply::{Applied, apply};
pub(crate) use attach::{Attached, attach};
pub(crate) use check::{Checked, check};
pub(crate) use compare::{Compared, Differing, compare};
pub(crate) use convert::{Converted, convert};
pub(crate) use deploy::{Deployed, Parcel, Served, deploy};
pub(crate) use digest::{Digested, digest};
pub(crate) use env::{Environment, env};
pub(crate) use info::{Described, Link, OneImage, References, info, references};
pub(crate) use inventory::{Inventoried, inventory, inventory_bytes};
pub(crate) use make::{Made, make};
pub(crate) use map::{Mapped, Stretch, map};
pub(crate) use pair::ProvenBy;
pub(crate) use plan::{Leg, Planned, Reached, plan};
pub(crate) use receive::{Arrived, End, Received, receive};
pub(crate) use serve::serve;
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
}

/// What every command works with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run<'a> {
    /// Threads, folders, time.
    pub(crate) settings: &'a Settings,
    /// The threads.
    pub(crate) pool: &'a Pool,
    /// Counts, and carries the word to stop.
    pub(crate) watch: &'a Arc<Watch>,
    /// What has arrived.
    pub(crate) signals: &'a Signals,
    /// Shows how far it is.
    pub(crate) showing: &'a Showing,
    /// Whether writing has begun.
    pub(crate) begun: &'a AtomicBool,
}

impl Run<'_> {
    /// Where digests are kept between runs, if they are.
    fn memory(&self, remembers: bool) -> DigestCache {
        match &self.settings.cache.value {
            Some(folder) if remembers => DigestCache::in_folder(folder.clone()),
            _ => DigestCache::none(),
        }
    }

    /// How the engine is to work.
    fn work(&self, ids: Ids) -> Result<ExecContext<'_>> {
        Ok(ExecContext {
            pool: Some(self.pool),
            time: self.settings.time.value,
            new_ids: match ids {
                Ids::OfContent => None,
                Ids::Random => Some(chance()?),
            },
            ..ExecContext::new(self.settings.threads.value, self.watch)
        })
    }
}

/// 32 bytes that nobody can foretell.
fn chance() -> Result<[u8; 32]> {
    use std::{fs::File, io::Read};
    let mut bytes = [0; 32];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(|cause| Error::host("cannot read /dev/urandom", cause))?;
    Ok(bytes)
}
