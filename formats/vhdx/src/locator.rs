//! The parent locator: how a child says who its parent is. Whether a path may be followed is decided by the reference policy, never here.

use imgdelta_core::{
    Bytes, Error, FileOffset, Hint, HintKind, OnDisk, ParentLink, Result, byteorder::LittleEndian,
};

use crate::{
    fault::Fault,
    identity,
    layout::{LOCATOR_TYPE, LocatorEntry, LocatorHead, NO_GUID},
};

/// The key of the parent's data write GUID.
pub(crate) const LINKAGE: &str = "parent_linkage";
/// The key of another data write GUID that the parent may have while it is merged.
pub(crate) const LINKAGE_2: &str = "parent_linkage2";
/// The keys of paths, in the order in which they are tried. [VHDX] 3.1.2.6.3
pub(crate) const PATHS: [&str; 3] = ["relative_path", "volume_path", "absolute_win32_path"];

/// The most keys; openvmm draws the same line.
const MAX_KEYS: u16 = 256;

/// What a parent locator says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Locator {
    /// Keys and values in the item's order.
    pub(crate) pairs: Vec<(String, String)>,
}

impl Locator {
    /// Reads an item that stands at `at`.
    ///
    /// # Errors
    /// Corrupt or Unsupported, if what it says cannot be.
    pub(crate) fn read(item: &[u8], at: FileOffset) -> Result<Self> {
        let entries = entries(item, at)?;
        let from =
            LocatorHead::SIZE.saturating_add(entries.len().saturating_mul(LocatorEntry::SIZE));
        let text = |number, place, len| text(item, from as u64, number, place, len);
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (number, entry) in entries.iter().enumerate() {
            let skipped =
                LocatorHead::SIZE.saturating_add(number.saturating_mul(LocatorEntry::SIZE));
            let fail = |fault| placed(fault, "entry", at, skipped as u64);
            let key = text(number, entry.key_offset, entry.key_length).map_err(fail)?;
            let value = text(number, entry.value_offset, entry.value_length).map_err(fail)?;
            if pairs.iter().any(|(known, _)| *known == key) {
                return Err(fail(Fault::LocatorTwice { key }));
            }
            pairs.push((key, value));
        }
        Ok(Self { pairs })
    }

    /// The item that says so: entries first, then keys and values in turn, as Windows packs it. Texts are at most 65534 bytes long
    /// and pairs few: what was read is so, and what is new is judged before.
    pub(crate) fn emit(&self) -> Vec<u8> {
        let count = self.pairs.len();
        let head = LocatorHead {
            locator_type: LOCATOR_TYPE,
            reserved: 0,
            key_value_count: u16::try_from(count).unwrap_or(u16::MAX),
        };
        let mut item = head.emit().to_vec();
        let mut texts: Vec<u8> = Vec::new();
        let from = LocatorHead::SIZE.saturating_add(count.saturating_mul(LocatorEntry::SIZE));
        let mut add = |text: &str| {
            let at = from.saturating_add(texts.len());
            texts.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
            let len = from.saturating_add(texts.len()).saturating_sub(at);
            (
                u32::try_from(at).unwrap_or(u32::MAX),
                u16::try_from(len).unwrap_or(u16::MAX),
            )
        };
        for (key, value) in &self.pairs {
            let (key_offset, key_length) = add(key);
            let (value_offset, value_length) = add(value);
            let entry = LocatorEntry {
                key_offset,
                value_offset,
                key_length,
                value_length,
            };
            item.extend(entry.emit());
        }
        item.extend(texts);
        item
    }

    /// The value of `key`; keys are told apart by case.
    pub(crate) fn value(&self, key: &str) -> Option<&str> {
        self.pairs
            .iter()
            .find(|(known, _)| known == key)
            .map(|(_, value)| value.as_str())
    }

    /// What it says of the parent, for a locator that stands at `at`.
    ///
    /// # Errors
    /// Corrupt, if it does not say what the parent is called.
    pub(crate) fn link(&self, at: FileOffset) -> Result<ParentLink> {
        let fail = |fault| placed(fault, "parent_linkage", at, 0);
        let first = self.value(LINKAGE).ok_or_else(|| fail(Fault::NoLinkage))?;
        let mut identities = vec![linkage(LINKAGE, first).map_err(fail)?];
        if let Some(second) = self.value(LINKAGE_2) {
            let guid = linkage(LINKAGE_2, second).map_err(fail)?;
            // Windows writes the zero GUID where there is none: it must match nothing.
            if guid != NO_GUID && !identities.contains(&guid) {
                identities.push(guid);
                identities.retain(|guid| *guid != NO_GUID);
            }
        }
        let hint = |field: &'static str| {
            self.value(field).map(|text| Hint {
                field,
                kind: HintKind::WindowsPath,
                text: text.to_owned(),
            })
        };
        Ok(ParentLink {
            format: None,
            hints: PATHS.into_iter().filter_map(hint).collect(),
            identities: identities.into_iter().map(identity::identity).collect(),
            or_raw: false,
        })
    }
}

