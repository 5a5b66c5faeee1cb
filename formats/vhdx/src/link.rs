//! How a new child, or one with a new parent, names that parent. What an old locator says is read in `locator`.

use imgdelta_core::{Error, Format, Kind, ParentSpec, Result};

use crate::{
    identity,
    layout::NO_GUID,
    locator::{LINKAGE, LINKAGE_2, Locator, PATHS},
};

/// The most bytes of a value: its length has 16 bits, and is even.
const MOST_TEXT: usize = 0xfffe;

/// A parent as a locator names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    /// Its data write GUID.
    pub(crate) guid: [u8; 16],
    /// Its path from the child's folder, as Windows writes it.
    path: String,
    /// Its disk's serial number, which a new child has too.
    pub(crate) page_83: Option<[u8; 16]>,
}

impl Link {
    /// How a child names `parent`.
    ///
    /// # Errors
    /// Unsupported, if no locator can.
    pub(crate) fn to(parent: &ParentSpec) -> Result<Self> {
        let unsupported = |message: String| Error::new(Kind::Unsupported, message);
        if let Some(format) = parent.format.filter(|format| *format != Format::Vhdx) {
            return Err(unsupported(format!(
                "the parent is {format}, a VHDX child needs a VHDX parent"
            ))
            .with_hint("convert the base to VHDX, or write the child in another format"));
        }
        let guid = parent.identity.as_ref().and_then(identity::parse);
        let guid = guid.filter(|guid| *guid != NO_GUID).ok_or_else(|| {
            unsupported("the parent has no data write GUID that a child could name".into())
                .with_hint("convert the base to a new VHDX, which gets one")
        })?;
        let path = parent.relative.as_deref().ok_or_else(|| {
            unsupported(
                "there is no relative path from the child to the parent, and what would be its absolute_win32_path is unknown here"
                    .into(),
            )
            .with_hint("put the child on the file system of the parent")
        })?;
        let path = windows_path(path);
        if path.encode_utf16().count().saturating_mul(2) > MOST_TEXT {
            return Err(unsupported(format!(
                "the parent's path takes more than {MOST_TEXT} bytes"
            )));
        }
        let page_83 = parent.details.iter().find(|(key, _)| *key == "Page83");
        let page_83 = page_83.and_then(|(_, text)| identity::parse_text(text));
        Ok(Self {
            guid,
            path,
            page_83: page_83.filter(|guid| *guid != NO_GUID),
        })
    }

    /// The locator that says so, and keeps what else `old` says. Its other paths led to the old parent.
    pub(crate) fn locator(&self, old: Option<&Locator>) -> Locator {
        let ours = |key: &str| key == LINKAGE || key == LINKAGE_2 || PATHS.contains(&key);
        let [relative, ..] = PATHS;
        let linkage = format!("{{{}}}", identity::text(self.guid));
        let mut pairs = vec![
            (LINKAGE.to_owned(), linkage),
            (relative.to_owned(), self.path.clone()),
        ];
        let others = old.into_iter().flat_map(|old| &old.pairs);
        pairs.extend(others.filter(|(key, _)| !ours(key)).cloned());
        Locator { pairs }
    }
}

/// A path from the child's folder, with `/` between, as Windows writes it: `.\dir\name.vhdx`, `..\name.vhdx`.
fn windows_path(path: &str) -> String {
    let path = path.strip_prefix("./").unwrap_or(path).replace('/', "\\");
    if path.starts_with("..\\") {
        path
    } else {
        format!(".\\{path}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_spelled_as_windows_does() {
        assert_eq!(windows_path("base.vhdx"), r".\base.vhdx");
        assert_eq!(windows_path("./a/base.vhdx"), r".\a\base.vhdx");
        assert_eq!(windows_path("../a/base.vhdx"), r"..\a\base.vhdx");
    }
}
