//! `ssh://[user@]host[:port]/path`, and the command that leads there.
//!
//! The path is no part of the command: it travels in the protocol, so that no shell ever sees it.

use std::{ffi::OsString, fmt};

use imgdelta_core::{Error, Kind, PercentError, Result, percent_decode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::failure::sanitize;

/// What `ssh` is called if the user does not say.
pub const SSH: &str = "ssh";

/// What `imgdelta` is called on the other side if the user does not say.
pub const REMOTE_PROGRAM: &str = "imgdelta";

/// Longest target, in bytes.
const LONGEST: usize = 8192;

/// A repository on another host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshUrl {
    /// Who to be there, if not whom the user's configuration of ssh says.
    user: Option<String>,
    /// The host, or what the user's configuration of ssh calls it.
    host: String,
    /// The port, if not the one that the configuration says.
    port: Option<u16>,
    /// The repository's folder there: from the root, or from the home folder if it begins with `/~`.
    path: String,
}

impl SshUrl {
    /// Whether the word means a repository on another host rather than a folder.
    #[must_use]
    pub fn is_meant(word: &str) -> bool {
        word.get(..SCHEME.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(SCHEME))
    }

    /// Reads `ssh://[user@]host[:port]/path`. `%20` and the like stand for the bytes that they name, in the path and in the user.
    ///
    /// # Errors
    /// Usage, if it is none, or ssh would take a part of it for something else.
    pub fn parse(word: &str) -> Result<Self> {
        if word.len() > LONGEST || !Self::is_meant(word) {
            return Err(refused(word, "does not begin with ssh://"));
        }
        let rest = word.get(SCHEME.len()..).unwrap_or_default();
        let (place, path) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, ""),
        };
        let (user, host) = match place.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, place),
        };
        let (host, port) =
            host_and_port(host).ok_or_else(|| refused(word, "has no such host and port"))?;
        let user = user
            .map(decoded)
            .transpose()
            .map_err(|why| refused(word, why))?;
        let path = decoded(path).map_err(|why| refused(word, why))?;
        check_host(&host).map_err(|why| refused(word, why))?;
        user.as_deref()
            .map_or(Ok(()), check_user)
            .map_err(|why| refused(word, why))?;
        check_path(&path).map_err(|why| refused(word, why))?;
        Ok(Self {
            user,
            host,
            port,
            path,
        })
    }

    /// The repository's folder there: what [`ClientSession::open`](super::ClientSession::open) asks for.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The host.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }
}

impl fmt::Display for SshUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SCHEME)?;
        if let Some(user) = &self.user {
            write!(f, "{}@", utf8_percent_encode(user, IN_USER))?;
        }
        match self.host.contains(':') {
            true => write!(f, "[{}]", self.host.replace('%', "%25"))?,
            false => f.write_str(&self.host)?,
        }
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        utf8_percent_encode(&self.path, IN_PATH).fmt(f)
    }
}

/// The command that leads to `target`: `ssh -p PORT user@host -- imgdelta serve --stdio`, and nothing of the path in it.
///
/// `ssh` may be a command with arguments of its own, divided by blanks, as in `GIT_SSH_COMMAND` without its shell. `remote_program` is the
/// user's own word and goes to the other side's shell as it is, so that `/opt/imgdelta/bin/imgdelta` and `sudo imgdelta` do.
///
/// # Errors
/// Usage, if one of them is empty.
pub fn ssh_command(target: &SshUrl, ssh: &str, remote_program: &str) -> Result<Vec<OsString>> {
    let mut command: Vec<OsString> = ssh.split_ascii_whitespace().map(OsString::from).collect();
    if command.is_empty() {
        return Err(Error::new(Kind::Usage, "the ssh program has no name"));
    }
    let remote = remote_program.trim();
    if remote.is_empty() || remote.starts_with('-') || remote.contains(char::is_control) {
        let message = format!("'{}' is no remote program", sanitize(remote_program));
        return Err(Error::new(Kind::Usage, message));
    }
    // Binary data: no terminal, and nothing but the program's own streams.
    command.push("-T".into());
    if let Some(port) = target.port {
        command.extend(["-p".into(), port.to_string().into()]);
    }
    command.push(match &target.user {
        Some(user) => format!("{user}@{}", target.host).into(),
        None => target.host.clone().into(),
    });
    command.extend(["--".into(), format!("{remote} serve --stdio").into()]);
    Ok(command)
}

