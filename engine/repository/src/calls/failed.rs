//! What went wrong with one image, or one site, of several: the others go on.

use imgdelta_core::Error;
use serde::Serialize;

/// Something that went wrong with one image of several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Failed {
    /// Stable, as in an error.
    pub code: String,
    /// The exit status that it would have by itself, see [`Kind::exit`](imgdelta_core::Kind::exit).
    pub exit: u8,
    /// Where it went wrong, and what; not stable.
    pub message: String,
    /// What to do next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Failed {
    /// What an error says.
    #[must_use]
    pub fn of(error: &Error) -> Self {
        Self {
            code: error.code().to_owned(),
            exit: error.kind().exit(),
            message: error.to_string(),
            hint: error.hint().map(str::to_owned),
        }
    }
}
