//! `deploy`: images go to sites, each from the best base that both sides have. One site that fails does not stop the others.

mod over_ssh;
mod report;
mod summary;

use std::{path::PathBuf, time::Duration};

use imgdelta_core::{Error, Format, Result};
use imgdelta_operations::Context;
use imgdelta_repository::{
    calls::{site_inventory, unreadable},
    catalogue::Repository,
    choice::Rules,
};

pub use self::report::{DeployReport, HeldImage, ShippedImage, SiteReport};
use self::{
    over_ssh::OverSsh,
    summary::{SiteResult, Summary},
};
use super::{
    context::{WAIT, cut_short, shown, with_errand},
    destination::{Destination, refuse_twice},
    plan::Plan,
    ssh_session::Programs,
};
use crate::{
    delivery::{self, Errand, Manner, deploy_many},
    wire::SshUrl,
};

/// Where what goes over ssh is packed. Not `/tmp`: that is often memory, and a disk image is large.
const PACKING_FOLDER: &str = "/var/tmp";

/// How images are to be sent to sites.
#[derive(Clone, Debug)]
pub struct Deploy {
    repository: PathBuf,
    images: Vec<String>,
    sites: Vec<Destination>,
    medium: Option<PathBuf>,
    rules: Rules,
    native: bool,
    store: Manner,
    wait: Duration,
    programs: Programs,
    packing: PathBuf,
}

impl Deploy {
    /// These images of the repository in that folder: names, ids, or the first digits of those. They go nowhere yet.
    #[must_use]
    pub fn new(
        repository: impl Into<PathBuf>,
        images: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        Self {
            repository: repository.into(),
            images: images.into_iter().map(Into::into).collect(),
            sites: Vec::new(),
            medium: None,
            rules: Rules::default(),
            native: false,
            store: Manner::default(),
            wait: WAIT,
            programs: Programs::default(),
            packing: PACKING_FOLDER.into(),
        }
    }

    /// Also to this site.
    #[must_use]
    pub fn to(mut self, site: Destination) -> Self {
        self.sites.push(site);
        self
    }

    /// The folder, a stick say, for what is carried to sites that are given by their [inventories](Destination::Inventory); it is made if it
    /// is not there, and one that holds other deliveries is added to. Each difference is on it once, whatever the number of sites.
    #[must_use]
    pub fn medium(mut self, folder: impl Into<PathBuf>) -> Self {
        self.medium = Some(folder.into());
        self
    }

    /// How bases are chosen.
    #[must_use]
    pub const fn rules(mut self, rules: Rules) -> Self {
        self.rules = rules;
        self
    }

    /// Whether children are of the sites' own formats, and not of the one that is smallest.
    #[must_use]
    pub const fn native(mut self, native: bool) -> Self {
        self.native = native;
        self
    }

    /// The format of images that sites which are reached store whole; `None`: each site's own.
    #[must_use]
    pub const fn format(mut self, format: Option<Format>) -> Self {
        self.store.format = format;
        self
    }

    /// Whether sites that are reached keep an image as a child of its base, in that one's format, where that is smaller.
    #[must_use]
    pub const fn as_child(mut self, as_child: bool) -> Self {
        self.store.as_child = as_child;
        self
    }

    /// How long to wait while another process changes a site's repository or the medium; a minute, if nothing is said.
    #[must_use]
    pub const fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// The program that leads to other hosts, with arguments of its own, divided by blanks; `ssh`, if nothing is said.
    #[must_use]
    pub fn ssh(mut self, program: impl Into<String>) -> Self {
        self.programs.ssh = program.into();
        self
    }

    /// What imgdelta is called on other hosts, for the shell there; `imgdelta`, if nothing is said.
    #[must_use]
    pub fn remote_program(mut self, program: impl Into<String>) -> Self {
        self.programs.remote = program.into();
        self
    }

