//! Images that are recognised by name so that they are never taken for raw disks, though no driver reads them.
//!
//! A line goes when its driver comes: this list and [`DRIVERS`](crate::DRIVERS) never name the same format, in no build.

use imgdelta_core::ProbeWindow;

/// A format that is known only by its looks.
#[derive(Debug)]
pub(crate) struct UnsupportedFormat {
    /// What people call it.
    pub(crate) name: &'static str,
    /// Extensions that promise it, as [`Driver::exclusive_extensions`](imgdelta_core::Driver::exclusive_extensions).
    pub(crate) exclusive_extensions: &'static [&'static str],
    /// Whether a file looks like it. Its magic is enough: a damaged one is not raw either.
    pub(crate) claims: fn(&ProbeWindow) -> bool,
}

/// All of them; magics as the formats' own sources write them. Bytes that only hint at a disk's content (ISO 9660, LUKS, a partition
/// table) are no image format: such a file is raw.
pub(crate) static UNSUPPORTED_FORMATS: &[UnsupportedFormat] = &[
    UnsupportedFormat {
        name: "sparseimage",
        exclusive_extensions: &["sparseimage"],
        claims: |peek| begins(peek, b"sprs"),
    },
    UnsupportedFormat {
        name: "vma",
        exclusive_extensions: &["vma"],
        claims: |peek| begins(peek, b"VMA\0\0\0\0\x01"),
    },
    UnsupportedFormat {
        name: "ewf",
        exclusive_extensions: &["e01", "ex01"],
        claims: |peek| begins(peek, b"EVF\x09\r\n\xff\0") || begins(peek, b"EVF2\r\n\x81\0"),
    },
    UnsupportedFormat {
        name: "aff",
        exclusive_extensions: &["aff"],
        claims: |peek| begins(peek, b"AFF10\r\n\0"),
    },
    UnsupportedFormat {
        name: "wim",
        exclusive_extensions: &["wim", "esd", "swm"],
        claims: |peek| begins(peek, b"MSWIM\0\0\0"),
    },
    UnsupportedFormat {
        name: "bochs",
        exclusive_extensions: &[],
        claims: |peek| begins(peek, b"Bochs Virtual HD Image"),
    },
    UnsupportedFormat {
        name: "android-sparse",
        exclusive_extensions: &["simg"],
        claims: |peek| begins(peek, b"\x3a\xff\x26\xed\x01\0"),
    },
    UnsupportedFormat {
        name: "cloop",
        exclusive_extensions: &["cloop"],
        claims: |peek| begins(peek, b"#!/bin/sh\n#V2.0 Format"),
    },
    UnsupportedFormat {
        name: "partclone",
        exclusive_extensions: &[],
        claims: |peek| begins(peek, b"partclone-image"),
    },
    // Registry that are left out of a build are no raw disks there either.
    #[cfg(not(feature = "vhd"))]
    UnsupportedFormat {
        name: "vhd",
        exclusive_extensions: &["vhd", "avhd"],
        claims: |peek| begins(peek, b"conectix") || peek.tail(512) == Some(*b"conectix"),
    },
    #[cfg(not(feature = "vhdx"))]
    UnsupportedFormat {
        name: "vhdx",
        exclusive_extensions: &["vhdx", "avhdx"],
        claims: |peek| begins(peek, b"vhdxfile"),
    },
    #[cfg(not(feature = "vmdk"))]
    UnsupportedFormat {
        name: "vmdk",
        exclusive_extensions: &["vmdk"],
        claims: |peek| {
            begins(peek, b"KDMV") || begins(peek, b"COWD") || begins(peek, b"# Disk DescriptorFile")
        },
    },
    #[cfg(not(feature = "vdi"))]
    UnsupportedFormat {
        name: "vdi",
        exclusive_extensions: &["vdi"],
        claims: |peek| peek.head(64) == Some([0x7f, 0x10, 0xda, 0xbe]),
    },
    #[cfg(not(feature = "qcow2"))]
    UnsupportedFormat {
        name: "qcow2",
        exclusive_extensions: &["qcow2"],
        claims: |peek| begins(peek, b"QFI\xfb") && !begins(peek, b"QFI\xfb\0\0\0\x01"),
    },
    #[cfg(not(feature = "qcow1"))]
    UnsupportedFormat {
        name: "qcow1",
        exclusive_extensions: &["qcow"],
        claims: |peek| begins(peek, b"QFI\xfb\0\0\0\x01"),
    },
    #[cfg(not(feature = "qed"))]
    UnsupportedFormat {
        name: "qed",
        exclusive_extensions: &["qed"],
        claims: |peek| begins(peek, b"QED\0"),
    },
    #[cfg(not(feature = "parallels"))]
    UnsupportedFormat {
        name: "parallels",
        exclusive_extensions: &["hds"],
        claims: |peek| begins(peek, b"WithoutFreeSpace") || begins(peek, b"WithouFreSpacExt"),
    },
    // A read-write .dmg is a raw disk without a trailer, so that extension promises nothing.
    #[cfg(not(feature = "dmg"))]
    UnsupportedFormat {
        name: "dmg",
        exclusive_extensions: &[],
        claims: |peek| {
            let koly = b"koly\0\0\0\x04\0\0\x02\0";
            peek.tail(512) == Some(*koly) || begins(peek, b"encrcdsa")
        },
    },
];

/// Whether the file begins with `magic`.
fn begins<const N: usize>(peek: &ProbeWindow, magic: &[u8; N]) -> bool {
    peek.head(0) == Some(*magic)
}
