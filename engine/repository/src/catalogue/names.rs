//! Ids, names, tags and paths of records and inventories. A value of these types has been checked when it was made, so that no name leads out of the
//! repository's folder or breaks a terminal.

use std::{fmt, path::Path, str::FromStr};

use imgdelta_core::{Error, Kind, Result};
use serde::{Deserialize, Serialize};

/// The folder in which a repository keeps what it knows.
pub const OWN_FOLDER: &str = ".imgdelta";

macro_rules! word {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// As it is written.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = Error;

            fn try_from(text: String) -> Result<Self> {
                let rule: fn(&str) -> Option<&'static str> = $rule;
                match rule(&text) {
                    None => Ok(Self(text)),
                    Some(fault) => Err(refused($what, &text, fault)),
                }
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self> {
                text.to_owned().try_into()
            }
        }

        impl From<$name> for String {
            fn from(word: $name) -> Self {
                word.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

word! {
    /// What an image is known by everywhere: its content id, unless the user set another one. 1 to 128 of `A-Za-z0-9._:-`, neither a dot nor a
    /// dash first, and no name that Windows keeps for a device; two ids are the same if they are so without regard to case, for they become
    /// names of files.
    ImageId, "image id", fault_of_id
}

word! {
    /// What the user calls an image, and its file if the repository makes one: 1 to 128 bytes that every file system takes.
    Name, "image name", fault_of_name
}

word! {
    /// A word that the user hangs on an image: 1 to 64 bytes.
    Tag, "tag", fault_of_tag
}

word! {
    /// The path of a file below the repository's folder, with `/` between; never one of the repository's own files.
    InsidePath, "path", fault_of_path
}

word! {
    /// What a repository is known by: a UUID, in small letters with dashes.
    RepositoryId, "repository id", fault_of_uuid
}

impl RepositoryId {
    /// One that nothing else bears.
    pub(super) fn fresh() -> Self {
        Self(uuid::Uuid::new_v4().to_string())
    }
}

impl ImageId {
    /// The id without regard to case: what is the same here is the same id.
    #[must_use]
    pub fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }

    /// The stem of the files that bear it: exFAT has no `:`.
    #[must_use]
    pub fn stem(&self) -> String {
        self.0.replace(':', "~")
    }
}

impl Name {
    /// The name without regard to case: what is the same here is the same name.
    #[must_use]
    pub fn folded(&self) -> String {
        self.0.to_lowercase()
    }
}

impl InsidePath {
    /// As a path to be joined to the repository's folder.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        Path::new(&self.0)
    }

    /// The path that leads from `folder` to `file`, both without links.
    ///
    /// # Errors
    /// Usage, if the file does not lie below, or its path is no text.
    pub fn between(folder: &Path, file: &Path) -> Result<Self> {
        let inside = file.strip_prefix(folder).map_err(|_| {
            Error::new(Kind::Usage, "does not lie below the repository's folder")
                .with_code("outside")
                .in_file(file)
                .with_hint("without --in-place it is copied")
        })?;
        let text = inside
            .to_str()
            .ok_or_else(|| Error::new(Kind::Usage, "the path is not UTF-8").in_file(file))?;
        text.parse()
    }
}

/// Most bytes of an id or a name.
const LONGEST: usize = 128;

/// What is wrong with an image's id.
fn fault_of_id(id: &str) -> Option<&'static str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
    match id.len() {
        0 => Some("is empty"),
        1..=LONGEST if !id.bytes().all(is_plain) => {
            Some("has characters other than letters, digits and . _ : -")
        }
        1..=LONGEST if id.starts_with(['.', '-']) => Some("begins with a dot or a dash"),
        1..=LONGEST if is_kept_by_windows(id) => Some(KEPT_BY_WINDOWS),
        1..=LONGEST => None,
        _ => Some("is longer than 128 bytes"),
    }
}

/// What is wrong with a name of a device.
const KEPT_BY_WINDOWS: &str = "is a name that Windows keeps for a device";

/// Whether Windows takes it for a device, whatever follows a dot: no file can be called so there.
fn is_kept_by_windows(name: &str) -> bool {
    const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "conin$", "conout$"];
    let stem = name.split('.').next().unwrap_or_default();
    let stem = stem.trim_end().to_lowercase();
    let is_port = |port: &str| {
        let number = stem.strip_prefix(port).unwrap_or_default();
        let mut digits = number.chars();
        // Windows takes the digits that stand high for digits.
        matches!(digits.next(), Some('1'..='9' | '¹' | '²' | '³')) && digits.next().is_none()
    };
    DEVICES.contains(&stem.as_str()) || is_port("com") || is_port("lpt")
}

/// Whether it draws nothing by itself and changes how what stands beside it is drawn: control characters, those that turn the direction of
/// writing, ends of lines and paragraphs, marks of byte order.
fn is_invisible(c: char) -> bool {
    let turns = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || turns || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

/// What is wrong with a repository's id.
fn fault_of_uuid(id: &str) -> Option<&'static str> {
    let is_canonical = uuid::Uuid::parse_str(id).is_ok_and(|uuid| uuid.to_string() == id);
    (!is_canonical).then_some("is not a UUID")
}

/// What is wrong with a name.
fn fault_of_name(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("is empty")
    } else if name.len() > LONGEST {
        Some("is longer than 128 bytes")
    } else if name
        .chars()
        .any(|c| is_invisible(c) || r#"/\:*?"<>|"#.contains(c))
    {
        Some("has characters that no file may have everywhere")
    } else if is_kept_by_windows(name) {
        Some(KEPT_BY_WINDOWS)
    } else if name.starts_with(['.', ' ', '-']) || name.ends_with(['.', ' ']) {
        Some("begins or ends with a dot, a blank or a dash")
    } else {
        None
    }
}

/// What is wrong with a tag.
fn fault_of_tag(tag: &str) -> Option<&'static str> {
    if tag.is_empty() {
        Some("is empty")
    } else if tag.len() > 64 {
        Some("is longer than 64 bytes")
    } else if tag.chars().any(|c| is_invisible(c) || r#",\""#.contains(c)) {
        Some("has a comma, a quote, a backslash or a control character")
    } else if tag.trim() != tag {
        Some("begins or ends with a blank")
    } else {
        None
    }
}

/// What is wrong with a path.
fn fault_of_path(path: &str) -> Option<&'static str> {
    if path.is_empty() {
        return Some("is empty");
    }
    if path.len() > 4096 {
        return Some("is longer than 4096 bytes");
    }
    if path.chars().any(char::is_control) {
        return Some("has control characters");
    }
    if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Some("is not a plain path below the folder");
    }
    let first = path.split('/').next().unwrap_or_default();
    first
        .eq_ignore_ascii_case(OWN_FOLDER)
        .then_some("is one of the repository's own files")
}

/// The word may come from anywhere: nothing of it draws on a terminal, and not all of it is shown.
fn refused(what: &str, text: &str, fault: &str) -> Error {
    let shown: String = text.chars().take(80).collect();
    let dots = if shown.len() < text.len() { "…" } else { "" };
    Error::new(
        Kind::Usage,
        format!("{what} '{}{dots}' {fault}", shown.escape_debug()),
    )
    .with_code("word")
}

#[cfg(test)]
#[path = "names/tests.rs"]
mod tests;
