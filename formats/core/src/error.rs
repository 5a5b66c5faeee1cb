//! One error for the whole project: a kind to act on, a place, what was found and what was required, the next step.
//!
//! The place is filled from inside out, and the first writer wins: a layout knows the field, its reader the offset,
//! the opener the file. Each format keeps its rules in a `Fault` of its own, which becomes the source.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use rustix::io::Errno;

use crate::FileOffset;

/// The code of an error where the process may open no more files.
const OPEN_FILES: &str = "open_files";
/// How many files a process has open beside those of an image, at most.
const OTHER_FILES: usize = 64;

/// The project's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure it is: one word an exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// Wrong use, or refused without `--force`.
    Usage,
    /// An input is damaged: malformed, truncated, checksum wrong.
    Corrupt,
    /// Well formed, but not supported.
    Unsupported,
    /// Base or parent does not fit: wrong base, missing parent, broken chain.
    Chain,
    /// A digest is not the promised one.
    Digest,
    /// An unsafe reference was refused.
    Reference,
    /// The host failed: I/O, no space, permission, an input that changed.
    Host,
    /// Locked by another process.
    Busy,
    /// The other side of a deployment failed.
    Peer,
    /// The user stopped it.
    Interrupted,
}

impl Kind {
    /// The exit status of a command that ends with it.
    #[must_use]
    pub const fn exit(self) -> u8 {
        match self {
            Self::Usage => 2,
            Self::Corrupt => 3,
            Self::Unsupported => 4,
            Self::Chain => 5,
            Self::Digest => 6,
            Self::Reference => 7,
            Self::Host => 8,
            Self::Busy => 9,
            Self::Peer => 10,
            Self::Interrupted => 130,
        }
    }

    /// The stable word for programs, where the error has no finer one.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::Corrupt => "corrupt",
            Self::Unsupported => "unsupported",
            Self::Chain => "chain",
            Self::Digest => "digest",
            Self::Reference => "reference",
            Self::Host => "host",
            Self::Busy => "busy",
            Self::Peer => "peer",
            Self::Interrupted => "interrupted",
        }
    }
}

/// A rule of one format that a file broke, with the value found and the value required.
///
/// Its `Display` is lower case, found before required, without a full stop: `vhd footer checksum is 0x1f, computed 0x2e`.
pub trait Fault: std::error::Error + Send + Sync + 'static {
    /// What kind of failure this is.
    fn kind(&self) -> Kind;

    /// A stable word for programs: `vhd_footer_checksum`.
    fn code(&self) -> &'static str;

    /// What to do about it, if there is something.
    fn hint(&self) -> Option<String> {
        None
    }
}

/// Where it went wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorLocation {
    /// The file.
    pub file: Option<PathBuf>,
    /// The structure: `footer`, `L2 table`.
    pub structure: Option<&'static str>,
    /// The field in it, as its specification spells it.
    pub field: Option<&'static str>,
    /// Where that stands in the file.
    pub offset: Option<FileOffset>,
}

/// What to do where a process may not open as many files as it needs.
fn files_hint(what: &str, room: usize) -> String {
    format!(
        "it takes {what}: 'ulimit -n {room}' in the shell before it allows that, in root's shell where 'ulimit -Hn' says less"
    )
}

