//! `plan`: which bases would be chosen, why, and what would be sent. Nothing is sent, and no image is read: leaf digests say what they hold.

mod ask;
mod tell;

use imgdelta_core::{Error, Result};
use imgdelta_repository::{
    catalogue::{Inventory, Repository, facts},
    choice::{self, Carrier, Node, Resized, Site},
};
use serde::Serialize;

use super::{Outcome, Run, shown};
use crate::job::{self, Known};

pub(super) use ask::{list, refuse_twice};

use ask::Asking;
use tell::Names;

/// How images would travel.
#[derive(Debug, Serialize)]
pub(crate) struct Planned {
    /// The folder of the repository that sends.
    pub(crate) repository: String,
    /// `lines`: to each site by itself; `medium`: on one medium for all.
    pub(crate) carrier: &'static str,
    /// How each site is reached.
    pub(crate) sites: Vec<Reached>,
    /// What a medium for all of them holds, each once.
    pub(crate) pairs: Vec<Pair>,
    /// How much travels: over all lines together, or on the medium.
    pub(crate) bytes: u64,
    /// How much it would be if each image went by itself, to each site by itself.
    pub(crate) naive: u64,
    /// How long it takes, in seconds, at the rate that was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) seconds: Option<u64>,
    /// How that stands to the medium that was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) media: Option<Media>,
    /// What the user should know.
    pub(crate) notes: Vec<String>,
}

/// How a site is reached.
#[derive(Debug, Serialize)]
pub(crate) struct Reached {
    /// The site, as it was given.
    pub(crate) site: String,
    /// The id of its repository.
    pub(crate) repository: String,
    /// Images that it has already.
    pub(crate) there: Vec<There>,
    /// What is sent, every base before what is made from it.
    pub(crate) legs: Vec<Leg>,
    /// How much that is.
    pub(crate) bytes: u64,
    /// How much it would be if each image went by itself.
    pub(crate) naive: u64,
    /// How long it takes, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) seconds: Option<u64>,
    /// Images that both sides have but for their size: no base, as they are.
    pub(crate) resized: Vec<Alike>,
}

/// An image as a plan names it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Named {
    /// Its id.
    pub(crate) id: String,
    /// Its name.
    pub(crate) name: String,
}

/// An image that a site has already.
#[derive(Debug, Serialize)]
pub(crate) struct There {
    /// The image here.
    pub(crate) image: Named,
    /// The same there.
    pub(crate) at_site: Named,
}

/// One image on its way.
#[derive(Debug, Serialize)]
pub(crate) struct Leg {
    /// The image.
    pub(crate) image: Named,
    /// `there`: from a base that the site has; `sent`: from one that is sent before; `whole`: from none.
    pub(crate) from: &'static str,
    /// The base.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) base: Option<Candidate>,
    /// Why it was chosen, or why there is none.
    pub(crate) why: String,
    /// The next best that both sides have.
    pub(crate) runners_up: Vec<Candidate>,
    /// How many images both sides have, this one aside.
    pub(crate) candidates: usize,
    /// How many of them were weighed.
    pub(crate) weighed: usize,
    /// How much is sent.
    pub(crate) bytes: u64,
    /// How much the whole image would be.
    pub(crate) whole: u64,
    /// Whether nobody asked for it, and it only serves as a step to others.
    pub(crate) is_step: bool,
}

/// A candidate and what it measures, as far as that was worked out.
#[derive(Debug, Serialize)]
pub(crate) struct Candidate {
    /// The image here.
    pub(crate) image: Named,
    /// The same at the site; not of one that is sent before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) at_site: Option<Named>,
    /// How it is known that both have it: `content`, or `claim`: only by an id that somebody set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) shared: Option<&'static str>,
    /// `child`, `parent`, `sibling` or `stranger` of the image that is wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kin: Option<&'static str>,
    /// Steps in the tree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hops: Option<u32>,
    /// Bytes that are allocated along the way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) blocks: Option<u64>,
    /// How many windows of the wanted image it holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) held: Option<u64>,
    /// Of how many that are not zero.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) data: Option<u64>,
    /// All of that as people read it.
    pub(crate) text: String,
}

