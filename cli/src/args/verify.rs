//! `verify`, as it is typed.

use std::path::PathBuf;

use clap::Args;
use imgdelta::core::Result;

use super::signer::Signed;
use crate::job;

/// `verify`: a delivery looked through, without a repository.
#[derive(Debug, Args)]
#[command(
    after_help = "\
Example:
  imgdelta verify stick",
    after_long_help = "\
Reads every file that the list of the delivery names, from the medium and not from what the host remembers of it, and names each that is not what was \
put there: missing, damaged, exchanged, or listed nowhere. Nothing is written, and no repository is needed. That an image can be made of it, its \
base decides, which 'imgdelta receive' proves.

With --signers FILE --signer ID the list must be signed by ID with a key that FILE names; the list holds the digests of all other files. Without, a \
signature that lies there is only looked at: whether it is one of this list, by whichever key.

Exit status 0: all is what was put there. 3 or 6: a file is damaged, or the list is not signed as required; of several, the first decides.

Examples:
  imgdelta verify stick
  imgdelta verify stick --signers allowed_signers --signer images@example.org
  imgdelta verify stick --json"
)]
pub(crate) struct Verify {
    /// The folder that 'imgdelta deploy -o' has written.
    #[arg(value_name = "DELIVERY")]
    delivery: PathBuf,
    /// Who must have signed the delivery.
    #[command(flatten)]
    signed: Signed,
}

impl Verify {
    /// What it means.
    pub(crate) fn job(self) -> Result<job::VerifyDelivery> {
        Ok(job::VerifyDelivery {
            delivery: self.delivery,
            signer: self.signed.signer()?,
        })
    }
}
