//! `info`: what an image is, what its parents are, which files it names.

use imgdelta_core::{Format, Hint, HintKind, ImageMetadata, ParentLink, Result};
use imgdelta_registry::{self as registry, OpenSpec, Opened};
use serde::Serialize;

use crate::{
    disk::{Disk, notes_of},
    output::shown,
};

/// Which images are to be described.
#[derive(Clone, Debug)]
pub struct Info {
    image: OpenSpec,
    chain: bool,
}

/// What an image is.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct InfoReport {
    /// The image that was asked for.
    #[serde(flatten)]
    pub image: ImageInfo,
    /// Its parents, nearest first; `None` if they were not asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parents: Option<Vec<ImageInfo>>,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// What one image of a chain is.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ImageInfo {
    /// Its path.
    pub path: String,
    /// Its format.
    pub format: &'static str,
    /// What it was taken from, outermost first: `gzip`; empty if its file is the image.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub within: Vec<String>,
    /// Which kind of that format, in the format's own word.
    pub variant: String,
    /// The size of its disk in bytes.
    pub size: u64,
    /// The length of all its files.
    pub file_size: u64,
    /// What its files take on the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_disk: Option<u64>,
    /// The unit in which it allocates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block_size: Option<u64>,
    /// The finest unit in which it can differ from a parent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grain: Option<u64>,
    /// The sector that a guest sees.
    pub sector: u64,
    /// What a child would call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<IdentityInfo>,
    /// What a child of another program would call it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<IdentityInfo>,
    /// Whom it names as its parent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<ParentInfo>,
    /// Its files beside the first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub other_files: Vec<String>,
    /// Disks that stand in it beside the active one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub snapshots: Vec<SnapshotInfo>,
    /// What else its headers say.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<HeaderField>,
}

/// The disks of a package.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct PackageReport {
    /// The package: its descriptor, or the archive that it stands in.
    pub path: String,
    /// In the order of the descriptor.
    pub disks: Vec<PackageDisk>,
}

/// A disk of a package.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct PackageDisk {
    /// Its number, from 1 on.
    pub number: usize,
    /// Its id in the descriptor.
    pub id: String,
    /// The name of its file, as recorded; none for one that is made empty when the machine is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The size of the disk in bytes, where the descriptor says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}

/// What a child calls an image.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct IdentityInfo {
    /// Which field it is: `unique id`.
    pub kind: &'static str,
    /// What it says.
    pub value: String,
}

/// How an image names its parent.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ParentInfo {
    /// The parent's format, if it is recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<&'static str>,
    /// Where it may be.
    pub paths: Vec<RecordedPath>,
    /// Which identities it may have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub identities: Vec<IdentityInfo>,
}

/// A path as an image records it.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct RecordedPath {
    /// Which field it stands in.
    pub field: &'static str,
    /// How it is meant.
    pub kind: &'static str,
    /// What it says.
    pub text: String,
}

/// A disk that stands in an image beside the active one.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct SnapshotInfo {
    /// Its number.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The size of its disk in bytes.
    pub size: u64,
    /// When it was taken, in seconds since 1970.
    pub taken: u64,
}

/// A field of a header.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct HeaderField {
    /// Its name, as the specification spells it.
    pub name: &'static str,
    /// Its value as text.
    pub value: String,
}

/// The files that an image names; none of them was opened.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ReferencesReport {
    /// The image.
    pub path: String,
    /// Whom it names as its parent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<ParentInfo>,
    /// Its other files, as it spells them.
    pub files: Vec<String>,
}

impl Info {
    /// An image alone.
    #[must_use]
    pub const fn new(image: OpenSpec) -> Self {
        Self {
            image,
            chain: false,
        }
    }

    /// Whether its parents are described too.
    #[must_use]
    pub const fn chain(mut self, chain: bool) -> Self {
        self.chain = chain;
        self
    }

    /// Says what the image is.
    ///
    /// # Errors
    /// Those of the images.
    pub fn run(&self) -> Result<InfoReport> {
        let disk = if self.chain {
            Disk::open(&self.image)?
        } else {
            Disk::open_alone(&self.image)?
        };
        let parents = || disk.parents.iter().map(describe).collect();
        Ok(InfoReport {
            image: describe(&disk.top),
            parents: self.chain.then(parents),
            notes: disk.images().flat_map(notes_of).collect(),
        })
    }

