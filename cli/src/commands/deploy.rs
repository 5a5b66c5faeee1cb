//! `deploy`: images go to sites, each from the best base that both sides have. One site that fails does not stop the others.

mod line;

use std::path::Path;

use imgdelta_core::{Error, Kind, Result};
use imgdelta_deploy::{
    delivery::{self, AtSite, Destination, Errand, Packed, Stage, deploy_many},
    wire::{Sent, Target},
};
use imgdelta_repository::catalogue::{Listing, Repository};
use serde::Serialize;

use super::{
    Arrived, Outcome, Run,
    plan::{Named, list, refuse_twice},
    receive::{arrived, cut_short, phase},
    repo::{Failed, unreadable},
    writing::shown,
};
use crate::job::{self, Line, Way};

use line::send;

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
    pub(crate) image: Named,
    /// Its id there.
    pub(crate) at_site: String,
}

/// A difference, or a whole image, that travels.
#[derive(Debug, Serialize)]
pub(crate) struct Parcel {
    /// The image.
    pub(crate) image: Named,
    /// Its base; of a whole image there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) base: Option<Named>,
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
        None => list(site).map(Destination::Carried),
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

/// What becomes of a deployment, as it is told.
struct Tally<'a> {
    listing: &'a Listing,
    run: &'a Run<'a>,
    notes: Vec<String>,
}

impl Tally<'_> {
    /// What became of it at one site. Of the only one, an error before anything was sent is the whole result.
    fn served(
        &mut self,
        site: &Path,
        outcome: Result<Option<Reached>>,
        is_alone: bool,
    ) -> Result<Served> {
        let mut served = Served {
            site: shown(site),
            there: Vec::new(),
            sent: Vec::new(),
            bytes: 0,
            images: None,
            errors: Vec::new(),
        };
        let errors = match outcome {
            Ok(Some(Reached::Engine(at_site))) => self.told(at_site, site, &mut served),
            Ok(Some(Reached::Line(sent))) => {
                self.told_by_line(sent, site, is_alone, &mut served)?;
                Vec::new()
            }
            Ok(None) => Vec::new(),
            Err(error) => vec![error],
        };
        for error in errors {
            if error.kind() == Kind::Interrupted || (is_alone && served.sent.is_empty()) {
                return Err(error);
            }
            let failed = Failed::of(&error, self.run.signals.exit());
            served.errors.push(failed);
        }
        Ok(served)
    }

    /// Tells what became of it at a site; gives what went wrong on the way.
    fn told(&mut self, at_site: AtSite, site: &Path, served: &mut Served) -> Vec<Error> {
        if let Some(route) = &at_site.route {
            let there = route.there.iter().map(|(image, at_site)| There {
                image: self.named(image),
                at_site: at_site.clone(),
            });
            served.there = there.collect();
        }
        for packed in &at_site.packed {
            let is_step = at_site.route.as_ref().is_some_and(|route| {
                let mut legs = route.legs.iter();
                legs.any(|leg| leg.is_step && leg.image == packed.item.image.as_str())
            });
            served.sent.push(parcel(packed, is_step));
            for note in &packed.notes {
                self.note(format!("{}: {note}", packed.item.name));
            }
        }
        served.bytes = served.sent.iter().map(|parcel| parcel.bytes).sum();
        if let Some(received) = at_site.received {
            // Only names are looked up in it.
            let listing = Repository::open(site).and_then(|site| site.list());
            let listing = listing.unwrap_or_default();
            let mut notes = Vec::new();
            let taken = received.taken.into_iter();
            let images = taken.map(|one| arrived(one, &listing, self.run, &mut notes));
            served.images = Some(images.collect());
            for note in notes {
                self.note(format!("{}: {note}", site.display()));
            }
        }
        at_site.failures
    }

    /// Tells something once, though it is true of several sites.
    fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    fn named(&self, id: &str) -> Named {
        let record = id.parse().ok().and_then(|id| self.listing.by_id(&id));
        Named {
            id: id.to_owned(),
            name: record.map_or_else(|| id.to_owned(), |record| record.name.to_string()),
        }
    }
}

fn parcel(packed: &Packed, is_step: bool) -> Parcel {
    let item = &packed.item;
    let manifest = item.manifest.as_ref().map_or(0, |file| file.length);
    Parcel {
        image: Named {
            id: item.image.to_string(),
            name: item.name.to_string(),
        },
        base: item.base.as_ref().map(|base| Named {
            id: base.id.to_string(),
            name: base.name.to_string(),
        }),
        format: Some(item.format.name()),
        file: Some(item.file.name.to_string()),
        bytes: item.file.length.saturating_add(manifest),
        resumed: None,
        is_new: packed.is_new,
        is_step,
    }
}
