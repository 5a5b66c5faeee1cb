//! How a text is known as a descriptor, and in which letters it is written: by any title that some reader takes, or by none.

use std::borrow::Cow;

use encoding_rs::{UTF_16BE, UTF_16LE};

/// What a title says, in lower case and without its spaces: writers put them in different places.
const TITLE: &[u8] = b"#diskdescriptorfile";
/// Keys of which a descriptor without a title must have one: `version` alone begins the files of many programs.
const OWN_KEYS: [&[u8]; 3] = [b"createtype", b"cid", b"parentcid"];
/// What editors put in front of UTF-8.
pub(super) const MARK: &[u8] = b"\xef\xbb\xbf";

/// Whether a file's first bytes are those of a descriptor. Comments and blank lines may stand in front of the title; without one the first
/// line that says something must be the version, as for qemu and VMware, and a key that only descriptors have must follow.
pub(crate) fn is_descriptor(head: &[u8]) -> bool {
    let (text, _) = unmarked(head);
    let mut lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    while let Some(line) = lines.next() {
        if is_title(line) {
            return true;
        }
        if !line.is_empty() && !line.starts_with(b"#") {
            return is_version(line) && lines.any(|line| OWN_KEYS.contains(&&*key_of(line)));
        }
    }
    false
}

/// The text behind a byte order mark, in UTF-8 where the mark says that it is UTF-16; and whether there was one.
pub(crate) fn unmarked(bytes: &[u8]) -> (Cow<'_, [u8]>, bool) {
    let wide = |encoding: &'static encoding_rs::Encoding, rest| {
        let (text, _) = encoding.decode_without_bom_handling(rest);
        (Cow::Owned(text.into_owned().into_bytes()), true)
    };
    match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => (Cow::Borrowed(rest), true),
        [0xff, 0xfe, rest @ ..] => wide(UTF_16LE, rest),
        [0xfe, 0xff, rest @ ..] => wide(UTF_16BE, rest),
        _ => (Cow::Borrowed(bytes), false),
    }
}

fn is_title(line: &[u8]) -> bool {
    let letters = line.iter().filter(|byte| !byte.is_ascii_whitespace());
    letters
        .map(u8::to_ascii_lowercase)
        .eq(TITLE.iter().copied())
}

fn is_version(line: &[u8]) -> bool {
    let value = line.splitn(2, |byte| *byte == b'=').nth(1);
    let digit = value.and_then(|value| value.trim_ascii_start().first());
    key_of(line) == b"version" && digit.is_some_and(u8::is_ascii_digit)
}

/// What stands in front of `=`, in lower case; nothing where there is none.
fn key_of(line: &[u8]) -> Vec<u8> {
    let mut parts = line.splitn(2, |byte| *byte == b'=');
    match (parts.next(), parts.next()) {
        (Some(key), Some(_)) => key.trim_ascii().to_ascii_lowercase(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: &str = "version=1\nCID=12345678\nparentCID=ffffffff\ncreateType=\"custom\"\n";

    #[test]
    fn a_descriptor_is_known_by_any_title_and_by_none() {
        for title in [
            "# Disk DescriptorFile\n",
            "# Disk Descriptor File\r\n",
            "#Disk DescriptorFile\n",
            "#   DISK\tDescriptor  FILE \n",
            "\u{feff}# Disk DescriptorFile\n",
            "# made by hand\n\n  \r\n# disk descriptorfile\n",
            "# made by hand\n",
            "\u{feff}",
            "",
        ] {
            assert!(
                is_descriptor((title.to_owned() + REST).as_bytes()),
                "{title:?}"
            );
        }
        assert!(is_descriptor(b"# Disk DescriptorFile"));
        assert!(is_descriptor(b"Version = 2 \r\nCreateType = vmfs\r\n"));
    }

    #[test]
    fn utf_16_is_read_by_its_mark() {
        let text = "# Disk DescriptorFile\n".to_owned() + REST + "RW 8 FLAT \"ü.img\" 0\n";
        for is_big in [false, true] {
            let word = |unit: u16| {
                if is_big {
                    unit.to_be_bytes()
                } else {
                    unit.to_le_bytes()
                }
            };
            let marked = "\u{feff}".to_owned() + &text;
            let bytes: Vec<u8> = marked.encode_utf16().flat_map(word).collect();
            assert!(is_descriptor(&bytes));
            assert_eq!(unmarked(&bytes), (Cow::Borrowed(text.as_bytes()), true));
            // A probe may see half a letter.
            assert!(is_descriptor(
                bytes.get(..bytes.len() - 1).unwrap_or_default()
            ));
        }
    }

    #[test]
    fn other_texts_are_none() {
        for text in [
            "# some shell script\nversion=1\n",
            "version=1\nname=x\n",
            "version=one\nCID=1\n",
            "[disk]\nversion=1\nCID=1\n",
            "CID=1\nversion=1\ncreateType=vmfs\n",
            "Disk DescriptorFile\n",
            "# Disk Descriptor\n",
            "",
            "#",
            "\u{feff}",
        ] {
            assert!(!is_descriptor(text.as_bytes()), "{text:?}");
        }
    }
}
