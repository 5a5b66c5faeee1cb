//! How a child says who its parent is: id, name and locators, read and written. Whether a path may be followed is decided by the
//! reference policy, never here.

use std::ops::Range;

use imgdelta_core::{
    Bytes, Error, FileOffset, Hint, HintKind, ParentLink, Result, SECTOR, Source, read_vec,
};

use crate::{
    fault::Fault,
    identity,
    layout::{DynamicHeader, MACX, ParentLocator, W2KU, W2RU, WI2K, WI2R},
};

/// The longest locator that is read; no system has longer paths.
pub(crate) const MAX_TEXT: u32 = 64 << 10;

/// How a locator's data are coded, and how the path is meant.
struct Coding {
    code: [u8; 4],
    name: &'static str,
    kind: HintKind,
    decode: fn(&[u8]) -> Decoded,
}

/// Text, and what is wrong with it.
struct Decoded {
    text: String,
    flaw: Option<&'static str>,
}

/// Where a hint comes from, best first: relative paths, the name beside the child, absolute paths.
enum NameSource {
    Locator(Coding),
    Name,
}

/// The order in which hints are tried: Windows, VirtualBox and blktap start with the relative one too.
const ORDER: [NameSource; 6] = [
    NameSource::Locator(Coding {
        code: W2RU,
        name: "W2ru",
        kind: HintKind::WindowsPath,
        decode: utf16le,
    }),
    NameSource::Locator(Coding {
        code: WI2R,
        name: "Wi2r",
        kind: HintKind::WindowsPath,
        decode: latin1,
    }),
    NameSource::Name,
    NameSource::Locator(Coding {
        code: W2KU,
        name: "W2ku",
        kind: HintKind::WindowsPath,
        decode: utf16le,
    }),
    NameSource::Locator(Coding {
        code: WI2K,
        name: "Wi2k",
        kind: HintKind::WindowsPath,
        decode: latin1,
    }),
    NameSource::Locator(Coding {
        code: MACX,
        name: "MacX",
        kind: HintKind::FileUrl,
        decode: utf8,
    }),
];

/// What the header says of the parent. `header_at` is for messages; what is odd but usable goes to `notes`.
///
/// # Errors
/// Chain, if it says nothing at all; Corrupt or Unsupported, if a locator's data cannot be.
pub(crate) fn read_link(
    source: &dyn Source,
    header: &DynamicHeader,
    header_at: FileOffset,
    notes: &mut Vec<String>,
) -> Result<ParentLink> {
    let mut hints: Vec<Hint> = Vec::new();
    for place in &ORDER {
        match place {
            NameSource::Name => {
                let decoded = name_text(&header.parent_unicode_name);
                add(
                    "parent_unicode_name",
                    HintKind::Name,
                    decoded,
                    &mut hints,
                    notes,
                );
            }
            NameSource::Locator(coding) => {
                let entries = header.parent_locators.iter().enumerate();
                for (number, entry) in
                    entries.filter(|(_, entry)| entry.platform_code == coding.code)
                {
                    let data = data_of(source, number, entry, header_at)?;
                    add(
                        coding.name,
                        coding.kind,
                        (coding.decode)(&data),
                        &mut hints,
                        notes,
                    );
                }
            }
        }
    }
    let has_id = header.parent_unique_id != [0; 16];
    if !has_id && hints.is_empty() {
        return Err(Error::from(Fault::NoParent)
            .in_field("dynamic header", "parent_unique_id")
            .at(header_at.saturating_add(Bytes(DynamicHeader::at("parent_unique_id")))));
    }
    Ok(ParentLink {
        format: None,
        hints,
        identities: vec![identity::identity(header.parent_unique_id)],
        // blktap writes no id over a raw file; qemu has long written images whose own id is null, which have children too.
        or_raw: !has_id,
    })
}

/// Adds a hint. One whose text is flawed is kept: the policy refuses it and says so, where leaving it out would only miss a parent.
fn add(
    field: &'static str,
    kind: HintKind,
    decoded: Decoded,
    hints: &mut Vec<Hint>,
    notes: &mut Vec<String>,
) {
    if decoded.text.is_empty() {
        return;
    }
    if let Some(flaw) = decoded.flaw {
        notes.push(format!("{field} {flaw}: '{}'", decoded.text.escape_debug()));
    }
    hints.push(Hint {
        field,
        kind,
        text: decoded.text,
    });
}

/// The data of locator `number`, within the file and a limit.
fn data_of(
    source: &dyn Source,
    number: usize,
    entry: &ParentLocator,
    header_at: FileOffset,
) -> Result<Vec<u8>> {
    let (found, at) = (
        entry.platform_data_length,
        FileOffset(entry.platform_data_offset),
    );
    let end = source.len().0;
    let is_utf16 = matches!(entry.platform_code, W2RU | W2KU);
    let (fault, field) = if found > MAX_TEXT {
        let most = MAX_TEXT;
        (
            Fault::LocatorTooLong {
                number,
                found,
                most,
            },
            "platform_data_length",
        )
    } else if at.0.saturating_add(u64::from(found)) > end {
        let len = found;
        (
            Fault::LocatorOutside {
                number,
                at,
                len,
                end,
            },
            "platform_data_offset",
        )
    } else if is_utf16 && !found.is_multiple_of(2) {
        (Fault::LocatorOdd { number, found }, "platform_data_length")
    } else {
        return read_vec(source, at, Bytes(u64::from(found)));
    };
    let skipped = number.saturating_mul(ParentLocator::SIZE) as u64;
    let entry_at = DynamicHeader::at("parent_locators") + skipped + ParentLocator::at(field);
    Err(Error::from(fault)
        .in_field("parent locator", field)
        .at(header_at.saturating_add(Bytes(entry_at))))
}

