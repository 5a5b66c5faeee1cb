//! `deploy`: images go to sites, each from the best base that both sides have. One site that fails does not stop the others.

mod carried;
mod media;
mod report;
mod summary;

use std::{path::PathBuf, time::Duration};

use imgdelta_core::{Bytes, Error, Format, Kind, Ownership, Result};
use imgdelta_operations::{Context, Unneeded, sent_transport::LEVEL};
use imgdelta_repository::{
    calls::{site_inventory, unreadable},
    catalogue::Repository,
    planning::Rules,
};

use self::summary::Summary;
pub use self::{
    media::AskForMedium,
    report::{DeployReport, HeldImage, MediumReport, ShippedImage, SiteReport},
};
use super::{
    context::{WAIT, cut_short, shown, with_delivery_context},
    destination::{Destination, refuse_twice},
    plan::Plan,
};
use crate::{
    bundle::{DeliveryContext, SigningKey, StoreOptions, media::Medium},
    deployment::{self, SshPrograms, deploy_many},
    parity::Percent,
};

/// How images are to be sent to sites.
#[derive(Clone, Debug)]
pub struct Deploy {
    repository: PathBuf,
    images: Vec<String>,
    sites: Vec<Destination>,
    medium: Option<PathBuf>,
    media: Vec<Medium>,
    ask: AskForMedium,
    rules: Rules,
    native: bool,
    level: i32,
    leave_out: Vec<Unneeded>,
    piece: Option<Bytes>,
    parity: Option<Percent>,
    store: StoreOptions,
    wait: Duration,
    spare: usize,
    sign: Option<PathBuf>,
    programs: SshPrograms,
    packing: Option<PathBuf>,
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
            media: Vec::new(),
            ask: AskForMedium::default(),
            rules: Rules::default(),
            native: false,
            level: LEVEL,
            leave_out: Vec::new(),
            piece: None,
            parity: None,
            store: StoreOptions::default(),
            wait: WAIT,
            spare: 0,
            sign: None,
            programs: SshPrograms::default(),
            packing: None,
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

    /// How many other ways to each image the medium carries besides the best: from the next bases, at last as a whole. A site takes one where a base
    /// or a file of a better way turns out to be spoilt; sites that are reached need none.
    #[must_use]
    pub const fn spare(mut self, ways: usize) -> Self {
        self.spare = ways;
        self
    }

    /// The key that the list of the medium is signed with, by the system's ssh-keygen: a private key file, or the `.pub` of a key that the ssh agent
    /// holds. A site that knows the key can see then who made the delivery, see [`Receive::signer`](super::Receive::signer).
    #[must_use]
    pub fn sign(mut self, key: Option<PathBuf>) -> Self {
        self.sign = key;
        self
    }

    /// How bases are chosen.
    #[must_use]
    pub const fn rules(mut self, rules: Rules) -> Self {
        self.rules = rules;
        self
    }

    /// Whether children of the sites' own formats are sent, disks that other tools open, and not the transport form, which is smaller. Where a site's
    /// program does not read that, a child in compressed qcow2 is sent.
    #[must_use]
    pub const fn native(mut self, native: bool) -> Self {
        self.native = native;
        self
    }

    /// How hard the transport form is packed: the level of zstd, 1 to 19; 3, if nothing is said.
    #[must_use]
    pub const fn level(mut self, level: i32) -> Self {
        self.level = level;
        self
    }

    /// Leaves out of what is made from a base what certainly nobody needs, of all that is in `what`: there the site keeps what its base has. Nothing,
    /// if nothing is said. The repository remembers what was sent, see [`Repository::reduce`].
    #[must_use]
    pub fn leave_out(mut self, what: impl IntoIterator<Item = Unneeded>) -> Self {
        self.leave_out = what.into_iter().collect();
        self
    }

    /// How long the pieces are in which long files lie on the medium, from [`LEAST_PIECE`](crate::bundle::LEAST_PIECE) up to, but not including,
    /// [`PIECE_LIMIT`](crate::bundle::PIECE_LIMIT). `None`: pieces of
    /// 1 GiB, of what travels in the transport form, and of other files where the medium's file system takes no longer ones.
    #[must_use]
    pub const fn piece(mut self, size: Option<Bytes>) -> Self {
        self.piece = size;
        self
    }

