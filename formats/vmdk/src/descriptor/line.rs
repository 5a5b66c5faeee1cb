//! One line of a descriptor: a pair, an extent, or what means nothing here.

use nom::{
    IResult, Parser,
    branch::alt,
    bytes::complete::{is_not, tag, tag_no_case, take_while, take_while1},
    character::complete::{char, digit1, multispace0, space0, space1},
    combinator::{all_consuming, eof, map_opt, opt, rest, value},
    sequence::{delimited, preceded, terminated},
};

use crate::fault::Fault;

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Statement<'a> {
    /// A comment, a blank line, or something that nobody knows.
    Nothing,
    /// `key=value`.
    Pair {
        /// As it stands there.
        key: &'a [u8],
        /// Without its quotes.
        value: &'a [u8],
    },
    /// A part of the disk.
    Extent(ExtentLine),
}

/// A part of the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExtentLine {
    /// Whether it may be read and written.
    pub(crate) access: Access,
    /// How many sectors of the disk it is.
    pub(crate) sectors: u64,
    /// What its file is.
    pub(crate) kind: ExtentType,
    /// The file's name, in the descriptor's encoding.
    pub(crate) file: Option<Vec<u8>>,
    /// The sector of the file where it starts.
    pub(crate) offset: Option<u64>,
}

/// Whether an extent may be read and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// `RW`.
    Write,
    /// `RDONLY`.
    ReadOnly,
    /// `NOACCESS`.
    None,
}

/// What an extent's file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExtentType {
    /// The bytes of the disk.
    Flat,
    /// The same on VMFS.
    Vmfs,
    /// A hosted sparse extent.
    Sparse,
    /// No file: zeros.
    Zero,
    /// A COWD extent.
    VmfsSparse,
    /// An seSparse extent.
    SeSparse,
    /// A raw device, or what stands for one, by this name.
    Device(&'static str),
}

impl<'a> Statement<'a> {
    /// Reads a line. Only a line that begins like an extent and goes on otherwise is an error: the disk would be shorter without it.
    pub(crate) fn of(text: &'a [u8]) -> Result<Self, Fault> {
        let line = text.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            return Ok(Self::Nothing);
        }
        if terminated(access, space1).parse(line).is_ok() {
            let parsed = all_consuming(terminated(extent, multispace0)).parse(line);
            let extent = parsed.map(|(_, extent)| extent).ok();
            return match extent.filter(ExtentLine::is_whole) {
                Some(extent) => Ok(Self::Extent(extent)),
                None => Err(not_an_extent(line)),
            };
        }
        match pair(line) {
            Ok((_, (key, value))) => Ok(Self::Pair { key, value }),
            // An access that nobody knows: to leave the line out would make the disk shorter.
            Err(_)
                if preceded((word, space1, number, space1), kind)
                    .parse(line)
                    .is_ok() =>
            {
                Err(Fault::ExtentLine { found: shown(line) })
            }
            Err(_) => Ok(Self::Nothing),
        }
    }
}

impl ExtentLine {
    /// Whether it has what its type needs.
    fn is_whole(&self) -> bool {
        let has_file = self.file.as_ref().is_some_and(|file| !file.is_empty());
        match self.kind {
            ExtentType::Zero => true,
            ExtentType::Flat | ExtentType::Device(_) => has_file,
            // [qemu iotest 059] a VMFS extent starts where its file starts.
            _ => has_file && self.offset.unwrap_or(0) == 0,
        }
    }
}

/// A line for messages: not longer than a line.
fn shown(line: &[u8]) -> String {
    const LONGEST: usize = 120;
    let shown = line.get(..line.len().min(LONGEST)).unwrap_or_default();
    let dots = if line.len() > LONGEST { "..." } else { "" };
    format!("{}{dots}", shown.escape_ascii())
}

fn access(input: &[u8]) -> IResult<&[u8], Access> {
    alt((
        value(Access::Write, tag_no_case("RW")),
        value(Access::ReadOnly, tag_no_case("RDONLY")),
        value(Access::None, tag_no_case("NOACCESS")),
    ))
    .parse(input)
}

/// What an extent's type is called.
fn word(input: &[u8]) -> IResult<&[u8], &[u8]> {
    take_while1(|byte: u8| byte.is_ascii_alphanumeric() || byte == b'_').parse(input)
}

fn kind(input: &[u8]) -> IResult<&[u8], ExtentType> {
    const KINDS: [(&str, ExtentType); 8] = [
        ("FLAT", ExtentType::Flat),
        ("SPARSE", ExtentType::Sparse),
        ("ZERO", ExtentType::Zero),
        ("VMFS", ExtentType::Vmfs),
        ("VMFSSPARSE", ExtentType::VmfsSparse),
        ("SESPARSE", ExtentType::SeSparse),
        ("VMFSRDM", ExtentType::Device("VMFSRDM")),
        ("VMFSRAW", ExtentType::Device("VMFSRAW")),
    ];
    map_opt(word, |word| {
        let is_it = |(name, _): &&(&str, _)| word.eq_ignore_ascii_case(name.as_bytes());
        KINDS.iter().find(is_it).map(|(_, kind)| *kind)
    })
    .parse(input)
}

