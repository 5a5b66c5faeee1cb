//! Several images to several sites in one call: the plan, the packing, and, where a site can be reached by a path, the receiving. What is
//! said over a wire is not said here.

mod incoming;
mod plan;

use std::path::PathBuf;

use imgdelta_core::{Error, Kind, Result};
use imgdelta_repository::{
    catalogue::{Inventory, Repository},
    choice::{Route, Rules},
};

use self::plan::Plan;
use super::{Errand, install::Manner, pack::Packed, receive::Received};

/// Images on their way to sites.
#[derive(Clone, Debug)]
pub struct Deploy<'a> {
    /// The repository that has the images.
    pub headquarters: &'a Repository,
    /// The images, see [`Listing::find`](imgdelta_repository::catalogue::Listing::find).
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
    /// Nothing has become of it yet.
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
