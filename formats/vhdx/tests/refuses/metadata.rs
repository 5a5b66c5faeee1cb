//! Metadata items, their values, the parent locator.

use imgdelta_vhdx::layout::{INCOMPLETE_FILE, MetadataEntry, PARENT_LOCATOR};

use super::{
    Row, no,
    reading::built::{ITEMS, LOCATOR, M, META, child, child_of, dynamic},
    u32s, u64s,
};

pub(super) fn item_rows() -> Vec<Row> {
    let sixth = |item_id, flags| MetadataEntry {
        item_id,
        offset: 65536 + 4096,
        length: 4,
        flags,
        reserved: 0,
    };
    let with = |entry: MetadataEntry| no(dynamic().sixth_item(&entry));
    let offset = |at: usize| no(dynamic().entry(1, 16, &u32s(at)));
    vec![
        (
            "vhdx_metadata_signature",
            no(dynamic().put(META, b"M")),
            "'Metadata'",
        ),
        (
            "vhdx_too_many_items",
            no(dynamic().put(META + 10, &[0, 8])),
            "2048 entries, at most 2047",
        ),
        ("vhdx_item_outside", offset(65528), "at 65528"),
        ("vhdx_item_outside", offset(M - 4), "at 1048572"),
        (
            "vhdx_item_outside",
            offset(u32::MAX as usize),
            "at 4294967295",
        ),
        (
            "vhdx_item_too_long",
            no(dynamic().entry(1, 20, &u32s(M + 1))),
            "has 1048577 bytes",
        ),
        (
            "vhdx_items_overlap",
            offset(65536),
            "caa16737-fa36-4d43-b3b6-33f0aa44e76b",
        ),
        (
            "vhdx_item_twice",
            with(sixth(imgdelta_vhdx::layout::VIRTUAL_DISK_SIZE, 6)),
            "2fa54224-cd1b-4876-b211-5dbed83bf4b8",
        ),
        ("vhdx_item_unknown", with(sixth([5; 16], 4)), "05050505"),
        ("vhdx_item_flags", with(sixth([5; 16], 5)), "flags 0x5"),
        ("vhdx_item_flags", with(sixth([0; 16], 0)), "00000000-"),
        (
            "vhdx_incomplete",
            with(sixth(INCOMPLETE_FILE, 0)),
            "incomplete",
        ),
        (
            "vhdx_item_missing",
            no(dynamic().entry(1, 0, &[5; 16]).entry(1, 24, &[0])),
            "no Virtual Disk Size",
        ),
        (
            "vhdx_item_missing",
            no(dynamic().entry(0, 0, &[5; 16]).entry(0, 24, &[0])),
            "no File Parameters",
        ),
        (
            "vhdx_item_missing",
            no(dynamic().entry(3, 0, &[5; 16]).entry(3, 24, &[1])),
            "no Logical Sector Size",
        ),
        (
            "vhdx_item_length",
            no(dynamic().entry(1, 20, &u32s(4))),
            "Virtual Disk Size has 4 bytes, 8",
        ),
        (
            "vhdx_no_locator",
            no(dynamic().put(ITEMS + 4, &[2])),
            "HasParent",
        ),
        (
            "vhdx_unused_locator",
            with(sixth(PARENT_LOCATOR, 4)),
            "HasParent is not set",
        ),
    ]
}

pub(super) fn value_rows() -> Vec<Row> {
    let block = |size: usize| no(dynamic().put(ITEMS, &u32s(size)));
    let size = |size: u64| no(dynamic().put(ITEMS + 8, &u64s(size)));
    let sector = |at: usize, size: usize| no(dynamic().put(ITEMS + at, &u32s(size)));
    vec![
        ("vhdx_block_size", block(0), "block size is 0"),
        ("vhdx_block_size", block(3 << 20), "is 3145728"),
        ("vhdx_block_size", block(512 << 20), "is 536870912"),
        ("vhdx_block_size", block(512 << 10), "is 524288"),
        (
            "vhdx_sector_size",
            sector(32, 0),
            "Logical Sector Size is 0",
        ),
        ("vhdx_sector_size", sector(32, 513), "is 513"),
        (
            "vhdx_sector_size",
            sector(36, 8192),
            "Physical Sector Size is 8192",
        ),
        ("vhdx_size", size(0), "is 0, a multiple of 512"),
        ("vhdx_size", size(1000), "is 1000"),
        (
            "vhdx_size_too_large",
            size((64 << 40) + 512),
            "is 70368744178176",
        ),
        ("vhdx_size_too_large", size(u64::MAX), "64 TiB"),
        (
            "vhdx_bat_too_small",
            size(1 << 40),
            "holds 131072 entries, the disk needs 1048831",
        ),
    ]
}

pub(super) fn locator_rows() -> Vec<Row> {
    const A: &str = "{07070707-0707-0707-0707-070707070707}";
    let with = |at: usize, bytes: &[u8]| no(child().put(LOCATOR + at, bytes));
    let pairs = |pairs: &[(&str, &str)]| no(child_of(pairs));
    vec![
        ("vhdx_locator_type", with(0, &[0; 16]), "00000000-0000"),
        (
            "vhdx_locator_short",
            no(child().entry(5, 20, &u32s(19))),
            "has 19 bytes, its head and entries need 20",
        ),
        ("vhdx_locator_short", with(18, &[255, 0]), "need 3080"),
        ("vhdx_locator_too_many", with(18, &[255, 255]), "65535 keys"),
        ("vhdx_locator_outside", with(20, &[255; 4]), "at 4294967295"),
        ("vhdx_locator_outside", with(20, &[0; 4]), "entry 0"),
        (
            "vhdx_locator_outside",
            with(40, &[0xfe, 0xff]),
            "65534 bytes",
        ),
        ("vhdx_locator_text", with(28, &[3, 0]), "3 bytes"),
        ("vhdx_locator_text", with(30, &[0, 0]), "0 bytes"),
        (
            "vhdx_locator_nul",
            pairs(&[("parent_linkage", A), ("relative_path", "a\0b")]),
            "'a\\0b'",
        ),
        (
            "vhdx_locator_twice",
            pairs(&[("parent_linkage", A), ("parent_linkage", A)]),
            "'parent_linkage'",
        ),
        (
            "vhdx_no_linkage",
            pairs(&[("relative_path", "a")]),
            "no parent_linkage",
        ),
        (
            "vhdx_linkage",
            pairs(&[("parent_linkage", "a")]),
            "parent_linkage is 'a'",
        ),
        (
            "vhdx_linkage",
            pairs(&[("parent_linkage", A), ("parent_linkage2", "b")]),
            "parent_linkage2 is 'b'",
        ),
    ]
}
