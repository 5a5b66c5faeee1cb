//! Attributes, all that a file is made of: in the record, or in clusters of the volume.

use crate::{
    fault::{Fault, Found},
    window::le,
};

/// Kinds of attributes.
pub(super) mod kind {
    pub(crate) const LIST: u32 = 0x20;
    pub(crate) const NAME: u32 = 0x30;
    pub(crate) const VOLUME: u32 = 0x70;
    pub(crate) const DATA: u32 = 0x80;
    pub(crate) const REPARSE: u32 = 0xc0;
}

/// An attribute, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attribute {
    /// See [`kind`].
    pub(super) kind: u32,
    /// Whether it has no name, as the contents of a file have none.
    pub(super) is_unnamed: bool,
    pub(super) value: Value,
}

/// Where an attribute stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// In the record.
    Here(Vec<u8>),
    /// In clusters.
    There {
        /// The first cluster of it that this part tells.
        from: u64,
        /// Bytes, told by the first part.
        len: u64,
        /// Clusters in order.
        pieces: Vec<Piece>,
    },
}

/// Clusters in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// The first one; `None`: they read as zero.
    pub(super) first: Option<u64>,
    pub(super) count: u64,
}

/// The attributes of a record, clusters being below `clusters`.
pub(super) fn attributes(mut bytes: &[u8], clusters: u64) -> Found<Vec<Attribute>> {
    let mut found = Vec::new();
    loop {
        let kind = le::<u32>(bytes, 0);
        if kind == u32::MAX || bytes.len() < 16 {
            return Ok(found);
        }
        let len = usize::try_from(le::<u32>(bytes, 4)).unwrap_or(usize::MAX);
        let Some((one, rest)) = bytes.split_at_checked(len).filter(|_| len >= 24) else {
            return Err(Fault::unsound("an attribute ends behind its record"));
        };
        let value = if one.get(8) == Some(&0) {
            Value::Here(resident(one)?)
        } else {
            let from = usize::from(le::<u16>(one, 32));
            let pieces = pieces(one.get(from..).unwrap_or_default(), clusters)?;
            Value::There {
                from: le(one, 16),
                len: le(one, 48),
                pieces,
            }
        };
        let is_unnamed = one.get(9) == Some(&0);
        found.push(Attribute {
            kind,
            is_unnamed,
            value,
        });
        bytes = rest;
    }
}

/// What stands in the record.
fn resident(one: &[u8]) -> Found<Vec<u8>> {
    let len = usize::try_from(le::<u32>(one, 16)).unwrap_or(usize::MAX);
    let from = usize::from(le::<u16>(one, 20));
    let value = from.checked_add(len).and_then(|end| one.get(from..end));
    let value = value.ok_or_else(|| Fault::unsound("a value ends behind its attribute"))?;
    Ok(value.to_vec())
}

/// The clusters of an attribute: pairs of a length and of how far the start is from the one before, each as long as a byte before them says.
fn pieces(mut bytes: &[u8], clusters: u64) -> Found<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut at = 0_u64;
    while let [head, rest @ ..] = bytes
        && *head != 0
    {
        let (count_len, start_len) = (usize::from(head & 0xf), usize::from(head >> 4));
        let cut = || Fault::unsound("a list of clusters is not sound");
        let (count, rest) = rest.split_at_checked(count_len).ok_or_else(cut)?;
        let (start, rest) = rest.split_at_checked(start_len).ok_or_else(cut)?;
        let count = signed(count).and_then(|count| u64::try_from(count).ok());
        let count = count.filter(|count| *count > 0).ok_or_else(cut)?;
        let mut first = None;
        if start_len > 0 {
            at = signed(start)
                .and_then(|by| at.checked_add_signed(by))
                .ok_or_else(cut)?;
            let is_inside = at.checked_add(count).is_some_and(|end| end <= clusters);
            first = Some(at).filter(|_| is_inside);
            if first.is_none() {
                return Err(cut());
            }
        }
        pieces.push(Piece { first, count });
        bytes = rest;
    }
    Ok(pieces)
}

/// A number of at most eight bytes, the sign in the highest bit.
fn signed(bytes: &[u8]) -> Option<i64> {
    let mut wide = match bytes.last() {
        Some(last) if last & 0x80 != 0 => [0xff; 8],
        _ => [0; 8],
    };
    wide.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(i64::from_le_bytes(wide))
}