/// Where the keys and values of an item are, which stands at `at`.
fn entries(item: &[u8], at: FileOffset) -> Result<Vec<LocatorEntry>> {
    let found = item.len() as u64;
    let fail = |fault, field| placed(fault, field, at, LocatorHead::at(field));
    let Some((head, rest)) = item.split_first_chunk::<{ LocatorHead::SIZE }>() else {
        let required = LocatorHead::SIZE as u64;
        return Err(fail(
            Fault::LocatorShort { found, required },
            "locator_type",
        ));
    };
    let head = LocatorHead::parse(head);
    if head.locator_type != LOCATOR_TYPE {
        let found = identity::text(head.locator_type);
        return Err(fail(Fault::LocatorType { found }, "locator_type"));
    }
    let count = head.key_value_count;
    if count > MAX_KEYS {
        let (found, most) = (count, MAX_KEYS);
        return Err(fail(
            Fault::LocatorTooMany { found, most },
            "key_value_count",
        ));
    }
    let required = LocatorHead::SIZE as u64 + u64::from(count) * LocatorEntry::SIZE as u64;
    if found < required {
        return Err(fail(
            Fault::LocatorShort { found, required },
            "key_value_count",
        ));
    }
    Ok(rest
        .chunks_exact(LocatorEntry::SIZE)
        .take(usize::from(count))
        .map(<LocatorEntry as OnDisk<LittleEndian>>::take)
        .collect())
}

fn linkage(key: &'static str, found: &str) -> Result<[u8; 16], Fault> {
    identity::parse_text(found).ok_or_else(|| Fault::Linkage {
        key,
        found: found.escape_debug().to_string(),
    })
}

/// A key or value. It lies behind the entries, which end at `from`, and within the item.
fn text(item: &[u8], from: u64, number: usize, at: u32, len: u16) -> Result<String, Fault> {
    if len == 0 || !len.is_multiple_of(2) {
        return Err(Fault::LocatorText { number, len });
    }
    let start = Bytes(u64::from(at)).in_memory();
    let bytes = item.get(start..start.saturating_add(usize::from(len)));
    let Some(bytes) = bytes.filter(|_| u64::from(at) >= from) else {
        let end = item.len() as u64;
        return Err(Fault::LocatorOutside {
            number,
            at,
            len,
            end,
        });
    };
    let (units, _) = bytes.as_chunks::<2>();
    // Half of a surrogate pair is kept as a sign that leads nowhere: leaving the path out would only miss a parent.
    let text: String = char::decode_utf16(units.iter().map(|unit| u16::from_le_bytes(*unit)))
        .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect();
    if text.contains('\0') {
        let text = text.escape_debug().to_string();
        return Err(Fault::LocatorNul { number, text });
    }
    Ok(text)
}

fn placed(fault: Fault, field: &'static str, at: FileOffset, skipped: u64) -> Error {
    Error::from(fault)
        .in_field("parent locator", field)
        .at(at.saturating_add(Bytes(skipped)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A locator of these pairs, as Windows packs it: all entries, then keys and values in turn.
    fn packed(pairs: &[(&str, &str)]) -> Vec<u8> {
        let utf16 =
            |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
        let mut item = LocatorHead {
            locator_type: LOCATOR_TYPE,
            reserved: 0,
            key_value_count: pairs.len() as u16,
        }
        .emit()
        .to_vec();
        let mut at = (20 + 12 * pairs.len()) as u32;
        let mut texts = Vec::new();
        for (key, value) in pairs {
            let (key, value) = (utf16(key), utf16(value));
            let entry = LocatorEntry {
                key_offset: at,
                value_offset: at + key.len() as u32,
                key_length: key.len() as u16,
                value_length: value.len() as u16,
            };
            at += (key.len() + value.len()) as u32;
            item.extend(entry.emit());
            texts.extend([key, value].concat());
        }
        item.extend(texts);
        item
    }

    fn link(pairs: &[(&str, &str)]) -> Result<ParentLink> {
        Locator::read(&packed(pairs), FileOffset::ZERO)?.link(FileOffset::ZERO)
    }

    const A: &str = "{2DC27766-F623-4200-9D64-115E9BFD4A08}";
    const NONE: &str = "{00000000-0000-0000-0000-000000000000}";

    #[test]
    fn a_zero_linkage_matches_nothing() -> Result<()> {
        let link = link(&[("parent_linkage2", NONE), ("parent_linkage", A)])?;
        let values: Vec<_> = link.identities.into_iter().map(|one| one.value).collect();
        assert_eq!(values, ["2dc27766-f623-4200-9d64-115e9bfd4a08"]);
        Ok(())
    }

    #[test]
    fn paths_are_tried_in_the_order_of_the_specification() -> Result<()> {
        let link = link(&[
            ("absolute_win32_path", r"C:\a\base.vhdx"),
            ("volume_path", r"\\?\Volume{x}\a\base.vhdx"),
            ("parent_linkage", A),
            ("relative_path", r"..\a\base.vhdx"),
        ])?;
        let fields: Vec<_> = link.hints.iter().map(|hint| hint.field).collect();
        assert_eq!(fields, PATHS);
        assert_eq!(link.hints[0].text, r"..\a\base.vhdx");
        Ok(())
    }

    #[test]
    fn keys_are_told_apart_by_case() {
        let error = link(&[("Parent_Linkage", A)]).expect_err("there is none");
        assert_eq!(error.code(), "vhdx_no_linkage");
    }
}
