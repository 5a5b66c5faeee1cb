//! `attach --all`: each child in a folder is linked to the image that its manifest, else its identity, names: after a move of them all.
//!
//! What is ambiguous is listed and left. Parents come before their children, since a base must open to be proven.

use std::path::{Path, PathBuf};

use imgdelta_core::{Attributes, Error, Kind, Result, fs::draft_kind};
use imgdelta_delta::{Manifest, manifest::place_of};
use imgdelta_registry::{OpenSpec, Opened, Policy, open_image};
use serde::Serialize;

use crate::{
    attach::{Attach, AttachReport},
    child_pair::Evidence,
    context::Context,
    output::shown,
};

/// Most files of a folder that are looked at.
const MOST_FILES: usize = 10_000;

/// Which children are to be linked.
#[derive(Clone, Debug)]
pub struct AttachAll {
    folder: PathBuf,
    policy: Policy,
    attributes: Attributes,
    dry_run: bool,
}

/// What became of a folder's children.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct AttachAllReport {
    /// The folder.
    pub folder: String,
    /// The children that name their base now.
    pub attached: Vec<AttachReport>,
    /// The others.
    pub left: Vec<LeftChild>,
    /// Whether nothing was written.
    pub dry_run: bool,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// A child that was not linked.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct LeftChild {
    /// The child.
    pub child: String,
    /// Why.
    pub reason: String,
    /// The images that may be its base, if they are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<String>,
    /// The exit status that this failure has.
    #[serde(skip)]
    pub exit: u8,
}

/// Why a child is left.
struct Left {
    error: Error,
    candidates: Vec<PathBuf>,
}

impl From<Error> for Left {
    fn from(error: Error) -> Self {
        Self {
            error,
            candidates: Vec::new(),
        }
    }
}

impl AttachAll {
    /// The children that stand in `folder`; their bases stand there or in the folders that `policy` adds.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>, policy: Policy) -> Self {
        Self {
            folder: folder.into(),
            policy,
            attributes: Attributes::Require,
            dry_run: false,
        }
    }

    /// As [`Attach::dry_run`].
    #[must_use]
    pub const fn dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }

    /// As [`Attach::attributes`].
    #[must_use]
    pub const fn attributes(mut self, attributes: Attributes) -> Self {
        self.attributes = attributes;
        self
    }

    /// Links all that can be linked. One that cannot does not stop the others.
    ///
    /// # Errors
    /// Host, if a folder cannot be listed; Interrupted.
    pub fn run(&self, context: &Context) -> Result<AttachAllReport> {
        let images = self.images(context)?;
        let mut waiting: Vec<&Opened> = images
            .iter()
            .filter(|one| one.image.parent().is_some() && stands_in(&one.path, &self.folder))
            .collect();
        let (mut attached, mut left) = (Vec::new(), Vec::new());
        // A child of a child can be linked only when its parent opens.
        while !waiting.is_empty() {
            let before = waiting.len();
            let mut next = Vec::new();
            left.clear();
            for child in waiting {
                context.go_on()?;
                match self.attach(child, &images, context) {
                    Ok(report) => attached.push(report),
                    Err(why) if why.error.kind() == Kind::Interrupted => return Err(why.error),
                    Err(why) => {
                        left.push(told(child, &why));
                        next.push(child);
                    }
                }
            }
            waiting = next;
            if waiting.len() == before {
                break;
            }
        }
        if waiting.is_empty() {
            left.clear();
        }
        if self.dry_run {
            for (child, told) in waiting.iter().zip(&mut left) {
                self.expect(child, &images, &attached, told);
            }
        }
        let notes = attached
            .iter()
            .flat_map(|one: &AttachReport| one.notes.clone());
        Ok(AttachAllReport {
            folder: shown(&self.folder),
            notes: notes.collect(),
            attached,
            left,
            dry_run: self.dry_run,
        })
    }

    /// All images of the folders, in order of their names. What does not open as one is none.
    fn images(&self, context: &Context) -> Result<Vec<Opened>> {
        let mut images: Vec<Opened> = Vec::new();
        let others = self.policy.search.iter().map(PathBuf::as_path);
        for folder in std::iter::once(self.folder.as_path()).chain(others) {
            for path in files_of(folder)? {
                context.go_on()?;
                let opened = open_image(&self.spec(&path));
                let known = |one: &Opened| images.iter().any(|known| known.id.is_same(&one.id));
                images.extend(opened.ok().filter(|one| !known(one)));
            }
        }
        Ok(images)
    }

    fn spec(&self, path: &Path) -> OpenSpec {
        let mut search = vec![self.folder.clone()];
        search.extend(self.policy.search.iter().cloned());
        OpenSpec {
            policy: Policy {
                search,
                parent: Vec::new(),
                ..self.policy.clone()
            },
            ..OpenSpec::of(path)
        }
    }

    /// Says of a child that it waits for its parent, if that one would be linked: in a dry run it is not, and does not open.
    fn expect(
        &self,
        child: &Opened,
        images: &[Opened],
        attached: &[AttachReport],
        told: &mut LeftChild,
    ) {
        let Ok(manifest) = Manifest::read(&place_of(&child.path)) else {
            return;
        };
        let others = images.iter().filter(|one| !one.id.is_same(&child.id));
        let likely = likely(&manifest, others.collect());
        let mut bases = likely.iter().map(|one| shown(&one.path));
        let base = bases.find(|base| attached.iter().any(|one| one.child == *base));
        if let Some(base) = base {
            told.reason = format!("it can be looked at when {base} is attached");
            told.exit = 0;
        }
    }

    /// Links one child.
    fn attach(
        &self,
        child: &Opened,
        images: &[Opened],
        context: &Context,
    ) -> Result<AttachReport, Left> {
        let link = |base: &Opened, evidence: Evidence| {
            Attach::new(self.spec(&child.path), self.spec(&base.path))
                .evidence(evidence)
                .attributes(self.attributes)
                .dry_run(self.dry_run)
                .run(context)
        };
        let others = images.iter().filter(|one| !one.id.is_same(&child.id));
        let manifest = place_of(&child.path);
        if manifest.is_file() {
            let manifest = Manifest::read(&manifest)?;
            let mut refused = None;
            for base in likely(&manifest, others.collect()) {
                match link(base, Evidence::ManifestBeside) {
                    // Another one may be the right one.
                    Err(error) if error.kind() == Kind::Chain => refused = refused.or(Some(error)),
                    other => return Ok(other?),
                }
            }
            return Err(refused
                .unwrap_or_else(|| not_found(&manifest.base.name))
                .into());
        }
        let wanted = child.image.parent().map(|link| &link.identities);
        let wanted = || wanted.into_iter().flatten().filter(|one| !one.is_null());
        if wanted().next().is_none() {
            return Err(
                Error::new(Kind::Chain, "it has no manifest and records no identity")
                    .with_hint("say with -b which image is its base, and --accept-parent-id")
                    .into(),
            );
        }
        let is_wanted =
            |one: &&Opened| wanted().any(|wanted| one.image.metadata().is_called(wanted));
        let found: Vec<&Opened> = others.filter(is_wanted).collect();
        match found.as_slice() {
            [base] => Ok(link(base, Evidence::Identity)?),
            [] => Err(not_found("its base").into()),
            several => Err(Left {
                error: Error::new(
                    Kind::Chain,
                    format!("{} images have the identity of its parent", several.len()),
                )
                .with_hint("say with -b which one it is"),
                candidates: several.iter().map(|one| one.path.clone()).collect(),
            }),
        }
    }
}

