//! Reads a recorded path: what it asks for, in this machine's terms, or why nobody will follow it.
//!
//! Text in, text out: nothing here looks at a file system, so nothing that an image names is touched before it is judged.

use std::path::{Path, PathBuf};

use imgdelta_core::{Hint, HintKind, percent_decode};

use crate::{link::UNLINKED, policy::Reason};

/// What a recorded path asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// A file at this path from the folder of the image.
    Relative(Way),
    /// A file at this path from the root of this machine, or of another one with such paths.
    Absolute(PathBuf),
    /// A file of this name. `Some` reason says why more was recorded than is looked for.
    Named(PathBuf, Option<Reason>),
}

/// A relative path without `.` and with `..` only in front.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Way {
    /// How many folders up it begins.
    pub(crate) up: usize,
    /// Where it goes from there; never empty.
    pub(crate) down: PathBuf,
}

/// Reads `hint`.
///
/// # Errors
/// The reason why nobody will follow it.
pub(crate) fn read(hint: &Hint) -> Result<Wish, Reason> {
    let text = hint.text.as_str();
    if text.is_empty() {
        return Err(Reason::Empty);
    }
    if text.chars().any(char::is_control) {
        return Err(Reason::Control);
    }
    // Formats decode what they can; a name that is right in all but one letter is another name.
    if text.contains(char::REPLACEMENT_CHARACTER) {
        return Err(Reason::Text);
    }
    if text.starts_with(UNLINKED) {
        return Err(Reason::Unlinked);
    }
    match hint.kind {
        HintKind::Path => unix(text),
        HintKind::WindowsPath => windows(text),
        HintKind::FileUrl => url(text),
        HintKind::Name => Ok(Wish::Named(name(text)?, None)),
    }
}

/// A path of this kind of system. Whatever stands before a colon is a protocol, as it is to qemu: `json:`, `nbd:`, `fat:`.
fn unix(text: &str) -> Result<Wish, Reason> {
    let head = text.split('/').next().unwrap_or_default();
    if head.contains(':') {
        return Err(Reason::Protocol);
    }
    let way = way(text)?;
    Ok(if text.starts_with('/') {
        Wish::Absolute(Path::new("/").join(way.down))
    } else {
        Wish::Relative(way)
    })
}

/// A path of Windows: a drive, a server or a device is of another machine, and only the name in it is of use here.
fn windows(text: &str) -> Result<Wish, Reason> {
    let text = text.replace('\\', "/");
    let has_drive = text
        .strip_prefix(|first: char| first.is_ascii_alphabetic())
        .is_some_and(|rest| rest.starts_with(':'));
    if has_drive || text.starts_with("//") {
        return Ok(Wish::Named(name(&text)?, Some(Reason::OtherMachine)));
    }
    // No name on Windows has a colon: it is a protocol, or a stream beside a file's content.
    if text.contains(':') {
        return Err(Reason::Protocol);
    }
    unix(&text)
}

/// A `file:` URL, as Virtual PC for Mac writes them: `file://localhost/Volumes/Disks/base.vhd`.
fn url(text: &str) -> Result<Wish, Reason> {
    let scheme = text.get(..5).ok_or(Reason::Protocol)?;
    if !scheme.eq_ignore_ascii_case("file:") {
        return Err(Reason::Protocol);
    }
    let rest = text.get(5..).unwrap_or_default();
    let path = match rest.strip_prefix("//") {
        Some(rest) => {
            let (host, _) = rest.split_once('/').ok_or(Reason::Url)?;
            if !host.is_empty() && !host.eq_ignore_ascii_case("localhost") {
                return Err(Reason::Host);
            }
            rest.get(host.len()..).unwrap_or_default()
        }
        None => rest,
    };
    let path = percent_decode(path).map_err(|_| Reason::Url)?;
    if path.chars().any(char::is_control) {
        return Err(Reason::Control);
    }
    if !path.starts_with('/') {
        return Err(Reason::Url);
    }
    Ok(Wish::Absolute(Path::new("/").join(way(&path)?.down)))
}

