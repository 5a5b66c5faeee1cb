//! Compressed files and archives: what they look like, what their names promise, and which program unpacks them.
//!
//! Sources of the magics: RFC 1952 (gzip), RFC 8878 (zstd), the .xz and .lzma file format specifications, POSIX.1 (tar, cpio, compress), the
//! PKWARE APPNOTE (zip), 7-Zip's format notes, and the `magic` files of file(1) for the rest.

use imgdelta_core::ProbeWindow;

use crate::codec::Codec;

/// A compressed file or an archive.
#[derive(Debug)]
pub struct Packing {
    /// What it is called: `gzip`.
    pub name: &'static str,
    /// The same in a sentence: `a gzip file`.
    pub noun: &'static str,
    /// Extensions that promise it, without dot, in lower case.
    pub exclusive_extensions: &'static [&'static str],
    /// Whether a file looks like it.
    pub claims: fn(&ProbeWindow) -> bool,
    /// The words that unpack it, before the file's name.
    pub unpacks: &'static str,
    /// How it is unpacked here, if it is.
    pub codec: Option<Codec>,
}

/// All of them. No magic is shorter than three bytes: two are what any disk may begin with.
pub static PACKINGS: &[Packing] = &[
    Packing {
        name: "gzip",
        noun: "a gzip file",
        exclusive_extensions: &["gz", "tgz"],
        // Deflate is the only method that was ever used.
        claims: |peek| peek.head(0) == Some([0x1f, 0x8b, 8]),
        unpacks: "gzip -dc",
        codec: Some(Codec::Gzip),
    },
    Packing {
        name: "xz",
        noun: "an xz file",
        exclusive_extensions: &["xz", "txz"],
        claims: |peek| peek.head(0) == Some(*b"\xfd7zXZ\0"),
        unpacks: "xz -dc",
        codec: Some(Codec::Xz),
    },
    Packing {
        name: "zstd",
        noun: "a zstd file",
        exclusive_extensions: &["zst", "zstd", "tzst"],
        claims: is_zstd,
        unpacks: "zstd -dc",
        codec: Some(Codec::Zstd),
    },
    Packing {
        name: "bzip2",
        noun: "a bzip2 file",
        exclusive_extensions: &["bz2", "tbz", "tbz2"],
        claims: is_bzip2,
        unpacks: "bzip2 -dc",
        codec: Some(Codec::Bzip2),
    },
    Packing {
        name: "tar",
        noun: "a tar archive",
        exclusive_extensions: &["tar", "ova", "xva"],
        claims: is_tar,
        unpacks: "tar -xf",
        codec: None,
    },
    Packing {
        name: "zip",
        noun: "a zip archive",
        exclusive_extensions: &["zip"],
        claims: |peek| {
            let head = peek.head::<4>(0);
            [*b"PK\x03\x04", *b"PK\x05\x06", *b"PK\x07\x08"]
                .iter()
                .any(|magic| head.as_ref() == Some(magic))
        },
        unpacks: "unzip",
        codec: None,
    },
    Packing {
        name: "7z",
        noun: "a 7z archive",
        exclusive_extensions: &["7z"],
        claims: |peek| peek.head(0) == Some(*b"7z\xbc\xaf\x27\x1c"),
        unpacks: "7z x",
        codec: None,
    },
    Packing {
        name: "rar",
        noun: "a rar archive",
        exclusive_extensions: &["rar"],
        claims: |peek| peek.head(0) == Some(*b"Rar!\x1a\x07"),
        unpacks: "7z x",
        codec: None,
    },
    Packing {
        name: "lz4",
        noun: "an lz4 file",
        exclusive_extensions: &["lz4"],
        claims: |peek| {
            matches!(
                peek.head(0),
                Some([0x04, 0x22, 0x4d, 0x18] | [0x02, 0x21, 0x4c, 0x18])
            )
        },
        unpacks: "lz4 -dc",
        codec: None,
    },
    Packing {
        name: "lzma",
        noun: "an lzma file",
        exclusive_extensions: &["lzma", "tlz"],
        claims: is_lzma,
        unpacks: "xz -dc",
        codec: None,
    },
    Packing {
        name: "lzip",
        noun: "an lzip file",
        exclusive_extensions: &["lz"],
        claims: |peek| peek.head(0) == Some(*b"LZIP\x01"),
        unpacks: "lzip -dc",
        codec: None,
    },
    Packing {
        name: "lzop",
        noun: "an lzop file",
        exclusive_extensions: &["lzo"],
        claims: |peek| peek.head(0) == Some(*b"\x89LZO\0\r\n\x1a\n"),
        unpacks: "lzop -dc",
        codec: None,
    },
    Packing {
        name: "snappy",
        noun: "a snappy file",
        exclusive_extensions: &["sz"],
        claims: |peek| peek.head(0) == Some(*b"\xff\x06\0\0sNaPpY"),
        unpacks: "snzip -dc",
        codec: None,
    },
    Packing {
        name: "compress",
        noun: "a file of compress",
        exclusive_extensions: &["z"],
        // The third byte holds the width of the codes, 9 to 16 bits, and the mode.
        claims: |peek| matches!(peek.head(0), Some([0x1f, 0x9d, third]) if third & 0x60 == 0 && (9..=16).contains(&(third & 0x1f))),
        unpacks: "gzip -dc",
        codec: None,
    },
    Packing {
        name: "cab",
        noun: "a cabinet",
        exclusive_extensions: &["cab"],
        claims: |peek| peek.head(0) == Some(*b"MSCF\0\0\0\0"),
        unpacks: "7z x",
        codec: None,
    },
    Packing {
        name: "cpio",
        noun: "a cpio archive",
        exclusive_extensions: &["cpio"],
        claims: |peek| {
            matches!(
                peek.head(0).as_ref(),
                Some(b"070701" | b"070702" | b"070707")
            )
        },
        unpacks: "7z x",
        codec: None,
    },
    Packing {
        name: "ar",
        noun: "an ar archive",
        exclusive_extensions: &["ar", "deb"],
        claims: |peek| peek.head(0) == Some(*b"!<arch>\n"),
        unpacks: "7z x",
        codec: None,
    },
    Packing {
        name: "rpm",
        noun: "an rpm package",
        exclusive_extensions: &["rpm"],
        claims: |peek| peek.head(0) == Some(*b"\xed\xab\xee\xdb"),
        unpacks: "7z x",
        codec: None,
    },
];

