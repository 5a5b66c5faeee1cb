//! The descriptor: text that says what a disk is made of. A grammar, and a writer that keeps every line it does not change.
//!
//! ```text
//! # Disk DescriptorFile
//! version=1
//! CID=0fd37a37                          header: key=value
//! parentCID=ffffffff
//! createType="twoGbMaxExtentSparse"
//!
//! # Extent description
//! RW 4192256 SPARSE "disk-s001.vmdk"    access, sectors, type, file, where in it
//!
//! # The Disk Data Base
//! #DDB
//! ddb.adapterType = "ide"               data base: ddb.key = "value"
//! ```
//!
//! Lines end with LF or CRLF, keys know no case, spaces may stand around `=`, values may have quotes. What the values mean is judged
//! in `disk`, `unsupported_keys` and `link`; one line is read in `line`, and `title` knows a descriptor by its first ones.

mod line;
mod title;

use imgdelta_core::{Bytes, Error, Kind};

use crate::{encoding, fault::Fault};

pub(crate) use line::{Access, ExtentLine, ExtentType, Statement};
pub(crate) use title::{is_descriptor, unmarked};

/// The longest descriptor that is read: all of it is held in memory. VirtualBox reads as much, room for more extents than 64 TiB have.
pub(crate) const LONGEST: Bytes = Bytes::mib(10);
/// The longest line of it. Wrapped keys take some thousand bytes.
const LONGEST_LINE: usize = 64 << 10;
/// The most lines: some 40 bytes of memory each, however short they are.
const MOST_LINES: usize = 1 << 18;
/// How much shorter a text gets by its CID: from 8 digits to 1.
const SHORTER: usize = 7;

/// A descriptor as it was read: all its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Descriptor {
    lines: Vec<Line>,
    /// Whether a byte order mark says that it is Unicode, whatever encoding it names itself.
    is_unicode: bool,
    /// The encoding that it names: asked for at each of very many names.
    encoding: Option<Vec<u8>>,
}

/// One line and how it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    text: Vec<u8>,
    end: &'static str,
}

