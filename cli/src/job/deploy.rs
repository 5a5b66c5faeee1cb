//! What is to be done to bring images to other sites.

use std::{path::PathBuf, time::Duration};

use imgdelta::Unneeded;
use imgdelta::core::{Bytes, Format, Ownership};
use imgdelta::deploy::{Destination, bundle::media::Medium, parity::Percent};
use imgdelta::repository::{catalogue::Signer, planning::Rules};

use super::Manner;

/// `plan`.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The images that the sites are to have.
    pub(crate) images: Vec<String>,
    /// Inventories, folders of repositories, and repositories on other hosts.
    pub(crate) sites: Vec<Destination>,
    /// What imgdelta is called on other hosts.
    pub(crate) remote_program: String,
    /// How bases are chosen.
    pub(crate) rules: Rules,
    /// How much the medium holds.
    pub(crate) media: Option<Bytes>,
    /// Bytes a second.
    pub(crate) rate: Option<Bytes>,
    /// What is told of each image that nobody needs.
    pub(crate) leave_out: Vec<Unneeded>,
}

/// `deploy`.
#[derive(Clone, Debug)]
pub(crate) struct Deploy {
    /// The images that the sites are to have.
    pub(crate) images: Vec<String>,
    /// The sites, and how they are reached.
    pub(crate) sites: Vec<Destination>,
    /// The medium for those that are reached by one; a plan needs none.
    pub(crate) medium: Option<PathBuf>,
    /// The media, if there are several or their sizes are known.
    pub(crate) media: Vec<Medium>,
    /// How bases are chosen.
    pub(crate) rules: Rules,
    /// Whether children of the sites' own formats are sent.
    pub(crate) native: bool,
    /// How hard the transport form is packed, if that is said.
    pub(crate) level: Option<i32>,
    /// What is left out of images.
    pub(crate) leave_out: Vec<Unneeded>,
    /// How long pieces of files are on the medium, if that is said.
    pub(crate) piece: Option<Bytes>,
    /// How much parity lies beside files on the medium, if that is said.
    pub(crate) parity: Option<Percent>,
    /// How many more ways to each image the medium carries than are needed.
    pub(crate) spare: usize,
    /// The key that the medium's list is signed with.
    pub(crate) sign: Option<PathBuf>,
    /// In which form sites that are reached keep the images.
    pub(crate) keeping: Keeping,
    /// How the sites' repositories are changed.
    pub(crate) manner: Manner,
    /// What imgdelta is called on other hosts.
    pub(crate) remote_program: String,
}

/// `deploy --drop`.
#[derive(Clone, Debug)]
pub(crate) struct DropImages {
    /// The delivery's folder.
    pub(crate) delivery: PathBuf,
    /// The images that are to go.
    pub(crate) images: Vec<String>,
    /// How it is changed.
    pub(crate) manner: Manner,
}

/// In which form a site keeps what it receives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keeping {
    /// The format of whole images, if not the site's own.
    pub(crate) format: Option<Format>,
    /// Whether an image is kept as a child of its base, where that is smaller.
    pub(crate) as_child: bool,
    /// To whom the files belong, and who may do what with them.
    pub(crate) ownership: Ownership,
}

/// `serve`.
#[derive(Clone, Debug)]
pub(crate) struct Serve {
    /// Only repositories in this folder or below it are opened, if it is given.
    pub(crate) root: Option<PathBuf>,
    /// How long to wait while another process changes the repository.
    pub(crate) wait: Duration,
    /// To whom the files of images belong that are entered.
    pub(crate) ownership: Ownership,
}

/// `receive`.
#[derive(Clone, Debug)]
pub(crate) struct Receive {
    /// The deliveries' folders.
    pub(crate) deliveries: Vec<PathBuf>,
    /// Where what came damaged is asked for.
    pub(crate) request: Option<PathBuf>,
    /// Who must have signed it, besides whom the repository requires.
    pub(crate) signer: Option<Signer>,
    /// In which form the images are kept.
    pub(crate) keeping: Keeping,
    /// How the repository is changed.
    pub(crate) manner: Manner,
}

/// `verify`.
#[derive(Clone, Debug)]
pub(crate) struct VerifyDelivery {
    /// The delivery's folder.
    pub(crate) delivery: PathBuf,
    /// Who must have signed it.
    pub(crate) signer: Option<Signer>,
}

/// `deploy --refill`.
#[derive(Clone, Debug)]
pub(crate) struct Refill {
    /// The request.
    pub(crate) request: PathBuf,
    /// The folder of what is sent.
    pub(crate) medium: PathBuf,
    /// The key that its list is signed with.
    pub(crate) sign: Option<PathBuf>,
    /// How long to wait for it.
    pub(crate) wait: Duration,
}
