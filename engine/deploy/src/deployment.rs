//! Images of headquarters transferred to sites: the plan, and for each image the candidates for its base, until one has worked.
//!
//! A [`Site`] is what images are brought to: the folder of a repository ([`LocalSite`]), a repository at the other end of a connection ([`RemoteSite`],
//! [`SshSite`]), or a medium that is carried to one ([`CarriedSite`]). Where a base turns out not to be what it should be, at headquarters or at the
//! site, the next base of the plan is taken, and at last the whole image, in the same run.
//!
//! | module | holds |
//! |---|---|
//! | `site` | what a site is asked to do |
//! | `local`, `remote`, `ssh`, `medium` | the sites that there are |
//! | `runner` | the plan carried out at each of them |
//! | `site_transfer` | one image transferred to a site, from one base or another |

mod local;
mod medium;
mod remote;
mod runner;
mod site;
mod site_transfer;
mod ssh;

use std::{
    io::{Read, Write},
    path::{Path, PathBuf},
};

use imgdelta_core::{Bytes, Error, Kind, Result};
use imgdelta_operations::{Unneeded, sent_transport::LEVEL};
use imgdelta_repository::{
    catalogue::{Inventory, Repository},
    planning::{Route, Rules},
};

use self::runner::Runner;
pub use self::{
    local::LocalSite,
    medium::{CarriedSite, Medium},
    remote::RemoteSite,
    site::{Base, Sender, Sent, Site, TransferRequest},
    ssh::{SshPrograms, SshSite},
};
use crate::{
    bundle::{DeliveryContext, EntryForm, ReceivedImage, SigningKey, StoreOptions},
    parity::Percent,
    wire::{ClientSession, SshUrl},
};

/// Where what goes over a connection is packed. Not `/tmp`: that is often memory, and a disk image is large.
pub(crate) const PACKING_FOLDER: &str = "/var/tmp";

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
    pub bundle: Option<PathBuf>,
    /// How bases are chosen.
    pub rules: Rules,
    /// Whether children of the sites' own formats are sent, and not the smaller transport form.
    pub native: bool,
    /// The key that a medium's list is signed with.
    pub sign: Option<SigningKey>,
    /// How hard the transport form is packed: the level of zstd, 1 to 19.
    pub level: i32,
    /// What is left out of images, as far as certainly nobody needs it: there a site keeps what its base has.
    pub leave_out: Vec<Unneeded>,
    /// How long pieces of files are on a medium, if that is said, see [`Piecing`](crate::bundle::Piecing).
    pub piece: Option<Bytes>,
    /// How much the medium holds, if that is said: what does not fit is refused before anything is written on it.
    pub room: Option<Bytes>,
    /// How much parity lies beside the files on a medium, if that is said.
    pub parity: Option<Percent>,
    /// In which form sites that are reached keep them.
    pub store: StoreOptions,
    /// How many other ways to each image a medium carries, for bases that turn out to be spoilt.
    pub spare: usize,
    /// What leads to other hosts.
    pub programs: SshPrograms,
    /// The folder for what is packed for other hosts, or is to be cut.
    pub packing: PathBuf,
}

