//! `deploy`: images go to sites, each from the best base that both sides have. One site that fails does not stop the others.

mod line;
mod tally;

use std::path::Path;

use imgdelta_core::{Error, Result};
use imgdelta_deploy::{
    delivery::{self, AtSite, Destination, Errand, Stage, deploy_many},
    wire::{Sent, Target},
};
use imgdelta_repository::calls::{ImageRef, refuse_twice, site_inventory};
use serde::Serialize;

use super::{
    Arrived, Outcome, Run,
    receive::{cut_short, phase},
    repo::{Failed, unreadable},
    shown,
};
use crate::job::{self, Line, Way};

use line::send;
use tally::Tally;

/// What became of images that were to go to sites.
#[derive(Debug, Serialize)]
pub(crate) struct Deployed {
    /// The folder of the repository that sends.
    pub(crate) repository: String,
    /// The folder of what is carried to the sites.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) delivery: Option<String>,
    /// What became of it at each site, in the order in which they were given.
    pub(crate) sites: Vec<Served>,
    /// How many bytes of files travel; on a medium, each file once.
    pub(crate) bytes: u64,
    /// What the user should know.
    pub(crate) notes: Vec<String>,
}

/// What became of it at one site.
#[derive(Debug, Serialize)]
pub(crate) struct Served {
    /// The site, as it was given.
    pub(crate) site: String,
    /// Images that it has already.
    pub(crate) there: Vec<There>,
    /// What was packed for it, every base before what is made from it.
    pub(crate) sent: Vec<Parcel>,
    /// How many bytes of files that is.
    pub(crate) bytes: u64,
    /// What became of each image there; of a site that was not reached nothing is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) images: Option<Vec<Arrived>>,
    /// What went wrong on the way there.
    pub(crate) errors: Vec<Failed>,
}

/// An image that a site has already.
#[derive(Debug, Serialize)]
pub(crate) struct There {
    /// The image here.
    pub(crate) image: ImageRef,
    /// Its id there.
    pub(crate) at_site: String,
}

/// A difference, or a whole image, that travels.
#[derive(Debug, Serialize)]
pub(crate) struct Parcel {
    /// The image.
    pub(crate) image: ImageRef,
    /// Its base; of a whole image there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) base: Option<ImageRef>,
    /// The format of the file that travels, where files lie on a medium or in a folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) format: Option<&'static str>,
    /// The name of that file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) file: Option<String>,
    /// How long it is, with its manifest.
    pub(crate) bytes: u64,
    /// How many bytes an earlier conversation had brought.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) resumed: Option<u64>,
    /// Whether it was written now; else it lay there.
    pub(crate) is_new: bool,
    /// Whether nobody asked for it there, and it only serves as a step to others.
    pub(crate) is_step: bool,
}

impl Outcome for Deployed {
    const SCHEMA: &'static str = "imgdelta/deploy/1";

    fn exit(&self) -> u8 {
        let mut failed = self.sites.iter().filter_map(Served::failure);
        failed.next().map_or(0, |failed| failed.exit)
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }
}

impl Served {
    /// The first failure.
    pub(crate) fn failure(&self) -> Option<&Failed> {
        let there = self.images.iter().flatten();
        let there = there.filter_map(|image| image.error.as_ref());
        self.errors.first().or_else(|| there.into_iter().next())
    }
}

/// Sends images to sites.
pub(crate) fn deploy(job: &job::Deploy, run: &Run<'_>) -> Result<Deployed> {
    let headquarters = run.repository()?;
    let listing = headquarters.list()?;
    let given = job.way.sites();
    refuse_twice(&given)?;
    let told = |stage: Stage<'_>| run.showing.phase(phase(stage));
    let errand = Errand {
        run: run.catalogue(job.manner.wait)?,
        told: &told,
    };
    let delivery = match &job.way {
        Way::Medium { folder, .. } => folder.clone(),
        Way::Lines(_) => None,
    };
    let (mut known, mut destinations) = (Vec::new(), Vec::new());
    for (number, site) in given.iter().enumerate() {
        known.push(match job.way.line(number) {
            Some(Line::Ssh(target)) => Known::Line(target),
            line => match destination(line, site) {
                Ok(there) => {
                    destinations.push(there);
                    Known::Engine
                }
                Err(error) => Known::Failed(error),
            },
        });
    }
    let deploy = delivery::Deploy {
        images: job.images.clone(),
        sites: destinations,
        delivery: delivery.clone(),
        rules: job.rules,
        native: job.native,
        manner: job.keeping,
        ..delivery::Deploy::from(&headquarters)
    };
    let deployed = deploy_many(&deploy, &errand)
        .map_err(|error| cut_short(error, "what was sent by then is whole"))?;
    let mut reached = deployed.sites.into_iter();
    let mut tally = Tally {
        listing: &listing,
        run,
        notes: unreadable(&listing),
    };
    let is_alone = known.len() == 1;
    let mut sites = Vec::new();
    for (site, known) in given.iter().zip(known) {
        let outcome = match known {
            Known::Engine => Ok(reached.next().map(Reached::Engine)),
            Known::Failed(error) => Err(error),
            Known::Line(target) => {
                send(target, &deploy, job, &errand, run).map(|sent| Some(Reached::Line(sent)))
            }
        };
        let outcome = outcome.map_err(|error| cut_short(error, "what was sent by then is whole"));
        sites.push(tally.served(site, outcome, is_alone)?);
    }
    Ok(Deployed {
        repository: shown(headquarters.folder()),
        bytes: bytes(&sites, delivery.is_some()),
        delivery: delivery.as_deref().map(shown),
        sites,
        notes: tally.notes,
    })
}

/// Where a site is, or what it has.
fn destination(line: Option<&Line>, site: &Path) -> Result<Destination> {
    match line {
        Some(_) => Ok(Destination::Folder(site.to_owned())),
        None => site_inventory(site).map(Destination::Carried),
    }
}

/// Who serves a site.
enum Known<'a> {
    /// The engine, all such sites in one call.
    Engine,
    /// This command, over a line of its own.
    Line(&'a Target),
    /// Nobody: what it has could not be read.
    Failed(Error),
}

/// What became of it at a site.
enum Reached {
    /// One that the engine has served.
    Engine(AtSite),
    /// One at the other end of a line.
    Line(Sent),
}

/// How many bytes travel. Sites that are served by one medium share its files.
fn bytes(sites: &[Served], is_shared: bool) -> u64 {
    let mut seen = std::collections::HashSet::new();
    let parcels = sites.iter().flat_map(|site| &site.sent);
    parcels
        .filter(|parcel| !is_shared || seen.insert(&parcel.file))
        .map(|parcel| parcel.bytes)
        .sum()
}
