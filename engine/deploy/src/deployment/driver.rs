//! The plan carried out: how the images reach each site, in which order, and in which other way where one does not lead there. Which base is best
//! is not decided here.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
};

use imgdelta_core::{Bytes, Error, Kind, Result};
use imgdelta_repository::{
    catalogue::{
        ImageId, Inventory, Listing, Record, Repository,
        facts::{Holdings, node},
    },
    choice::{self, Batch, Carrier, Leg, Node, Origin, Weighed, batch},
};

use super::{
    Deploy, Destination, SiteOutcome,
    local::LocalSite,
    medium::Medium,
    site::{Base, Sender, Site, Way},
    ssh::SshSite,
};
use crate::{
    delivery::{Errand, Outcome, ReceivedImage, is_of_the_way},
    wire::{Failure, SshUrl},
};

/// A deployment whose images are known.
pub(super) struct Driver<'a> {
    deploy: &'a Deploy<'a>,
    listing: &'a Listing,
    wanted: Vec<ImageId>,
    errand: &'a Errand<'a>,
}

impl<'a> Driver<'a> {
    /// Looks the images up.
    ///
    /// # Errors
    /// Usage, if headquarters does not have one of them.
    pub(super) fn new(
        deploy: &'a Deploy<'a>,
        listing: &'a Listing,
        errand: &'a Errand<'a>,
    ) -> Result<Self> {
        let wanted = deploy.images.iter();
        let wanted = wanted.map(|word| Ok(listing.find(word)?.id.clone()));
        Ok(Self {
            deploy,
            listing,
            wanted: wanted.collect::<Result<_>>()?,
            errand,
        })
    }

    /// What sends, for each of the sites.
    pub(super) fn sender(&self) -> Sender<'_> {
        Sender {
            headquarters: self.deploy.headquarters,
            wanted: &self.wanted,
            store: self.deploy.store,
            errand: self.errand,
        }
    }

    /// How the images reach these sites; candidates are scored side by side.
    fn batch(&self, inventories: &[&Inventory], carrier: Carrier) -> Result<Batch> {
        let holdings = Holdings::of(self.deploy.headquarters, self.listing);
        let images = |inventory: &&Inventory| inventory.images.iter().map(node).collect();
        let nodes: Vec<Vec<Node>> = inventories.iter().map(images).collect();
        let sites = inventories.iter().zip(&nodes);
        let sites: Vec<choice::Site<'_>> = sites
            .map(|(inventory, images)| choice::Site {
                name: inventory.repository.to_string(),
                images,
            })
            .collect();
        let wanted: Vec<&str> = self.wanted.iter().map(ImageId::as_str).collect();
        let (here, rules) = (holdings.nodes(), &self.deploy.rules);
        let work = self.errand.run.work;
        work.install(|| batch(&here, &sites, &wanted, carrier, &holdings, rules))?
    }

    /// Packs what is carried: each (base, image) pair once, for all sites that need it.
    pub(super) fn carry(&self) -> Result<Vec<SiteOutcome>> {
        let inventories: Vec<&Inventory> = (self.deploy.sites.iter())
            .filter_map(|site| match site {
                Destination::Carried(inventory) => Some(inventory),
                Destination::Folder(_) | Destination::Ssh(_) => None,
            })
            .collect();
        if inventories.is_empty() {
            return Ok(Vec::new());
        }
        let Some(folder) = &self.deploy.delivery else {
            let message = "there is no folder for what is carried to the sites";
            return Err(Error::new(Kind::Usage, message)
                .with_code("no_delivery")
                .with_hint("say one with -o"));
        };
        let batch = self.batch(&inventories, Carrier::Medium)?;
        let of_version_1 = inventories.iter().any(|one| one.deliveries < 2);
        let mut medium = Medium::begin(self.sender(), folder, of_version_1)?;
        let mut outcomes = Vec::with_capacity(inventories.len());
        for (inventory, route) in inventories.into_iter().zip(batch.routes) {
            let mut outcome = SiteOutcome::default();
            let mut site = medium.site(inventory);
            let mut images = Vec::new();
            let mut bringing = self.bringing(&mut site, inventory, &mut outcome);
            bringing.spare = self.deploy.spare;
            for leg in &route.legs {
                images.push(bringing.bring(leg)?);
            }
            for image in images.into_iter().flatten() {
                if let Outcome::Failed(error) = image.outcome {
                    outcome.fail(error)?;
                }
            }
            outcome.route = Some(route);
            outcomes.push(outcome);
        }
        Ok(outcomes)
    }

    /// Sends to a site that can be reached by a path.
    ///
    /// # Errors
    /// Interrupted; any other failure is the site's own.
    pub(super) fn hand_over(&self, folder: &Path) -> Result<SiteOutcome> {
        let mut outcome = SiteOutcome::default();
        let served = Repository::open(folder).and_then(|site| {
            let site = LocalSite::new(self.sender(), &site);
            self.serve(Box::new(site), &mut outcome)
        });
        served.or_else(|error| outcome.fail(error))?;
        Ok(outcome)
    }

    /// Sends to a site on another host.
    ///
    /// # Errors
    /// As [`hand_over`](Self::hand_over).
    pub(super) fn send_over_ssh(&self, url: &SshUrl) -> Result<SiteOutcome> {
        let mut outcome = SiteOutcome::default();
        let Deploy {
            programs, packing, ..
        } = self.deploy;
        let wait = Some(self.errand.run.wait).filter(|wait| !wait.is_zero());
        let opened = SshSite::open(self.sender(), url, programs, wait, packing);
        let served = opened.and_then(|site| self.serve(Box::new(site), &mut outcome));
        served.or_else(|error| outcome.fail(error))?;
        Ok(outcome)
    }

    /// Asks a site what it has, and brings there what it is to have.
    ///
    /// # Errors
    /// As the site has them, up to the first image; Interrupted.
    pub(super) fn serve(
        &self,
        mut site: Box<dyn Site + '_>,
        outcome: &mut SiteOutcome,
    ) -> Result<()> {
        let inventory = site.inventory()?;
        let mut batch = self.batch(&[&inventory], Carrier::Lines)?;
        let Some(route) = batch.routes.pop() else {
            return Ok(());
        };
        let legs = route.legs.clone();
        outcome.route = Some(route);
        let mut bringing = self.bringing(site.as_mut(), &inventory, outcome);
        let mut images = Vec::new();
        for leg in &legs {
            images.extend(bringing.bring(leg)?);
        }
        outcome.images = Some(images).filter(|images| !images.is_empty());
        site.finish()
    }

    fn bringing<'s>(
        &'s self,
        site: &'s mut (dyn Site + 's),
        inventory: &'s Inventory,
        outcome: &'s mut SiteOutcome,
    ) -> Bringing<'s> {
        Bringing {
            driver: self,
            site,
            inventory,
            outcome,
            spare: 0,
            arrived: HashMap::new(),
            refuted: HashSet::new(),
        }
    }

    fn record(&self, id: &str) -> Option<&'a Record> {
        self.listing.by_id(&id.parse().ok()?)
    }
}

