//! An open disk: a chain of layers with their files' names, as commands use it.

use imgdelta_core::{Error, Facts, FileVersion, Kind, Result};
use imgdelta_delta::{Chain, Layer};
use imgdelta_registry::{OpenSpec, Opened, open_chain, open_image};
use serde::Serialize;

/// An open disk.
#[derive(Debug)]
pub(crate) struct Disk {
    /// The layers as the engine sees them.
    pub(crate) chain: Chain,
    /// The image that was asked for.
    pub(crate) top: Opened,
    /// Its parents, nearest first.
    pub(crate) parents: Vec<Opened>,
}

/// A disk as results name it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Named {
    /// The image's path as it was given.
    pub(crate) path: String,
    /// Its format.
    pub(crate) format: &'static str,
    /// The size of its disk in bytes.
    pub(crate) size: u64,
    /// The disk's content id, where it was worked out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content_id: Option<String>,
}

impl Disk {
    /// Opens an image and all its parents.
    pub(crate) fn open(spec: &OpenSpec) -> Result<Self> {
        Self::of(open_chain(spec)?)
    }

    /// Opens an image; whom it names as its parent does not matter.
    pub(crate) fn open_alone(spec: &OpenSpec) -> Result<Self> {
        Self::of(vec![open_image(spec)?])
    }

    fn of(opened: Vec<Opened>) -> Result<Self> {
        let layers = opened
            .iter()
            .map(|one| Layer::new(one.image.clone(), one.id.clone()));
        let chain = Chain::new(layers.collect())?;
        let mut opened = opened.into_iter();
        let top = opened
            .next()
            .ok_or_else(|| Error::new(Kind::Chain, "there is no image"))?;
        Ok(Self {
            chain,
            top,
            parents: opened.collect(),
        })
    }

    /// What is known of the image.
    pub(crate) fn facts(&self) -> &Facts {
        self.top.image.facts()
    }

    /// The image's path as it was given.
    pub(crate) fn path(&self) -> String {
        self.top.path.display().to_string()
    }

    /// The image's name without its folder.
    pub(crate) fn name(&self) -> String {
        let name = self.top.path.file_name().unwrap_or_default();
        name.display().to_string()
    }

    /// As results name it.
    pub(crate) fn named(&self, content_id: Option<String>) -> Named {
        Named {
            path: self.path(),
            format: self.facts().format.name(),
            size: self.chain.size().0,
            content_id,
        }
    }

    /// All images, the one that was asked for first.
    pub(crate) fn images(&self) -> impl Iterator<Item = &Opened> {
        std::iter::once(&self.top).chain(&self.parents)
    }

    /// The versions of all files of all layers.
    pub(crate) fn stamps(&self) -> Vec<FileVersion> {
        let layers = self.chain.layers().iter();
        layers
            .flat_map(|layer| layer.stamps().iter().cloned())
            .collect()
    }

    /// What its images want the user to know, each with the file that it is about.
    pub(crate) fn notes(&self) -> Vec<String> {
        self.images().flat_map(notes_of).collect()
    }
}

/// What an image wants the user to know, with the file that it is about.
pub(crate) fn notes_of(opened: &Opened) -> Vec<String> {
    let path = opened.path.display();
    let facts = opened.image.facts();
    opened
        .notes
        .iter()
        .chain(&facts.notes)
        .map(|note| format!("{path}: {note}"))
        .collect()
}