/// The path without detours. Windows resolves `..` in the text too, and a kernel that walks below a folder comes to the same place or
/// to none.
fn way(text: &str) -> Result<Way, Reason> {
    let mut way = Way::default();
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
    let name = text.rsplit(['/', '\\', ':']).find(|part| !part.is_empty());
    match name {
        None | Some("." | "..") => Err(Reason::Empty),
        Some(name) => Ok(PathBuf::from(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: HintKind, text: &str) -> Result<Wish, Reason> {
        read(&Hint {
            field: "test",
            kind,
            text: text.to_owned(),
        })
    }

    fn relative(up: usize, down: &str) -> Result<Wish, Reason> {
        Ok(Wish::Relative(Way {
            up,
            down: down.into(),
        }))
    }

    #[test]
    fn paths_are_read_without_detours() {
        let read = |text| of(HintKind::Path, text);
        assert_eq!(read("base.raw"), relative(0, "base.raw"));
        assert_eq!(read("./a//b/../base.raw"), relative(0, "a/base.raw"));
        assert_eq!(read("a/../../../base"), relative(2, "base"));
        assert_eq!(read("/a/../../etc/x"), Ok(Wish::Absolute("/etc/x".into())));
        assert_eq!(read("./odd:name"), relative(0, "odd:name"));
        assert_eq!(read("back\\slash"), relative(0, "back\\slash"));
        for text in ["json:{}", "nbd://h/x", "file:/etc/x", "fat:rw:/etc", "c:x"] {
            assert_eq!(read(text), Err(Reason::Protocol), "{text}");
        }
        assert_eq!(
            read("imgdelta-apply:base.qcow2 (its snapshot 'a/b')"),
            Err(Reason::Unlinked)
        );
        assert_eq!(read("b\u{fffd}se"), Err(Reason::Text));
        for text in ["", ".", "..", "a/..", "/", "//"] {
            assert_eq!(read(text), Err(Reason::Empty), "{text}");
        }
        for text in ["base\0.raw", "a\nb", "\u{1b}[2J", "\u{85}"] {
            assert_eq!(read(text), Err(Reason::Control), "{text:?}");
        }
    }

    #[test]
    fn of_a_windows_path_with_a_drive_only_the_name_is_of_use() {
        let read = |text| of(HintKind::WindowsPath, text);
        let named = |name: &str| Ok(Wish::Named(name.into(), Some(Reason::OtherMachine)));
        assert_eq!(read(".\\a\\base.vhd"), relative(0, "a/base.vhd"));
        assert_eq!(read("..\\base.vhd"), relative(1, "base.vhd"));
        assert_eq!(read("C:\\vms\\base.vhd"), named("base.vhd"));
        assert_eq!(read("c:base.vhd"), named("base.vhd"));
        assert_eq!(read("\\\\host\\share\\base.vhd"), named("base.vhd"));
        assert_eq!(read("\\\\?\\C:\\base.vhd"), named("base.vhd"));
        assert_eq!(read("\\\\.\\PhysicalDrive0"), named("PhysicalDrive0"));
        assert_eq!(
            read("/vms/base.vhd"),
            Ok(Wish::Absolute("/vms/base.vhd".into()))
        );
        assert_eq!(read("base.vhd:stream"), Err(Reason::Protocol));
        assert_eq!(read("http://h/base.vhd"), Err(Reason::Protocol));
        assert_eq!(read("C:\\.."), Err(Reason::Empty));
        assert_eq!(read("C:"), named("C"));
    }

    #[test]
    fn a_file_url_is_decoded_before_it_is_judged() {
        let read = |text| of(HintKind::FileUrl, text);
        let absolute = |path: &str| Ok(Wish::Absolute(path.into()));
        assert_eq!(read("file:///a/b%20c.vhd"), absolute("/a/b c.vhd"));
        assert_eq!(read("file://localhost/a.vhd"), absolute("/a.vhd"));
        assert_eq!(read("FILE:/a.vhd"), absolute("/a.vhd"));
        assert_eq!(read("file:///%2e%2e/%2E%2e/etc/x"), absolute("/etc/x"));
        assert_eq!(read("file:///a%2f..%2fb"), absolute("/b"));
        assert_eq!(read("file://other/a.vhd"), Err(Reason::Host));
        for text in [
            "file:///a%00b",
            "file:///a%0Ab",
            "file:///%1b[2J",
            "file:///%c2%85",
        ] {
            assert_eq!(read(text), Err(Reason::Control), "{text}");
        }
        assert_eq!(read("http://localhost/a"), Err(Reason::Protocol));
        for text in [
            "file:a.vhd",
            "file://",
            "file:///a%4",
            "file:///%zz",
            "file:///%ff",
            "file:///%%20",
            "file:///%2",
            "file:///%+2",
            "file:///%c3",
        ] {
            assert_eq!(read(text), Err(Reason::Url), "{text}");
        }
    }

    #[test]
    fn of_a_name_field_only_the_name_is_taken() {
        let named = |name: &str| Ok(Wish::Named(name.into(), None));
        assert_eq!(of(HintKind::Name, "base.vhd"), named("base.vhd"));
        assert_eq!(of(HintKind::Name, "D:\\old\\base.vhd"), named("base.vhd"));
        assert_eq!(of(HintKind::Name, "/old/base.vhd"), named("base.vhd"));
        assert_eq!(of(HintKind::Name, ".."), Err(Reason::Empty));
    }
}
