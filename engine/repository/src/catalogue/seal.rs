//! What tells a damaged record from a true one: a digest in the file itself, of the file as it is without it. A record that nobody sealed, as
//! older versions wrote them, is read all the same.

use imgdelta_core::{Error, Kind, Result};
use imgdelta_delta::Digest;
use serde::Deserialize;

/// What stands for the digest while it is worked out.
const BLANK: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What stands before its digits.
const PREFIX: &str = "sha256:";

/// Adds the digest to a JSON object that ends with `\n}` and says something.
pub(super) fn seal(json: &str) -> String {
    let open = json.strip_suffix("\n}").unwrap_or(json);
    let with = |digits: &str| format!("{open},\n  \"digest\": \"{PREFIX}{digits}\"\n}}\n");
    let digest = Digest::plain(with(BLANK).as_bytes());
    with(&digest.to_string())
}

/// Holds what was read against the digest in it, if there is one; `what` it is.
///
/// # Errors
/// Corrupt, if it is another one.
pub(super) fn check_seal(json: &[u8], what: &str) -> Result<()> {
    #[derive(Deserialize)]
    struct Seal {
        #[serde(default)]
        digest: Option<String>,
    }
    let faulty = |message: String| Error::new(Kind::Corrupt, message).with_code("record");
    let seal: Seal =
        serde_json::from_slice(json).map_err(|cause| faulty(format!("{what}: {cause}")))?;
    let Some(digest) = seal.digest else {
        return Ok(());
    };
    let digits = digest.strip_prefix(PREFIX).unwrap_or_default();
    let text = str::from_utf8(json).unwrap_or_default();
    let is_plain = digits.len() == BLANK.len() && digits.bytes().all(|c| c.is_ascii_hexdigit());
    let found = Digest::plain(text.replace(digits, BLANK).as_bytes()).to_string();
    if is_plain && found == digits {
        return Ok(());
    }
    Err(faulty(format!(
        "{what}: its digest is {PREFIX}{found}, '{}' is recorded: it is damaged, or was edited",
        digest.chars().take(80).collect::<String>().escape_debug()
    ))
    .with_hint("if it was edited on purpose, remove its line \"digest\", and the comma before it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_is_told_from_what_was_changed() -> Result<()> {
        let sealed = seal("{\n  \"a\": 1,\n  \"b\": \"text\"\n}");
        assert!(sealed.starts_with("{\n  \"a\": 1,\n  \"b\": \"text\",\n  \"digest\": \"sha256:"));
        check_seal(sealed.as_bytes(), "record")?;
        for at in 0..sealed.len() - 1 {
            let mut other = sealed.clone().into_bytes();
            other[at] ^= 2;
            let is_key = sealed[..at].ends_with('"') || sealed[at..].starts_with("digest");
            let found = check_seal(&other, "record");
            // A flip in the word "digest" itself makes a record without one.
            assert!(found.is_err() || is_key || (28..36).contains(&at), "{at}");
        }
        check_seal(b"{\"a\": 1}", "record")?;
        assert!(check_seal(b"{\"digest\": \"sha256:\"}", "record").is_err());
        assert!(check_seal(b"{\"digest\": \"\"}", "record").is_err());
        Ok(())
    }
}
