//! A deployment under way: how the images reach each site, in which order they are packed, and what each site is told. Which base is best is
//! not decided here.

use std::{collections::BTreeMap, path::Path};

use imgdelta_core::{Error, Format, Kind, Result};
use imgdelta_repository::{
    catalogue::{
        Inventory, Listing, Repository, RepositoryId,
        facts::{Holdings, node},
    },
    choice::{Batch, Carrier, Leg, Node, Site, batch},
};

use super::{AtSite, Deploy, Destination, incoming::Incoming};
use crate::delivery::{Delivery, Errand, Order, Recipient, receive};

/// A deployment whose images are known.
pub(super) struct Plan<'a> {
    pub(super) deploy: &'a Deploy<'a>,
    pub(super) listing: &'a Listing,
    /// The ids of the images.
    pub(super) wanted: Vec<String>,
    pub(super) errand: &'a Errand<'a>,
}

impl Plan<'_> {
    /// How the images reach these sites.
    fn batch(&self, inventories: &[&Inventory], carrier: Carrier) -> Result<Batch> {
        let holdings = Holdings::of(self.deploy.headquarters, self.listing);
        let nodes: Vec<Vec<Node>> = inventories
            .iter()
            .map(|inventory| inventory.images.iter().map(node).collect())
            .collect();
        let sites: Vec<Site<'_>> = inventories
            .iter()
            .zip(&nodes)
            .map(|(inventory, images)| Site {
                name: inventory.repository.to_string(),
                images,
            })
            .collect();
        let wanted: Vec<&str> = self.wanted.iter().map(String::as_str).collect();
        let (here, rules) = (holdings.nodes(), &self.deploy.rules);
        let work = self.errand.run.work;
        work.install(|| batch(&here, &sites, &wanted, carrier, &holdings, rules))?
    }

    /// Packs what is carried: each (base, image) pair once, for all sites that need it.
    pub(super) fn carry(&self) -> Result<Vec<AtSite>> {
        let inventories: Vec<&Inventory> = (self.deploy.sites.iter())
            .filter_map(|site| match site {
                Destination::Carried(inventory) => Some(inventory),
                Destination::Folder(_) => None,
            })
            .collect();
        if inventories.is_empty() {
            return Ok(Vec::new());
        }
        let Some(folder) = &self.deploy.delivery else {
            return Err(Error::new(
                Kind::Usage,
                "there is no folder for what is carried to the sites",
            )
            .with_code("no_delivery")
            .with_hint("say one with -o"));
        };
        let batch = self.batch(&inventories, Carrier::Medium)?;
        let mut sites: Vec<AtSite> = (inventories.iter())
            .map(|inventory| AtSite::new(inventory.repository.to_string()))
            .collect();
        let mut delivery = Delivery::begin(folder, self.errand.run.wait)?;
        for (order, users) in self.orders(&inventories, &batch)? {
            let packed = delivery.pack(self.deploy.headquarters, &order, self.errand);
            for user in users {
                let Some(site) = sites.get_mut(user) else {
                    continue;
                };
                match &packed {
                    Ok(packed) => site.packed.push(packed.clone()),
                    Err(error) => site.fail(told_again(error))?,
                }
            }
        }
        for (site, route) in sites.iter_mut().zip(batch.routes) {
            site.route = Some(route);
        }
        Ok(sites)
    }

    /// What is to be packed, every base before what is made from it, and which sites use it.
    fn orders(
        &self,
        inventories: &[&Inventory],
        batch: &Batch,
    ) -> Result<Vec<(Order, Vec<usize>)>> {
        let mut orders: Vec<(Order, Vec<usize>)> = Vec::new();
        let mut known = BTreeMap::new();
        for (user, (inventory, route)) in inventories.iter().zip(&batch.routes).enumerate() {
            for leg in &route.legs {
                let mut order = self.order(leg, &inventory.repository, inventory.default_format)?;
                let key = (
                    order.image.clone(),
                    order.base.clone(),
                    order.native.map(Format::name),
                );
                let place = *known.entry(key).or_insert(orders.len());
                match orders.get_mut(place) {
                    Some((there, users)) => {
                        there.sites.append(&mut order.sites);
                        users.push(user);
                    }
                    None => orders.push((order, vec![user])),
                }
            }
        }
        Ok(orders)
    }

    /// One leg of a route as it is packed.
    fn order(&self, leg: &Leg, site: &RepositoryId, format: Format) -> Result<Order> {
        Ok(Order {
            image: leg.image.parse()?,
            base: leg.from.base().map(str::parse).transpose()?,
            native: self.deploy.native.then_some(format),
            sites: vec![Recipient {
                repository: site.clone(),
                step: leg.is_step,
            }],
        })
    }

    /// Sends to a site that can be reached by a path.
    ///
    /// # Errors
    /// Interrupted; any other failure is the site's own.
    pub(super) fn hand_over(&self, folder: &Path) -> Result<AtSite> {
        let mut at_site = AtSite::new(folder.display().to_string());
        if let Err(error) = self.try_to_hand_over(folder, &mut at_site) {
            at_site.fail(error)?;
        }
        Ok(at_site)
    }

    /// As [`hand_over`](Self::hand_over), what stops it being an error.
    fn try_to_hand_over(&self, folder: &Path, at_site: &mut AtSite) -> Result<()> {
        let site = Repository::open(folder)?;
        // What is there already is only said to be: it must be there for good.
        site.list_finished(&self.errand.run)?;
        let inventory = site.inventory()?;
        let mut batch = self.batch(&[&inventory], Carrier::Lines)?;
        let Some(route) = batch.routes.pop() else {
            return Ok(());
        };
        let legs = route.legs.clone();
        at_site.route = Some(route);
        if legs.is_empty() {
            return Ok(());
        }
        let parcel = Incoming::make(&site)?;
        let mut delivery = Delivery::begin(&parcel.folder, self.errand.run.wait)?;
        for leg in &legs {
            let order = self.order(leg, &inventory.repository, inventory.default_format)?;
            match delivery.pack(self.deploy.headquarters, &order, self.errand) {
                Ok(packed) => at_site.packed.push(packed),
                Err(error) => at_site.fail(error)?,
            }
        }
        if !at_site.packed.is_empty() {
            let received = receive(&parcel.folder, &site, &self.deploy.manner, self.errand)?;
            at_site.received = Some(received);
        }
        Ok(())
    }
}

/// A failure as each of several sites is told of it.
fn told_again(error: &Error) -> Error {
    let mut again = Error::new(error.kind(), error.message()).with_code(error.code());
    if let Some(file) = &error.place().file {
        again = again.in_file(file);
    }
    if let Some(hint) = error.hint() {
        again = again.with_hint(hint);
    }
    error.details().iter().fold(again, Error::with_detail)
}
