//! The plan carried out: how the images reach each site, in which order.
//!
//! What is carried comes first, for all sites together, so that each difference is packed once.

use std::path::Path;

use imgdelta_core::{Error, Format, Kind, Result};
use imgdelta_repository::{
    catalogue::{
        ImageId, Inventory, Listing, Repository,
        facts::{Holdings, node},
        inventory::{PIECES, TRANSPORT},
    },
    planning::{self, Batch, Node, Transport, batch},
};

use super::{
    Deploy, Destination, SiteOutcome,
    local::LocalSite,
    medium::Medium,
    site::{Sender, Site},
    site_transfer::SiteTransfer,
    ssh::SshSite,
};
use crate::{
    bundle::{DeliveryContext, Form, Outcome, Piecing, PlannedTransfer, StorageEstimate},
    wire::SshUrl,
};

/// A deployment whose images are known.
pub(super) struct Runner<'a> {
    deploy: &'a Deploy<'a>,
    listing: &'a Listing,
    wanted: Vec<ImageId>,
    context: &'a DeliveryContext<'a>,
}

impl<'a> Runner<'a> {
    /// Looks the images up.
    ///
    /// # Errors
    /// Usage, if headquarters does not have one of them.
    pub(super) fn new(
        deploy: &'a Deploy<'a>,
        listing: &'a Listing,
        context: &'a DeliveryContext<'a>,
    ) -> Result<Self> {
        let wanted = deploy.images.iter();
        let wanted = wanted.map(|word| Ok(listing.find(word)?.id.clone()));
        Ok(Self {
            deploy,
            listing,
            wanted: wanted.collect::<Result<_>>()?,
            context,
        })
    }

    /// What sends, for each of the sites.
    pub(super) fn sender(&self) -> Sender<'_> {
        Sender {
            headquarters: self.deploy.headquarters,
            wanted: &self.wanted,
            store: self.deploy.store,
            context: self.context,
        }
    }

    /// How the images reach these sites; candidates are scored side by side.
    fn batch(
        &self,
        listing: &Listing,
        inventories: &[&Inventory],
        carrier: Transport,
    ) -> Result<Batch> {
        let holdings = Holdings::of(self.deploy.headquarters, listing);
        let images = |inventory: &&Inventory| inventory.images.iter().map(node).collect();
        let nodes: Vec<Vec<Node>> = inventories.iter().map(images).collect();
        let sites = inventories.iter().zip(&nodes);
        let sites: Vec<planning::Site<'_>> = sites
            .map(|(inventory, images)| planning::Site {
                name: inventory.repository.to_string(),
                images,
            })
            .collect();
        let wanted: Vec<&str> = self.wanted.iter().map(ImageId::as_str).collect();
        let (here, rules) = (holdings.nodes(), &self.deploy.rules);
        let work = self.context.run.work;
        work.install(|| batch(&here, &sites, &wanted, carrier, &holdings, rules))?
    }

    /// The images with what a site may have of them that stands nowhere here: `None`, if it has nothing of that kind.
    fn knowing(&self, inventory: &Inventory) -> Result<Option<Listing>> {
        let there = inventory.images.iter().map(|item| &item.content_id);
        let unknown = there.filter(|content| self.listing.by_content(content).is_none());
        let unknown: Vec<_> = unknown.collect();
        if unknown.is_empty() {
            return Ok(None);
        }
        let headquarters = self.deploy.headquarters;
        let mut listing = headquarters.list()?;
        headquarters.know_reduced(&mut listing, unknown);
        Ok(Some(listing))
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
        let Some(folder) = &self.deploy.bundle else {
            let message = "there is no folder for what is carried to the sites";
            return Err(Error::new(Kind::Usage, message)
                .with_code("no_delivery")
                .with_hint("say one with -o"));
        };
        let batch = self.batch(self.listing, &inventories, Transport::SharedMedium)?;
        let (mut medium, may_hold_transport) = self.begin_medium(folder, &inventories)?;
        let mut space_note = medium.require_space(&batch.pairs)?;
        if let Some(size) = self.deploy.room {
            medium.limit(size, &self.deploy.packing)?;
        }
        let mut outcomes = Vec::with_capacity(inventories.len());
        for (inventory, route) in inventories.into_iter().zip(batch.routes) {
            let mut outcome = SiteOutcome::default();
            outcome.notes.append(&mut medium.take_notes());
            outcome.notes.extend(space_note.take());
            let mut site = medium.site(inventory);
            let mut images = Vec::new();
            let mut site_transfer = SiteTransfer::new(
                (self.deploy, self.context, self.listing),
                &mut site,
                inventory,
                &mut outcome,
            );
            site_transfer.spare = self.deploy.spare;
            if !may_hold_transport && !self.deploy.native {
                site_transfer.form = Form::Child(Format::Qcow2);
            }
            for leg in &route.transfers {
                images.push(site_transfer.transfer(leg)?);
            }
            for image in images.into_iter().flatten() {
                if let Outcome::Failed(error) = image.outcome {
                    outcome.fail(error)?;
                }
            }
            outcome.route = Some(route);
            outcomes.push(outcome);
        }
        medium.finish(self.deploy.sign.as_ref())?;
        if let Some(last) = outcomes.last_mut() {
            last.notes.append(&mut medium.take_notes());
        }
        Ok(outcomes)
    }

    /// The medium, to be added to in a form that all of these sites read; and whether that may be the transport form.
    fn begin_medium(
        &self,
        folder: &Path,
        inventories: &[&Inventory],
    ) -> Result<(Medium<'_>, bool)> {
        let of_version_1 = inventories.iter().any(|one| one.deliveries < 2);
        let mut medium = Medium::begin(self.sender(), folder, of_version_1)?;
        if self.deploy.sign.is_some() {
            medium.adopt()?;
        }
        let all_take = |word| inventories.iter().all(|one| one.takes(word));
        let may_hold_transport = medium.may_hold_transport(all_take(TRANSPORT))?;
        let piecing = Piecing {
            size: self.deploy.piece,
            packing: self.deploy.packing.clone(),
        };
        medium.cut_files(piecing, all_take(PIECES))?;
        medium.add_parity(self.deploy.parity);
        Ok((medium, may_hold_transport))
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
        let wait = Some(self.context.run.wait).filter(|wait| !wait.is_zero());
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
        let told = self.knowing(&inventory)?;
        let listing = told.as_ref().unwrap_or(self.listing);
        let mut batch = self.batch(listing, &[&inventory], Transport::PerSite)?;
        let Some(route) = batch.routes.pop() else {
            return Ok(());
        };
        let storage = StorageEstimate {
            store: &self.deploy.store,
            default_format: inventory.default_format,
        };
        let need = storage.legs(route.transfers.iter().map(PlannedTransfer::from));
        let site_name = format!("the repository there ({})", inventory.repository);
        let note = need.require("what is to be sent", site.space(), &site_name)?;
        outcome.notes.extend(note);
        let legs = route.transfers.clone();
        outcome.route = Some(route);
        let mut site_transfer = SiteTransfer::new(
            (self.deploy, self.context, listing),
            site.as_mut(),
            &inventory,
            outcome,
        );
        let mut images = Vec::new();
        for leg in &legs {
            images.extend(site_transfer.transfer(leg)?);
        }
        outcome.images = Some(images).filter(|images| !images.is_empty());
        site.finish()
    }
}
