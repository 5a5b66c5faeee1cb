//! `version`: what this build is, and what each of its formats can do.

use imgdelta::registry::DRIVERS;
use serde::Serialize;

use super::Outcome;

/// What this build is.
#[derive(Debug, Serialize)]
pub(crate) struct Versions {
    /// Its version.
    pub(crate) version: &'static str,
    /// The version of the manifests that it writes.
    pub(crate) manifest: &'static str,
    /// The formats that it reads.
    pub(crate) formats: Vec<Known>,
}

/// A format.
#[derive(Debug, Serialize)]
pub(crate) struct Known {
    /// Its name.
    pub(crate) name: &'static str,
    /// Extensions of its files; the first is for new ones.
    pub(crate) extensions: &'static [&'static str],
    /// Whether new images can have it; else it is only read.
    pub(crate) writes: bool,
    /// Whether differencing disks are made in it.
    pub(crate) children: bool,
    /// Whether it can be written to a pipe.
    pub(crate) streams: bool,
    /// What `--option` can say.
    pub(crate) options: &'static [&'static str],
    /// What `--input-option` can say.
    pub(crate) input_options: &'static [&'static str],
}

impl Outcome for Versions {
    const SCHEMA: &'static str = "imgdelta/version/1";
}

/// Says what this build is.
pub(crate) fn version() -> Versions {
    let known = DRIVERS.iter().map(|driver| Known {
        name: driver.format.name(),
        extensions: driver.extensions,
        writes: driver.create.is_some(),
        children: driver.child.is_some(),
        streams: driver.streams,
        options: driver.create_options,
        input_options: driver.open_options,
    });
    Versions {
        version: env!("CARGO_PKG_VERSION"),
        manifest: imgdelta::engine::manifest::SCHEMA,
        formats: known.collect(),
    }
}
