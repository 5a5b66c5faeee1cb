//! `--owner` and `--mode`: to whom a file that is written belongs, by name or number.

use clap::Args;
use imgdelta::core::{Error, Kind, Ownership, Result};
use nix::unistd::{Group, User};

/// To whom it belongs, and who may do what with it.
#[derive(Debug, Args)]
pub(crate) struct Owner {
    /// Give what is written to USER, and to GROUP; else it belongs to whom the file that it replaces did.
    #[arg(
        long,
        value_name = "USER[:GROUP]",
        help_heading = "Output",
        hide_short_help = true
    )]
    owner: Option<String>,
    /// Permissions of what is written, in octal: 640; else those of the file that it replaces.
    #[arg(
        long,
        value_name = "OCTAL",
        help_heading = "Output",
        hide_short_help = true
    )]
    mode: Option<String>,
}

impl Owner {
    /// What it means on this host.
    pub(crate) fn ownership(&self) -> Result<Ownership> {
        let (user, group) = match &self.owner {
            None => (None, None),
            Some(text) => owner(text)?,
        };
        let mode = self.mode.as_deref().map(Ownership::parse_mode);
        Ok(Ownership {
            user,
            group,
            mode: mode.transpose()?,
        })
    }
}

/// `libvirt-qemu`, `107:kvm`, `:kvm`.
fn owner(text: &str) -> Result<(Option<u32>, Option<u32>)> {
    let (user, group) = match text.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (text, None),
    };
    let user = (!user.is_empty()).then(|| user_of(user)).transpose()?;
    let group = group.filter(|group| !group.is_empty());
    let group = group.map(group_of).transpose()?;
    if user.is_none() && group.is_none() {
        return Err(unknown("--owner names nobody", text));
    }
    Ok((user, group))
}

fn user_of(name: &str) -> Result<u32> {
    let found = User::from_name(name).ok().flatten();
    let number = found.map(|user| user.uid.as_raw());
    number
        .or_else(|| name.parse().ok())
        .ok_or_else(|| unknown("there is no user", name))
}

fn group_of(name: &str) -> Result<u32> {
    let found = Group::from_name(name).ok().flatten();
    let number = found.map(|group| group.gid.as_raw());
    number
        .or_else(|| name.parse().ok())
        .ok_or_else(|| unknown("there is no group", name))
}

fn unknown(what: &str, name: &str) -> Error {
    Error::new(Kind::Usage, format!("{what}: '{}'", name.escape_debug()))
        .with_hint("--owner USER, USER:GROUP or :GROUP, by name or number")
}
