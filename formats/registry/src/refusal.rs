//! Why a file that an image names is not opened.

use std::fmt;

/// Why a recorded path is not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// There is no name in it.
    #[error("names no file")]
    Empty,
    /// It would draw on a terminal, or end where a C string ends.
    #[error("holds a control character")]
    Control,
    /// Bytes that are no text: what they were decoded to is not what they say.
    #[error("is not well-formed text")]
    Text,
    /// `json:`, `nbd:`, `http:` and all others.
    #[error("names a protocol, only files are followed")]
    Protocol,
    /// Not a `file:` URL that says where.
    #[error("is not a well-formed file: URL")]
    Url,
    /// A URL of another host.
    #[error("lies on another host")]
    Host,
    /// Absolute, and elsewhere.
    #[error("is absolute and lies outside of the image's folder")]
    Outside,
    /// Relative, and elsewhere.
    #[error("leaves the image's folder")]
    Leaves,
    /// A drive of Windows.
    #[error("is a path of another machine, only its name is looked for")]
    OtherMachine,
    /// A server or a device of Windows.
    #[error("names a server or a device of Windows, only its name is looked for")]
    Server,
    /// On the way stands a symbolic link that leads elsewhere.
    #[error("is reached by a symbolic link that leaves the folder")]
    Link,
    /// A folder, a pipe, a device.
    #[error("is not a regular file")]
    NotRegular,
    /// It stands for a base that no link can name.
    #[error("is no link: the base is a disk of which its file does not tell by itself")]
    Unlinked,
}

impl Reason {
    /// Whether more was named than a place on another machine, where nothing is looked for anyway.
    pub(crate) fn is_unsafe(self) -> bool {
        self != Self::OtherMachine
    }
}

/// A recorded path that is not followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Which field of the image holds it.
    pub field: &'static str,
    /// The path, as recorded; what it may do to a terminal shows only in its `Display`.
    pub text: String,
    /// Why.
    pub reason: Reason,
}

/// `backing file '../x' leaves the image's folder`; nothing in it can draw on a terminal.
impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            field,
            text,
            reason,
        } = self;
        write!(f, "{field} '{}' {reason}", text.escape_debug())
    }
}
