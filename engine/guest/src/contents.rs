//! Which file system, or what else, a volume holds: by its signatures alone, as `blkid` tells them apart. Two that fit are an ambivalence.

use std::fmt;

use crate::{
    fault::Found,
    window::{Window, be, le},
};

/// How much of a volume's start is looked at: up to and with the superblock of Btrfs.
const HEAD: u64 = 68 << 10;
/// Where the ring of ZFS's first label starts, and how long it is.
const ZFS_RING: (u64, u64) = (128 << 10, 128 << 10);
/// The page sizes whose end may hold the signature of a swap.
pub(crate) const PAGES: [u64; 5] = [4096, 8192, 16384, 32768, 65536];

/// What a volume holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Contents {
    /// Nothing but zeros where signatures stand.
    Empty,
    /// Nothing that is known here.
    Unknown,
    /// ext2, ext3 or ext4.
    Ext,
    /// FAT12, FAT16 or FAT32.
    Fat,
    /// exFAT.
    ExFat,
    /// NTFS.
    Ntfs,
    /// XFS.
    Xfs,
    /// Swap of Linux, a sleeping system included.
    Swap,
    /// Something that has a name and no reader here: all of it is in use.
    Other(&'static str),
    /// Signatures of two: which one is right cannot be told.
    Ambivalent(&'static str, &'static str),
}

impl Contents {
    /// The hashes of all blocks of another volume, free ones too.
    pub(crate) const HASHES: Self = Self::Other("dm-verity");

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Empty => "nothing",
            Self::Unknown => "something unknown",
            Self::Ext => "ext2/3/4",
            Self::Fat => "FAT",
            Self::ExFat => "exFAT",
            Self::Ntfs => "NTFS",
            Self::Xfs => "XFS",
            Self::Swap => "swap",
            Self::Other(name) => name,
            Self::Ambivalent(..) => "signatures of two",
        }
    }
}

impl fmt::Display for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ambivalent(one, other) => write!(f, "signatures of {one} and of {other}"),
            _ => f.write_str(self.name()),
        }
    }
}

/// Signatures at fixed places: offset, bytes, what they say. \[libblkid/src/superblocks\]
const SIGNATURES: [(usize, &[u8], Contents); 26] = [
    (1080, &[0x53, 0xef], Contents::Ext),
    (0, b"XFSB", Contents::Xfs),
    (3, b"NTFS    ", Contents::Ntfs),
    (3, b"EXFAT   ", Contents::ExFat),
    (3, b"-FVE-FS-", Contents::Other("BitLocker")),
    // BitLocker To Go, in what looks like FAT: the GUID 4967d63b-2e29-4ad8-8399-f6a339e3d001.
    (
        424,
        b"\x3b\xd6\x67\x49\x29\x2e\xd8\x4a\x83\x99\xf6\xa3\x39\xe3\xd0\x01",
        Contents::Other("BitLocker"),
    ),
    (3, b"ReFS\0\0\0\0", Contents::Other("ReFS")),
    (0, b"LUKS\xba\xbe", Contents::Other("LUKS")),
    (0, b"verity\0\0", Contents::HASHES),
    (0x18, b"LVM2 001", Contents::Other("LVM")),
    (0x218, b"LVM2 001", Contents::Other("LVM")),
    (0x418, b"LVM2 001", Contents::Other("LVM")),
    (0x618, b"LVM2 001", Contents::Other("LVM")),
    (0x10040, b"_BHRfS_M", Contents::Other("Btrfs")),
    (0, &[0xfc, 0x4e, 0x2b, 0xa9], Contents::Other("Linux RAID")),
    (
        4096,
        &[0xfc, 0x4e, 0x2b, 0xa9],
        Contents::Other("Linux RAID"),
    ),
    (
        4096 + 24,
        &[0xc6, 0x85, 0x73, 0xf6, 0x4e, 0x1a, 0x45, 0xca],
        Contents::Other("bcache"),
    ),
    (32769, b"CD001", Contents::Other("ISO 9660")),
    (1024, &[0x10, 0x20, 0xf5, 0xf2], Contents::Other("F2FS")),
    (1024, &[0xe2, 0xe1, 0xf5, 0xe0], Contents::Other("EROFS")),
    (0, b"hsqs", Contents::Other("SquashFS")),
    (65536 + 52, b"ReIsEr", Contents::Other("ReiserFS")),
    (32768, b"JFS1", Contents::Other("JFS")),
    (32, b"NXSB", Contents::Other("APFS")),
    (1024, b"H+\0\x04", Contents::Other("HFS+")),
    (1024, b"HX\0\x05", Contents::Other("HFS+")),
];