/// A difference, or a whole image, as it lies on a medium.
#[derive(Debug, Serialize)]
pub(crate) struct Pair {
    /// The image.
    pub(crate) image: Named,
    /// Its base; of a whole image there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) base: Option<Named>,
    /// How large it is.
    pub(crate) bytes: u64,
    /// The sites that use it.
    pub(crate) sites: Vec<String>,
}

/// How a delivery stands to a medium.
#[derive(Debug, Serialize)]
pub(crate) struct Media {
    /// How much the medium holds.
    pub(crate) size: u64,
    /// How much is needed, with what stands beside the images.
    pub(crate) needed: u64,
    /// Whether it fits.
    pub(crate) fits: bool,
}

/// Images that are the same but for their size.
#[derive(Debug, Serialize)]
pub(crate) struct Alike {
    /// The image here.
    pub(crate) image: Named,
    /// The size of its disk.
    pub(crate) size: u64,
    /// The image there.
    pub(crate) at_site: Named,
    /// The size of its disk.
    pub(crate) size_at_site: u64,
}

impl Outcome for Planned {
    const SCHEMA: &'static str = "imgdelta/plan/1";

    fn notes(&self) -> &[String] {
        &self.notes
    }
}

/// Works out how images would reach sites.
pub(crate) fn plan(job: &job::Plan, run: &Run<'_>) -> Result<Planned> {
    run.signals.may_end_at_once(true);
    let repository = run.repository()?;
    let listing = repository.list()?;
    let holdings = facts::Holdings::of(&repository, &listing);
    let here = holdings.nodes();
    let wanted = job.images.iter().map(|word| listing.find(word));
    let wanted = wanted.collect::<Result<Vec<_>>>()?;
    let asking = Asking {
        repository: &repository,
        wanted: wanted.iter().map(|record| record.id.clone()).collect(),
        remote_program: &job.remote_program,
        run,
    };
    let wanted: Vec<&str> = wanted.iter().map(|record| record.id.as_str()).collect();
    let lists = asking.lists(&job.sites)?;
    let nodes: Vec<Vec<Node>> = lists
        .iter()
        .map(|list| list.images.iter().map(facts::node).collect())
        .collect();
    let sites: Vec<Site<'_>> = job
        .sites
        .iter()
        .zip(&nodes)
        .map(|(site, images)| Site {
            name: shown(&site.shown()),
            images,
        })
        .collect();
    let carrier = carrier(job);
    let (batch, alike) = run.exec().install(|| {
        let batch = choice::batch(&here, &sites, &wanted, carrier, &holdings, &job.rules)?;
        let alike = nodes
            .iter()
            .map(|there| choice::resized(&here, there, &holdings, &job.rules))
            .collect::<Result<Vec<Vec<Resized>>>>()?;
        Ok::<_, Error>((batch, alike))
    })??;
    let names = Names::of(&listing);
    let mut notes = super::repo::unreadable(&listing);
    notes.extend(remarks(&lists, &repository, job));
    let mut planned = names.planned(&batch, &lists, &alike, carrier, job);
    planned.repository = shown(repository.folder());
    planned.notes = notes;
    Ok(planned)
}

/// Repositories that are at hand have a line of their own; what is only known by its inventory is reached by a medium.
fn carrier(job: &job::Plan) -> Carrier {
    let is_medium = job.is_carried || job.media.is_some();
    let has_line = |site: &Known| match site {
        Known::Here(path) => path.is_dir(),
        Known::There(_) => true,
    };
    if !is_medium && job.sites.iter().all(has_line) {
        Carrier::Lines
    } else {
        Carrier::Medium
    }
}

/// What is odd about the sites.
fn remarks(lists: &[Inventory], repository: &Repository, job: &job::Plan) -> Vec<String> {
    let own = &repository.about().id;
    let mirrored = lists.iter().zip(&job.sites);
    let mirrored = mirrored.filter(|(list, _)| list.repository == *own);
    mirrored
        .map(|(_, site)| {
            let site = site.shown();
            format!("{}: is the sending repository itself", site.display())
        })
        .collect()
}
