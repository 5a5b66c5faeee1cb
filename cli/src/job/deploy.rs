//! What is to be done to bring images to other sites.

use std::{path::PathBuf, time::Duration};

use imgdelta_deploy::delivery;
use imgdelta_repository::choice::Rules;

use super::{Manner, Plan};

/// `deploy`.
#[derive(Clone, Debug)]
pub(crate) struct Deploy {
    /// The images that the sites are to have.
    pub(crate) images: Vec<String>,
    /// The sites, and how they are reached.
    pub(crate) way: Way,
    /// How bases are chosen.
    pub(crate) rules: Rules,
    /// Whether children are of the sites' own formats.
    pub(crate) native: bool,
    /// In which form sites that are reached keep the images.
    pub(crate) keeping: delivery::Manner,
    /// How the sites' repositories are changed.
    pub(crate) manner: Manner,
}

/// How sites are reached.
#[derive(Clone, Debug)]
pub(crate) enum Way {
    /// By a medium for all of them.
    Medium {
        /// Inventories, and folders of repositories.
        sites: Vec<PathBuf>,
        /// The medium; a plan needs none.
        folder: Option<PathBuf>,
    },
    /// Each by itself: folders of repositories.
    Lines(Vec<PathBuf>),
}

/// `receive`.
#[derive(Clone, Debug)]
pub(crate) struct Receive {
    /// The delivery's folder.
    pub(crate) delivery: PathBuf,
    /// In which form the images are kept.
    pub(crate) keeping: delivery::Manner,
    /// How long to wait while another process changes the repository.
    pub(crate) wait: Duration,
}

impl Way {
    /// The sites, as they were given.
    pub(crate) fn sites(&self) -> &[PathBuf] {
        match self {
            Self::Medium { sites, .. } | Self::Lines(sites) => sites,
        }
    }
}

impl Deploy {
    /// The plan that shows what would be done.
    pub(crate) fn plan(self) -> Plan {
        Plan {
            images: self.images,
            is_carried: matches!(self.way, Way::Medium { .. }),
            sites: self.way.sites().to_vec(),
            rules: self.rules,
            media: None,
            rate: None,
        }
    }
}
