//! To whom a new file belongs, and who may do what with it: as the file that it replaces, or as its user says.
//!
//! A hypervisor that runs as another user cannot open a disk that became root's when it was written anew.

use std::{
    fs::{self, File, Permissions},
    io,
    os::unix::fs::{MetadataExt, PermissionsExt, fchown},
    path::Path,
};

use crate::{Error, Kind, Result};

/// Owner, group and permissions, as far as they are not what the host gives any new file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ownership {
    /// The number of the user.
    pub user: Option<u32>,
    /// The number of the group.
    pub group: Option<u32>,
    /// The permissions, 0 to 0o7777.
    pub mode: Option<u32>,
}

impl Ownership {
    /// That of the regular file at `place`, links followed; nothing of what is not there.
    #[must_use]
    pub fn of(place: &Path) -> Self {
        Self::said_by(fs::metadata(place).ok())
    }

    /// That of an open file, if it is a regular one.
    pub(crate) fn of_file(file: &File) -> Self {
        Self::said_by(file.metadata().ok())
    }

    fn said_by(metadata: Option<fs::Metadata>) -> Self {
        metadata
            .filter(fs::Metadata::is_file)
            .map_or_else(Self::default, |metadata| Self {
                user: Some(metadata.uid()),
                group: Some(metadata.gid()),
                mode: Some(metadata.mode() & 0o7777),
            })
    }

    /// Gives it to a file as far as the host allows: the right to act as its owner is not passed on where the owner is another one.
    ///
    /// # Errors
    /// Host, if it is not a matter of who may give files away.
    pub(crate) fn pass_on(self, file: &File, place: &Path) -> Result<()> {
        let failed = |cause| {
            Error::host(
                "cannot give it the attributes of the file that it replaces",
                cause,
            )
            .in_file(place)
        };
        let now = file.metadata().map_err(failed)?;
        let gave = |user, group| match fchown(file, user, group) {
            Err(cause) if cause.kind() == io::ErrorKind::PermissionDenied => Ok(false),
            other => other.map(|()| true).map_err(failed),
        };
        let keeps_user = match self.user.filter(|user| now.uid() != *user) {
            Some(user) => gave(Some(user), None)?,
            None => true,
        };
        let keeps_group = match self.group.filter(|group| now.gid() != *group) {
            Some(group) => gave(None, Some(group))?,
            None => true,
        };
        let Some(mode) = self.mode else {
            return Ok(());
        };
        let passed_on = if keeps_user && keeps_group {
            0o7777
        } else {
            0o1777
        };
        file.set_permissions(Permissions::from_mode(mode & passed_on))
            .map_err(failed)
    }

    /// Gives it to a file as it was asked for.
    ///
    /// # Errors
    /// Host, if the host does not let it.
    pub(crate) fn give(self, file: &File, place: &Path) -> Result<()> {
        let refused = |what: String, cause| {
            Error::host(&format!("cannot give it {what}"), cause)
                .in_file(place)
                .with_hint("only root gives files to others: leave out --owner, or run it as root")
        };
        if self.user.is_some() || self.group.is_some() {
            let name = |id: Option<u32>| id.map_or_else(String::new, |id| id.to_string());
            let what = format!("the owner {}:{}", name(self.user), name(self.group));
            fchown(file, self.user, self.group).map_err(|cause| refused(what, cause))?;
        }
        if let Some(mode) = self.mode {
            file.set_permissions(Permissions::from_mode(mode))
                .map_err(|cause| refused(format!("the mode {mode:04o}"), cause))?;
        }
        Ok(())
    }

    /// What of `self` is said, and what of `other` where nothing is.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            user: self.user.or(other.user),
            group: self.group.or(other.group),
            mode: self.mode.or(other.mode),
        }
    }

    /// Permissions from octal digits: `640`, `0640`.
    ///
    /// # Errors
    /// Usage, if it is something else, or more than 7777.
    pub fn parse_mode(text: &str) -> Result<u32> {
        let mode = u32::from_str_radix(text, 8).ok();
        mode.filter(|mode| *mode <= 0o7777).ok_or_else(|| {
            let text = text.escape_debug();
            Error::new(
                Kind::Usage,
                format!("'{text}' is no mode, octal digits like 640 are required"),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_gets_what_another_has_and_what_is_asked_for() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let at = |name: &str| folder.path().join(name);
        fs::write(at("old"), "")?;
        fs::set_permissions(at("old"), Permissions::from_mode(0o640))?;
        let old = Ownership::of(&at("old"));
        assert_eq!(old.mode, Some(0o640));
        assert_eq!(Ownership::of(&at("missing")), Ownership::default());
        assert_eq!(Ownership::of(folder.path()), Ownership::default());
        let new = File::create(at("new"))?;
        old.pass_on(&new, &at("new")).expect("its own");
        assert_eq!(Ownership::of(&at("new")), old);
        let asked = Ownership {
            mode: Some(0o600),
            ..Ownership::default()
        };
        asked.or(old).give(&new, &at("new")).expect("it is its own");
        assert_eq!(Ownership::of(&at("new")), asked.or(old));
        Ok(())
    }

    #[test]
    fn modes_are_octal() {
        for (text, mode) in [("640", 0o640), ("0600", 0o600), ("7777", 0o7777)] {
            assert_eq!(Ownership::parse_mode(text).ok(), Some(mode));
        }
        for text in ["", "8", "rw", "17777", "-1"] {
            assert!(Ownership::parse_mode(text).is_err(), "{text}");
        }
    }
}
