//! A child and the base that it is to fit: what `apply` and `attach` prove before they write.

use std::path::{Path, PathBuf};

use imgdelta_core::{Bytes, Error, Format, Identity, Kind, Result, fs::committed_at};
use imgdelta_delta::{self as delta, Chain, ExecContext, Layer, Manifest, manifest};
use imgdelta_registry::{OpenSpec, open_chain};
use serde::Serialize;

use crate::{
    context::{Context, Ids},
    disk::{Disk, DiskRef},
    transport_file,
};

/// What a child is proven by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Evidence {
    /// The manifest beside it.
    #[default]
    ManifestBeside,
    /// The manifest in this file.
    ManifestAt(PathBuf),
    /// Only the identity that it records of its parent: nothing of the content is proven.
    Identity,
}

/// What the result rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ProvenBy {
    /// The content of base and child, read in this run.
    Content,
    /// The content of the child, and what is remembered of the base's.
    Memory,
    /// Only the identity that the child records of its parent.
    Identity,
    /// The user's word alone: the child records another identity.
    Nothing,
}

/// What the workers of a run over a transport file take together.
const SITE_MEMORY: Bytes = Bytes::mib(12);

/// A child and its base, open.
#[derive(Debug)]
pub(crate) struct ChildPair {
    /// The child's own layer.
    pub(crate) child: Disk,
    /// The base.
    pub(crate) base: Disk,
    /// The child over the base.
    pub(crate) disk: Chain,
    /// What proves them; `None` if only the identity was asked for.
    pub(crate) manifest: Option<Manifest>,
    /// What is said of a base whose identity is not the recorded one, and which was accepted.
    accepted: Option<String>,
}

impl ChildPair {
    /// Opens both, and the manifest. With the identity alone, that is checked here; another one is accepted only where the child's policy accepts
    /// another identity of its parent, which then does without a manifest where none is there.
    pub(crate) fn open(child: &OpenSpec, base: &OpenSpec, evidence: &Evidence) -> Result<Self> {
        let (child_spec, base_spec) = (child, base);
        if transport_file::is_meant(child_spec) {
            return Self::open_transport(&child_spec.path, base_spec);
        }
        let child = Disk::open_alone(child_spec)?;
        let accepts = child_spec.policy.accept_parent_id;
        let manifest = match evidence {
            Evidence::ManifestBeside if accepts && !stands_beside(&child_spec.path) => None,
            Evidence::ManifestBeside => Some(beside(&child_spec.path)?),
            Evidence::ManifestAt(path) => Some(Manifest::read(path)?),
            Evidence::Identity => None,
        };
        let base = Disk::open(base_spec)?;
        let accepted = match manifest {
            Some(_) => None,
            None => require_identity(&child, &base, accepts)?,
        };
        let layer = Layer::new(child.top.image.clone(), child.top.id.clone());
        let disk = Chain::over(layer, &base.chain)?;
        Ok(Self {
            child,
            base,
            disk,
            manifest,
            accepted,
        })
    }

    /// Opens a transport file over its base. What proves both travels in it.
    fn open_transport(path: &Path, base: &OpenSpec) -> Result<Self> {
        let base = Disk::open(base)?;
        let manifest = transport_file::file_at(path)?.manifest().clone();
        let child = Disk::of_images(vec![transport_file::open(path, Some(&base.chain))?])?;
        let layer = Layer::new(child.top.image.clone(), child.top.id.clone());
        let disk = Chain::over(layer, &base.chain)?;
        Ok(Self {
            child,
            base,
            disk,
            manifest: Some(manifest),
            accepted: None,
        })
    }