impl Packing {
    /// The packing of which a file with these ends is.
    #[must_use]
    pub fn of(peek: &ProbeWindow) -> Option<&'static Self> {
        PACKINGS.iter().find(|packing| (packing.claims)(peek))
    }

    /// The packing that `extension`, in lower case, exclusive_extensions.
    #[must_use]
    pub fn promised_by(extension: &str) -> Option<&'static Self> {
        let promised = |packing: &&Self| packing.exclusive_extensions.contains(&extension);
        PACKINGS.iter().find(promised)
    }
}

/// A frame, or one that is to be skipped: seekable files and those of pzstd begin with such.
fn is_zstd(peek: &ProbeWindow) -> bool {
    match peek.head(0).map(u32::from_le_bytes) {
        Some(0xfd2f_b528) => true,
        Some(number) => number & 0xffff_fff0 == 0x184d_2a50 && peek.start().len() > 8,
        None => false,
    }
}

/// The head, and behind it a block or the end of the stream: π or its root, in BCD.
fn is_bzip2(peek: &ProbeWindow) -> bool {
    let is_head = matches!(peek.head(0), Some([b'B', b'Z', b'h', b'1'..=b'9']));
    let next = peek.head::<6>(4);
    is_head
        && (next == Some([0x31, 0x41, 0x59, 0x26, 0x53, 0x59])
            || next == Some([0x17, 0x72, 0x45, 0x38, 0x50, 0x90]))
}

/// Has no magic. The usual properties, a dictionary of 2^n or 2^n + 2^(n-1), and an unpacked size that is unknown or could be.
fn is_lzma(peek: &ProbeWindow) -> bool {
    let Some([0x5d, a, b, c, d]) = peek.head(0) else {
        return false;
    };
    let dictionary = u32::from_le_bytes([a, b, c, d]);
    let top = dictionary.checked_ilog2().unwrap_or_default();
    let is_usual = dictionary >= 1 << 12
        && (dictionary.is_power_of_two()
            || Some(dictionary) == 1_u32.checked_shl(top).map(|one| one | one >> 1));
    let size = peek.head(5).map(u64::from_le_bytes);
    is_usual
        && size.is_some_and(|size| size == u64::MAX || size < 1 << 46)
        && peek.head(13) == Some([0])
}

