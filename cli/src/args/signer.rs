//! Who must have signed a delivery, as it is typed.

use std::path::PathBuf;

use clap::Args;
use imgdelta::core::{Error, Kind, Result};
use imgdelta::repository::catalogue::Signer;

use super::repository::Change;
use crate::job;

/// Who must have signed a delivery.
#[derive(Debug, Args)]
pub(crate) struct Signed {
    /// Who must have signed the delivery: an identity of the file of --signers.
    #[arg(
        long,
        value_name = "ID",
        requires = "signers",
        allow_hyphen_values = true,
        help_heading = "Signature"
    )]
    signer: Option<String>,
    /// Which keys are good for whom: a file in the form of git's allowed_signers.
    #[command(flatten)]
    files: Files,
}

/// The files that say which keys are good.
#[derive(Debug, Args)]
pub(crate) struct Files {
    /// Which keys are good for whom: a file in the form of git's allowed_signers.
    #[arg(long, value_name = "FILE", help_heading = "Signature")]
    signers: Option<PathBuf>,
    /// Which keys are good no more: a file of public keys, or a KRL of ssh-keygen.
    #[arg(
        long,
        value_name = "FILE",
        requires = "signers",
        help_heading = "Signature"
    )]
    revoked: Option<PathBuf>,
}

impl Files {
    /// Whom these files tell.
    pub(super) fn signer(&self, id: Option<String>) -> Result<Option<Signer>> {
        match (id, self.signers.as_deref()) {
            (Some(id), Some(signers)) => {
                Signer::new(id, signers, self.revoked.as_deref()).map(Some)
            }
            (None, None) => Ok(None),
            // A file of keys by itself would let anybody in it sign, or nobody be asked.
            _ => Err(Error::new(
                Kind::Usage,
                "--signers says which keys there are, and not who must have signed",
            )
            .with_code("signer")
            .with_hint("name the identity too, as it stands first in a line of the file")),
        }
    }
}

impl Signed {
    /// Who, if anybody.
    pub(super) fn signer(self) -> Result<Option<Signer>> {
        self.files.signer(self.signer)
    }
}

/// `repo require-signer`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
From then on 'imgdelta receive' takes from a medium only what ID has signed ('imgdelta deploy --sign'), verified by ssh-keygen with the files as \
they are then. What comes over ssh, or is entered by 'imgdelta deploy --to FOLDER', is not signed: there the line or the file system says who may.

Releases of imgdelta that do not know the requirement do not open the repository.

Examples:
  imgdelta repo require-signer images@example.org --signers /etc/imgdelta/allowed_signers --repo site
  imgdelta repo require-signer --off --repo site")]
pub(crate) struct RequireSigner {
    /// Who: an identity of the file of --signers.
    #[arg(
        value_name = "ID",
        required_unless_present = "off",
        requires = "signers",
        help_heading = "Repository"
    )]
    id: Option<String>,
    /// Require no signature any more.
    #[arg(long, conflicts_with_all = ["id", "signers"], help_heading = "Repository")]
    off: bool,
    /// By which keys.
    #[command(flatten)]
    files: Files,
    /// How the repository is changed.
    #[command(flatten)]
    pub(super) change: Change,
}

impl RequireSigner {
    /// What it means.
    pub(crate) fn job(self) -> Result<job::RequireSigner> {
        Ok(job::RequireSigner {
            signer: self.files.signer(self.id)?,
            manner: self.change.manner(),
        })
    }
}
