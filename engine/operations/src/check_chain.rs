//! `check --chain`: does each child of a chain still stand on its base? By its manifest where one stands beside it, else by what it records.

use imgdelta_core::{Error, Kind, Result};
use imgdelta_registry::{OpenSpec, Opened, check_image, open_chain};
use serde::Serialize;

use crate::{
    context::{Context, Ids, Stage},
    disk::Disk,
    output::shown,
    promise::{Found, Promise},
};

/// A child of the chain and what it stands on.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct LinkInfo {
    /// The child.
    pub child: String,
    /// Its parent.
    pub parent: String,
    /// What says that this is the right one.
    pub by: StandsBy,
}

/// What says that a parent is the one that its child was made over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StandsBy {
    /// The child's manifest, by the content of both.
    Content,
    /// The manifest, by the content of the base; the child was written to since.
    BaseContent,
    /// The identity that the child records: the content may be another.
    Identity,
    /// Its name alone.
    Name,
    /// Nothing: it is not the right one.
    Nothing,
}

/// What was found of a chain beyond its top image.
#[derive(Debug, Default)]
pub(crate) struct ChainFindings {
    /// Each child, the top one first.
    pub(crate) links: Vec<LinkInfo>,
    /// Rules that are broken, with the file of each.
    pub(crate) faults: Vec<Error>,
    /// What harms nothing.
    pub(crate) notes: Vec<String>,
}

/// Checks the parents of the image that `spec` means, and every link between them.
///
/// # Errors
/// Those of reading the images; Interrupted. A chain that does not open, or does not fit, is a finding.
pub(crate) fn check_chain(spec: &OpenSpec, context: &Context) -> Result<ChainFindings> {
    let mut found = ChainFindings::default();
    let chain = match open_chain(spec) {
        Ok(chain) => chain,
        Err(error) if matches!(error.kind(), Kind::Chain | Kind::Reference | Kind::Corrupt) => {
            found.faults.push(error);
            return Ok(found);
        }
        Err(error) => return Err(error),
    };
    for (number, opened) in chain.iter().enumerate() {
        context.go_on()?;
        if number > 0 {
            found.check_parent(opened, context)?;
        }
        let Some(parent) = chain.get(number.saturating_add(1)) else {
            break;
        };
        let below = chain.get(number..).unwrap_or_default();
        let by = found.link(below, spec, context)?;
        found.links.push(LinkInfo {
            child: shown(&opened.path),
            parent: shown(&parent.path),
            by,
        });
    }
    Ok(found)
}

impl ChainFindings {
    /// Looks for faults in a parent.
    fn check_parent(&mut self, opened: &Opened, context: &Context) -> Result<()> {
        let spec = OpenSpec {
            format: Some(opened.driver.format),
            ..OpenSpec::of(&opened.path)
        };
        let exec = context.exec(Ids::OfContent)?;
        let report = exec.install(|| check_image(&spec))??;
        let named = report.faults.into_iter();
        self.faults
            .extend(named.map(|fault| fault.in_file(&opened.path)));
        let path = opened.path.display();
        let notes = report.notes.iter().map(|note| format!("{path}: {note}"));
        self.notes.extend(notes);
        Ok(())
    }

    /// What the first of these images, whose parents follow, stands on.
    fn link(&mut self, images: &[Opened], top: &OpenSpec, context: &Context) -> Result<StandsBy> {
        let disk = Disk::of_images(images.to_vec())?;
        let mut policy = top.policy.clone();
        policy.parent.clear();
        let spec = OpenSpec {
            policy,
            ..OpenSpec::of(&disk.top.path)
        };
        match Promise::of(&disk, &spec) {
            Found::Promise(promise) => {
                context.begin(Stage::Prove(&disk.top.path));
                match promise.prove(context) {
                    Ok(None) => return Ok(StandsBy::Content),
                    Ok(Some(note)) => {
                        self.notes.push(note);
                        return Ok(StandsBy::BaseContent);
                    }
                    Err(error) if matches!(error.kind(), Kind::Chain | Kind::Digest) => {
                        self.faults.push(error);
                        return Ok(StandsBy::Nothing);
                    }
                    Err(error) => return Err(error),
                }
            }
            Found::Unreadable(note) => self.notes.push(note),
            Found::Nothing => {}
        }
        let link = disk.top.image.parent();
        let records = link.is_some_and(|link| link.identities.iter().any(|one| !one.is_null()));
        Ok(if records {
            StandsBy::Identity
        } else {
            StandsBy::Name
        })
    }
}
