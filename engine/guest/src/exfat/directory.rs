//! Directories: sets of entries of 32 bytes. \[exFAT\] 6 and 7

use crate::{
    fault::{Fault, Found},
    window::le,
};

/// Kinds of entries.
const BITMAP: u8 = 0x81;
const UPCASE: u8 = 0x82;
const FILE: u8 = 0x85;
const STREAM: u8 = 0xc0;
const NAME: u8 = 0xc1;

/// Where contents stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stream {
    /// The first cluster; 0: none.
    pub(super) first: u32,
    /// Bytes.
    pub(super) len: u64,
    /// The clusters follow one another, and the table says nothing of them.
    pub(super) is_contiguous: bool,
}

/// What an entry, or a set of them, says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// The bitmap of clusters in use.
    Bitmap(Stream),
    /// The table of capital letters.
    Upcase(Stream),
    /// A file or a directory.
    File {
        name: String,
        is_folder: bool,
        stream: Stream,
    },
}

/// What a directory holds.
pub(super) fn items(bytes: &[u8]) -> Found<Vec<Item>> {
    let mut items = Vec::new();
    let mut entries = bytes.as_chunks::<32>().0;
    while let [first, rest @ ..] = entries {
        entries = rest;
        match first[0] {
            0 => break,
            BITMAP => items.push(Item::Bitmap(stream(first, false))),
            UPCASE => items.push(Item::Upcase(stream(first, false))),
            FILE => {
                let count = usize::from(first[1]);
                let Some((set, rest)) = rest.split_at_checked(count) else {
                    return Err(Fault::unsound("a directory ends inside a set of entries"));
                };
                items.push(file(first, set)?);
                entries = rest;
            }
            // Deleted, a label, padding, or of another maker: what has no clusters.
            kind if kind & 0x80 == 0 || [0x83, 0xa0, 0xa1, 0xa2].contains(&kind) => {}
            kind => {
                let why = format!("a directory has an entry of kind {kind:#x}");
                return Err(Fault::Unsound(why));
            }
        }
    }
    Ok(items)
}

/// The stream that an entry names.
fn stream(entry: &[u8; 32], is_contiguous: bool) -> Stream {
    Stream {
        first: le(entry, 20),
        len: le(entry, 24),
        is_contiguous,
    }
}

/// The file of a set.
fn file(first: &[u8; 32], set: &[[u8; 32]]) -> Found<Item> {
    let all = std::iter::once(first).chain(set).flatten().enumerate();
    let sum = all
        .filter(|(at, _)| ![2, 3].contains(at))
        .fold(0_u16, |sum, (_, byte)| {
            sum.rotate_right(1).wrapping_add(u16::from(*byte))
        });
    let [head, names @ ..] = set else {
        return Err(Fault::unsound("a file has no stream"));
    };
    if sum != le::<u16>(first, 2) || head[0] != STREAM {
        return Err(Fault::unsound("the checksum of a set of entries is wrong"));
    }
    let units = names
        .iter()
        .filter(|entry| entry[0] == NAME)
        .flat_map(|entry| {
            let bytes = entry.get(2..).unwrap_or_default();
            bytes
                .as_chunks()
                .0
                .iter()
                .map(|unit| u16::from_le_bytes(*unit))
        });
    let units: Vec<u16> = units.take(usize::from(head[3])).collect();
    if names
        .iter()
        .any(|entry| entry[0] & 0xe0 == 0xe0 && entry[1] & 1 != 0)
    {
        return Err(Fault::unsound(
            "a file has clusters of a kind that is not known",
        ));
    }
    let mut stream = stream(head, head[1] & 2 != 0);
    if head[1] & 1 == 0 {
        (stream.first, stream.len) = (0, 0);
    }
    Ok(Item::File {
        name: String::from_utf16_lossy(&units),
        is_folder: le::<u16>(first, 4) & 0x10 != 0,
        stream,
    })
}
