//! What a repository says of itself: which one it is, and the format of the images that it makes.

use imgdelta_core::{Error, Format, Kind, Result};
use serde::{Deserialize, Serialize};

use super::{
    names::RepositoryId,
    record::check_schema,
    seal::{check_seal, seal},
    text::as_text,
};

/// The version of the form.
pub const SCHEMA: &str = "imgdelta/repository/1";

/// Longest file that is read.
pub(super) const LONGEST: u64 = 64 << 10;

/// Which repository it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// [`SCHEMA`].
    pub schema: String,
    /// Its id: made when it was, and its own.
    pub id: RepositoryId,
    /// The format of images that are made here, unless the user asks for another.
    #[serde(with = "as_text")]
    pub default_format: Format,
}

impl About {
    /// A new repository.
    pub(super) fn new(default_format: Format) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            id: RepositoryId::fresh(),
            default_format,
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
        check_schema(json, SCHEMA, "repository")?;
        check_seal(json, "repository")?;
        serde_json::from_slice(json).map_err(|cause| faulty(&cause))
    }
}

/// A file that says nothing of a repository.
fn faulty(cause: &serde_json::Error) -> Error {
    Error::new(Kind::Corrupt, format!("repository: {cause}")).with_code("record")
}
