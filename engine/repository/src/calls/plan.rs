//! `plan`: which bases would be chosen, why, and what would be sent. Nothing is sent, and no image is read: leaf digests say what they hold. Only
//! who wants to know what nobody needs of an image has its file systems read.

mod names;
mod report;
mod unneeded;

use std::path::PathBuf;

use imgdelta_core::{Bytes, Error, Result};
use imgdelta_operations::{Context, Ids, Unneeded};

use self::names::Names;
pub use self::report::{
    MediumFit, PlanCandidate, PlanLeg, PlanPair, PlanReport, PresentImage, ResizedImage, SitePlan,
};
use self::unneeded::Unused;
use super::{
    failed::{left_out, unreadable},
    image::shown,
    site::{refuse_twice, site_inventory},
    target::Target,
};
use crate::{
    catalogue::{Inventory, Repository, facts},
    planning::{self, Node, Resized, Rules, Site, Transport},
};

/// How images would reach sites.
#[derive(Clone, Debug)]
pub struct Plan {
    target: Target,
    images: Vec<String>,
    sites: Vec<PlannedSite>,
    is_carried: bool,
    rules: Rules,
    media: Option<Bytes>,
    rate: Option<Bytes>,
    leave_out: Vec<Unneeded>,
}

/// A site as it was given.
#[derive(Clone, Debug)]
struct PlannedSite {
    /// Its path, or what it is called.
    name: PathBuf,
    /// What it has, if it said so itself over a line.
    told: Option<Inventory>,
}

impl PlannedSite {
    /// Whether it is reached without a medium: what is only known by its inventory is not.
    fn has_line(&self) -> bool {
        self.told.is_some() || self.name.is_dir()
    }

    /// What it has.
    fn inventory(&self) -> Result<Inventory> {
        self.told
            .clone()
            .map_or_else(|| site_inventory(&self.name), Ok)
    }
}

impl Plan {
    /// These images (each by its name, its id, or the first digits of that) of the repository in `folder`, for sites that are yet to be
    /// named.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>, images: impl IntoIterator<Item = String>) -> Self {
        Self {
            target: Target::of(folder),
            images: images.into_iter().collect(),
            sites: Vec::new(),
            is_carried: false,
            rules: Rules::default(),
            media: None,
            rate: None,
            leave_out: Vec::new(),
        }
    }

    /// For this site too: the folder of its repository, or its inventory. One of which there is only an inventory is reached by a medium.
    #[must_use]
    pub fn site(mut self, site: impl Into<PathBuf>) -> Self {
        self.sites.push(PlannedSite {
            name: site.into(),
            told: None,
        });
        self
    }

    /// For this site too, which has a line and has said over it what it has.
    #[must_use]
    pub fn site_on_line(mut self, name: impl Into<PathBuf>, has: Inventory) -> Self {
        self.sites.push(PlannedSite {
            name: name.into(),
            told: Some(has),
        });
        self
    }

    /// Whether all sites are reached by one medium, though their folders be at hand.
    #[must_use]
    pub const fn carried(mut self, is_carried: bool) -> Self {
        self.is_carried = is_carried;
        self
    }

    /// How bases are chosen.
    #[must_use]
    pub const fn rules(mut self, rules: Rules) -> Self {
        self.rules = rules;
        self
    }

    /// Says whether a medium of this size holds it, and that it goes by one.
    #[must_use]
    pub const fn media(mut self, media: Option<Bytes>) -> Self {
        self.media = media;
        self
    }

    /// Says how long it takes at so many bytes a second.
    #[must_use]
    pub const fn rate(mut self, rate: Option<Bytes>) -> Self {
        self.rate = rate;
        self
    }

    /// Says how much of each image on its way certainly nobody needs, of all that is in `what`: its disk is read for that.
    #[must_use]
    pub fn leave_out(mut self, what: impl IntoIterator<Item = Unneeded>) -> Self {
        self.leave_out = what.into_iter().collect();
        self
    }

    /// Works out how the images would reach the sites. Bytes are estimates before compression.
    ///
    /// # Errors
    /// As [`Repository::open`] and [`Listing::find`](crate::catalogue::Listing::find); Usage, if a site is given twice; those of what
    /// the sites have, see [`site_inventory`]; Corrupt, if leaf digests are damaged; Interrupted.
    pub fn run(&self, context: &Context) -> Result<PlanReport> {
        let repository = self.target.open(context)?;
        let mut listing = repository.list()?;
        let lists = self.inventories()?;
        let there = lists.iter().flat_map(|list| &list.images);
        repository.know_reduced(&mut listing, there.map(|item| &item.content_id));
        let holdings = facts::Holdings::of(&repository, &listing);
        let here = holdings.nodes();
        let wanted = self.images.iter().map(|word| listing.find(word));
        let wanted = wanted.collect::<Result<Vec<_>>>()?;
        let wanted: Vec<&str> = wanted.iter().map(|record| record.id.as_str()).collect();
        let nodes: Vec<Vec<Node>> = lists
            .iter()
            .map(|list| list.images.iter().map(facts::node).collect())
            .collect();
        let given = self.sites.iter().zip(&nodes);
        let sites: Vec<Site<'_>> = given
            .map(|(site, images)| Site {
                name: shown(&site.name),
                images,
            })
            .collect();
        let carrier = self.carrier();
        let (batch, alike) = context.exec(Ids::OfContent)?.install(|| {
            let batch = planning::batch(&here, &sites, &wanted, carrier, &holdings, &self.rules)?;
            let alike = nodes
                .iter()
                .map(|there| planning::resized(&here, there, &holdings, &self.rules))
                .collect::<Result<Vec<Vec<Resized>>>>()?;
            Ok::<_, Error>((batch, alike))
        })??;
        let names = Names {
            here: &listing,
            media: self.media,
            rate: self.rate,
        };
        let mut notes = unreadable(&listing);
        notes.extend(left_out(&repository.look(&listing)));
        notes.extend(self.remarks(&lists, &repository));
        notes.extend(names.steps(&batch));
        let mut report = names.planned(&batch, &lists, &alike, carrier);
        report.repository = shown(repository.folder());
        report.notes = notes;
        if !self.leave_out.is_empty() {
            let unused = Unused {
                repository: &repository,
                listing: &listing,
                what: &self.leave_out,
            };
            unused.tell(&mut report, context)?;
        }
        Ok(report)
    }

    /// What the sites have.
    fn inventories(&self) -> Result<Vec<Inventory>> {
        let names = self.sites.iter().map(|site| site.name.clone());
        refuse_twice(&names.collect::<Vec<_>>())?;
        self.sites.iter().map(PlannedSite::inventory).collect()
    }

    /// Repositories that are at hand have a line of their own; what is only known by its inventory is reached by a medium.
    fn carrier(&self) -> Transport {
        let is_medium = self.is_carried || self.media.is_some();
        if !is_medium && self.sites.iter().all(PlannedSite::has_line) {
            Transport::PerSite
        } else {
            Transport::SharedMedium
        }
    }

    /// What is odd about the sites.
    fn remarks(&self, lists: &[Inventory], repository: &Repository) -> Vec<String> {
        let own = &repository.about().id;
        let mirrored = lists.iter().zip(&self.sites);
        let mirrored = mirrored.filter(|(list, _)| list.repository == *own);
        mirrored
            .map(|(_, site)| {
                let name = site.name.display();
                format!("{name}: is the sending repository itself")
            })
            .collect()
    }
}
