//! What is to be done with a repository, and with what two of them have in common.

use std::{path::PathBuf, time::Duration};

use imgdelta_core::{Bytes, Existing, Format};
use imgdelta_deploy::wire::Target;
use imgdelta_repository::{catalogue, choice::Rules};

/// How a repository is changed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// How long to wait while another process changes it.
    pub(crate) wait: Duration,
    /// Whether it is only worked out.
    pub(crate) dry_run: bool,
}

/// `repo init`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Init {
    /// The format of images that are made there.
    pub(crate) format: Format,
    /// Whether it is only worked out.
    pub(crate) dry_run: bool,
}

/// `repo add`.
#[derive(Clone, Debug)]
pub(crate) struct Add {
    /// The images, in the order in which they are added.
    pub(crate) images: Vec<catalogue::Add>,
    /// How.
    pub(crate) manner: Manner,
}

/// `repo tag`, `untag`, `golden`, `set-id`, `rename`.
#[derive(Clone, Debug)]
pub(crate) struct Editing {
    /// The image.
    pub(crate) image: String,
    /// What is changed.
    pub(crate) edit: catalogue::Edit,
    /// How.
    pub(crate) manner: Manner,
}

/// `repo remove`.
#[derive(Clone, Debug)]
pub(crate) struct Remove {
    /// The image.
    pub(crate) image: String,
    /// Whether nobody has to be asked.
    pub(crate) is_sure: bool,
    /// How.
    pub(crate) manner: Manner,
}

/// `inventory`.
#[derive(Clone, Debug)]
pub(crate) struct Inventory {
    /// Where it goes; `None`: to standard output.
    pub(crate) output: Option<PathBuf>,
    /// Whether it may replace something.
    pub(crate) existing: Existing,
    /// Whether it is only worked out.
    pub(crate) dry_run: bool,
}

/// Where it is known what a site has.
#[derive(Clone, Debug)]
pub(crate) enum Known {
    /// In its inventory, or in the folder of its repository.
    Here(PathBuf),
    /// At the other end of a line.
    There(Target),
}

/// `plan`.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The images that the sites are to have.
    pub(crate) images: Vec<String>,
    /// Inventories, folders of repositories, and repositories on other hosts.
    pub(crate) sites: Vec<Known>,
    /// Whether they are reached by a medium, though their folders be at hand.
    pub(crate) is_carried: bool,
    /// What imgdelta is called on other hosts.
    pub(crate) remote_program: String,
    /// How bases are chosen.
    pub(crate) rules: Rules,
    /// How much the medium holds.
    pub(crate) media: Option<Bytes>,
    /// Bytes a second.
    pub(crate) rate: Option<Bytes>,
}

impl Known {
    /// As a path; another host's only looks like one.
    pub(crate) fn shown(&self) -> PathBuf {
        match self {
            Self::Here(path) => path.clone(),
            Self::There(target) => target.to_string().into(),
        }
    }
}
