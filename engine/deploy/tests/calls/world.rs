//! Headquarters with an old and a new image, and sites that have the old one.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use imgdelta_core::{Existing, Format, Result};
use imgdelta_delta::RunProgress;
use imgdelta_deploy::calls::Deploy;
use imgdelta_operations::Context;
use imgdelta_repository::catalogue::Repository;

use crate::place::{Place, Windows, stored};

/// Headquarters, and the disks of its images.
pub(crate) struct World {
    pub(crate) place: Place,
    pub(crate) hq: Repository,
    pub(crate) old: Windows,
    pub(crate) new: Windows,
}

impl World {
    pub(crate) fn new() -> Result<Self> {
        let place = Place::new();
        let hq = place.repository("hq", Format::Qcow2)?;
        let old = Windows::new(16, 1);
        let new = old.with(4..6, 2);
        place.add(&hq, "old", &old, Format::Raw, None)?;
        place.add(&hq, "new", &new, Format::Raw, Some("old"))?;
        Ok(Self {
            place,
            hq,
            old,
            new,
        })
    }

    /// A site that has the old image.
    pub(crate) fn site(&self, name: &str, format: Format) -> Result<Repository> {
        let site = self.place.repository(name, format)?;
        self.place.add(&site, "old", &self.old, format, None)?;
        Ok(site)
    }

    /// A site's inventory as a file.
    pub(crate) fn inventory(&self, site: &Repository, name: &str) -> Result<PathBuf> {
        let file = self.place.at(name);
        site.inventory()?.write(&file, Existing::Keep)?;
        Ok(file)
    }

    /// The new image, to nowhere yet.
    pub(crate) fn deploy(&self) -> Deploy {
        Deploy::new(self.hq.folder(), ["new"])
    }

    /// Whether the site has the new image, to the byte.
    pub(crate) fn has_new(&self, site: &Repository) -> Result<bool> {
        Ok(stored(site, "new")? == self.new.bytes())
    }
}

pub(crate) fn context() -> Context {
    Context::new().threads(2).time(Some(1_700_000_000))
}

/// A context that notes each stage in these lines.
pub(crate) fn noting(stages: &Arc<Mutex<Vec<String>>>) -> Context {
    let stages = Arc::clone(stages);
    context().on_stage(move |stage| {
        let mut stages = stages.lock().unwrap_or_else(PoisonError::into_inner);
        stages.push(stage.to_string());
    })
}

/// A context whose run is stopped as soon as a stage begins with that word.
pub(crate) fn stopped_at(word: &'static str) -> Context {
    let progress = Arc::<RunProgress>::default();
    let stopping = Arc::clone(&progress);
    context().with_progress(progress).on_stage(move |stage| {
        if stage.to_string().starts_with(word) {
            stopping.stop();
        }
    })
}