    /// The folder for what is packed for other hosts; each image's files go when it has been sent. `/var/tmp`, if nothing is said.
    #[must_use]
    pub fn packing_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.packing = folder.into();
        self
    }

    /// The dry run: which bases would be chosen, and how much would be sent. Sites are asked what they have, and nothing is changed.
    #[must_use]
    pub fn plan(&self) -> Plan {
        let plan = Plan::new(&self.repository, &self.images)
            .rules(self.rules)
            .store(self.store)
            .programs(self.programs.clone());
        self.sites.iter().cloned().fold(plan, Plan::site)
    }

    /// Sends the images: first what is carried, then to sites by their folders, then over ssh, each in the order in which they were given. At
    /// a site that is reached the base is proven, the image made, proven, and only then entered. Run again, it finishes what was left, and
    /// sends nothing that is there. What goes wrong at one site of several stands in the report, see [`DeployReport::failure`].
    ///
    /// # Errors
    /// Usage, if there is no repository, it does not have one of the images, a site is given twice, or there is no medium for sites that are
    /// given by their inventories (`no_delivery`); of the only site, whatever goes wrong before anything was sent, for instance Peer, if its
    /// host fails; Interrupted: what was sent by then is whole.
    pub fn run(&self, context: &Context) -> Result<DeployReport> {
        self.store.require_written()?;
        let headquarters = Repository::open(&self.repository)?;
        let listing = headquarters.list()?;
        refuse_twice(&self.sites)?;
        let mut summary = Summary {
            listing: &listing,
            notes: unreadable(&listing),
        };
        let sites = with_errand(context, self.wait, |errand| {
            self.send(&headquarters, &mut summary, errand, context)
        })?;
        let notes = summary.notes;
        Ok(DeployReport {
            repository: shown(headquarters.folder()),
            delivery: self.carrier().map(|folder| shown(folder)),
            bytes: self.bytes(&sites),
            sites,
            notes,
        })
    }

    /// Sends the images, and says what became of it at each site.
    fn send(
        &self,
        headquarters: &Repository,
        summary: &mut Summary<'_>,
        errand: &Errand<'_>,
        context: &Context,
    ) -> Result<Vec<SiteReport>> {
        let (ways, destinations) = self.ways();
        let batch = delivery::Deploy {
            images: self.images.clone(),
            sites: destinations,
            delivery: self.carrier().cloned(),
            rules: self.rules,
            native: self.native,
            manner: self.store,
            ..delivery::Deploy::from(headquarters)
        };
        let over_ssh = OverSsh {
            batch: &batch,
            programs: &self.programs,
            wait: self.wait,
            packing: &self.packing,
            errand,
            context,
        };
        let whole = |error| cut_short(error, "what was sent by then is whole");
        let deployed = deploy_many(&batch, errand).map_err(whole)?;
        let mut served = deployed.sites.into_iter();
        let is_alone = self.sites.len() == 1;
        let mut reports = Vec::new();
        for (site, way) in self.sites.iter().zip(ways) {
            let result = match way {
                Way::Batch => Ok(served.next().map(SiteResult::Batch)),
                Way::Unreadable(error) => Err(error),
                Way::Ssh(url) => over_ssh.send(url).map(|sent| Some(SiteResult::Ssh(sent))),
            };
            reports.push(summary.site(site, result.map_err(whole), is_alone)?);
        }
        Ok(reports)
    }

    /// How each site is served, and those that are served in one batch.
    fn ways(&self) -> (Vec<Way<'_>>, Vec<delivery::Destination>) {
        let mut batch = Vec::new();
        let ways = self.sites.iter().map(|site| match site {
            Destination::Ssh(url) => Way::Ssh(url),
            Destination::Folder(folder) => {
                batch.push(delivery::Destination::Folder(folder.clone()));
                Way::Batch
            }
            Destination::Inventory(place) => match site_inventory(place) {
                Ok(inventory) => {
                    batch.push(delivery::Destination::Carried(inventory));
                    Way::Batch
                }
                Err(error) => Way::Unreadable(error),
            },
        });
        (ways.collect(), batch)
    }

    /// The folder of what is carried, if anything is.
    fn carrier(&self) -> Option<&PathBuf> {
        let is_carried = self.sites.iter().any(Destination::is_carried);
        self.medium.as_ref().filter(|_| is_carried)
    }

    /// How many bytes travel. Sites that are served by the medium share its files.
    fn bytes(&self, sites: &[SiteReport]) -> u64 {
        let mut seen = std::collections::HashSet::new();
        let parcels = self.sites.iter().zip(sites).flat_map(|(site, report)| {
            let sent = report.sent.iter();
            sent.map(|image| (site.is_carried(), image))
        });
        parcels
            .filter(|(is_shared, image)| !is_shared || seen.insert(&image.file))
            .map(|(_, image)| image.bytes)
            .sum()
    }
}

/// How a site is served.
enum Way<'a> {
    /// With all others that no line leads to, in one batch.
    Batch,
    /// Over a line of its own.
    Ssh(&'a SshUrl),
    /// Not at all: what it has could not be read.
    Unreadable(Error),
}