    /// Lists the files that the image names, and opens none of them.
    ///
    /// # Errors
    /// As [`run`](Self::run), as far as the image's own headers are needed.
    pub fn references(&self) -> Result<ReferencesReport> {
        let found = registry::references(&self.image.path, self.image.format)?;
        Ok(ReferencesReport {
            path: shown(&self.image.path),
            parent: found.parent.as_ref().map(link),
            files: found.aux_files,
        })
    }

    /// The disks of a package of which none is chosen yet; `None` if the image is no package, has one disk, or it is said which is meant.
    ///
    /// # Errors
    /// As [`disks`](registry::unpack::disks).
    pub fn package(&self) -> Result<Option<PackageReport>> {
        let unpack = self.image.unpack.as_ref();
        if unpack.is_none_or(|unpack| unpack.disk.is_some()) {
            return Ok(None);
        }
        let disks = registry::unpack::disks(&self.image.path)?.filter(|disks| disks.len() != 1);
        Ok(disks.map(|disks| PackageReport {
            path: shown(&self.image.path),
            disks: disks.into_iter().map(package_disk).collect(),
        }))
    }
}

fn package_disk(disk: registry::PackedDisk) -> PackageDisk {
    PackageDisk {
        number: disk.number,
        id: disk.id,
        file: disk.file,
        size: disk.size.map(|size| size.0),
    }
}

fn describe(opened: &Opened) -> ImageInfo {
    let facts = opened.image.metadata();
    let files = facts.files.iter();
    ImageInfo {
        path: shown(&opened.path),
        format: facts.format.name(),
        within: opened.within.clone(),
        variant: facts.variant.clone(),
        size: facts.size.0,
        file_size: files
            .clone()
            .fold(0, |sum, file| sum.saturating_add(file.len().0)),
        on_disk: on_disk(facts),
        block_size: facts.block_size.map(|size| size.0),
        grain: facts.grain.map(|grain| grain.0),
        sector: facts.logical_sector.0,
        identity: facts.identity.as_ref().map(identity),
        aliases: facts.aliases.iter().map(identity).collect(),
        parent: opened.image.parent().map(link),
        other_files: files
            .skip(1)
            .filter_map(|file| file.path().map(shown))
            .collect(),
        snapshots: facts.snapshots.iter().map(snapshot).collect(),
        details: facts
            .details
            .iter()
            .map(|(name, value)| HeaderField {
                name,
                value: value.clone(),
            })
            .collect(),
    }
}

/// What the image's files take on the host.
fn on_disk(facts: &ImageMetadata) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    facts.files.iter().try_fold(0_u64, |sum, file| {
        let metadata = std::fs::metadata(file.path()?).ok()?;
        // A unit of the host's interface, whatever its file system.
        let taken = metadata.blocks().saturating_mul(512);
        Some(sum.saturating_add(taken))
    })
}

fn identity(identity: &imgdelta_core::Identity) -> IdentityInfo {
    IdentityInfo {
        kind: identity.kind,
        value: identity.value.clone(),
    }
}

fn link(link: &ParentLink) -> ParentInfo {
    ParentInfo {
        format: link.format.map(Format::name),
        paths: link.hints.iter().map(recorded).collect(),
        identities: link.identities.iter().map(identity).collect(),
    }
}

fn recorded(hint: &Hint) -> RecordedPath {
    RecordedPath {
        field: hint.field,
        kind: match hint.kind {
            HintKind::Path | HintKind::AnyPath => "path",
            HintKind::WindowsPath => "windows path",
            HintKind::FileUrl => "file url",
            HintKind::Name => "name",
        },
        text: hint.text.clone(),
    }
}

fn snapshot(snapshot: &imgdelta_core::Snapshot) -> SnapshotInfo {
    SnapshotInfo {
        id: snapshot.id.clone(),
        name: snapshot.name.clone(),
        size: snapshot.size.0,
        taken: snapshot.taken,
    }
}
