//! GUIDs: how they are spelled, and which one a child names. Where they stand in a file is the layout's matter.

use imgdelta_core::Identity;
use uuid::Uuid;

/// What `info` and errors call what a child names.
const KIND: &str = "data write GUID";

/// A GUID as text: lower case, hyphens, no braces. On the disk its first three fields are little-endian.
pub(crate) fn text(guid: [u8; 16]) -> String {
    Uuid::from_bytes_le(guid).hyphenated().to_string()
}

/// A GUID from text, with braces or without, in any case.
pub(crate) fn parse_text(text: &str) -> Option<[u8; 16]> {
    Uuid::try_parse(text).ok().map(|guid| guid.to_bytes_le())
}

/// What a child would have to name.
pub(crate) fn identity(guid: [u8; 16]) -> Identity {
    Identity {
        kind: KIND,
        value: text(guid),
    }
}

/// The bytes of what a child names; `None` if it is an identity of another kind.
pub(crate) fn parse(identity: &Identity) -> Option<[u8; 16]> {
    parse_text(&identity.value).filter(|_| identity.kind == KIND)
}

/// GUIDs shaped like random ones, of version 4: the same seed gives the same three.
pub(crate) fn from_seed(seed: &[u8; 32]) -> [[u8; 16]; 3] {
    let mut halves = [[0; 16]; 2];
    for (place, byte) in halves.as_flattened_mut().iter_mut().zip(seed) {
        *place = *byte;
    }
    let [first, second] = halves;
    let (first, second) = (u128::from_le_bytes(first), u128::from_le_bytes(second));
    // The rotation keeps the third from being the other two's image in a mirror: equal halves would give nothing.
    let third = first.rotate_left(43) ^ !second;
    [first, second, third].map(|bits| {
        uuid::Builder::from_random_bytes(bits.to_le_bytes())
            .into_uuid()
            .to_bytes_le()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guids_read_as_windows_prints_them_and_back() {
        let bytes = crate::layout::BAT_REGION;
        let spoken = text(bytes);
        assert_eq!(spoken, "2dc27766-f623-4200-9d64-115e9bfd4a08");
        assert_eq!(parse_text(&spoken), Some(bytes));
        let braced = format!("{{{}}}", spoken.to_uppercase());
        assert_eq!(parse_text(&braced), Some(bytes));
        assert_eq!(parse_text("{2dc27766}"), None);
        assert_eq!(identity(bytes).kind, "data write GUID");
    }
}
