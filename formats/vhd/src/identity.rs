//! Unique ids: how they are spelled, and how a new image gets one. Where they stand in a file is the layout's matter.

use imgdelta_core::Identity;
use uuid::Uuid;

/// What `info` and errors call it.
const KIND: &str = Identity::UNIQUE_ID;

/// The id as text: bytes in order, as libvhdi, blktap and qemu print it. [VHD] gives the bytes no meaning.
pub(crate) fn text(id: [u8; 16]) -> String {
    Uuid::from_bytes(id).hyphenated().to_string()
}

/// What a child would have to name.
pub(crate) fn identity(id: [u8; 16]) -> Identity {
    Identity {
        kind: KIND,
        value: text(id),
    }
}

/// The bytes of an identity of this format; `None` if it is none.
pub(crate) fn parse(identity: &Identity) -> Option<[u8; 16]> {
    if identity.kind != KIND {
        return None;
    }
    Uuid::try_parse(&identity.value).ok().map(Uuid::into_bytes)
}

/// A UUID of version 8 (made by rules of one's own) from the seed's first bytes: the same disk gets the same id.
pub(crate) fn from_seed(seed: &[u8; 32]) -> [u8; 16] {
    let mut id = [0; 16];
    for (place, byte) in id.iter_mut().zip(seed) {
        *place = *byte;
    }
    if let Some(byte) = id.get_mut(6) {
        *byte = *byte & 0x0f | 0x80;
    }
    if let Some(byte) = id.get_mut(8) {
        *byte = *byte & 0x3f | 0x80;
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_in_byte_order_and_back() {
        let id: [u8; 16] = std::array::from_fn(|at| (at * 17) as u8);
        let spoken = identity(id);
        assert_eq!(spoken.value, "00112233-4455-6677-8899-aabbccddeeff");
        assert_eq!(parse(&spoken), Some(id));
        let foreign = Identity {
            kind: "CID",
            ..spoken
        };
        assert_eq!(parse(&foreign), None);
    }

    #[test]
    fn a_new_id_is_a_uuid_of_version_8() {
        let id = Uuid::from_bytes(from_seed(&[0xff; 32]));
        assert_eq!(id.get_version_num(), 8);
        assert_eq!(id.get_variant(), uuid::Variant::RFC4122);
    }
}
