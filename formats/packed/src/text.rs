//! Text where a disk was expected: descriptors of virtual machines, and what a download leaves when it fails.

use imgdelta_core::{Kind, ProbeWindow};

/// Text that is no disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text {
    /// What it is, in a sentence: `an OVF descriptor`.
    pub noun: &'static str,
    /// Whether it describes a disk that nobody here reads, or is nothing of the kind.
    pub kind: Kind,
}

/// Text that begins in a way that tells what it is, in lower case; what it holds within reach; what it is.
const KNOWN: &[(&str, &str, Text)] = &[
    ("<", "<envelope", OVF),
    ("<", ":envelope", OVF),
    (
        "<",
        "<parallels_disk_image",
        descriptor("a descriptor of Parallels"),
    ),
    ("<", "<virtualbox", descriptor("a machine of VirtualBox")),
    ("<", "<domain", descriptor("a machine of libvirt")),
    ("<", "<html", other("an HTML page")),
    ("<!doctype html", "", other("an HTML page")),
    ("<?xml", "", other("an XML document")),
    (
        "version https://git-lfs",
        "",
        other("a pointer of Git LFS, not the file that it stands for"),
    ),
    (".encoding", "", descriptor("a machine of VMware")),
    ("config.version", "", descriptor("a machine of VMware")),
];

const OVF: Text = descriptor("an OVF descriptor");

const fn descriptor(noun: &'static str) -> Text {
    Text {
        noun,
        kind: Kind::Unsupported,
    }
}

const fn other(noun: &'static str) -> Text {
    Text {
        noun,
        kind: Kind::Corrupt,
    }
}

impl Text {
    /// Whether it is the descriptor of an OVF package.
    #[must_use]
    pub fn is_ovf(self) -> bool {
        self == OVF
    }

    /// The text of which a file with these ends is. What only begins like text is none, unless it is one of the known kinds: guests may
    /// write text to the start of their disks.
    #[must_use]
    pub fn of(peek: &ProbeWindow) -> Option<Self> {
        let text = decoded(peek.start());
        let text = text.trim_start().to_lowercase();
        let known = KNOWN
            .iter()
            .find(|(start, holds, _)| text.starts_with(start) && text.contains(holds));
        if let Some((_, _, known)) = known {
            return Some(*known);
        }
        // A disk is whole sectors.
        let is_short = peek.len() <= ProbeWindow::REACH && !peek.len().0.is_multiple_of(512);
        (is_short && is_text(peek.start())).then_some(other("a text file"))
    }
}

/// The start of a file as text: UTF-8, or UTF-16 by its byte order mark. What is no text comes out as something else.
fn decoded(bytes: &[u8]) -> String {
    let (pairs, _) = bytes.as_chunks::<2>();
    let wide = |unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = pairs.iter().skip(1).map(|pair| unit(*pair)).collect();
        String::from_utf16_lossy(&units)
    };
    match pairs.first() {
        Some([0xff, 0xfe]) => wide(u16::from_le_bytes),
        Some([0xfe, 0xff]) => wide(u16::from_be_bytes),
        _ => {
            let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
            String::from_utf8_lossy(bytes).into_owned()
        }
    }
}

/// Whether all of it is printable, in UTF-8.
fn is_text(bytes: &[u8]) -> bool {
    let text = std::str::from_utf8(bytes);
    text.is_ok_and(|text| {
        let mut all = text.chars();
        !text.is_empty() && all.all(|one| !one.is_control() || matches!(one, '\n' | '\r' | '\t'))
    })
}

#[cfg(test)]
mod tests {
    use imgdelta_core::{MemSource, Result};

    use super::*;

    fn of(bytes: &[u8]) -> Result<Option<&'static str>> {
        let peek = ProbeWindow::of(&MemSource(bytes.to_vec()))?;
        Ok(Text::of(&peek).map(|text| text.noun))
    }

    #[test]
    fn descriptors_and_pages_are_told_apart() -> Result<()> {
        let ovf =
            "<?xml version=\"1.0\"?>\n<Envelope xmlns=\"http://schemas.dmtf.org/ovf/envelope/1\"/>";
        let mut wide = vec![0xff, 0xfe];
        wide.extend(ovf.encode_utf16().flat_map(u16::to_le_bytes));
        let rows: [(&[u8], &str); 8] = [
            (ovf.as_bytes(), "an OVF descriptor"),
            (&wide, "an OVF descriptor"),
            (
                b"\xef\xbb\xbf<ovf:Envelope xmlns:ovf=\"\">",
                "an OVF descriptor",
            ),
            (
                b"<?xml version='1.0'?><Parallels_disk_image Version=\"1.0\">",
                "a descriptor of Parallels",
            ),
            (b"\n<!DOCTYPE HTML>\n<title>404</title>", "an HTML page"),
            (b"<?xml version='1.0'?><note/>", "an XML document"),
            (b"Not Found\n", "a text file"),
            (
                b"version https://git-lfs.github.com/spec/v1\n",
                "a pointer of Git LFS, not the file that it stands for",
            ),
        ];
        for (bytes, noun) in rows {
            assert_eq!(of(bytes)?, Some(noun), "{}", bytes.escape_ascii());
        }
        Ok(())
    }

    #[test]
    fn a_disk_may_hold_text() -> Result<()> {
        let lines = b"a line of a log\n".repeat(512);
        assert_eq!(of(&lines)?, None, "longer than a probe reaches");
        assert_eq!(of(&lines[..512])?, None, "whole sectors");
        assert_eq!(of(b"")?, None);
        assert_eq!(of(b"\0\0\0")?, None);
        Ok(())
    }
}
