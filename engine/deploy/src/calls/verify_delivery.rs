//! `verify`: a delivery looked through, file by file, without a repository.

use std::path::PathBuf;

use imgdelta_core::Result;
use imgdelta_operations::Context;
use imgdelta_repository::{calls::Failed, catalogue::Signer};
use serde::Serialize;

use super::context::{WAIT, shown, with_delivery_context};
use crate::bundle::{self, FileState, HealedFile, VerifiedFile};

/// A delivery that is to be looked through.
#[derive(Clone, Debug)]
pub struct VerifyDelivery {
    delivery: PathBuf,
    signer: Option<Signer>,
}

/// What was found of a delivery.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct VerifyDeliveryReport {
    /// The delivery's folder.
    pub delivery: String,
    /// Whether every file is what was put there.
    pub sound: bool,
    /// By whose signature the list was believed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signer: Option<String>,
    /// Each file: the list and what was written with it, what it lists, what is called as files of deliveries are and is listed nowhere.
    pub files: Vec<DeliveryFile>,
    /// How many other files and folders lie there: nothing of the delivery.
    pub others: u64,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// What was found of one file.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct DeliveryFile {
    /// Its name.
    pub name: String,
    /// How long it is in bytes; 0, if it is not there or cannot be read.
    pub length: u64,
    /// Whether it is what was put there.
    pub sound: bool,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Failed>,
    /// What its parity can heal, if that is all that is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healable: Option<HealedFile>,
}

impl VerifyDelivery {
    /// The delivery in that folder, a stick say.
    #[must_use]
    pub fn new(delivery: impl Into<PathBuf>) -> Self {
        Self {
            delivery: delivery.into(),
            signer: None,
        }
    }

    /// Who must have signed its list. It is verified by the system's ssh-keygen before anything of the delivery is believed.
    #[must_use]
    pub fn signer(mut self, signer: Option<Signer>) -> Self {
        self.signer = signer;
        self
    }

    /// Reads every file that the list names, from the medium where the host lets go of what it remembers, and names all that are not what was put
    /// there. That they are is no proof of an image: whether it can be made, its base at the site decides.
    ///
    /// # Errors
    /// Usage, if there is no delivery; Corrupt or Unsupported, if its list is; Digest, if the signature that is asked for is missing (`unsigned`) or
    /// not that (`signature`); Host; Interrupted. What is wrong with a file stands in the report, see [`VerifyDeliveryReport::failure`].
    pub fn run(&self, context: &Context) -> Result<VerifyDeliveryReport> {
        let found = with_delivery_context(context, WAIT, |delivery_context| {
            bundle::verify(&self.delivery, self.signer.as_ref(), delivery_context)
        })?;
        let sound = found.faults().next().is_none();
        Ok(VerifyDeliveryReport {
            delivery: shown(&self.delivery),
            sound,
            signer: found.signer,
            files: found.files.iter().map(DeliveryFile::of).collect(),
            others: found.others,
            notes: found.notes,
        })
    }
}

impl VerifyDeliveryReport {
    /// What is wrong with the first file that is not what was put there.
    #[must_use]
    pub fn failure(&self) -> Option<&Failed> {
        self.files.iter().find_map(|file| file.error.as_ref())
    }
}

impl DeliveryFile {
    fn of(file: &VerifiedFile) -> Self {
        let error = match &file.state {
            FileState::Sound => None,
            FileState::Faulty(error) => Some(Failed::of(error)),
        };
        Self {
            name: file.name.clone(),
            length: file.length,
            sound: error.is_none(),
            error,
            healable: file.healable.clone(),
        }
    }
}
