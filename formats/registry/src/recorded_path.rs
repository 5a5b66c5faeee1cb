//! Reads a recorded path: what it asks for, in this machine's terms, or why nobody will follow it.
//!
//! Text in, text out: nothing here looks at a file system, so nothing that an image names is touched before it is judged.

use std::path::{Path, PathBuf};

use imgdelta_core::{Hint, HintKind, percent_decode};

use crate::refusal::Reason;

/// What stands before the name of a base that must not be opened by the link: no reader knows it as a protocol, so each refuses it.
pub(crate) const UNLINKED: &str = "imgdelta-apply:";

/// What a recorded path asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RecordedPath {
    /// A file at this path from the folder of the image.
    Relative(RelativePath),
    /// A file at this path from the root of this machine, or of another one with such paths.
    Absolute(PathBuf),
    /// A file of this name. `Some` reason says why more was recorded than is looked for.
    Named(PathBuf, Option<Reason>),
}

/// A relative path without `.` and with `..` only in front.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RelativePath {
    /// How many folders up it begins.
    pub(crate) up: usize,
    /// Where it goes from there; never empty.
    pub(crate) down: PathBuf,
}

/// Reads `hint`: what it may mean, the likeliest first. A reason says why nobody will follow one meaning; another may still be good.
pub(crate) fn read(hint: &Hint) -> Vec<Result<RecordedPath, Reason>> {
    let text = hint.text.as_str();
    if let Some(flaw) = flaw(text) {
        return vec![Err(flaw)];
    }
    if text.starts_with(UNLINKED) {
        return vec![Err(Reason::Unlinked)];
    }
    match hint.kind {
        HintKind::Path => path(text),
        HintKind::AnyPath => any_path(text),
        HintKind::WindowsPath => windows(text),
        HintKind::FileUrl => vec![url(text)],
        HintKind::Name => vec![name(text).map(|name| RecordedPath::Named(name, None))],
    }
}

/// What no path may hold.
fn flaw(text: &str) -> Option<Reason> {
    if text.is_empty() {
        return Some(Reason::Empty);
    }
    if text.chars().any(char::is_control) {
        return Some(Reason::Control);
    }
    // Registry decode what they can; a name that is right in all but one letter is another name.
    text.contains(char::REPLACEMENT_CHARACTER)
        .then_some(Reason::Text)
}

/// A path as qemu takes it, on this kind of system or on Windows. Whatever stands before a colon is a protocol: `json:`, `nbd:`, `fat:`.
fn path(text: &str) -> Vec<Result<RecordedPath, Reason>> {
    if is_drive_path(text) {
        return windows(text);
    }
    match behind_file(text) {
        // qemu cuts the word off, and takes the rest as it stands.
        Some(rest) if !rest.starts_with("//") => vec![unix(rest)],
        Some(_) => vec![url(text)],
        None if head(text).contains(':') => vec![Err(Reason::Protocol)],
        None => either(text),
    }
}

/// A path of whichever system.
fn any_path(text: &str) -> Vec<Result<RecordedPath, Reason>> {
    if is_drive_path(text) || text.starts_with("\\\\") {
        return windows(text);
    }
    if behind_file(text).is_some() {
        return or_name(text, url(text));
    }
    if head(text).contains(':') {
        return or_name(text, Err(Reason::Protocol));
    }
    either(text)
}

/// A path of this kind of system, where a backslash is a letter; else one of Windows.
fn either(text: &str) -> Vec<Result<RecordedPath, Reason>> {
    let mut all = vec![unix(text)];
    if text.contains('\\') {
        all.extend(windows(text));
    }
    all
}

/// A path of Windows: a drive, a server or a device is of another machine, and only the name in it is of use here.
fn windows(text: &str) -> Vec<Result<RecordedPath, Reason>> {
    let text = text.replace('\\', "/");
    let other = if is_of_a_volume(&text) {
        Some(Reason::OtherMachine)
    } else {
        text.starts_with("//").then_some(Reason::Server)
    };
    if other.is_some() {
        return vec![name(&text).map(|name| RecordedPath::Named(name, other))];
    }
    // Windows has no such name, so it is a protocol or a stream beside a file's content; but other systems have.
    if head(&text).contains(':') {
        return or_name(&text, Err(Reason::Protocol));
    }
    vec![unix(&text)]
}

