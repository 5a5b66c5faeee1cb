//! What the files of a delivery are called: one rule, by which they are named and recognised.
//!
//! `IMAGE.CONTENT.from-BASE.EXTENSION` for a child, `IMAGE.CONTENT.whole.EXTENSION` for a whole image, with the first digits of the contents; the manifest
//! of a child is called as the child with `.manifest.json` behind it; a transport file has its own in it. The pieces of one that is cut have `.001` and so on
//! behind its name, the digests of their blocks `.blocks`; parity has `.parity` behind
//! the name of what it is of.

use imgdelta_core::{Format, Result};
use imgdelta_delta::ContentId;
use imgdelta_registry::extension_of;
use imgdelta_repository::catalogue::Name;

use super::piece_list::whole_name;

/// Most bytes of an image's name in the name of a file.
const NAME_PART: usize = 64;

/// How many digits of a content id stand in it.
const DIGITS: usize = 12;

/// What a manifest's name ends with.
const MANIFEST: &str = ".manifest.json";

/// What a file of windows is called, as `imgdelta` is what a transport file is.
pub(super) const WINDOWS: &str = "windows";

/// What stands in place of the base of a whole image.
const WHOLE: &str = "whole";

/// What stands before the digits of a base.
const FROM: &str = "from-";

/// What the file of an image and its manifest are called.
///
/// # Errors
/// Usage, if the image's name is none for a file.
pub(super) fn file_names(
    image: &Name,
    content: &ContentId,
    base: Option<&ContentId>,
    extension: &str,
) -> Result<(Name, Name)> {
    let digits = |content: &ContentId| -> String {
        let digits = content.0.to_string();
        digits.chars().take(DIGITS).collect()
    };
    let from = match base {
        Some(base) => format!("{FROM}{}", digits(base)),
        None => WHOLE.to_owned(),
    };
    let shown = cut(image.as_str());
    let file = format!("{shown}.{}.{from}.{extension}", digits(content));
    let manifest = format!("{file}{MANIFEST}");
    Ok((file.parse()?, manifest.parse()?))
}

/// Whether a file that is called so was made for a delivery.
pub(super) fn is_file_name(name: &str) -> bool {
    let name = whole_name(name).unwrap_or(name);
    let (file, is_manifest) = match name.strip_suffix(MANIFEST) {
        Some(file) => (file, true),
        None => (name, false),
    };
    let mut parts = file.rsplitn(4, '.');
    let (Some(extension), Some(from), Some(content), Some(image)) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let is_digits = |text: &str| {
        let mut bytes = text.bytes();
        text.len() == DIGITS && bytes.all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_from = match from.strip_prefix(FROM) {
        Some(base) => is_digits(base),
        None => from == WHOLE && !is_manifest,
    };
    let mut formats = Format::ALL.into_iter().chain([Format::Transport]);
    is_from
        && is_digits(content)
        && (1..=NAME_PART).contains(&image.len())
        && (extension == WINDOWS || formats.any(|format| extension_of(format) == extension))
}

/// The beginning of a name.
fn cut(name: &str) -> &str {
    let end = (0..=NAME_PART.min(name.len()))
        .rev()
        .find(|end| name.is_char_boundary(*end));
    name.get(..end.unwrap_or_default()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use imgdelta_delta::Digest;

    use super::*;

    #[test]
    fn every_name_that_is_given_is_recognised() -> Result<()> {
        let content = |text: &str| ContentId(Digest::plain(text.as_bytes()));
        let long = "ü".repeat(60);
        for image in ["patched", "a.b.c", "Golden Disk", &long] {
            for base in [None, Some(content("base"))] {
                for format in Format::ALL.into_iter().chain([Format::Transport]) {
                    let image: Name = image.parse()?;
                    let extension = extension_of(format);
                    let named = file_names(&image, &content("image"), base.as_ref(), extension)?;
                    for behind in ["", ".001", ".0001", ".blocks", ".parity", ".001.parity"] {
                        let name = format!("{}{behind}", named.0);
                        assert!(is_file_name(&name), "{name}");
                    }
                    assert_eq!(is_file_name(named.1.as_str()), base.is_some());
                }
            }
        }
        Ok(())
    }

    #[test]
    fn other_names_are_not() {
        let digits = "0123456789ab";
        for name in [
            "delivery.json".to_owned(),
            "HOWTO.txt".to_owned(),
            "disk.qcow2".to_owned(),
            format!("disk.{digits}.qcow2"),
            format!(".{digits}.whole.qcow2"),
            format!("disk.{digits}.whole.txt"),
            format!("disk.{digits}.half.qcow2"),
            format!("disk.{digits}0.whole.qcow2"),
            format!("disk.{}.whole.qcow2", digits.to_uppercase()),
            format!("disk.{digits}.from-{digits}.qcow2.bak"),
            format!("disk.{digits}.whole.qcow2.manifest.json"),
            format!("disk.{digits}.whole.qcow2.01"),
            format!("disk.{digits}.whole.txt.001"),
            format!("disk.{digits}.whole.txt.parity"),
            format!("disk.{digits}.whole.qcow2.parity.001"),
        ] {
            assert!(!is_file_name(&name), "{name}");
        }
    }
}
