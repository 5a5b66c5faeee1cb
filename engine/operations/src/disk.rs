//! An open disk: an image with its parents, as one array of bytes and as the files that make it.

use std::{path::Path, sync::Arc};

use imgdelta_core::{
    Bytes, Error, FileVersion, Format, Image, ImageMetadata, Kind, Result, Source, VirtOffset,
};
use imgdelta_delta::{Chain, Layer};
use imgdelta_registry::{DiskTraits, OpenSpec, Opened, open_chain, open_image};
use serde::Serialize;

use crate::{
    context::{Context, Ids},
    transport_file,
};

/// An open disk.
#[derive(Debug)]
pub struct Disk {
    /// The layers as the engine sees them.
    pub chain: Chain,
    /// The image that was asked for.
    pub top: Opened,
    /// Its parents, nearest first.
    pub parents: Vec<Opened>,
}

/// A disk as results name it.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct DiskRef {
    /// The image's path as it was given.
    pub path: String,
    /// Its format.
    pub format: &'static str,
    /// The size of its disk in bytes.
    pub size: u64,
    /// The disk's content id, where it was worked out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_id: Option<String>,
}

impl Disk {
    /// Opens an image and all its parents.
    ///
    /// # Errors
    /// As [`open_chain`]; Chain, if it is a transport file, which is a disk only together with its base.
    pub fn open(spec: &OpenSpec) -> Result<Self> {
        if transport_file::is_meant(spec) {
            return Err(transport_file::refused(&spec.path));
        }
        Self::of(open_chain(spec)?)
    }

    /// Opens an image alone: absent runs read as zero, whoever its parent is.
    ///
    /// # Errors
    /// As [`open_image`].
    pub fn open_alone(spec: &OpenSpec) -> Result<Self> {
        if transport_file::is_meant(spec) {
            return Self::of(vec![transport_file::open(&spec.path, None)?]);
        }
        Self::of(vec![open_image(spec)?])
    }

    /// The disk of images that are open, each with its parent behind it.
    pub(crate) fn of_images(images: Vec<Opened>) -> Result<Self> {
        Self::of(images)
    }