/// What a volume holds.
pub(crate) fn recognise(volume: &Window<'_>) -> Found<Contents> {
    let head = volume.bytes(0, HEAD.min(volume.len()), HEAD)?;
    let mut found = Vec::new();
    let mut add = |contents| {
        if !found.contains(&contents) {
            found.push(contents);
        }
    };
    for (at, bytes, contents) in SIGNATURES {
        if head.get(at..).is_some_and(|rest| rest.starts_with(bytes)) {
            add(contents);
        }
    }
    if is_fat(&head) {
        add(Contents::Fat);
    }
    if PAGES.iter().any(|page| is_swap(&head, *page)) {
        add(Contents::Swap);
    }
    if is_raid_member(volume)? {
        add(Contents::Other("Linux RAID"));
    }
    if is_zfs(volume)? {
        add(Contents::Other("ZFS"));
    }
    // BitLocker To Go shows a FAT to who does not know it.
    if found.contains(&Contents::Other("BitLocker")) {
        found.retain(|one| *one != Contents::Fat);
    }
    Ok(match found[..] {
        [] if head.iter().all(|byte| *byte == 0) => Contents::Empty,
        [] => Contents::Unknown,
        [one] => one,
        [one, other, ..] => Contents::Ambivalent(one.name(), other.name()),
    })
}

/// Whether it begins as a FAT volume. FAT has no signature: every field of the parameter block must be one that it may have.
fn is_fat(head: &[u8]) -> bool {
    let byte = |at: usize| head.get(at).copied().unwrap_or_default();
    let bytes_per_sector: u16 = le(head, 11);
    matches!(byte(0), 0xeb | 0xe9)
        && [512, 1024, 2048, 4096].contains(&bytes_per_sector)
        && byte(13).is_power_of_two()
        && le::<u16>(head, 14) > 0
        && (1..=2).contains(&byte(16))
        && (byte(21) == 0xf0 || byte(21) >= 0xf8)
        && head.get(510..512) == Some(&[0x55, 0xaa])
}

/// Whether a page of `page` bytes is the first one of a swap, or of a system that sleeps in one.
fn is_swap(head: &[u8], page: u64) -> bool {
    let end = usize::try_from(page).unwrap_or(usize::MAX);
    let signature = head.get(end.saturating_sub(10)..end).unwrap_or_default();
    [
        &b"SWAPSPACE2"[..],
        b"SWAP-SPACE",
        b"S1SUSPEND",
        b"S2SUSPEND",
        b"ULSUSPEND",
        b"LINHIB0001",
        b"\xed\xc3\x02\xe9\x98\x56\xe5\x0c",
    ]
    .iter()
    .any(|one| signature.starts_with(one))
}

/// Whether the end of a volume holds the superblock of Linux's RAID, versions 0.90 and 1.0; a file system inside is visible then.
fn is_raid_member(volume: &Window<'_>) -> Found<bool> {
    const MAGIC: u32 = 0xa92b_4efc;
    let Some(old) = (volume.len() & !0xffff).checked_sub(0x1_0000) else {
        return Ok(false);
    };
    let new = (volume.len() & !0xfff).saturating_sub(0x2000) & !0xfff;
    let (old, new) = (volume.array::<4>(old)?, volume.array::<4>(new)?);
    Ok(le::<u32>(&old, 0) == MAGIC || be::<u32>(&old, 0) == MAGIC || le::<u32>(&new, 0) == MAGIC)
}

/// Whether the first label of ZFS holds an uberblock, in either byte order.
fn is_zfs(volume: &Window<'_>) -> Found<bool> {
    const MAGIC: u64 = 0x00ba_b10c;
    let (at, len) = ZFS_RING;
    if volume.len() < at.saturating_add(len) {
        return Ok(false);
    }
    let ring = volume.bytes(at, len, len)?;
    let mut slots = ring.chunks_exact(1024);
    Ok(slots.any(|slot| le::<u64>(slot, 0) == MAGIC || be::<u64>(slot, 0) == MAGIC))
}
