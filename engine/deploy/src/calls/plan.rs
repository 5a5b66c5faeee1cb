//! `plan`: sites are asked what they have, wherever they are; the repository's own plan then says which bases would be chosen. Nothing is sent.

use std::path::PathBuf;

use imgdelta_core::{Bytes, Result};
use imgdelta_operations::{Context, Unneeded};
use imgdelta_repository::{
    calls::{self, PlanReport, site_inventory},
    catalogue::{ImageId, Inventory, Repository},
    planning::Rules,
};

use super::{
    context::{WAIT, with_delivery_context},
    destination::{Destination, refuse_twice},
};
use crate::{
    bundle::{PlannedTransfer, StorageEstimate, StoreOptions, require_space_in_folder},
    deployment::{Sender, Site, SshPrograms, SshSite},
    space::Space,
    wire::SshUrl,
};

/// What is asked about images that are to go to sites.
#[derive(Clone, Debug)]
pub struct Plan {
    repository: PathBuf,
    images: Vec<String>,
    sites: Vec<Destination>,
    rules: Rules,
    media: Option<Bytes>,
    rate: Option<Bytes>,
    programs: SshPrograms,
    /// The folder of what is carried, where that is known.
    carrier: Option<PathBuf>,
    /// How sites are to keep what they receive, where that is known.
    store: StoreOptions,
    /// What is told of each image that nobody needs.
    leave_out: Vec<Unneeded>,
}

/// What a site says of itself.
struct Asked {
    /// What it has.
    has: Inventory,
    /// The room there, where it is reached and says it.
    space: Option<Space>,
}

impl Plan {
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
            rules: Rules::default(),
            media: None,
            rate: None,
            programs: SshPrograms::default(),
            carrier: None,
            store: StoreOptions::default(),
            leave_out: Vec::new(),
        }
    }

    /// Also to this site. Where one is given by its [inventory](Destination::Inventory), one medium for all of them is planned.
    #[must_use]
    pub fn site(mut self, site: Destination) -> Self {
        self.sites.push(site);
        self
    }

    /// How bases are chosen.
    #[must_use]
    pub const fn rules(mut self, rules: Rules) -> Self {
        self.rules = rules;
        self
    }

    /// How many bytes the medium holds that is to carry it.
    #[must_use]
    pub const fn media(mut self, size: Option<Bytes>) -> Self {
        self.media = size;
        self
    }

    /// How many bytes travel in a second.
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

    /// How sites are to keep what they receive.
    pub(super) const fn store(mut self, store: StoreOptions) -> Self {
        self.store = store;
        self
    }

    /// The folder of what is carried.
    pub(super) fn carrier(mut self, folder: Option<PathBuf>) -> Self {
        self.carrier = folder;
        self
    }

    /// The programs of a line.
    pub(super) fn programs(mut self, programs: SshPrograms) -> Self {
        self.programs = programs;
        self
    }

    /// Asks the sites what they have, chooses, and estimates what would be sent, before compression. Nothing is changed anywhere.
    ///
    /// # Errors
    /// Usage, if there is no repository, it does not have one of the images, or a site is given twice; those of the first site that cannot
    /// be asked: Usage, Corrupt or Unsupported of an inventory or a repository, Peer or Host of a line; Host (`no_space`), if there is certainly no
    /// room for it; Interrupted.
    pub fn run(&self, context: &Context) -> Result<PlanReport> {
        self.store.require_written()?;
        let lists = self.lists(context)?;
        let plan = calls::Plan::new(&self.repository, self.images.iter().cloned())
            // What is only known by its inventory is reached by a medium, and then all are.
            .carried(self.sites.iter().any(Destination::is_carried))
            .rules(self.rules)
            .media(self.media)
            .rate(self.rate)
            .leave_out(self.leave_out.iter().copied());
        let sites = self.sites.iter().zip(&lists);
        let planned = sites.fold(plan, |plan, (site, asked)| {
            plan.site_on_line(site.shown(), asked.has.clone())
        });
        let mut report = planned.run(context)?;
        let notes = self.space_notes(&report, &lists)?;
        report.notes.extend(notes);
        Ok(report)
    }

    /// What is to be said of the room at the sites that are reached, and on the medium.
    ///
    /// # Errors
    /// Host (`no_space`), if there certainly is none.
    fn space_notes(&self, report: &PlanReport, lists: &[Asked]) -> Result<Vec<String>> {
        let mut notes = Vec::new();
        if let Some(folder) = &self.carrier {
            let pairs = report.pairs.iter().map(|pair| {
                let base = pair.base.as_ref().map(|base| base.id.as_str());
                (pair.image.id.as_str(), base, Bytes(pair.bytes))
            });
            notes.extend(require_space_in_folder(pairs, folder)?);
        }
        for (site, asked) in report.sites.iter().zip(lists) {
            let storage = StorageEstimate {
                store: &self.store,
                default_format: asked.has.default_format,
            };
            let need = storage.legs(site.legs.iter().map(PlannedTransfer::from));
            notes.extend(need.require("what is to be sent", asked.space, &site.site)?);
        }
        Ok(notes)
    }

    /// What the sites have. Before anybody is asked, what makes no sense is refused.
    fn lists(&self, context: &Context) -> Result<Vec<Asked>> {
        let repository = Repository::open(&self.repository)?;
        let listing = repository.list()?;
        let wanted = self.images.iter().map(|word| listing.find(word));
        let wanted = wanted
            .map(|record| Ok(record?.id.clone()))
            .collect::<Result<Vec<ImageId>>>()?;
        refuse_twice(&self.sites)?;
        let list = |site: &Destination| match site {
            Destination::Folder(folder) => Ok(Asked {
                has: Repository::open(folder)?.inventory()?,
                space: Space::at(folder),
            }),
            Destination::Inventory(place) => Ok(Asked {
                has: site_inventory(place)?,
                space: None,
            }),
            Destination::Ssh(url) => self.list_of(url, &repository, &wanted, context),
        };
        self.sites.iter().map(list).collect()
    }

    /// What a site on another host has of what is here.
    fn list_of(
        &self,
        url: &SshUrl,
        repository: &Repository,
        wanted: &[ImageId],
        context: &Context,
    ) -> Result<Asked> {
        let Self { programs, .. } = self;
        let packing = std::env::temp_dir();
        with_delivery_context(context, WAIT, |delivery_context| {
            let sender = Sender {
                headquarters: repository,
                wanted,
                store: StoreOptions::default(),
                context: delivery_context,
            };
            let mut site = SshSite::open(sender, url, programs, None, &packing)?;
            let asked = Asked {
                has: site.inventory()?,
                space: site.space(),
            };
            Box::new(site).finish()?;
            Ok(asked)
        })
    }
}
