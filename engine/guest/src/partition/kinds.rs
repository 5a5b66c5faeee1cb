//! What partition tables call their partitions, in the words that `sfdisk -l` prints.

use std::fmt::Write;

/// Kinds of a GPT as their GUIDs read. \[UEFI\] table 5.7, systemd's Discoverable Partitions, Microsoft's `PARTITION_INFORMATION_GPT`.
const GUIDS: [(&str, &str); 19] = [
    ("c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "EFI System"),
    ("21686148-6449-6e6f-744e-656564454649", "BIOS boot"),
    ("e3c9e316-0b5c-4db8-817d-f92df00215ae", "Microsoft reserved"),
    (
        "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7",
        "Microsoft basic data",
    ),
    (
        "de94bba4-06d1-4d40-a16a-bfd50179d6ac",
        "Windows recovery environment",
    ),
    (LDM_METADATA, "Microsoft LDM metadata"),
    (LDM_DATA, "Microsoft LDM data"),
    (STORAGE_SPACES, "Microsoft Storage Spaces"),
    ("0fc63daf-8483-4772-8e79-3d69d8477de4", "Linux filesystem"),
    ("0657fd6d-a4ab-43c4-84e5-0933c84b4f4f", "Linux swap"),
    (
        "bc13c2ff-59e6-4262-a352-b275fd6f7172",
        "Linux extended boot",
    ),
    (
        "4f68bce3-e8cd-4db1-96e7-fbcaf984b709",
        "Linux root (x86-64)",
    ),
    (
        "b921b045-1df0-41c3-af44-4c6f280d3fae",
        "Linux root (ARM-64)",
    ),
    ("933ac7e1-2eb4-4f13-b844-0e14e2aef915", "Linux home"),
    ("3b8f8425-20e0-4f3b-907f-1a25a76f98e8", "Linux server data"),
    ("e6d6d379-f507-44c2-a23c-238f2a3df928", "Linux LVM"),
    ("a19d880f-05fc-4d3b-a006-743f0f84911e", "Linux RAID"),
    ("ca7d7ccb-63ed-4c53-861c-1742536059cc", "Linux LUKS"),
    (
        "6a898cc3-1dd2-11b2-99a6-080020736631",
        "Solaris /usr & Apple ZFS",
    ),
];
const LDM_METADATA: &str = "5808c8aa-7e8f-42e0-85d2-e1e90434cfb3";
const LDM_DATA: &str = "af9b60a0-1431-4f62-bc68-3311714a69ad";
const STORAGE_SPACES: &str = "e75caf8f-f680-4cee-afa3-b001e56efc2d";

/// Kinds of an MBR.
const BYTES: [(u8, &str); 20] = [
    (0x01, "FAT12"),
    (0x04, "FAT16 <32M"),
    (0x06, "FAT16"),
    (0x07, "HPFS/NTFS/exFAT"),
    (0x0b, "W95 FAT32"),
    (0x0c, "W95 FAT32 (LBA)"),
    (0x0e, "W95 FAT16 (LBA)"),
    (0x11, "Hidden FAT12"),
    (0x14, "Hidden FAT16 <32M"),
    (0x16, "Hidden FAT16"),
    (0x17, "Hidden HPFS/NTFS"),
    (0x1b, "Hidden W95 FAT32"),
    (0x1c, "Hidden W95 FAT32 (LBA)"),
    (0x27, "Hidden NTFS WinRE"),
    (LDM, "SFS"),
    (0x82, "Linux swap / Solaris"),
    (0x83, "Linux"),
    (0x8e, "Linux LVM"),
    (0xef, "EFI (FAT-12/16/32)"),
    (0xfd, "Linux raid autodetect"),
];
/// A Windows dynamic disk.
const LDM: u8 = 0x42;

/// What a GPT's kind is called; its GUID where it has no name here.
pub(super) fn of_gpt(kind: &[u8; 16]) -> String {
    let guid = guid(kind);
    let named = GUIDS.iter().find(|(one, _)| *one == guid);
    named.map_or(guid, |(_, name)| (*name).into())
}

/// What an MBR's kind is called; its number where it has no name here.
pub(super) fn of_mbr(kind: u8) -> String {
    let named = BYTES.iter().find(|(one, _)| *one == kind);
    named.map_or_else(|| format!("{kind:#04x}"), |(_, name)| (*name).into())
}

/// Whether volumes in such a partition are laid out by something else than the table.
pub(super) fn is_opaque_guid(kind: &[u8; 16]) -> bool {
    [LDM_METADATA, LDM_DATA, STORAGE_SPACES].contains(&guid(kind).as_str())
}

/// The same for an MBR.
pub(super) fn is_opaque_byte(kind: u8) -> bool {
    kind == LDM
}

/// A GUID as it is written: the first three parts are little-endian on the disk.
fn guid(bytes: &[u8; 16]) -> String {
    const ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    let mut text = String::with_capacity(36);
    for (number, at) in ORDER.into_iter().enumerate() {
        if [4, 6, 8, 10].contains(&number) {
            text.push('-');
        }
        let byte = bytes.get(at).copied().unwrap_or_default();
        // Writing to a string never fails.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
