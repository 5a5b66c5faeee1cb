//! `info`: what an image is, what its parents are, which files it names.

use imgdelta_core::{Facts, Format, Hint, HintKind, ParentLink, Result};
use imgdelta_registry::{self as registry, Opened};
use serde::Serialize;

use super::{
    Outcome, Run,
    disk::{Disk, notes_of},
    writing::shown,
};
use crate::job::{self, InfoDepth};

/// What an image is.
#[derive(Debug, Serialize)]
pub(crate) struct Described {
    /// The image that was asked for.
    #[serde(flatten)]
    pub(crate) image: OneImage,
    /// Its parents, nearest first; `None` if they were not asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parents: Option<Vec<OneImage>>,
    /// What the user should know.
    pub(crate) notes: Vec<String>,
}

/// What one image of a chain is.
#[derive(Debug, Serialize)]
pub(crate) struct OneImage {
    /// Its path.
    pub(crate) path: String,
    /// Its format.
    pub(crate) format: &'static str,
    /// Which kind of that format, in the format's own word.
    pub(crate) variant: String,
    /// The size of its disk in bytes.
    pub(crate) size: u64,
    /// The length of all its files.
    pub(crate) file_size: u64,
    /// What its files take on the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) on_disk: Option<u64>,
    /// The unit in which it allocates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) block_size: Option<u64>,
    /// The finest unit in which it can differ from a parent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) grain: Option<u64>,
    /// The sector that a guest sees.
    pub(crate) sector: u64,
    /// What a child would call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) identity: Option<Identity>,
    /// What a child of another program would call it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) aliases: Vec<Identity>,
    /// Whom it names as its parent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parent: Option<Link>,
    /// Its files beside the first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) other_files: Vec<String>,
    /// Disks that stand in it beside the active one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) snapshots: Vec<Snapshot>,
    /// What else its headers say.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) details: Vec<Detail>,
}

/// What a child calls an image.
#[derive(Debug, Serialize)]
pub(crate) struct Identity {
    /// Which field it is: `unique id`.
    pub(crate) kind: &'static str,
    /// What it says.
    pub(crate) value: String,
}

/// How an image names its parent.
#[derive(Debug, Serialize)]
pub(crate) struct Link {
    /// The parent's format, if it is recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) format: Option<&'static str>,
    /// Where it may be.
    pub(crate) paths: Vec<Recorded>,
    /// Which identities it may have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) identities: Vec<Identity>,
}

/// A path as an image records it.
#[derive(Debug, Serialize)]
pub(crate) struct Recorded {
    /// Which field it stands in.
    pub(crate) field: &'static str,
    /// How it is meant.
    pub(crate) kind: &'static str,
    /// What it says.
    pub(crate) text: String,
}

/// A disk that stands in an image beside the active one.
#[derive(Debug, Serialize)]
pub(crate) struct Snapshot {
    /// Its number.
    pub(crate) id: String,
    /// Its name.
    pub(crate) name: String,
    /// The size of its disk in bytes.
    pub(crate) size: u64,
    /// When it was taken, in seconds since 1970.
    pub(crate) taken: u64,
}

/// A field of a header.
#[derive(Debug, Serialize)]
pub(crate) struct Detail {
    /// Its name, as the specification spells it.
    pub(crate) name: &'static str,
    /// Its value as text.
    pub(crate) value: String,
}

/// The files that an image names; none of them was opened.
#[derive(Debug, Serialize)]
pub(crate) struct References {
    /// The image.
    pub(crate) path: String,
    /// Whom it names as its parent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parent: Option<Link>,
    /// Its other files, as it spells them.
    pub(crate) files: Vec<String>,
}

impl Outcome for Described {
    const SCHEMA: &'static str = "imgdelta/info/1";

    fn notes(&self) -> &[String] {
        &self.notes
    }
}

impl Outcome for References {
    const SCHEMA: &'static str = "imgdelta/references/1";
}

/// Says what an image is, and its parents if they are asked for.
pub(crate) fn info(job: &job::Info, run: &Run<'_>) -> Result<Described> {
    job::refuse_stream(&job.image.path, "an image to be looked at")?;
    run.signals.may_end_at_once(true);
    let disk = if job.depth == InfoDepth::Chain {
        Disk::open(&job.image)?
    } else {
        Disk::open_alone(&job.image)?
    };
    Ok(Described {
        image: describe(&disk.top),
        parents: (job.depth == InfoDepth::Chain)
            .then(|| disk.parents.iter().map(describe).collect()),
        notes: disk.images().flat_map(notes_of).collect(),
    })
}

/// Lists the files that an image names.
pub(crate) fn references(job: &job::Info, run: &Run<'_>) -> Result<References> {
    job::refuse_stream(&job.image.path, "an image to be looked at")?;
    run.signals.may_end_at_once(true);
    let found = registry::references(&job.image.path, job.image.format)?;
    Ok(References {
        path: shown(&job.image.path),
        parent: found.parent.as_ref().map(link),
        files: found.companions,
    })
}

fn describe(opened: &Opened) -> OneImage {
    let facts = opened.image.facts();
    let files = facts.files.iter();
    OneImage {
        path: shown(&opened.path),
        format: facts.format.name(),
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
            .map(|(name, value)| Detail {
                name,
                value: value.clone(),
            })
            .collect(),
    }
}

/// What the image's files take on the host.
fn on_disk(facts: &Facts) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    facts.files.iter().try_fold(0_u64, |sum, file| {
        let metadata = std::fs::metadata(file.path()?).ok()?;
        // A unit of the host's interface, whatever its file system.
        let taken = metadata.blocks().saturating_mul(512);
        Some(sum.saturating_add(taken))
    })
}

fn identity(identity: &imgdelta_core::Identity) -> Identity {
    Identity {
        kind: identity.kind,
        value: identity.value.clone(),
    }
}

fn link(link: &ParentLink) -> Link {
    Link {
        format: link.format.map(Format::name),
        paths: link.hints.iter().map(recorded).collect(),
        identities: link.identities.iter().map(identity).collect(),
    }
}

fn recorded(hint: &Hint) -> Recorded {
    Recorded {
        field: hint.field,
        kind: match hint.kind {
            HintKind::Path => "path",
            HintKind::WindowsPath => "windows path",
            HintKind::FileUrl => "file url",
            HintKind::Name => "name",
        },
        text: hint.text.clone(),
    }
}

fn snapshot(snapshot: &imgdelta_core::Snapshot) -> Snapshot {
    Snapshot {
        id: snapshot.id.clone(),
        name: snapshot.name.clone(),
        size: snapshot.size.0,
        taken: snapshot.taken,
    }
}
