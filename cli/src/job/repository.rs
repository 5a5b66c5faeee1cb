//! What is to be done with a repository.

use std::{path::PathBuf, time::Duration};

use imgdelta::core::{Existing, Format};
use imgdelta::repository::catalogue;

/// How a repository is changed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// How long to wait while another process changes it.
    pub(crate) wait: Duration,
    /// Whether it is only worked out.
    pub(crate) dry_run: bool,
}

/// `repo init`.
#[derive(Clone, Debug)]
pub(crate) struct Init {
    /// The format of images that are made there.
    pub(crate) format: Format,
    /// Who must have signed what is received there from a medium.
    pub(crate) signer: Option<catalogue::Signer>,
    /// Whether it is only worked out.
    pub(crate) dry_run: bool,
    /// What imgdelta is called on another host.
    pub(crate) remote_program: String,
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

/// `repo require-signer`.
#[derive(Clone, Debug)]
pub(crate) struct RequireSigner {
    /// Who; `None`: nobody.
    pub(crate) signer: Option<catalogue::Signer>,
    /// How.
    pub(crate) manner: Manner,
}

/// `repo verify`.
#[derive(Clone, Debug)]
pub(crate) struct Verify {
    /// The images; none: all.
    pub(crate) images: Vec<String>,
    /// Repositories to mend from too; `None`: nothing is mended.
    pub(crate) repair: Option<Vec<PathBuf>>,
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
