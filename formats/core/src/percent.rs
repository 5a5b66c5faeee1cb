//! Percent-decoding as URLs have it (RFC 3986, 2.1), strictly: what is malformed is refused instead of taken as it stands.
//!
//! Names are made of the result, and a name that is right in all but one letter is another name.

use percent_encoding::percent_decode_str;

/// Why a text is not percent-encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PercentError {
    /// A `%` without two hexadecimal digits behind it.
    Malformed,
    /// What it stands for is not UTF-8.
    NotUtf8,
}

/// What `text` stands for: `%41` becomes `A`, everything else stays. What may stand in the result is for the caller to say: it may hold
/// NUL, control characters and slashes.
///
/// # Errors
/// What is wrong with it.
pub fn percent_decode(text: &str) -> Result<String, PercentError> {
    let is_escape = |rest: &str| {
        let digits = rest.as_bytes().first_chunk::<2>();
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    if !text.split('%').skip(1).all(is_escape) {
        return Err(PercentError::Malformed);
    }
    match percent_decode_str(text).decode_utf8() {
        Ok(decoded) => Ok(decoded.into_owned()),
        Err(_) => Err(PercentError::NotUtf8),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_become_the_bytes_that_they_name() {
        for (text, decoded) in [
            ("", ""),
            ("/a b", "/a b"),
            ("%41%2f%2F", "A//"),
            ("a%20b%25", "a b%"),
            ("%2541", "%41"),
            ("%c3%A4\u{e4}", "\u{e4}\u{e4}"),
            ("%00%0a", "\0\n"),
            ("a+b", "a+b"),
        ] {
            assert_eq!(percent_decode(text).as_deref(), Ok(decoded), "{text}");
        }
    }

    #[test]
    fn what_is_malformed_is_refused() {
        for text in [
            "%", "a%", "%4", "%zz", "%4z", "%z4", "%%41", "%4%41", "%+1", "% 1", "%\u{e4}",
            "%4\u{e4}",
        ] {
            assert_eq!(percent_decode(text), Err(PercentError::Malformed), "{text}");
        }
        for text in ["%ff", "%c3", "a%c3b", "%ed%a0%80", "%c0%af"] {
            assert_eq!(percent_decode(text), Err(PercentError::NotUtf8), "{text}");
        }
    }
}