impl Descriptor {
    /// Reads a descriptor. What follows the first NUL is the padding of an embedded one and must be NUL too, but for what qemu leaves of a
    /// longer text. The title is not looked for: not all converters write it into a file that is known by its header.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let end = bytes.iter().position(|byte| *byte == 0);
        let (text, padding) = bytes.split_at(end.unwrap_or(bytes.len()));
        if let Some(at) = padding.iter().position(|byte| *byte != 0)
            && !is_left_over(text, padding)
        {
            return Err(Fault::TextBehindNul {
                at: text.len().saturating_add(at),
            });
        }
        let found = text.iter().filter(|byte| **byte == b'\n').count();
        if found > MOST_LINES {
            let most = MOST_LINES;
            return Err(Fault::TooManyLines { found, most });
        }
        let lines = text.split_inclusive(|byte| *byte == b'\n').map(|line| {
            let ends = ["\r\n", "\n"];
            let end = ends.iter().find(|end| line.ends_with(end.as_bytes()));
            let end = end.copied().unwrap_or_default();
            let text = line.get(..line.len() - end.len()).unwrap_or_default();
            Line {
                text: text.to_owned(),
                end,
            }
        });
        let mut descriptor = Self {
            lines: lines.collect(),
            is_unicode: false,
            encoding: None,
        };
        descriptor.validate()?;
        descriptor.encoding = descriptor.header("encoding").map(<[u8]>::to_owned);
        Ok(descriptor)
    }

    /// Reads a descriptor that is a file of its own, with a byte order mark or without.
    pub(crate) fn parse_file(bytes: &[u8]) -> Result<Self, Fault> {
        let (text, is_unicode) = unmarked(bytes);
        Ok(Self {
            is_unicode,
            ..Self::parse(&text)?
        })
    }

    /// The text, every line as it was read or set; behind a mark, where it had one.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let lines = self.lines.iter();
        let mark = if self.is_unicode { title::MARK } else { &[] };
        let bytes = lines.flat_map(|line| line.text.iter().copied().chain(line.end.bytes()));
        mark.iter().copied().chain(bytes).collect()
    }

    /// The value of a header key, without quotes.
    pub(crate) fn header(&self, key: &str) -> Option<&[u8]> {
        let key = key.as_bytes();
        // There may be a hundred thousand lines, and few that begin so.
        let begins = |line: &&Line| {
            let text = line.text.trim_ascii_start();
            let head = text.get(..key.len());
            head.is_some_and(|head| head.eq_ignore_ascii_case(key))
        };
        let mut lines = self.lines.iter().filter(begins);
        lines.find_map(|line| match Statement::of(&line.text) {
            Ok(Statement::Pair { key: found, value }) if found.eq_ignore_ascii_case(key) => {
                Some(value)
            }
            _ => None,
        })
    }

    /// All keys and their values.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let statements = self.lines.iter().map(|line| Statement::of(&line.text));
        statements.filter_map(|statement| match statement {
            Ok(Statement::Pair { key, value }) => Some((key, value)),
            _ => None,
        })
    }

    /// The encoding of the names in it.
    fn encoding(&self) -> Option<&[u8]> {
        if self.is_unicode {
            Some(b"UTF-8")
        } else {
            self.encoding.as_deref()
        }
    }

    /// The value of a key of the data base, `ddb.` left out.
    pub(crate) fn ddb(&self, key: &str) -> Option<&[u8]> {
        self.header(&format!("ddb.{key}"))
    }

    /// As [`Descriptor::header`], as text; nothing where it is not ASCII.
    pub(crate) fn header_text(&self, key: &str) -> Option<&str> {
        std::str::from_utf8(self.header(key)?).ok()
    }

    /// As [`Descriptor::ddb`], as text.
    pub(crate) fn ddb_text(&self, key: &str) -> Option<&str> {
        std::str::from_utf8(self.ddb(key)?).ok()
    }

    /// The extents, in order.
    pub(crate) fn extents(&self) -> Result<Vec<ExtentLine>, Fault> {
        let mut extents = Vec::new();
        for line in &self.lines {
            if let Statement::Extent(extent) = Statement::of(&line.text)? {
                extents.push(extent);
            }
        }
        Ok(extents)
    }

    /// A name in it as text.
    pub(crate) fn decode(&self, name: &[u8]) -> Result<String, Fault> {
        encoding::decode(name, self.encoding())
    }

    /// Gives a header key another value, or a place behind `after` if it has none yet.
    pub(crate) fn set_header(
        &mut self,
        key: &str,
        value: &str,
        after: &str,
    ) -> imgdelta_core::Result<()> {
        let needs_quotes = !matches!(key, "CID" | "parentCID");
        // Nothing is wrong with the image: its encoding has no such letters.
        let unrecordable = || {
            let shown = value.escape_debug();
            Error::new(
                Kind::Unsupported,
                format!("the name '{shown}' cannot be written in the descriptor's encoding"),
            )
            .with_code("vmdk_unrecordable_name")
        };
        let value = encoding::encode(value, self.encoding()).ok_or_else(unrecordable)?;
        let value = if needs_quotes {
            [b"\"", value.as_slice(), b"\""].concat()
        } else {
            value
        };
        self.set(key, &[key.as_bytes(), b"=", &value].concat(), after);
        Ok(())
    }

    /// Gives a key of the data base another value, or a place at the end if it has none yet.
    pub(crate) fn set_ddb(&mut self, key: &str, value: &str) {
        let key = format!("ddb.{key}");
        let text = format!("{key} = \"{value}\"");
        self.set(&key, text.as_bytes(), "");
    }

    fn set(&mut self, key: &str, text: &[u8], after: &str) {
        if let Some(line) = self.place(key).and_then(|at| self.lines.get_mut(at)) {
            line.text = text.to_owned();
            return;
        }
        let end = self.lines.first().map_or("\n", |line| line.end);
        let end = if end.is_empty() { "\n" } else { end };
        let at = self.place(after).map(|at| at + 1);
        let at = at.unwrap_or(self.lines.len()).min(self.lines.len());
        if let Some(before) = at.checked_sub(1).and_then(|at| self.lines.get_mut(at))
            && before.end.is_empty()
        {
            before.end = end;
        }
        let line = Line {
            text: text.to_owned(),
            end,
        };
        self.lines.insert(at, line);
    }

    /// The line of a key.
    fn place(&self, key: &str) -> Option<usize> {
        self.lines.iter().position(|line| {
            matches!(Statement::of(&line.text), Ok(Statement::Pair { key: found, .. })
                if found.eq_ignore_ascii_case(key.as_bytes()))
        })
    }

    /// Lines that cannot be read, and keys that would mean two things.
    fn validate(&self) -> Result<(), Fault> {
        const ONCE: [&str; 6] = [
            "version",
            "encoding",
            "CID",
            "parentCID",
            "createType",
            "parentFileNameHint",
        ];
        let mut seen = [false; ONCE.len()];
        for line in &self.lines {
            if line.text.len() > LONGEST_LINE {
                return Err(Fault::LineTooLong {
                    found: line.text.len(),
                    most: LONGEST_LINE,
                });
            }
            let Statement::Pair { key, .. } = Statement::of(&line.text)? else {
                continue;
            };
            for (name, seen) in ONCE.into_iter().zip(&mut seen) {
                if key.eq_ignore_ascii_case(name.as_bytes()) && std::mem::replace(seen, true) {
                    return Err(Fault::Twice { key: name });
                }
            }
        }
        Ok(())
    }
}