/// Why a line that begins like an extent is none: a type that is not known, or damage.
fn not_an_extent(line: &[u8]) -> Fault {
    let front = (access, space1, number, space1);
    let typed = preceded(front, terminated(word, alt((eof, space1)))).parse(line);
    match typed {
        Ok((_, word)) if kind(word).is_err() => Fault::ExtentType { found: shown(word) },
        _ => Fault::ExtentLine { found: shown(line) },
    }
}

fn number(input: &[u8]) -> IResult<&[u8], u64> {
    map_opt(digit1, |digits| {
        std::str::from_utf8(digits).ok()?.parse().ok()
    })
    .parse(input)
}

fn name(input: &[u8]) -> IResult<&[u8], &[u8]> {
    delimited(char('"'), take_while(|byte| byte != b'"'), char('"')).parse(input)
}

fn extent(input: &[u8]) -> IResult<&[u8], ExtentLine> {
    let (input, access) = terminated(access, space1).parse(input)?;
    let (input, sectors) = terminated(number, space1).parse(input)?;
    let (input, kind) = kind(input)?;
    let (input, file) = opt(preceded(space1, name)).parse(input)?;
    // Behind the place: a device's partition UUID and id. What is no number there must not pass for one that is missing.
    let place = terminated(number, opt(preceded(space1, rest)));
    let (input, offset) = opt(preceded(space1, place)).parse(input)?;
    let line = ExtentLine {
        access,
        sectors,
        kind,
        file: file.map(<[u8]>::to_owned),
        offset,
    };
    Ok((input, line))
}

fn pair(input: &[u8]) -> IResult<&[u8], (&[u8], &[u8])> {
    let (input, key) = terminated(
        take_while1(|byte: u8| byte != b'=' && !byte.is_ascii_whitespace()),
        (space0, tag("="), space0),
    )
    .parse(input)?;
    // A path without quotes may hold spaces; those at the line's end are gone. A quote that does not end is no reason to see no value.
    let unended = preceded(char('"'), rest);
    let (input, value) = opt(alt((name, unended, is_not("\"")))).parse(input)?;
    Ok((input, (key, value.unwrap_or_default())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extent_of(line: &str) -> Option<ExtentLine> {
        match Statement::of(line.as_bytes()) {
            Ok(Statement::Extent(extent)) => Some(extent),
            _ => None,
        }
    }

    #[test]
    fn extents_are_read_with_and_without_file_and_place() {
        let extent = extent_of("RW 4192256 SPARSE \"disk-s001.vmdk\"").expect("it is one");
        assert_eq!(
            (extent.sectors, extent.kind),
            (4_192_256, ExtentType::Sparse)
        );
        assert_eq!(extent.offset, None);
        assert_eq!(extent_of("RW 8 ZERO").map(|one| one.file), Some(None));
        assert!(extent_of("RW 8 VMFS \"a-flat.vmdk\"").is_some());
        assert!(extent_of("RW 63 FLAT \"\\\\.\\PhysicalDrive0\" 0 partitionUUID x y").is_some());
    }

    #[test]
    fn values_need_no_quotes() {
        let value = |line: &'static str| match Statement::of(line.as_bytes()) {
            Ok(Statement::Pair { value, .. }) => Some(value),
            _ => None,
        };
        assert_eq!(value("a=my base.vmdk \r"), Some(&b"my base.vmdk"[..]));
        assert_eq!(value("a = \"my base.vmdk\" "), Some(&b"my base.vmdk"[..]));
        assert_eq!(value("a="), Some(&b""[..]));
        assert_eq!(value("a=\"b c"), Some(&b"b c"[..]));
        assert_eq!(value("a=\"\""), Some(&b""[..]));
    }

    #[test]
    fn a_type_that_is_not_known_is_not_supported_and_not_damage() {
        for (line, is_a_type) in [
            ("RW 12 VSANSPARSE \"a\"", true),
            ("RW 12 FLATTER \"a\" 0", true),
            ("RW 12 PMEM", true),
            ("RW 12 FLAT", false),
            ("RW 12 FLAT\"a\" 0", false),
            ("RW 12 \"a\"", false),
            ("RW 12 ?", false),
        ] {
            let fault = Statement::of(line.as_bytes()).expect_err("it is no extent");
            assert_eq!(
                matches!(fault, Fault::ExtentType { .. }),
                is_a_type,
                "{line}: {fault}"
            );
        }
    }

    #[test]
    fn what_begins_like_an_extent_must_be_one() {
        for line in [
            "RW",
            "RW 12",
            "RW x FLAT \"a\" 0",
            "RW 12 FLAT",
            "RW 12 FLAT \"\" 0",
            "RW 12 WRONG \"a\"",
            "RW 12 FLAT \"a",
            "RW 99999999999999999999 FLAT \"a\" 0",
            "RW -1 FLAT \"a\" 0",
            "RW 8 FLAT \"a\" 99999999999999999999",
            "RW 8 FLAT \"a\" -5",
            "RW 8 FLAT \"a\" x",
            "RW 8 FLAT \"a\" \"4\"",
            "RW 12582912 VMFS \"dummy.vmdk\" 1",
            "RO 12 FLAT \"a\" 0",
        ] {
            let is_pair = line == "RW";
            assert_eq!(Statement::of(line.as_bytes()).is_ok(), is_pair, "{line}");
        }
    }
}
