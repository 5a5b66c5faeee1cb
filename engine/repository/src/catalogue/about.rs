//! What a repository says of itself: which one it is, and the format of the images that it makes.

use imgdelta_core::{Error, Format, Kind, Result};
use serde::{Deserialize, Serialize};

use super::{
    names::RepositoryId,
    record::check_schema,
    seal::{check_seal, seal},
    signer::Signer,
    text::as_text,
};

/// The version of the form.
pub const SCHEMA: &str = "imgdelta/repository/1";

/// The version of the form that says who must have signed: programs that do not know it open no such repository.
pub const SCHEMA_SIGNED: &str = "imgdelta/repository/2";

/// Longest file that is read.
pub(super) const LONGEST: u64 = 64 << 10;

/// Which repository it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// [`SCHEMA`], or [`SCHEMA_SIGNED`] where there is a signer.
    pub schema: String,
    /// Its id: made when it was, and its own.
    pub id: RepositoryId,
    /// The format of images that are made here, unless the user asks for another.
    #[serde(with = "as_text")]
    pub default_format: Format,
    /// Who must have signed what is received from a medium.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<Signer>,
}

impl About {
    /// A new repository.
    pub(super) fn new(default_format: Format) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            id: RepositoryId::fresh(),
            default_format,
            signer: None,
        }
    }

    /// As it says who must have signed, or that nobody must.
    pub(super) fn with_signer(&self, signer: Option<Signer>) -> Self {
        let schema = if signer.is_some() {
            SCHEMA_SIGNED
        } else {
            SCHEMA
        };
        Self {
            schema: schema.to_owned(),
            signer,
            ..self.clone()
        }
    }

    /// As the file that holds it.
    ///
    /// # Errors
    /// Never now; the signature keeps room for it.
    pub(super) fn to_json(&self) -> Result<Vec<u8>> {
        let json = serde_json::to_string_pretty(self).map_err(|cause| faulty(&cause))?;
        Ok(seal(&json).into_bytes())
    }

    /// Reads the file.
    ///
    /// # Errors
    /// Corrupt, if it is none; Unsupported, if it is of another version.
    pub(super) fn from_json(json: &[u8]) -> Result<Self> {
        let is_signed = check_schema(json, SCHEMA_SIGNED, "repository").is_ok();
        if !is_signed {
            check_schema(json, SCHEMA, "repository")?;
        }
        check_seal(json, "repository")?;
        let about: Self = serde_json::from_slice(json).map_err(|cause| faulty(&cause))?;
        if about.signer.is_some() == is_signed {
            return Ok(about);
        }
        let message = "repository: the schema and whether there is a signer contradict each other";
        Err(Error::new(Kind::Corrupt, message).with_code("record"))
    }
}

/// A file that says nothing of a repository.
fn faulty(cause: &serde_json::Error) -> Error {
    Error::new(Kind::Corrupt, format!("repository: {cause}")).with_code("record")
}