/// Images on their way to one site.
struct Bringing<'s> {
    driver: &'s Driver<'s>,
    site: &'s mut (dyn Site + 's),
    inventory: &'s Inventory,
    outcome: &'s mut SiteOutcome,
    /// How many more ways are to be packed than are needed.
    spare: usize,
    /// What came, and what it is called there.
    arrived: HashMap<String, ImageId>,
    /// Images of the site that cannot serve as bases after all.
    refuted: HashSet<ImageId>,
}

impl Bringing<'_> {
    /// Brings one image there: from the base that was chosen, or else the next one, or else as a whole.
    ///
    /// # Errors
    /// Interrupted; any other failure is the image's own.
    fn bring(&mut self, leg: &Leg) -> Result<Option<ReceivedImage>> {
        let Some(record) = self.driver.record(&leg.image) else {
            return Ok(None);
        };
        let (mut brought, mut rejected, mut spare) = (None, Vec::new(), self.spare);
        for (base, bytes) in self.ways(leg) {
            let is_refuted = |base: &Base| self.refuted.contains(&base.at_site);
            if base.as_ref().is_some_and(is_refuted) {
                continue;
            }
            let way = self.way(record, base, bytes, leg);
            match self.site.send(&way, &mut self.outcome.sent) {
                Ok(_) if brought.is_some() => spare = spare.saturating_sub(1),
                Ok(outcome) => brought = Some((way.base, outcome)),
                Err(error) if error.kind() == Kind::Interrupted => return Err(error),
                Err(error) => {
                    let is_over = !may_come_otherwise(&error);
                    if let Some(base) = way.base.filter(|_| is_of_base(&error)) {
                        self.refuted.insert(base.at_site);
                    }
                    rejected.push(error);
                    if is_over {
                        break;
                    }
                }
            }
            if brought.is_some() && spare == 0 {
                break;
            }
        }
        Ok(Some(self.told(leg, record, brought, rejected)))
    }

    /// What became of an image, now that it came or nothing is left to be tried.
    fn told(
        &mut self,
        leg: &Leg,
        record: &Record,
        brought: Option<(Option<Base>, Outcome)>,
        mut rejected: Vec<Error>,
    ) -> ReceivedImage {
        let (base, outcome) = brought.unwrap_or_else(|| {
            let first = match rejected.is_empty() {
                true => nothing_left(leg),
                false => rejected.remove(0),
            };
            (None, Outcome::Failed(first))
        });
        let at_site = match &outcome {
            Outcome::Entered(image) => Some(image.image.clone()),
            Outcome::There(image) => Some(image.image.clone()),
            Outcome::Step | Outcome::Due => Some(record.id.clone()),
            Outcome::Failed(_) | Outcome::Unfit => None,
        };
        self.arrived
            .extend(at_site.map(|id| (leg.image.clone(), id)));
        let base = match (&base, leg.from.base()) {
            (Some(base), _) => Some(base.image.as_str()),
            (None, planned) => planned.filter(|_| matches!(outcome, Outcome::Failed(_))),
        };
        let base = base.and_then(|base| self.driver.record(base));
        ReceivedImage {
            image: record.id.clone(),
            name: record.name.clone(),
            content_id: record.content_id,
            base: base.map(|base| base.name.clone()),
            outcome,
            rejected,
        }
    }

    /// The bases that an image can be made from there, the planned one first, and nothing last; each with the estimate of what is sent.
    fn ways(&self, leg: &Leg) -> Vec<(Option<Base>, Bytes)> {
        let rules = &self.driver.deploy.rules;
        let choice = &leg.choice;
        let mut ways: Vec<(Option<Base>, Bytes)> = Vec::new();
        match &leg.from {
            Origin::There(base) => ways.extend(self.there(base, leg.bytes)),
            Origin::Sent { image, .. } => ways.extend(self.arrived(image, leg.bytes)),
            Origin::Nothing => {}
        }
        if !matches!(leg.from, Origin::Nothing) || self.spare > 0 {
            let others = choice.base().into_iter().chain(&choice.runners_up);
            for other in others.filter(|other| other.serves(rules)) {
                let bytes = other
                    .overlap
                    .map_or(choice.whole, |overlap| overlap.bytes(rules.has_zero_marks));
                let way = self.there(other, bytes);
                ways.extend(way.filter(|(base, _)| ways.iter().all(|(one, _)| one != base)));
            }
        }
        ways.push((None, choice.whole));
        ways
    }

    /// A way from an image that the site had before.
    fn there(&self, base: &Weighed, bytes: Bytes) -> Option<(Option<Base>, Bytes)> {
        let at_site = base.at_site.parse().ok()?;
        self.base(&base.image, at_site, bytes)
    }

    /// A way from an image that was sent before, if it came.
    fn arrived(&self, image: &str, bytes: Bytes) -> Option<(Option<Base>, Bytes)> {
        self.base(image, self.arrived.get(image)?.clone(), bytes)
    }

    fn base(&self, image: &str, at_site: ImageId, bytes: Bytes) -> Option<(Option<Base>, Bytes)> {
        let record = self.driver.record(image)?;
        let base = Base {
            image: record.id.clone(),
            content_id: record.content_id,
            at_site,
        };
        Some((Some(base), bytes))
    }

    fn way<'w>(&self, image: &'w Record, base: Option<Base>, bytes: Bytes, leg: &Leg) -> Way<'w>
    where
        Self: 'w,
    {
        Way {
            image,
            base,
            bytes,
            is_step: leg.is_step,
            site: &self.inventory.repository,
            native: (self.driver.deploy.native).then_some(self.inventory.default_format),
        }
    }
}

/// Whether another base, or the whole image, may do where this way failed, here or at the site.
fn may_come_otherwise(error: &Error) -> bool {
    failure(error).map_or_else(|| is_of_the_way(error), Failure::is_of_the_way)
}

/// Whether it is the site's base that is to blame.
fn is_of_base(error: &Error) -> bool {
    failure(error).map_or(error.kind() == Kind::Chain, Failure::is_of_base)
}

/// What the other side of a line says, if it is that.
fn failure(error: &Error) -> Option<&Failure> {
    std::error::Error::source(error)?.downcast_ref()
}

/// All bases are gone, and the whole image was not to be.
fn nothing_left(leg: &Leg) -> Error {
    let base = leg.from.base().unwrap_or_default();
    let message = format!("its base '{base}' did not get there");
    Error::new(Kind::Chain, message).with_code("no_base")
}
