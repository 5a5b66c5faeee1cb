//! The UUIDs by which VirtualBox links a child to its parent: how they are spelled, and how a new image gets its own.
//!
//! Where they stand in a file is the layout's matter.

use imgdelta_core::Identity;
use uuid::Uuid;

/// Both UUIDs: which image, and which state of it.
const BOTH: &str = Identity::UUIDS;
/// The first alone, where the second is not recorded.
const ONE: &str = Identity::UUID;

/// No UUID.
pub(crate) const NULL: [u8; 16] = [0; 16];

/// A UUID as text; on the disk the first three fields are little-endian.
pub(crate) fn text(bytes: [u8; 16]) -> String {
    Uuid::from_bytes_le(bytes).hyphenated().to_string()
}

/// An image in a certain state, by its creation and modification UUIDs.
pub(crate) fn both(create: [u8; 16], modify: [u8; 16]) -> Identity {
    Identity {
        kind: BOTH,
        value: format!("{} / {}", text(create), text(modify)),
    }
}

/// An image in whatever state.
pub(crate) fn one(create: [u8; 16]) -> Identity {
    Identity {
        kind: ONE,
        value: text(create),
    }
}

/// The bytes of both UUIDs; `None` if it is no identity of both.
pub(crate) fn parse(identity: &Identity) -> Option<([u8; 16], [u8; 16])> {
    if identity.kind != BOTH {
        return None;
    }
    let (create, modify) = identity.value.split_once(" / ")?;
    let bytes = |text| Some(Uuid::try_parse(text).ok()?.to_bytes_le());
    Some((bytes(create)?, bytes(modify)?))
}

/// UUIDs of version 8 (made by rules of one's own) from the halves of the seed: the same disk gets the same two.
pub(crate) fn from_seed(seed: &[u8; 32]) -> ([u8; 16], [u8; 16]) {
    let (first, second) = seed.split_at(16);
    (of_version_8(first), of_version_8(second))
}

fn of_version_8(seed: &[u8]) -> [u8; 16] {
    let mut bytes = [0; 16];
    for (place, byte) in bytes.iter_mut().zip(seed) {
        *place = *byte;
    }
    uuid::Builder::from_custom_bytes(bytes)
        .into_uuid()
        .to_bytes_le()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_three_fields_are_little_endian() {
        let bytes = [
            0x98, 0xff, 0xed, 0x15, 0x1d, 0x49, 0x1d, 0x44, 0x95, 0x4c, 0x92, 0xc2, 0xc0, 0xb3,
            0x77, 0x2a,
        ];
        assert_eq!(text(bytes), "15edff98-491d-441d-954c-92c2c0b3772a");
        let identity = both(bytes, [7; 16]);
        assert_eq!(parse(&identity), Some((bytes, [7; 16])));
        assert_eq!(parse(&one(bytes)), None);
    }

    #[test]
    fn a_new_image_gets_two_uuids() {
        let (create, modify) = from_seed(&std::array::from_fn(|at| at as u8));
        for bytes in [create, modify] {
            let uuid = Uuid::from_bytes_le(bytes);
            assert_eq!(uuid.get_version_num(), 8);
            assert_eq!(uuid.get_variant(), uuid::Variant::RFC4122);
        }
        assert_ne!(create, modify);
    }
}
