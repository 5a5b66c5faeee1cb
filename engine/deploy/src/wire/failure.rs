//! An error as it travels: what the other side says went wrong there. Nothing of it may draw on a terminal or fill the memory.

use std::fmt;

use imgdelta_core::{Error, Fault, Kind};
use serde::{Deserialize, Serialize};

/// Most characters of a line that are passed on.
const LONGEST_LINE: usize = 2000;

/// Most lines under the message that are passed on.
const MOST_DETAILS: usize = 16;

/// What the other side says went wrong. It is the source of the error that it becomes here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The word of its kind: what the exit status would be there.
    pub kind: String,
    /// Its finer word, for programs.
    pub code: String,
    /// What was found and what was required, with the place.
    pub message: String,
    /// The lines under it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
    /// What to do next, there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Failure {
    /// The error as it travels.
    #[must_use]
    pub fn of(error: &Error) -> Self {
        Self {
            kind: error.kind().word().to_owned(),
            code: error.code().to_owned(),
            message: error.to_string(),
            details: error.details().to_vec(),
            hint: error.hint().map(str::to_owned),
        }
        .sanitized()
    }

    /// Whether it is said of one way in which an image was to come, so that another base, or the whole image, may do.
    #[must_use]
    pub fn can_retry_with_other_base(&self) -> bool {
        let kinds = [
            Kind::Chain,
            Kind::Corrupt,
            Kind::Digest,
            Kind::Reference,
            Kind::Unsupported,
        ];
        kinds.iter().any(|kind| kind.word() == self.kind)
    }

    /// Whether it is said of the base.
    #[must_use]
    pub fn blames_base(&self) -> bool {
        self.kind == Kind::Chain.word()
    }

    /// Without control characters, and no longer than anybody reads.
    pub(super) fn sanitized(self) -> Self {
        Self {
            kind: sanitize(&self.kind),
            code: sanitize(&self.code),
            message: sanitize(&self.message),
            details: self
                .details
                .iter()
                .take(MOST_DETAILS)
                .map(|line| sanitize(line))
                .collect(),
            hint: self.hint.as_deref().map(sanitize),
        }
    }

    /// The error that it is here.
    #[must_use]
    pub fn into_error(self) -> Error {
        let details = self.details.clone();
        details
            .into_iter()
            .fold(Error::from(self), Error::with_detail)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the other side: {}", self.message)
    }
}

impl std::error::Error for Failure {}

impl Fault for Failure {
    fn kind(&self) -> Kind {
        Kind::Peer
    }

    fn code(&self) -> &'static str {
        "peer"
    }

    fn hint(&self) -> Option<String> {
        self.hint.clone()
    }
}

/// The text without control characters or those that turn its direction, and not all of it where it is long.
pub(super) fn sanitize(text: &str) -> String {
    let is_harmless = |c: &char| {
        !c.is_control()
            && !matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut shown: String = text
        .chars()
        .filter(is_harmless)
        .take(LONGEST_LINE)
        .collect();
    if text.len() > shown.len() && shown.chars().count() == LONGEST_LINE {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_wrong_there_is_the_other_sides_failure_here() {
        let there = Error::new(Kind::Chain, "the base is another disk")
            .with_code("wrong_base")
            .with_detail("it differs in 0x0..0x10000")
            .with_hint("'imgdelta repo list' shows what is there");
        let here = Failure::of(&there).into_error();
        assert_eq!(here.kind(), Kind::Peer);
        assert_eq!(here.message(), "the other side: the base is another disk");
        assert_eq!(here.details(), there.details());
        assert_eq!(here.hint(), there.hint());
        let source = std::error::Error::source(&here);
        let failure = source.and_then(|source| source.downcast_ref::<Failure>());
        assert_eq!(failure.map(|one| one.code.as_str()), Some("wrong_base"));
    }

    #[test]
    fn a_hostile_message_neither_draws_nor_fills_the_screen() {
        let failure = Failure {
            kind: "chain".into(),
            code: "x".into(),
            message: format!("\u{1b}]0;owned\u{7}\u{202e}{}", "x".repeat(100_000)),
            details: vec!["y\n".to_owned(); 5000],
            hint: None,
        };
        let sanitized = failure.sanitized();
        assert!(sanitized.message.starts_with("]0;ownedx"));
        assert!(sanitized.message.chars().count() <= LONGEST_LINE + 1);
        assert_eq!(sanitized.details, ["y"; MOST_DETAILS]);
    }
}