    /// How much of each file on the medium may be damaged and is healed where it is received: beside each lies a file with parity. `None`: as much as lies
    /// beside the files that are there, and none beside others.
    #[must_use]
    pub const fn parity(mut self, percent: Option<Percent>) -> Self {
        self.parity = percent;
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

    /// To whom the files of images belong that are entered in folders of sites, and who may do what with them. Repositories on other hosts are served by their own hand: see
    /// [`Serve::ownership`](super::Serve::ownership).
    #[must_use]
    pub const fn ownership(mut self, ownership: Ownership) -> Self {
        self.store.ownership = ownership;
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

    /// The folder for what is packed for other hosts, or is longer than a piece on the medium; each image's files go when it has been sent. `/var/tmp`, if
    /// nothing is said.
    #[must_use]
    pub fn packing_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.packing = Some(folder.into());
        self
    }

    /// The dry run: which bases would be chosen, and how much would be sent. Sites are asked what they have, and nothing is changed.
    #[must_use]
    pub fn plan(&self) -> Plan {
        let plan = Plan::new(&self.repository, &self.images)
            .rules(self.rules)
            .store(self.store)
            .leave_out(self.leave_out.iter().copied())
            .media(self.room_on_media())
            .carrier(self.carrier().cloned())
            .programs(self.programs.clone());
        self.sites.iter().cloned().fold(plan, Plan::site)
    }

    /// Sends the images: first what is carried, then to each site that is reached, in the order in which they were given. At such a site the base
    /// is proven, the image made, proven, and only then entered; where a base turns out not to be what it should be, the next one is taken, and at last
    /// the whole image. Run again, it finishes what was left, and sends nothing that is there. What goes wrong at one site of several stands in the report, see [`DeployReport::failure`].
    ///
    /// # Errors
    /// Usage, if there is no repository, it does not have one of the images, a site is given twice, or there is no medium for sites that are
    /// given by their inventories (`no_delivery`); of the only site, whatever goes wrong before anything was sent, for instance Peer, if its
    /// host fails; Interrupted: what was sent by then is whole.
    pub fn run(&self, context: &Context) -> Result<DeployReport> {
        match self.media.len() {
            0 => self.run_once(context),
            1 => self.run_onto_one(context),
            _ => self.run_onto_media(context),
        }
    }

    /// As [`run`](Self::run), onto one medium.
    fn run_once(&self, context: &Context) -> Result<DeployReport> {
        self.store.require_written()?;
        let headquarters = Repository::open(&self.repository)?;
        let listing = headquarters.list()?;
        refuse_twice(&self.sites)?;
        self.require_own_files()?;
        self.require_piece()?;
        self.require_medium_for_parity()?;
        self.require_medium_to_sign()?;
        let mut summary = Summary {
            listing: &listing,
            notes: unreadable(&listing),
        };
        let sites = with_delivery_context(context, self.wait, |delivery_context| {
            self.send(&headquarters, &mut summary, delivery_context, context)
        })
        .map_err(|error| cut_short(error, "what was sent by then is whole"))?;
        let notes = summary.notes;
        Ok(DeployReport {
            repository: shown(headquarters.folder()),
            delivery: self.carrier().map(|folder| shown(folder)),
            media: Vec::new(),
            bytes: self.bytes(&sites),
            sites,
            notes,
        })
    }

    /// Who receives says to whom files belong: here that is who writes them here.
    fn require_own_files(&self) -> Result<()> {
        if self.store.ownership == Ownership::default() {
            return Ok(());
        }
        let (message, hint) = match self
            .sites
            .iter()
            .find(|site| !matches!(site, Destination::Folder(_)))
        {
            None => return Ok(()),
            Some(Destination::Ssh(_)) => (
                "to whom files belong on another host is said there",
                "on the other host, 'imgdelta serve --stdio --owner USER:GROUP --mode 640' says it for what comes this way",
            ),
            Some(_) => (
                "to whom files belong is said where a medium is received",
                "at the site, 'imgdelta receive STICK --owner USER:GROUP --mode 640' says it",
            ),
        };
        Err(Error::new(Kind::Usage, message).with_hint(hint))
    }

    /// Sends the images, and says what became of it at each site.
    fn send(
        &self,
        headquarters: &Repository,
        summary: &mut Summary<'_>,
        delivery_context: &DeliveryContext<'_>,
        context: &Context,
    ) -> Result<Vec<SiteReport>> {
        let mut sites = Vec::new();
        let known: Vec<Result<()>> = (self.sites.iter())
            .map(|site| {
                sites.push(known(site)?);
                Ok(())
            })
            .collect();
        let mut deploy = deployment::Deploy {
            images: self.images.clone(),
            sites,
            bundle: self.carrier().cloned(),
            rules: self.rules,
            native: self.native,
            level: self.level,
            leave_out: self.leave_out.clone(),
            piece: self.piece,
            room: self.room_on_one(),
            parity: self.parity,
            store: self.store,
            spare: self.spare,
            sign: (self.sign.as_deref()).map(SigningKey::new).transpose()?,
            programs: self.programs.clone(),
            ..deployment::Deploy::from(headquarters)
        };
        if let Some(packing) = &self.packing {
            deploy.packing.clone_from(packing);
        }
        let deployed = deploy_many(&deploy, delivery_context)?;
        if deployed.failure().is_some() {
            // Where ssh heard Ctrl-C first, a site failed by that.
            context.go_on()?;
        }
        let mut served = deployed.sites.into_iter();
        let is_alone = self.sites.len() == 1;
        let reports = self.sites.iter().zip(known).map(|(site, known)| {
            let outcome = known.map(|()| served.next().unwrap_or_default());
            summary.site(site, outcome, is_alone)
        });
        reports.collect()
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

/// Where a site is, for those who bring images there.
fn known(site: &Destination) -> Result<deployment::Destination> {
    Ok(match site {
        Destination::Ssh(url) => deployment::Destination::Ssh(url.clone()),
        Destination::Folder(folder) => deployment::Destination::Folder(folder.clone()),
        Destination::Inventory(place) => deployment::Destination::Carried(site_inventory(place)?),
    })
}