impl<'a> From<&'a Repository> for Deploy<'a> {
    /// No image of that repository to no site yet, by the rules of the design.
    fn from(headquarters: &'a Repository) -> Self {
        Self {
            headquarters,
            images: Vec::new(),
            sites: Vec::new(),
            bundle: None,
            rules: Rules::default(),
            native: false,
            sign: None,
            level: LEVEL,
            leave_out: Vec::new(),
            piece: None,
            room: None,
            parity: None,
            store: StoreOptions::default(),
            spare: 0,
            programs: SshPrograms::default(),
            packing: PACKING_FOLDER.into(),
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
    /// Its repository is on another host.
    Ssh(SshUrl),
}

/// What became of a deployment.
#[derive(Debug)]
pub struct Deployed {
    /// What became of it at each site, in the order of the sites.
    pub sites: Vec<SiteOutcome>,
}

/// What became of a deployment at one site.
#[derive(Debug, Default)]
pub struct SiteOutcome {
    /// How the images get there, if that could be worked out.
    pub route: Option<Route>,
    /// What was packed for it, every base before what is made from it.
    pub sent: Vec<Sent>,
    /// What became of each image there, if the site was reached and had not all of them.
    pub images: Option<Vec<ReceivedImage>>,
    /// What the user should know.
    pub notes: Vec<String>,
    /// What went wrong on the way there.
    pub failures: Vec<Error>,
}

impl Deployed {
    /// The first failure, in the order of the sites.
    #[must_use]
    pub fn failure(&self) -> Option<&Error> {
        self.sites.iter().find_map(SiteOutcome::failure)
    }
}

impl SiteOutcome {
    /// The first failure on the way there, or else of an image there.
    #[must_use]
    pub fn failure(&self) -> Option<&Error> {
        let there = self.images.iter().flatten();
        let mut there = there.filter_map(ReceivedImage::failure);
        self.failures.first().or_else(|| there.next())
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
    context: &DeliveryContext<'_>,
) -> Result<SiteOutcome> {
    let one = Deploy {
        images: vec![image.to_owned()],
        sites: vec![site],
        ..deploy.clone()
    };
    let mut deployed = deploy_many(&one, context)?;
    let mut outcome = deployed
        .sites
        .pop()
        .ok_or_else(|| Error::new(Kind::Usage, "there is no site"))?;
    if !outcome.failures.is_empty() {
        return Err(outcome.failures.swap_remove(0));
    }
    Ok(outcome)
}

/// Sends images to sites, each from the best base that both sides have, in the order that sends least: first what is carried, then to each site
/// that is reached. One site's failure does not stop the others.
///
/// # Errors
/// Usage, if headquarters does not have one of the images, or there is no folder for sites that are known by their inventory;
/// Interrupted: what is in a delivery by then is whole. What became of each site stands in the outcome.
pub fn deploy_many(deploy: &Deploy<'_>, context: &DeliveryContext<'_>) -> Result<Deployed> {
    let mut listing = deploy.headquarters.list()?;
    let carried = deploy.sites.iter().filter_map(|site| match site {
        Destination::Carried(inventory) => Some(inventory.images.iter()),
        Destination::Folder(_) | Destination::Ssh(_) => None,
    });
    let there = carried.flatten().map(|item| &item.content_id);
    deploy.headquarters.know_reduced(&mut listing, there);
    let runner = Runner::new(deploy, &listing, context)?;
    let mut carried = runner.carry()?.into_iter();
    let mut sites = Vec::with_capacity(deploy.sites.len());
    for site in &deploy.sites {
        sites.push(match site {
            Destination::Carried(_) => carried.next().unwrap_or_default(),
            Destination::Folder(folder) => runner.hand_over(folder)?,
            Destination::Ssh(url) => runner.send_over_ssh(url)?,
        });
    }
    let idle = idle_level(deploy.level, &sites);
    if let Some(last) = sites.last_mut() {
        last.notes.extend(idle);
    }
    Ok(Deployed { sites })
}

/// A note, if a level was asked for that packed nothing.
fn idle_level(level: i32, sites: &[SiteOutcome]) -> Option<String> {
    let mut sent = sites.iter().flat_map(|site| &site.sent).peekable();
    let is_asked = level != LEVEL && sent.peek().is_some();
    let is_idle = is_asked && sent.all(|sent| sent.entry.form != EntryForm::Transport);
    is_idle.then(|| {
        format!("the level {level} packs transport files, and nothing was sent as one: it made no difference")
    })
}

/// Sends the images to the repository at the other end of a connection, whatever the connection is made of; where else they go does not count.
///
/// # Errors
/// Usage, if headquarters does not have one of the images; as [`ClientSession::announce`]; Interrupted. What became of each image stands in the outcome.
pub fn deploy_over<R: Read, W: Write>(
    deploy: &Deploy<'_>,
    client: ClientSession<'_, R, W>,
    packing: &Path,
    context: &DeliveryContext<'_>,
) -> Result<SiteOutcome> {
    let listing = deploy.headquarters.list()?;
    let runner = Runner::new(deploy, &listing, context)?;
    let mut outcome = SiteOutcome::default();
    let site = RemoteSite::new(runner.sender(), client, packing.to_owned());
    runner.serve(Box::new(site), &mut outcome)?;
    Ok(outcome)
}
