//! Keys of a descriptor that say that the bytes in its extents are not those of the disk, or not all of them: refused by name, not read as
//! if they were.

use crate::{descriptor::Descriptor, fault::Fault, link};

/// A key of the header that names a key of encryption, where no other one says it.
const KEY_ID: &str = "keyid";
/// What all other keys of encryption have in their names, and VMware's filter that encrypts in its own: `encryptionKeys`, `vmwarevmcrypt`.
const CRYPT: &str = "crypt";
/// The filters of ESXi that see what passes.
const FILTERS: &str = "ddb.iofilters";
/// Those that change none of it: vSphere Replication, and the control of input and output.
const HARMLESS: [&str; 2] = ["vmwarelwd", "spm"];

/// Whether what stands in the extents is the disk. Filters that nobody knows are believed to change nothing where the user says so.
/// Returns what the user should know.
pub(crate) fn validate(
    descriptor: &Descriptor,
    trusts_filters: bool,
) -> Result<Vec<String>, Fault> {
    for (key, value) in descriptor.pairs() {
        let name = key.escape_ascii().to_string();
        let plain = name.to_ascii_lowercase();
        let plain = plain.strip_prefix("ddb.").unwrap_or(&plain);
        if (plain == KEY_ID || plain.contains(CRYPT)) && !says_no(value) {
            return Err(Fault::Encrypted { key: name });
        }
    }
    if values(descriptor, "isNativeSnapshot").any(says_yes) {
        return Err(Fault::NativeSnapshot);
    }
    if values(descriptor, "ddb.objectParentUri").any(|uri| !uri.is_empty())
        && link::parent(descriptor)?.is_none()
    {
        return Err(Fault::ObjectParent);
    }
    filters(descriptor, trusts_filters)
}

/// All values of a key: who writes it twice may mean either.
fn values<'a>(descriptor: &'a Descriptor, key: &'static str) -> impl Iterator<Item = &'a [u8]> {
    let is_it = move |(found, _): &(&[u8], &[u8])| found.eq_ignore_ascii_case(key.as_bytes());
    descriptor.pairs().filter(is_it).map(|(_, value)| value)
}

fn filters(descriptor: &Descriptor, trusts_filters: bool) -> Result<Vec<String>, Fault> {
    let all: Vec<String> = values(descriptor, FILTERS)
        .map(|value| value.escape_ascii().to_string())
        .collect();
    let names = all.iter().flat_map(|value| value.split([',', ';', ' ']));
    let mut notes = Vec::new();
    for name in names.filter(|name| !name.is_empty()) {
        let plain = name.to_ascii_lowercase();
        if plain.contains(CRYPT) {
            let key = FILTERS.into();
            return Err(Fault::Encrypted { key });
        }
        // ESXi calls them VMW_vmwarelwd_1.0.0 in places.
        let is_known = plain.split('_').any(|part| HARMLESS.contains(&part));
        if !is_known && !trusts_filters {
            return Err(Fault::Filter { found: name.into() });
        }
        notes.push(format!(
            "the I/O filter '{name}' was attached to the disk: it is believed to change no data"
        ));
    }
    Ok(notes)
}

fn says_no(value: &[u8]) -> bool {
    let no: [&[u8]; 5] = [b"", b"no", b"none", b"false", b"0"];
    no.iter().any(|word| value.eq_ignore_ascii_case(word))
}

fn says_yes(value: &[u8]) -> bool {
    let yes: [&[u8]; 3] = [b"yes", b"true", b"1"];
    yes.iter().any(|word| value.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &str, trusts_filters: bool) -> Result<Vec<String>, Fault> {
        let text =
            format!("# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\n{lines}\n");
        validate(&Descriptor::parse(text.as_bytes())?, trusts_filters)
    }

    #[test]
    fn every_key_that_says_encrypted_is_refused_by_name() {
        for (line, name) in [
            (
                "encryptionKeys=\"vmware:key/fqid/id/server/key%2d001\"",
                "encryptionKeys",
            ),
            ("ENCRYPTIONKEYS = x", "ENCRYPTIONKEYS"),
            ("keyID=\"k1\"", "keyID"),
            (
                "encryption.keySafe = \"vmware:key/list\"",
                "encryption.keySafe",
            ),
            ("ddb.encryption.data = \"x\"", "ddb.encryption.data"),
            (
                "encryptionKeys=\"a quote that does not end",
                "encryptionKeys",
            ),
            ("ddb.iofilters = \"vmwarevmcrypt\"", "ddb.iofilters"),
            (
                "ddb.iofilters = \"vmwarelwd, VMW_vmwarevmcrypt_1.0.0\"",
                "ddb.iofilters",
            ),
        ] {
            let key = name.to_owned();
            for trusts_filters in [false, true] {
                assert_eq!(
                    of(line, trusts_filters),
                    Err(Fault::Encrypted { key: key.clone() })
                );
            }
        }
    }

    #[test]
    fn filters_that_change_nothing_are_noted_and_others_refused() {
        for line in [
            "",
            "encrypted=\"no\"",
            "encryptionKeys=\"\"",
            "ddb.iofilters = \"\"",
        ] {
            assert_eq!(of(line, false), Ok(Vec::new()), "{line}");
        }
        let notes = of("ddb.iofilters = \"vmwarelwd;VMW_spm_1.0.0\"", false);
        assert_eq!(notes.map(|notes| notes.len()), Ok(2));
        let line = "ddb.iofilters = \"acmecache\"";
        let found = "acmecache".into();
        assert_eq!(of(line, false), Err(Fault::Filter { found }));
        assert_eq!(of(line, true).map(|notes| notes.len()), Ok(1));
        let twice = format!("ddb.iofilters = \"\"\n{line}");
        let found = "acmecache".into();
        assert_eq!(of(&twice, false), Err(Fault::Filter { found }));
    }

    #[test]
    fn data_that_an_array_or_an_object_keeps_are_not_in_the_file() {
        for word in ["yes", "TRUE", "1"] {
            let line = format!("isNativeSnapshot=\"{word}\"");
            assert_eq!(of(&line, false), Err(Fault::NativeSnapshot));
        }
        assert!(of("isNativeSnapshot=\"no\"", false).is_ok());
        let twice = "isNativeSnapshot=\"no\"\nisNativeSnapshot=\"yes\"";
        assert_eq!(of(twice, false), Err(Fault::NativeSnapshot));
        let object = "ddb.objectParentUri = \"vsan://52e8\"";
        assert_eq!(of(object, false), Err(Fault::ObjectParent));
    }
}
