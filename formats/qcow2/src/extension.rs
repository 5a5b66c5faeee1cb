//! Header extensions, read and written: type, length, data, padding to 8 bytes.
//!
//! What an extension means is judged in `validate`; unknown ones are kept as they are.

use imgdelta_core::{FileOffset, Result};
use nom::{IResult, Parser, bytes::complete::take, number::complete::be_u32};

use crate::{
    fault::Fault,
    layout::{ExtensionHeader, FeatureName, extension},
};

/// One header extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Extension {
    /// Which: see [`extension`].
    pub(crate) kind: u32,
    /// Its data, without padding.
    pub(crate) data: Vec<u8>,
}

/// The extensions that stand in `area`, which starts at `at` in the file and ends where the backing file's name or the first
/// cluster's end is. They go to type 0, or to where no more fits. [qemu does the same]
pub(crate) fn parse(area: &[u8], at: FileOffset) -> Result<Vec<Extension>> {
    let mut all = Vec::new();
    let mut rest = area;
    while rest.len() >= ExtensionHeader::SIZE {
        let Ok((behind, (kind, length))) = head(rest) else {
            break;
        };
        if kind == extension::END {
            break;
        }
        let Ok((behind, data)) = body(length, behind) else {
            let here = FileOffset(at.0.saturating_add((area.len() - rest.len()) as u64));
            let fault = Fault::ExtensionTooLarge {
                kind,
                found: length,
                room: behind.len(),
            };
            return Err(imgdelta_core::Error::from(fault)
                .in_field("header extension", "length")
                .at(here));
        };
        all.push(Extension {
            kind,
            data: data.to_vec(),
        });
        rest = behind;
    }
    Ok(all)
}

/// Type and length.
fn head(input: &[u8]) -> IResult<&[u8], (u32, u32)> {
    (be_u32, be_u32).parse(input)
}

/// Data of `length` bytes, then padding as far as there is room for it.
fn body(length: u32, input: &[u8]) -> IResult<&[u8], &[u8]> {
    let (behind, data) = take(length).parse(input)?;
    let padding = padding(data.len()).min(behind.len());
    let (behind, _) = take(padding).parse(behind)?;
    Ok((behind, data))
}

/// How many bytes go from `len` to the next multiple of 8.
const fn padding(len: usize) -> usize {
    (8 - len % 8) % 8
}

/// The bytes of `all`, and the end marker behind them.
pub(crate) fn emit(all: &[Extension]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for one in all {
        let header = ExtensionHeader {
            kind: one.kind,
            length: u32::try_from(one.data.len()).unwrap_or(u32::MAX),
        };
        bytes.extend_from_slice(&header.emit());
        bytes.extend_from_slice(&one.data);
        bytes.resize(bytes.len() + padding(one.data.len()), 0);
    }
    let end = ExtensionHeader {
        kind: extension::END,
        length: 0,
    };
    bytes.extend_from_slice(&end.emit());
    bytes
}

/// The data of the first extension of that type.
pub(crate) fn data_of(all: &[Extension], kind: u32) -> Option<&[u8]> {
    all.iter()
        .find(|one| one.kind == kind)
        .map(|one| one.data.as_slice())
}

/// What the image's own feature name table calls a bit; `kind` is 0 for incompatible ones.
pub(crate) fn feature_name(all: &[Extension], kind: u8, bit: u32) -> Option<String> {
    let table = data_of(all, extension::FEATURE_NAMES)?;
    let (rows, _) = table.as_chunks::<{ FeatureName::SIZE }>();
    let row = rows
        .iter()
        .map(FeatureName::parse)
        .find(|row| row.kind == kind && u32::from(row.bit) == bit)?;
    let name = row.name.split(|&byte| byte == 0).next()?;
    Some(String::from_utf8_lossy(name).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(kind: u32, data: &[u8]) -> Extension {
        Extension {
            kind,
            data: data.to_vec(),
        }
    }

    #[test]
    fn extensions_are_read_as_they_were_written() -> Result<()> {
        let all = [
            one(extension::BACKING_FORMAT, b"qcow2"),
            one(0x1234_5678, b"12345678"),
            one(0x1234_5679, b""),
        ];
        let mut bytes = emit(&all);
        assert_eq!(bytes.len(), 16 + 16 + 8 + 8);
        bytes.extend_from_slice(b"name of the backing file");
        assert_eq!(parse(&bytes, FileOffset(112))?, all);
        Ok(())
    }

    #[test]
    fn an_extension_past_the_room_is_refused_with_its_place() {
        let mut bytes = emit(&[one(7, b"1")]);
        bytes.truncate(16);
        bytes.extend_from_slice(&0x1234_5678_u32.to_be_bytes());
        bytes.extend_from_slice(&0x7fff_ffff_u32.to_be_bytes());
        let error = parse(&bytes, FileOffset(112)).expect_err("it is too large");
        assert_eq!(error.location().offset, Some(FileOffset(128)));
        assert_eq!(error.code(), "qcow2_extension_too_large");
    }

    #[test]
    fn extensions_may_end_where_the_room_ends() -> Result<()> {
        let bytes = [&7_u32.to_be_bytes()[..], &3_u32.to_be_bytes(), b"abc"].concat();
        assert_eq!(parse(&bytes, FileOffset(72))?, [one(7, b"abc")]);
        assert_eq!(parse(b"\0\0\0", FileOffset(72))?, []);
        Ok(())
    }

    #[test]
    fn a_feature_has_the_name_that_the_image_gives_it() {
        let mut row = vec![0, 5];
        row.extend_from_slice(b"time travel");
        row.resize(48, 0);
        let all = [one(extension::FEATURE_NAMES, &row)];
        assert_eq!(feature_name(&all, 0, 5).as_deref(), Some("time travel"));
        assert_eq!(feature_name(&all, 1, 5), None);
    }
}