/// The first block is a header with the sum that it says: `ustar` alone could stand in any boot sector, and old archives have none.
fn is_tar(peek: &ProbeWindow) -> bool {
    let Some(block) = peek.head::<512>(0) else {
        return false;
    };
    let field = block.get(148..156).unwrap_or_default();
    let text: Vec<u8> = field
        .iter()
        .copied()
        .skip_while(|byte| *byte == b' ')
        .take_while(|byte| (b'0'..=b'7').contains(byte))
        .collect();
    let said = std::str::from_utf8(&text).ok();
    let Some(said) = said.and_then(|text| i64::from_str_radix(text, 8).ok()) else {
        return false;
    };
    let is_sum = |at: usize| (148..156).contains(&at);
    let bytes = || {
        let all = block.iter().copied().enumerate();
        all.map(move |(at, byte)| if is_sum(at) { b' ' } else { byte })
    };
    // Some old programs summed signed bytes.
    let unsigned: i64 = bytes().map(i64::from).sum();
    let signed: i64 = bytes().map(|byte| i64::from(byte.cast_signed())).sum();
    block.first().is_some_and(|first| *first != 0) && (said == unsigned || said == signed)
}

#[cfg(test)]
mod tests {
    use imgdelta_core::{MemSource, Result};

    use super::*;

    fn of(bytes: &[u8]) -> Result<Option<&'static str>> {
        let peek = ProbeWindow::of(&MemSource(bytes.to_vec()))?;
        Ok(Packing::of(&peek).map(|packing| packing.name))
    }

    #[test]
    fn each_is_known_by_its_first_bytes() -> Result<()> {
        let rows: [(&[u8], &str); 18] = [
            (b"\x1f\x8b\x08\0\0\0\0\0\0\x03", "gzip"),
            (b"\xfd7zXZ\0\0\x04", "xz"),
            (b"\x28\xb5\x2f\xfd\x04\0", "zstd"),
            (b"\x50\x2a\x4d\x18\x04\0\0\0abcd", "zstd"),
            (b"BZh91AY&SY\0\0", "bzip2"),
            (b"BZh1\x17\x72\x45\x38\x50\x90", "bzip2"),
            (b"PK\x03\x04\x14\0", "zip"),
            (b"PK\x05\x06\0\0", "zip"),
            (b"7z\xbc\xaf\x27\x1c\0\x04", "7z"),
            (b"Rar!\x1a\x07\x01\0", "rar"),
            (b"\x04\x22\x4d\x18\x64", "lz4"),
            (b"\x5d\0\0\x80\0\xff\xff\xff\xff\xff\xff\xff\xff\0", "lzma"),
            (b"LZIP\x01\x0c", "lzip"),
            (b"\x89LZO\0\r\n\x1a\n", "lzop"),
            (b"\x1f\x9d\x90", "compress"),
            (b"MSCF\0\0\0\0", "cab"),
            (b"070701000", "cpio"),
            (b"!<arch>\ndebian", "ar"),
        ];
        for (bytes, name) in rows {
            assert_eq!(of(bytes)?, Some(name), "{}", bytes.escape_ascii());
        }
        Ok(())
    }

    #[test]
    fn a_tar_is_known_by_the_sum_of_its_first_header() -> Result<()> {
        let mut block = [0_u8; 1024];
        block[..8].copy_from_slice(b"disk.ovf");
        block[124..136].copy_from_slice(b"00000000040\0");
        block[148..156].fill(b' ');
        let sum: u32 = block[..512].iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        assert_eq!(of(&block)?, Some("tar"));
        block[0] ^= 1;
        assert_eq!(of(&block)?, None);
        assert_eq!(of(&[0; 1024])?, None);
        assert_eq!(of(&[b' '; 1024])?, None);
        Ok(())
    }

    #[test]
    fn what_a_disk_may_begin_with_is_no_packing() -> Result<()> {
        let sectors: [&[u8]; 8] = [
            b"\xeb\x63\x90\x10\x8e\xd0\xbc\0",
            b"\x33\xc0\x8e\xd0\xbc\0\x7c\x8e",
            b"\xfa\xb8\0\x10\x8e\xd0",
            b"LUKS\xba\xbe\0\x02",
            b"XFSB\0\0\x10\0",
            b"\x1f\x9d\x60",
            b"\x5d\0\0\x81\0\xff\xff\xff\xff\xff\xff\xff\xff\0",
            b"BZh9 and then some text",
        ];
        for bytes in sectors {
            let mut sector = bytes.to_vec();
            sector.resize(512, 0);
            assert_eq!(of(&sector)?, None, "{}", bytes.escape_ascii());
        }
        assert_eq!(of(b"")?, None);
        Ok(())
    }

    #[test]
    fn no_two_promise_one_name() {
        let mut names: Vec<_> = PACKINGS
            .iter()
            .flat_map(|one| one.exclusive_extensions)
            .collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
        assert_eq!(
            Packing::promised_by("tgz").map(|one| one.name),
            Some("gzip")
        );
        assert!(Packing::promised_by("img").is_none());
    }
}
