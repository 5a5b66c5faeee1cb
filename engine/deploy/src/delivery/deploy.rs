//! Several images to several sites in one call: the plan, the packing, and, where a site can be reached by a path, the receiving. What is
//! said over a wire is not said here.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use imgdelta_core::{Error, Format, Kind, Result};
use imgdelta_repository::{
    catalogue::{
        Inventory, Listing, Repository, RepositoryId,
        facts::{Holdings, node},
    },
    choice::{Batch, Carrier, Leg, Node, Route, Rules, Site, batch},
};

use super::{
    Errand,
    folder::Delivery,
    index::Recipient,
    install::Manner,
    pack::{Order, Packed},
    receive::{Received, receive},
};

/// Images on their way to sites.
#[derive(Clone, Debug)]
pub struct Deploy<'a> {
    /// The repository that has the images.
    pub headquarters: &'a Repository,
    /// The images, see [`Listing::find`].
    pub images: Vec<String>,
    /// Where they go.
    pub sites: Vec<Destination>,
    /// The folder, a stick say, for sites that are known by their inventory.
    pub delivery: Option<PathBuf>,
    /// How bases are chosen.
    pub rules: Rules,
    /// Whether children are of the site's own kind and not of the smallest.
    pub native: bool,
    /// In which form sites that are reached by a path keep them.
    pub manner: Manner,
}

impl<'a> From<&'a Repository> for Deploy<'a> {
    /// No image of that repository to no site yet, by the rules of the design.
    fn from(headquarters: &'a Repository) -> Self {
        Self {
            headquarters,
            images: Vec::new(),
            sites: Vec::new(),
            delivery: None,
            rules: Rules::default(),
            native: false,
            manner: Manner::default(),
        }
    }
}

/// A site.
#[derive(Clone, Debug)]
pub enum Destination {
    /// It is known by its inventory, and what is for it is carried there.
    Carried(Inventory),
    /// Its repository can be reached by this path.
    Folder(PathBuf),
}

/// What became of a deployment.
#[derive(Debug)]
pub struct Deployed {
    /// What became of it at each site, in the order of the sites.
    pub sites: Vec<AtSite>,
}

/// What became of a deployment at one site.
#[derive(Debug)]
pub struct AtSite {
    /// What the site is called: its repository's id, or its path.
    pub name: String,
    /// How the images get there, if that could be worked out.
    pub route: Option<Route>,
    /// What was packed for it.
    pub packed: Vec<Packed>,
    /// What it took, if it was reached.
    pub received: Option<Received>,
    /// What went wrong on the way there.
    pub failures: Vec<Error>,
}

impl Deployed {
    /// The first failure, in the order of the sites.
    #[must_use]
    pub fn failure(&self) -> Option<&Error> {
        self.sites.iter().find_map(AtSite::failure)
    }
}

impl AtSite {
    fn new(name: String) -> Self {
        Self {
            name,
            route: None,
            packed: Vec::new(),
            received: None,
            failures: Vec::new(),
        }
    }

    /// The first failure.
    #[must_use]
    pub fn failure(&self) -> Option<&Error> {
        let there = self.received.as_ref().and_then(Received::failure);
        self.failures.first().or(there)
    }

    /// Notes a failure; an interruption ends everything.
    fn fail(&mut self, error: Error) -> Result<()> {
        if error.kind() == Kind::Interrupted {
            return Err(error);
        }
        self.failures.push(error);
        Ok(())
    }
}

/// One image to one site; else as [`deploy_many`].
///
/// # Errors
/// As [`deploy_many`], and what went wrong at the site.
pub fn deploy_one(
    deploy: &Deploy<'_>,
    image: &str,
    site: Destination,
    errand: &Errand<'_>,
) -> Result<AtSite> {
    let one = Deploy {
        images: vec![image.to_owned()],
        sites: vec![site],
        ..deploy.clone()
    };
    let mut deployed = deploy_many(&one, errand)?;
    let mut at_site = deployed
        .sites
        .pop()
        .ok_or_else(|| Error::new(Kind::Usage, "there is no site"))?;
    if !at_site.failures.is_empty() {
        return Err(at_site.failures.swap_remove(0));
    }
    Ok(at_site)
}

/// Sends images to sites, each from the best base that both sides have, in the order that sends least. One site's failure does not stop the
/// others.
///
/// # Errors
/// Usage, if headquarters does not have one of the images, or there is no folder for sites that are known by their inventory;
/// Interrupted: what is in a delivery by then is whole. What became of each site stands in the outcome.
pub fn deploy_many(deploy: &Deploy<'_>, errand: &Errand<'_>) -> Result<Deployed> {
    let listing = deploy.headquarters.list()?;
    let wanted = deploy
        .images
        .iter()
        .map(|word| Ok(listing.find(word)?.id.to_string()))
        .collect::<Result<Vec<String>>>()?;
    let plan = Plan {
        deploy,
        listing: &listing,
        wanted,
        errand,
    };
    let carried = plan.carry()?;
    let mut carried = carried.into_iter();
    let mut sites = Vec::with_capacity(deploy.sites.len());
    for site in &deploy.sites {
        sites.push(match site {
            Destination::Carried(_) => carried.next(),
            Destination::Folder(folder) => Some(plan.hand_over(folder)?),
        });
    }
    Ok(Deployed {
        sites: sites.into_iter().flatten().collect(),
    })
}

/// A deployment whose images are known.
struct Plan<'a> {
    deploy: &'a Deploy<'a>,
    listing: &'a Listing,
    /// The ids of the images.
    wanted: Vec<String>,
    errand: &'a Errand<'a>,
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
        batch(
            &holdings.nodes(),
            &sites,
            &wanted,
            carrier,
            &holdings,
            &self.deploy.rules,
        )
    }

    /// Packs what is carried: each (base, image) pair once, for all sites that need it.
    fn carry(&self) -> Result<Vec<AtSite>> {
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
        let mut delivery = Delivery::begin(folder)?;
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
    fn hand_over(&self, folder: &Path) -> Result<AtSite> {
        let mut at_site = AtSite::new(folder.display().to_string());
        if let Err(error) = self.try_to_hand_over(folder, &mut at_site) {
            at_site.fail(error)?;
        }
        Ok(at_site)
    }

    fn try_to_hand_over(&self, folder: &Path, at_site: &mut AtSite) -> Result<()> {
        let site = Repository::open(folder)?;
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
        let mut delivery = Delivery::begin(&parcel.folder)?;
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

/// The folder at the site for what is under way to it. It goes when all is done, whatever becomes of it; what a killed process leaves,
/// `gc` finds.
struct Incoming {
    folder: PathBuf,
}

impl Incoming {
    /// Makes one that no other deployment has.
    fn make(site: &Repository) -> Result<Self> {
        let incoming = site.incoming();
        fs::create_dir_all(&incoming)
            .map_err(|cause| Error::host("cannot create the folder", cause).in_file(&incoming))?;
        let process = std::process::id();
        for number in 0..1000_u32 {
            let folder = incoming.join(format!("by-path-{process}-{number}"));
            match fs::create_dir(&folder) {
                Ok(()) => return Ok(Self { folder }),
                Err(cause) if cause.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(cause) => {
                    return Err(Error::host("cannot create the folder", cause).in_file(&folder));
                }
            }
        }
        Err(Error::new(Kind::Busy, "many deployments are under way to it").in_file(&incoming))
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}
