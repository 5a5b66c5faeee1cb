//! File names in the encoding that a descriptor names. What the names lead to is not known here.

use encoding_rs::{Encoding, UTF_8};

use crate::fault::Fault;

/// Reads the bytes of a name. ASCII is the same in all encodings that VMware writes, so only other names need to know theirs.
pub(crate) fn decode(bytes: &[u8], label: Option<&[u8]>) -> Result<String, Fault> {
    if let Ok(text) = std::str::from_utf8(bytes)
        && text.is_ascii()
    {
        return Ok(text.to_owned());
    }
    let encoding = match label {
        None => UTF_8,
        Some(label) => Encoding::for_label(label).ok_or_else(|| Fault::Encoding {
            found: label.escape_ascii().to_string(),
        })?,
    };
    encoding
        .decode_without_bom_handling_and_without_replacement(bytes)
        .map(std::borrow::Cow::into_owned)
        .ok_or_else(|| Fault::Name {
            found: bytes.escape_ascii().to_string(),
            encoding: encoding.name(),
        })
}

/// The bytes of a name in a descriptor's encoding; `None` if it has no such letters.
pub(crate) fn encode(text: &str, label: Option<&[u8]>) -> Option<Vec<u8>> {
    if text.is_ascii() {
        return Some(text.as_bytes().to_owned());
    }
    let encoding = label.map_or(Some(UTF_8), Encoding::for_label)?;
    let (bytes, used, has_replaced) = encoding.encode(text);
    (used == encoding && !has_replaced).then(|| bytes.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_in_the_encoding_that_is_named() {
        let decode = |bytes: &[u8], label: &[u8]| decode(bytes, Some(label));
        assert_eq!(decode(b"disk.vmdk", b"no such"), Ok("disk.vmdk".into()));
        assert_eq!(decode(b"\xfcbung", b"windows-1252"), Ok("übung".into()));
        assert_eq!(decode(b"\x83e", b"Shift_JIS"), Ok("テ".into()));
        assert!(matches!(decode(b"\xff", b"UTF-8"), Err(Fault::Name { .. })));
        assert!(matches!(
            decode(b"\xff", b"no such"),
            Err(Fault::Encoding { .. })
        ));
        assert_eq!(
            encode("übung", Some(b"windows-1252")),
            Some(b"\xfcbung".to_vec())
        );
        assert_eq!(encode("テ", Some(b"windows-1252")), None);
    }
}
