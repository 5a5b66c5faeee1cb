//! What is to be done to bring images to other sites.

use std::{path::PathBuf, time::Duration};

use imgdelta_deploy::{delivery, wire::Target};
use imgdelta_repository::choice::Rules;

use super::{Known, Manner, Plan};

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
    /// What imgdelta is called on other hosts.
    pub(crate) remote_program: String,
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
    /// Each by itself.
    Lines(Vec<Line>),
}

/// How one site is reached.
#[derive(Clone, Debug)]
pub(crate) enum Line {
    /// By the folder of its repository.
    Folder(PathBuf),
    /// Through ssh.
    Ssh(Target),
}

/// `serve`.
#[derive(Clone, Debug)]
pub(crate) struct Serve {
    /// Only repositories in this folder or below it are opened, if it is given.
    pub(crate) root: Option<PathBuf>,
    /// How long to wait while another process changes the repository.
    pub(crate) wait: Duration,
}

/// `receive`.
#[derive(Clone, Debug)]
pub(crate) struct Receive {
    /// The delivery's folder.
    pub(crate) delivery: PathBuf,
    /// In which form the images are kept.
    pub(crate) keeping: delivery::Manner,
    /// How the repository is changed.
    pub(crate) manner: Manner,
}

impl Way {
    /// How the site of that number is reached, if by itself.
    pub(crate) fn line(&self, number: usize) -> Option<&Line> {
        match self {
            Self::Medium { .. } => None,
            Self::Lines(lines) => lines.get(number),
        }
    }

    /// The sites, as they were given.
    pub(crate) fn sites(&self) -> Vec<PathBuf> {
        match self {
            Self::Medium { sites, .. } => sites.clone(),
            Self::Lines(lines) => lines.iter().map(Line::shown).collect(),
        }
    }
}

impl Line {
    /// Where it is known what the site has.
    fn known(self) -> Known {
        match self {
            Self::Folder(folder) => Known::Here(folder),
            Self::Ssh(target) => Known::There(target),
        }
    }

    /// As a path; another host's only looks like one.
    fn shown(&self) -> PathBuf {
        match self {
            Self::Folder(folder) => folder.clone(),
            Self::Ssh(target) => target.to_string().into(),
        }
    }
}

impl Deploy {
    /// The plan that shows what would be done.
    pub(crate) fn plan(self) -> Plan {
        let is_carried = matches!(self.way, Way::Medium { .. });
        let sites = match self.way {
            Way::Medium { sites, .. } => sites.into_iter().map(Known::Here).collect(),
            Way::Lines(lines) => lines.into_iter().map(Line::known).collect(),
        };
        Plan {
            images: self.images,
            is_carried,
            sites,
            remote_program: self.remote_program,
            rules: self.rules,
            media: None,
            rate: None,
        }
    }
}