/// The images that may be the base of a manifest, the likeliest first: those of its identity or name, then those of its size.
fn likely<'a>(manifest: &Manifest, images: Vec<&'a Opened>) -> Vec<&'a Opened> {
    let base = &manifest.base;
    let rank = |one: &&Opened| {
        let facts = one.image.metadata();
        let mut names = facts.identity.iter().chain(&facts.aliases);
        let is_called = names.any(|name| base.identity.as_deref() == Some(&name.to_string()));
        let has_name = one
            .path
            .file_name()
            .is_some_and(|name| name == base.name.as_str());
        // A format may hold a disk rounded up.
        let has_size = facts.size.0.abs_diff(base.size) <= 4 << 20;
        match (is_called, has_name, has_size) {
            (true, true, _) => Some(0),
            (true, false, _) => Some(1),
            (false, true, _) => Some(2),
            (false, false, true) => Some(3),
            _ => None,
        }
    };
    let mut ranked: Vec<_> = images
        .into_iter()
        .filter_map(|one| Some((rank(&one)?, one)))
        .collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, one)| one).collect()
}

fn not_found(what: &str) -> Error {
    let message = format!(
        "{} is not among the images that were looked at",
        what.escape_debug()
    );
    Error::new(Kind::Chain, message).with_hint("--search DIR adds a folder in which it may lie")
}

fn told(child: &Opened, why: &Left) -> LeftChild {
    let mut lines = vec![why.error.to_string()];
    lines.extend(why.error.details().iter().cloned());
    lines.extend(why.error.hint().map(|hint| format!("hint: {hint}")));
    LeftChild {
        child: shown(&child.path),
        reason: lines.join("; "),
        candidates: why.candidates.iter().map(|path| shown(path)).collect(),
        exit: why.error.kind().exit(),
    }
}

fn stands_in(path: &Path, folder: &Path) -> bool {
    path.parent() == Some(folder)
}

/// The regular files of a folder, in order of their names; none that is still being written.
fn files_of(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |cause| Error::host("cannot list", cause).in_file(folder);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if is_file && draft_kind(&entry.file_name()).is_none() {
            files.push(entry.path());
        }
        if files.len() > MOST_FILES {
            let message = format!("holds more than {MOST_FILES} files");
            return Err(Error::new(Kind::Unsupported, message).in_file(folder));
        }
    }
    files.sort();
    Ok(files)
}