/// Whether what stands behind the text is the end of the one before. qemu writes a new CID without leading zeros and the rest of the text
/// behind it, so that the text gets up to 7 bytes shorter; the bytes behind its new NUL stay. One in 200 of its images is like that.
fn is_left_over(text: &[u8], padding: &[u8]) -> bool {
    let len = padding.iter().rposition(|byte| *byte != 0);
    let rest = len.and_then(|at| padding.get(..=at)).unwrap_or_default();
    rest.len() <= SHORTER
        && rest
            .split(|byte| *byte == 0)
            .all(|part| text.ends_with(part))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "# Disk DescriptorFile\r\nversion=1 \r\nCID=fd37a37\r\nparentCID=ffffffff\r\ncreateType=\"custom\"\r\n\r\n\
        # what nobody knows\r\nstrange line\r\nRW 2048 FLAT \"a b-flat.vmdk\" 128\r\nrdonly 8 ZERO\r\n#DDB\r\nDDB.AdapterType = \"ide\"";

    #[test]
    fn every_line_is_kept_and_keys_know_no_case() -> Result<(), Fault> {
        let descriptor = Descriptor::parse(TEXT.as_bytes())?;
        assert_eq!(descriptor.to_bytes(), TEXT.as_bytes());
        assert_eq!(descriptor.header_text("cid"), Some("fd37a37"));
        assert_eq!(descriptor.header_text("createtype"), Some("custom"));
        assert_eq!(descriptor.header_text("version"), Some("1"));
        assert_eq!(descriptor.ddb_text("adapterType"), Some("ide"));
        let extents = descriptor.extents()?;
        assert_eq!(extents.len(), 2);
        assert_eq!(extents[0].file.as_deref(), Some(&b"a b-flat.vmdk"[..]));
        assert_eq!(extents[0].offset, Some(128));
        assert_eq!(extents[1].access, Access::ReadOnly);
        Ok(())
    }

    #[test]
    fn a_key_that_is_set_changes_its_own_line_only() -> imgdelta_core::Result<()> {
        let mut descriptor = Descriptor::parse(TEXT.as_bytes())?;
        descriptor.set_header("parentCID", "0fd37a37", "CID")?;
        descriptor.set_header("parentFileNameHint", "base.vmdk", "createType")?;
        descriptor.set_ddb("uuid.image", "x");
        let text = String::from_utf8(descriptor.to_bytes()).expect("it was ASCII");
        let expected = TEXT
            .replace("parentCID=ffffffff", "parentCID=0fd37a37")
            .replace(
                "\"custom\"\r\n",
                "\"custom\"\r\nparentFileNameHint=\"base.vmdk\"\r\n",
            )
            + "\r\nddb.uuid.image = \"x\"\r\n";
        assert_eq!(text, expected);
        Ok(())
    }

    #[test]
    fn padding_is_nul_and_nothing_else() {
        let padded = [TEXT.as_bytes(), &[0; 100]].concat();
        assert!(Descriptor::parse(&padded).is_ok());
        let hidden = [TEXT.as_bytes(), b"\0CID=0"].concat();
        assert!(matches!(
            Descriptor::parse(&hidden),
            Err(Fault::TextBehindNul { .. })
        ));
        let twice = format!("{TEXT}\r\nCID=1\r\n");
        assert_eq!(
            Descriptor::parse(twice.as_bytes()),
            Err(Fault::Twice { key: "CID" })
        );
    }

    #[test]
    fn what_qemu_leaves_of_a_longer_text_is_no_text() -> Result<(), Fault> {
        let text = b"# Disk DescriptorFile\nCID=fc6752\nddb.toolsVersion = \"2147483647\"\n";
        for left in [&b"\0\n"[..], b"\0\"\n", b"\x003647\"\n", b"\0\n\0\"\n"] {
            let found = Descriptor::parse(&[&text[..], left, &[0; 40]].concat())?;
            assert_eq!(found.to_bytes(), text);
        }
        for hidden in [&b"\0x"[..], b"\0\n\0CID", b"\0\0\0\0\0\0\0\n"] {
            let found = Descriptor::parse(&[&text[..], hidden].concat());
            assert!(
                matches!(found, Err(Fault::TextBehindNul { .. })),
                "{hidden:?}"
            );
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_written_as_it_was(tail in "[ -~\r\n\t=\"#]{0,200}") {
            let text = format!("# Disk DescriptorFile\n{tail}");
            if let Ok(descriptor) = Descriptor::parse(text.as_bytes()) {
                prop_assert_eq!(descriptor.to_bytes(), text.as_bytes());
            }
        }
    }
}