const SCHEME: &str = "ssh://";

/// What is escaped in a user's name: all but letters, digits and what names have beside them.
const IN_USER: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'_').remove(b'-');

/// What is escaped in a path.
const IN_PATH: &AsciiSet = &IN_USER.remove(b'/').remove(b'~');

/// The host without its port: `[::1]:22` and `[fe80::1%25eth0]` are some too (RFC 6874).
fn host_and_port(text: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            (address(host)?, port)
        }
        None => {
            let (host, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            (host.to_owned(), port)
        }
    };
    if port.is_empty() {
        return Some((host, None));
    }
    let digits = port.strip_prefix(':')?;
    let is_plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let port = digits
        .parse::<u16>()
        .ok()
        .filter(|port| is_plain && *port > 0)?;
    Some((host, Some(port)))
}

/// What may stand in brackets: an address with its zone, else `[-x]` would pass for a host.
fn address(text: &str) -> Option<String> {
    let (address, zone) = match text.split_once('%') {
        Some((address, zone)) => (address, Some(zone.strip_prefix("25").unwrap_or(zone))),
        None => (text, None),
    };
    address.parse::<std::net::Ipv6Addr>().ok()?;
    let Some(zone) = zone else {
        return Some(address.to_owned());
    };
    let is_plain = zone.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (is_plain && !zone.is_empty()).then(|| format!("{address}%{zone}"))
}

/// ssh takes `-oProxyCommand=…` for an option, wherever a host is expected (CVE-2017-1000117 and its siblings), and passes the host to the
/// commands of `~/.ssh/config`.
fn check_host(host: &str) -> Result<(), &'static str> {
    let is_plain = |c: char| c.is_alphanumeric() || "._-".contains(c);
    match host {
        host if host.contains(':') => Ok(()), // An address, looked at already.
        "" => Err("names no host"),
        host if host.starts_with('-') => Err("has a host that begins with '-'"),
        host if host.len() > 255 => Err("has a host of more than 255 bytes"),
        host if !host.chars().all(is_plain) => {
            Err("has a host with other characters than names and addresses have")
        }
        _ => Ok(()),
    }
}

/// As for hosts: a user's name comes first in what ssh is given. What shells take for more has no place in it (CVE-2023-51385).
fn check_user(user: &str) -> Result<(), &'static str> {
    let is_plain = |c: char| c.is_alphanumeric() || "._-+\\@".contains(c);
    match user {
        "" => Err("has an empty user"),
        user if user.ends_with('\\') => Err("has a user that ends with a backslash"),
        user if user.starts_with('-') => Err("has a user that begins with '-'"),
        user if user.len() > 255 => Err("has a user of more than 255 bytes"),
        user if !user.chars().all(is_plain) => {
            Err("has a user with other characters than names have")
        }
        _ => Ok(()),
    }
}

/// What a path must be wherever it is opened. Whether it may be opened, the other side decides.
pub(super) fn check_path(path: &str) -> Result<(), &'static str> {
    match path {
        "" | "/" => Err("names no folder"),
        path if path.len() > 4096 => Err("has a path of more than 4096 bytes"),
        path if !path.starts_with('/') => Err("has a path that does not begin with '/'"),
        path if path.contains(char::is_control) => Err("has a path with control characters"),
        path if path.starts_with("/~") && path != "/~" && !path.starts_with("/~/") => {
            Err("names another user's home folder: write its path")
        }
        _ => Ok(()),
    }
}

/// The text with every `%20` replaced by what it names.
fn decoded(text: &str) -> Result<String, &'static str> {
    percent_decode(text).map_err(|why| match why {
        PercentError::Malformed => "has a '%' without two digits: '%25' stands for one",
        PercentError::NotUtf8 => "is not UTF-8",
    })
}

fn refused(word: &str, why: &str) -> Error {
    let shown: String = sanitize(word).chars().take(120).collect();
    Error::new(Kind::Usage, format!("'{shown}' {why}"))
        .with_code("target")
        .with_hint("ssh://[user@]host[:port]/path, /~/path for one in the home folder")
}

#[cfg(test)]
mod tests;
