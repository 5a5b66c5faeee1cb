//! The sites of a call: where each is, and how it is reached.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use imgdelta_core::{Error, Kind, Result};

use crate::wire::SshUrl;

/// A site.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Destination {
    /// The folder of a repository that can be reached: what is sent is entered there at once.
    Folder(PathBuf),
    /// A site that is reached by a medium: its inventory, or the folder of its repository, which then is only looked at.
    Inventory(PathBuf),
    /// A repository on another host, reached through the system's ssh.
    Ssh(SshUrl),
}

impl Destination {
    /// A repository that can be reached: `ssh://[user@]host[:port]/path`, or else a folder.
    ///
    /// # Errors
    /// Usage, if it is an ssh URL that ssh or a shell could take for more.
    pub fn reached(place: &Path) -> Result<Self> {
        match place.to_str().filter(|word| SshUrl::is_meant(word)) {
            Some(url) => SshUrl::parse(url).map(Self::Ssh),
            None => match as_url(place).filter(|_| !place.exists()) {
                Some(url) => Err(Error::new(Kind::Usage, "is not a folder here")
                    .in_file(place)
                    .with_hint(format!("a repository on another host is called {url}"))),
                None => Ok(Self::Folder(place.to_owned())),
            },
        }
    }

    /// As [`reached`](Self::reached), but what is no folder here is an inventory.
    ///
    /// # Errors
    /// As [`reached`](Self::reached).
    pub fn known_by(place: &Path) -> Result<Self> {
        Ok(match Self::reached(place)? {
            Self::Folder(file) if !file.is_dir() => Self::Inventory(file),
            site => site,
        })
    }

    /// Whether a medium carries what is for it.
    pub(super) const fn is_carried(&self) -> bool {
        matches!(self, Self::Inventory(_))
    }

    /// As a path; another host's only looks like one.
    pub(super) fn shown(&self) -> PathBuf {
        match self {
            Self::Folder(path) | Self::Inventory(path) => path.clone(),
            Self::Ssh(url) => url.to_string().into(),
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) | Self::Inventory(path) => path.display().fmt(f),
            Self::Ssh(url) => url.fmt(f),
        }
    }
}

/// The URL of what is spelt as scp spells it, `[user@]host:path`.
fn as_url(place: &Path) -> Option<String> {
    let (host, path) = place.to_str()?.split_once(':')?;
    let is_host = !host.is_empty() && !host.contains('/') && !host.starts_with('-');
    let root = if path.starts_with('/') { "" } else { "/~/" };
    is_host.then(|| format!("ssh://{host}{root}{path}"))
}

/// Refuses a site that is given twice.
pub(super) fn refuse_twice(sites: &[Destination]) -> Result<()> {
    let shown: Vec<PathBuf> = sites.iter().map(Destination::shown).collect();
    imgdelta_repository::calls::refuse_twice(&shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_a_url_or_a_folder_or_else_an_inventory() -> Result<()> {
        let place = tempfile::tempdir().expect("a place");
        let file = place.path().join("site.inv");
        let url = "ssh://admin@site.example/srv/images";
        for known in [Destination::reached, Destination::known_by] {
            let there = known(Path::new(url))?;
            assert!(matches!(&there, Destination::Ssh(one) if one.to_string() == url));
            assert_eq!(
                known(place.path())?,
                Destination::Folder(place.path().to_owned())
            );
            let error = known(Path::new("ssh://-oProxyCommand=x/y")).expect_err("no host");
            assert_eq!(error.kind(), Kind::Usage);
        }
        for (word, url) in [
            ("admin@host:/srv/images", "ssh://admin@host/srv/images"),
            ("host:images", "ssh://host/~/images"),
        ] {
            let error = Destination::reached(Path::new(word)).expect_err("scp's");
            assert!(error.hint().is_some_and(|hint| hint.ends_with(url)));
        }
        // A folder that is not there is missed when it is opened.
        assert_eq!(
            Destination::reached(&file)?,
            Destination::Folder(file.clone())
        );
        assert_eq!(
            Destination::known_by(&file)?,
            Destination::Inventory(file.clone())
        );
        Ok(())
    }
}