/// The name field: UTF-16BE up to a NUL, all 256 units if there is none. Early tapdisk wrote it little-endian: then the first
/// unit's low byte is zero and its high byte is not.
fn name_text(field: &[u8; 512]) -> Decoded {
    let is_little = matches!(field, [high, 0, ..] if *high != 0);
    let (pairs, _) = field.as_chunks::<2>();
    let units = pairs
        .iter()
        .map(|pair| {
            if is_little {
                u16::from_le_bytes(*pair)
            } else {
                u16::from_be_bytes(*pair)
            }
        })
        .take_while(|unit| *unit != 0);
    decode_units(units)
}

fn utf16le(data: &[u8]) -> Decoded {
    let (pairs, _) = data.as_chunks::<2>();
    decode_units(pairs.iter().map(|pair| u16::from_le_bytes(*pair)))
}

fn latin1(data: &[u8]) -> Decoded {
    finished(data.iter().map(|byte| char::from(*byte)).collect(), None)
}

fn utf8(data: &[u8]) -> Decoded {
    let flaw = std::str::from_utf8(data).is_err().then_some("is not UTF-8");
    finished(String::from_utf8_lossy(data).into_owned(), flaw)
}

fn decode_units(units: impl Iterator<Item = u16>) -> Decoded {
    let mut flaw = None;
    let text = char::decode_utf16(units)
        .map(|unit| {
            unit.unwrap_or_else(|_| {
                flaw = Some("has half of a surrogate pair");
                char::REPLACEMENT_CHARACTER
            })
        })
        .collect();
    finished(text, flaw)
}

/// Cuts the NULs with which some tools end the text, though it is counted; others stay and are a flaw.
fn finished(text: String, flaw: Option<&'static str>) -> Decoded {
    let text = text.trim_end_matches('\0').to_owned();
    let flaw = flaw.or_else(|| text.contains('\0').then_some("has a NUL in it"));
    Decoded { text, flaw }
}

/// The parent's name as the header spells it, for `info`.
pub(crate) fn name(header: &DynamicHeader) -> String {
    name_text(&header.parent_unicode_name)
        .text
        .escape_debug()
        .to_string()
}

/// The bytes of the file that the data of the header's locators take, of whatever code.
pub(crate) fn taken(header: &DynamicHeader) -> Vec<Range<u64>> {
    let used =
        |entry: &&ParentLocator| entry.platform_code != [0; 4] && entry.platform_data_length > 0;
    let range = |entry: &ParentLocator| {
        let at = entry.platform_data_offset;
        at..at.saturating_add(u64::from(entry.platform_data_length))
    };
    header
        .parent_locators
        .iter()
        .filter(used)
        .map(range)
        .collect()
}

/// The room that a locator keeps, in bytes: the specification counts sectors, everybody else bytes. blktap tells them apart so.
pub(crate) fn space(entry: &ParentLocator) -> u64 {
    let space = u64::from(entry.platform_data_space);
    if space < SECTOR {
        space * SECTOR
    } else {
        space
    }
}

/// A path as the data of a `W2ru` or `W2ku` locator.
pub(crate) fn encode(path: &str) -> Vec<u8> {
    path.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// A path from the child's folder, with `/` between, as Windows writes it: `.\dir\name.vhd`.
pub(crate) fn relative_path(path: &str) -> String {
    let path = path.strip_prefix("./").unwrap_or(path);
    format!(".\\{}", path.replace('/', "\\"))
}

/// An absolute path with `/` between, as Windows writes it.
pub(crate) fn absolute_path(path: &str) -> String {
    path.replace('/', "\\")
}

/// The last part of a path as the name field; `None` if it does not fit.
pub(crate) fn encode_name(path: &str) -> Option<[u8; 512]> {
    let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
    let mut field = [0; 512];
    let (places, _) = field.as_chunks_mut::<2>();
    let mut places = places.iter_mut();
    for unit in name.encode_utf16() {
        *places.next()? = unit.to_be_bytes();
    }
    Some(field)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_go_there_and_back() {
        let text = relative_path("dir/göl\u{1f4be}den.vhd");
        assert_eq!(text, ".\\dir\\göl\u{1f4be}den.vhd");
        assert_eq!(utf16le(&encode(&text)).text, text);
        assert_eq!(absolute_path("C:/x/y.vhd"), "C:\\x\\y.vhd");
        assert_eq!(encode(".\\fat-parent.vhd").len(), 32);
    }

    #[test]
    fn names_are_big_endian_unless_they_cannot_be() {
        let field = encode_name("dir/base.vhd").expect("it fits");
        assert_eq!(field[..4], [0, b'b', 0, b'a']);
        assert_eq!(name_text(&field).text, "base.vhd");
        let mut little = [0; 512];
        little[..6].copy_from_slice(b"b\0a\0s\0");
        assert_eq!(name_text(&little).text, "bas");
        let full = encode_name(&"x".repeat(256)).expect("it just fits");
        assert_eq!(name_text(&full).text.len(), 256);
        assert_eq!(encode_name(&"x".repeat(257)), None);
    }

    #[test]
    fn flaws_are_told_and_ends_are_cut() {
        assert_eq!(utf16le(b"a\0\0\0b\0").flaw, Some("has a NUL in it"));
        assert_eq!(utf16le(b"a\0\0\0\0\0").text, "a");
        assert_eq!(utf16le(b"a\0\0\0\0\0").flaw, None);
        let lone = utf16le(&[0x00, 0xd8, b'b', 0]);
        assert_eq!(lone.text, "\u{fffd}b");
        assert!(lone.flaw.is_some());
        assert!(utf8(&[0xff]).flaw.is_some());
        assert_eq!(latin1(b"g\xf6l").text, "göl");
    }
}