/// A path of this kind of system.
fn unix(text: &str) -> Result<RecordedPath, Reason> {
    let way = way(text)?;
    Ok(if text.starts_with('/') {
        RecordedPath::Absolute(Path::new("/").join(way.down))
    } else {
        RecordedPath::Relative(way)
    })
}

/// A text with a colon in its first part: the name of a file, if there is one, and else what it would mean otherwise.
fn or_name(
    text: &str,
    otherwise: Result<RecordedPath, Reason>,
) -> Vec<Result<RecordedPath, Reason>> {
    let name = (!text.contains('/')).then(|| unix(text));
    name.into_iter().chain([otherwise]).collect()
}

/// Whether it is a path of Windows, with slashes, on a drive or a volume of its machine: `C:/vms/base.vhd`, `//?/Volume{...}/vms/base.vhd`.
fn is_of_a_volume(text: &str) -> bool {
    let verbatim = text.strip_prefix("//?/").unwrap_or(text);
    let is_volume = |word: &str| word.eq_ignore_ascii_case("volume{");
    behind_drive(verbatim).is_some()
        || verbatim.len() < text.len() && verbatim.get(..7).is_some_and(is_volume)
}

/// A `file:` URL: `file://localhost/Volumes/Disks/base.vhd` as Virtual PC for Mac writes them, `file://./base.vhd` as blktap does.
fn url(text: &str) -> Result<RecordedPath, Reason> {
    let rest = behind_file(text).ok_or(Reason::Protocol)?;
    let is_relative =
        |rest: &str| rest.starts_with("./") || rest.starts_with("../") || !rest.contains('/');
    let path = match rest.strip_prefix("//") {
        None => rest,
        Some(rest) if is_relative(rest) => rest,
        Some(rest) => {
            let host = head(rest);
            if !host.is_empty() && !host.eq_ignore_ascii_case("localhost") {
                return Err(Reason::Host);
            }
            rest.get(host.len()..).unwrap_or_default()
        }
    };
    let path = percent_decode(path).map_err(|_| Reason::Url)?;
    match flaw(&path) {
        Some(Reason::Empty) => return Err(Reason::Url),
        Some(flaw) => return Err(flaw),
        None => {}
    }
    match path.strip_prefix('/').filter(|path| is_drive_path(path)) {
        Some(path) => Ok(RecordedPath::Named(name(path)?, Some(Reason::OtherMachine))),
        None => unix(&path),
    }
}

/// What stands before the first slash.
fn head(text: &str) -> &str {
    text.split('/').next().unwrap_or_default()
}

/// What stands behind `file:`.
fn behind_file(text: &str) -> Option<&str> {
    let scheme = text.get(..5)?;
    scheme
        .eq_ignore_ascii_case("file:")
        .then(|| text.get(5..))?
}

/// What stands behind a drive of Windows.
fn behind_drive(text: &str) -> Option<&str> {
    text.strip_prefix(|first: char| first.is_ascii_alphabetic())?
        .strip_prefix(':')
}

/// Whether it is a path from the root of a drive: also where other colons mean a protocol, no protocol has one letter.
fn is_drive_path(text: &str) -> bool {
    behind_drive(text).is_some_and(|rest| rest.starts_with(['/', '\\']))
}

/// The path without detours. Windows resolves `..` in the text too, and a kernel that walks below a folder comes to the same place or
/// to none.
fn way(text: &str) -> Result<RelativePath, Reason> {
    let mut way = RelativePath::default();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                if !way.down.pop() {
                    way.up = way.up.saturating_add(1);
                }
            }
            part => way.down.push(part),
        }
    }
    if way.down.as_os_str().is_empty() {
        return Err(Reason::Empty);
    }
    Ok(way)
}

/// The last part of a path of any system.
fn name(text: &str) -> Result<PathBuf, Reason> {
    let path = behind_drive(text).unwrap_or(text);
    let name = path.rsplit(['/', '\\']).find(|part| !part.is_empty());
    match name {
        None | Some("." | "..") => Err(Reason::Empty),
        Some(name) => Ok(PathBuf::from(name)),
    }
}

#[cfg(test)]
mod tests;