    /// How a run over the pair is to be done: unpacking a transport file takes less memory than other runs, as sites are small.
    pub(crate) fn exec<'a>(&self, context: &'a Context, ids: Ids) -> Result<ExecContext<'a>> {
        let work = context.exec(ids)?;
        let is_transport = self.child.top.driver.format == Format::Transport;
        let most = if is_transport {
            SITE_MEMORY
        } else {
            work.memory
        };
        Ok(ExecContext {
            memory: work.memory.min(most),
            ..work
        })
    }

    /// What went wrong with a transport file, its base being doubted first: over another one, windows unpack to something else, and that is said
    /// of the base then.
    pub(crate) fn doubt(&self, error: Error, context: &Context) -> Error {
        if !transport_file::may_be_of_base(&error) {
            return error;
        }
        self.prove_base(context).err().unwrap_or(error)
    }

    /// Makes sure that the base is the one that the child was made from; true if its digests were remembered.
    pub(crate) fn prove_base(&self, context: &Context) -> Result<bool> {
        delta::Apply {
            base: &self.base.chain,
            disk: &self.disk,
            manifest: self.manifest.as_ref(),
            memory: context.digest_cache(),
            work: context.exec(Ids::OfContent)?,
        }
        .prove_base()
    }

    /// What a result rests on for which the base was read, or only remembered.
    pub(crate) const fn proven_by(&self, is_remembered: bool) -> ProvenBy {
        match self.manifest {
            Some(_) if is_remembered => ProvenBy::Memory,
            Some(_) => ProvenBy::Content,
            None if self.accepted.is_some() => ProvenBy::Nothing,
            None => ProvenBy::Identity,
        }
    }

    /// The base as results name it.
    pub(crate) fn named_base(&self) -> DiskRef {
        let manifest = self.manifest.as_ref();
        self.base
            .named(manifest.map(|manifest| manifest.base.content_id.clone()))
    }

    /// What both images want the user to know.
    pub(crate) fn notes(&self) -> Vec<String> {
        let mut notes = self.child.notes();
        notes.extend(self.base.notes());
        if let Some(accepted) = &self.accepted {
            notes.push(accepted.clone());
        } else if self.manifest.is_none() {
            notes.push(
                "only the identity that the child records was checked, not the content".to_owned(),
            );
        }
        notes
    }

    /// A refusal of the base, with what helps to find the right one.
    pub(crate) fn explain(&self, error: Error, child: &OpenSpec) -> Error {
        let error = error.in_file(&self.base.top.path);
        if error.code() == "base_is_result" {
            let wanted = self
                .manifest
                .as_ref()
                .map_or("its base", |manifest| manifest.base.name.as_str());
            return error.with_hint(format!(
                "-b wants the image that the child was made from, {wanted}; what comes out is here already"
            ));
        }
        if error.code() != "base_mismatch" {
            return error;
        }
        let Some(manifest) = &self.manifest else {
            return error;
        };
        let error = error.with_detail(format!(
            "the child was made from {} ({})",
            manifest.base.name, manifest.base.format
        ));
        match self.between(child) {
            Some(nearer) => error.with_hint(format!(
                "{} is the child of another child: give its parent, -b {nearer}",
                self.child.path()
            )),
            None => error.with_hint("'imgdelta digest IMAGE' shows which image is the right one"),
        }
    }

    /// The child's own parent, if the base that was given is further down its chain.
    fn between(&self, child: &OpenSpec) -> Option<String> {
        let chain = open_chain(child).ok()?;
        let given = self.base.versions();
        let is_given = |path: &Path| {
            imgdelta_core::FileVersion::at(path)
                .is_some_and(|stamp| given.iter().any(|one| one.is_same_file(&stamp)))
        };
        let parent = chain.get(1)?;
        let deeper = chain.get(2..)?.iter().any(|one| is_given(&one.path));
        (deeper && !is_given(&parent.path)).then(|| parent.path.display().to_string())
    }
}

/// A child that is not what was promised, with what helps.
pub(crate) fn distrust(error: Error) -> Error {
    if error.kind() == Kind::Digest {
        error.with_hint("copy child and manifest once more from where they were made")
    } else {
        error
    }
}

/// Whether a manifest stands beside a child.
fn stands_beside(child: &Path) -> bool {
    let path = manifest::place_of(child);
    path.exists() || committed_at(&path).is_some()
}

/// Nothing says what a child is to make of its base.
pub(crate) fn no_manifest(child: &Path) -> Error {
    Error::new(Kind::Chain, "has no manifest, so nothing can be proven")
        .with_code("no_manifest")
        .in_file(child)
}

/// The manifest beside a child.
fn beside(child: &Path) -> Result<Manifest> {
    let path = manifest::place_of(child);
    if !stands_beside(child) {
        return Err(no_manifest(child).with_hint(format!(
            "bring {} along, say where it is with --manifest, or check only the recorded identity with --by-identity",
            path.file_name().unwrap_or_default().display()
        )));
    }
    Manifest::read(&path)
}

/// Makes sure that the child records the base's identity, or says what is accepted instead.
fn require_identity(child: &Disk, base: &Disk, accepts: bool) -> Result<Option<String>> {
    let refused = |what: String| {
        Error::new(Kind::Chain, what)
            .with_code("identity")
            .in_file(&child.top.path)
    };
    let link = child
        .top
        .image
        .parent()
        .ok_or_else(|| refused("is no child: it names no parent".to_owned()))?;
    let nothing = |format: &str| {
        refused(format!(
            "{format} records no identity, so --by-identity can check nothing"
        ))
        .with_hint("bring the manifest along")
    };
    let mut wanted = link.identities.iter().filter(|one| !one.is_null());
    let facts = base.metadata();
    if wanted.clone().any(|wanted| facts.is_called(wanted)) {
        return Ok(None);
    }
    let wanted = wanted.by_ref().map(Identity::to_string);
    let wanted = wanted.collect::<Vec<_>>().join(" or ");
    if !accepts && wanted.is_empty() {
        return Err(nothing(child.metadata().format.name()));
    }
    let found = facts.identity.as_ref().map(Identity::to_string);
    if accepts {
        return Ok(Some(format!(
            "{} has {}, {} was made over {}: taken for its base as --accept-parent-id says, nothing of it was proven",
            base.path(),
            found.as_deref().unwrap_or("no identity"),
            child.path(),
            if wanted.is_empty() {
                "one without identity"
            } else {
                &wanted
            },
        )));
    }
    let found = found.ok_or_else(|| nothing(facts.format.name()))?;
    Err(
        refused("the base's identity is not the one that the child records".to_owned())
            .with_detail(format!("needed {wanted}"))
            .with_detail(format!("given  {found}"))
            .with_hint("if it is the right disk all the same, --accept-parent-id takes it"),
    )
}