/// What went wrong, where, and what to do next.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: Kind,
    code: &'static str,
    message: String,
    place: ErrorLocation,
    details: Vec<String>,
    hint: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// The code of an error where the host has no room for what is written.
    pub const NO_SPACE: &'static str = "no_space";
    /// The code of an error where the host holds no file as long as what is written.
    pub const FILE_TOO_LONG: &'static str = "file_too_long";

    /// An error of `kind` with a message: lower case, no full stop.
    #[must_use]
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            code: kind.word(),
            message: message.into(),
            place: ErrorLocation::default(),
            details: Vec::new(),
            hint: None,
            source: None,
        }))
    }

    /// The host refused `what`: `cannot open`, `cannot write`.
    #[must_use]
    pub fn host(what: &str, cause: io::Error) -> Self {
        let mut error = Self::new(Kind::Host, format!("{what}: {cause}"));
        error = match Errno::from_io_error(&cause) {
            Some(Errno::MFILE) => {
                let hint = files_hint("more files than the process may open", 4096);
                error.with_code(OPEN_FILES).with_hint(hint)
            }
            Some(Errno::NOSPC | Errno::DQUOT) => error.with_code(Self::NO_SPACE),
            Some(Errno::FBIG) => error.with_code(Self::FILE_TOO_LONG),
            _ => error,
        };
        error.0.source = Some(Box::new(cause));
        error
    }

    /// Says that `count` files must be open at once, where the host lets the process open no more.
    #[must_use]
    pub fn needing_files(mut self, count: usize) -> Self {
        if self.0.code == OPEN_FILES {
            let what = format!("{count} files at once");
            let room = count.saturating_add(OTHER_FILES);
            self.0.hint = Some(files_hint(&what, room));
        }
        self
    }

    /// The user stopped it.
    #[must_use]
    pub fn interrupted() -> Self {
        Self::new(Kind::Interrupted, "interrupted")
    }

    /// Gives it a stable word for programs that is finer than its kind's.
    #[must_use]
    pub fn with_code(mut self, code: &'static str) -> Self {
        self.0.code = code;
        self
    }

    /// Names the structure and its field, unless that was done further inside.
    #[must_use]
    pub fn in_field(mut self, structure: &'static str, field: &'static str) -> Self {
        self.0.place.structure.get_or_insert(structure);
        self.0.place.field.get_or_insert(field);
        self
    }

    /// Names the structure, unless that was done further inside.
    #[must_use]
    pub fn in_structure(mut self, structure: &'static str) -> Self {
        self.0.place.structure.get_or_insert(structure);
        self
    }

    /// Says where in the file, unless that was done further inside.
    #[must_use]
    pub fn at(mut self, offset: FileOffset) -> Self {
        self.0.place.offset.get_or_insert(offset);
        self
    }

    /// Names the file, unless that was done further inside.
    #[must_use]
    pub fn in_file(mut self, path: &Path) -> Self {
        if self.0.place.file.is_none() {
            self.0.place.file = Some(path.to_owned());
        }
        self
    }

    /// Says otherwise in which file it happened, if that is known.
    pub(crate) fn map_file(mut self, change: impl FnOnce(PathBuf) -> PathBuf) -> Self {
        self.0.place.file = self.0.place.file.map(change);
        self
    }

    /// Says all of it in other words: the message, the lines under it, and what to do next.
    pub(crate) fn map_words(mut self, change: impl Fn(&str) -> String) -> Self {
        self.0.message = change(&self.0.message);
        for line in &mut self.0.details {
            *line = change(line);
        }
        self.map_hint(change)
    }

    /// Adds a line that is shown, indented, under the message.
    #[must_use]
    pub fn with_detail(mut self, line: impl Into<String>) -> Self {
        self.0.details.push(line.into());
        self
    }

    /// Says what to do next, unless that was done further inside.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint.get_or_insert_with(|| hint.into());
        self
    }

    /// Changes what to do next, where something was said: who knows the command that was typed spells its options right.
    #[must_use]
    pub fn map_hint(mut self, change: impl FnOnce(&str) -> String) -> Self {
        self.0.hint = self.0.hint.take().map(|hint| change(&hint));
        self
    }

    /// Whether something else failed, of which this tells: the host, or a rule of a format.
    #[must_use]
    pub fn has_cause(&self) -> bool {
        self.0.source.is_some()
    }

    /// What kind of failure it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The stable word for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.0.code
    }

    /// What was found and what was required, without the place.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Where it went wrong.
    #[must_use]
    pub fn location(&self) -> &ErrorLocation {
        &self.0.place
    }

    /// Lines to be shown under the message.
    #[must_use]
    pub fn details(&self) -> &[String] {
        &self.0.details
    }

    /// What to do next.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }
}

/// `golden.vhd: footer checksum is 0xffffe95b, computed 0xffffe960 (offset 1073741824)`.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ErrorLocation {
            file,
            structure,
            field,
            offset,
        } = &self.0.place;
        if let Some(file) = file {
            write!(f, "{}: ", file.display())?;
        }
        f.write_str(&self.0.message)?;
        let mut place = Vec::new();
        match (structure, field) {
            (Some(structure), Some(field)) => place.push(format!("{structure}, {field}")),
            (Some(structure), None) => place.push((*structure).to_owned()),
            _ => {}
        }
        if let Some(offset) = offset {
            place.push(format!("offset {}", offset.0));
        }
        if place.is_empty() {
            Ok(())
        } else {
            write!(f, " ({})", place.join(", "))
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        let source: &(dyn std::error::Error + 'static) = self.0.source.as_deref()?;
        Some(source)
    }
}

impl<F: Fault> From<F> for Error {
    fn from(fault: F) -> Self {
        let mut error = Self::new(fault.kind(), fault.to_string()).with_code(fault.code());
        error.0.hint = fault.hint();
        error.0.source = Some(Box::new(fault));
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_place_wins_and_the_message_names_it_all() {
        let error = Error::new(Kind::Corrupt, "checksum is 0x1, computed 0x2")
            .in_field("footer", "checksum")
            .at(FileOffset(1024))
            .in_field("header", "cookie")
            .at(FileOffset(0))
            .in_file(Path::new("golden.vhd"));
        assert_eq!(
            error.to_string(),
            "golden.vhd: checksum is 0x1, computed 0x2 (footer, checksum, offset 1024)"
        );
        assert_eq!(error.kind().exit(), 3);
    }
}