    /// The same images, read as another disk that was made over theirs.
    pub(crate) fn over(&self, chain: Chain) -> Self {
        Self {
            chain,
            top: self.top.clone(),
            parents: self.parents.clone(),
        }
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

    /// The size of the disk in bytes.
    #[must_use]
    pub const fn size(&self) -> Bytes {
        self.chain.size()
    }

    /// Fills `buf` with the disk's bytes from `at` on; beyond its end they are zero.
    ///
    /// # Errors
    /// Corrupt or Host, if a layer cannot be read.
    pub fn read_at(&self, at: VirtOffset, buf: &mut [u8]) -> Result<()> {
        self.chain.read_at(at, buf)
    }

    /// What is known of the image that was asked for.
    #[must_use]
    pub fn metadata(&self) -> &ImageMetadata {
        self.top.image.metadata()
    }

    /// What the rule of children asks of the disk.
    #[must_use]
    pub fn traits(&self) -> DiskTraits {
        traits_of(&self.chain, self.top.driver.format)
    }

    /// The image's path as it was given.
    #[must_use]
    pub fn path(&self) -> String {
        self.top.path.display().to_string()
    }

    /// The image's name without its folder.
    #[must_use]
    pub fn name(&self) -> String {
        let name = self.top.path.file_name().unwrap_or_default();
        name.display().to_string()
    }

    /// As results name it.
    #[must_use]
    pub fn named(&self, content_id: Option<String>) -> DiskRef {
        DiskRef {
            path: self.path(),
            format: self.metadata().format.name(),
            size: self.chain.size().0,
            content_id,
        }
    }

    /// All images, the one that was asked for first.
    pub fn images(&self) -> impl Iterator<Item = &Opened> {
        std::iter::once(&self.top).chain(&self.parents)
    }

    /// The disk of the image's parent; `None` if it has none.
    #[must_use]
    pub fn below(&self) -> Option<Chain> {
        match self.chain.layers().split_first() {
            Some((_, below)) if !below.is_empty() => Chain::new(below.to_vec()).ok(),
            _ => None,
        }
    }

    /// The versions of all files of all layers, as they were when they were opened.
    #[must_use]
    pub fn versions(&self) -> Vec<FileVersion> {
        let layers = self.chain.layers().iter();
        layers
            .flat_map(|layer| layer.stamps().iter().cloned())
            .collect()
    }

    /// The file in which the disk lies byte for byte, and nothing else, in the version in which it was opened; `None` of any other disk.
    pub(crate) fn in_one_file(&self) -> Option<(&Arc<dyn Source>, &FileVersion)> {
        let ([layer], [file]) = (
            self.chain.layers(),
            self.top.image.metadata().files.as_slice(),
        ) else {
            return None;
        };
        let is_raw = self.top.driver.format == Format::Raw && self.top.within.is_empty();
        Some((file, layer.stamps().first()?)).filter(|_| is_raw)
    }

    /// The versions of the top image's own files when it was opened.
    #[must_use]
    pub fn top_versions(&self) -> &[FileVersion] {
        self.chain.layers().first().map_or(&[], Layer::stamps)
    }

    /// How long all files of all its images are together.
    #[must_use]
    pub fn file_len(&self) -> Bytes {
        let versions = self.chain.layers().iter().flat_map(Layer::stamps);
        versions.fold(Bytes::ZERO, |sum, version| {
            Bytes(sum.0.saturating_add(version.len))
        })
    }

    /// What reading passes over of the first `count` of its images, a line each with the file that it is about. What cannot be looked at is
    /// said too: what was read stands.
    ///
    /// # Errors
    /// Interrupted; Host, if no threads can be started.
    pub(crate) fn passed_over(&self, count: usize, context: &Context) -> Result<Vec<String>> {
        let images = self.images().take(count);
        let images = images.map(|opened| (opened.path.as_path(), &opened.image));
        passed_over(images, context)
    }

    /// What its images want the user to know, each with the file that it is about.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        self.images().flat_map(notes_of).collect()
    }
}

/// What reading passes over of each image, with the file that it is about.
pub(crate) fn passed_over<'a>(
    images: impl Iterator<Item = (&'a Path, &'a Arc<dyn Image>)>,
    context: &Context,
) -> Result<Vec<String>> {
    let exec = context.exec(Ids::OfContent)?;
    let mut notes = Vec::new();
    for (path, image) in images {
        context.go_on()?;
        let lines = exec
            .install(|| image.passed_over())?
            .unwrap_or_else(|error| {
                vec![format!(
                    "what is passed over could not be looked for: {error}"
                )]
            });
        notes.extend(
            lines
                .into_iter()
                .map(|line| format!("{}: {line}", path.display())),
        );
    }
    Ok(notes)
}

/// How many layers of each chain are its own, from the top: those below are the other one's too, and what they hold is the same on both sides.
pub(crate) fn own_layers(one: &Chain, other: &Chain) -> (usize, usize) {
    one.shared_with(other)
        .unwrap_or((one.layers().len(), other.layers().len()))
}

/// What the rule of children asks of a disk whose top image has that format.
pub(crate) fn traits_of(chain: &Chain, format: Format) -> DiskTraits {
    DiskTraits {
        format,
        size: chain.size(),
        sector: chain.disk().sector,
    }
}

/// What an image wants the user to know, with the file that it is about.
#[must_use]
pub fn notes_of(opened: &Opened) -> Vec<String> {
    let path = opened.path.display();
    let facts = opened.image.metadata();
    opened
        .notes
        .iter()
        .chain(&facts.notes)
        .map(|note| format!("{path}: {note}"))
        .collect()
}
