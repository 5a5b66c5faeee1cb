//! The BAT, and what only a check finds.

use super::{
    Row, found, no,
    reading::built::{Built, ITEMS, M, RATIO, child, child_of, dynamic},
    u64s,
};

pub(super) fn block_rows() -> Vec<Row> {
    let bat = |index: usize, value: u64| no(dynamic().bat(index, value));
    vec![
        ("vhdx_block_state", bat(0, 0x40_0004), "block 0 is 4"),
        ("vhdx_block_state", bat(7, 5), "block 7 is 5"),
        ("vhdx_partial_alone", bat(0, 0x40_0007), "block 0"),
        ("vhdx_bitmap_missing", no(child().bat(RATIO, 0)), "block 0"),
        (
            "vhdx_bitmap_missing",
            no(child().bat(RATIO, 0x50_0002)),
            "block 0",
        ),
        (
            "vhdx_block_in_structure",
            bat(0, 6),
            "block 0 at 0x0 overlaps the headers",
        ),
        ("vhdx_block_in_structure", bat(0, 0x10_0006), "the log"),
        ("vhdx_block_in_structure", bat(0, 0x20_0006), "the metadata"),
        ("vhdx_block_in_structure", bat(0, 0x30_0006), "the BAT"),
        (
            "vhdx_block_in_structure",
            no(child().bat(RATIO, 0x30_0006)),
            "bitmap 0 at 0x300000 overlaps the BAT",
        ),
        (
            "vhdx_block_past_end",
            bat(0, 0x60_0006),
            "block 0 at 0x600000 ends at 7340032",
        ),
        (
            "vhdx_block_past_end",
            bat(0, u64::MAX << 20 | 6),
            "past the end",
        ),
        (
            "vhdx_block_past_end",
            no(dynamic().long(6 * M - 512)),
            "block 2",
        ),
        (
            "vhdx_block_past_end",
            no(child().bat(RATIO, 0x70_0006)),
            "bitmap 0",
        ),
        (
            "vhdx_room_past_end",
            bat(4, 0x60_0003),
            "block 4 has no data and keeps its room at 0x600000, the file ends at 6291456",
        ),
        (
            "vhdx_room_taken",
            bat(4, 0x30_0001),
            "block 4 has no data and keeps its room at 0x300000, where the BAT is",
        ),
        (
            "vhdx_blocks_overlap",
            bat(2, 0x40_0006),
            "block 2 at 0x400000 shares bytes with block 0 at 0x400000",
        ),
        (
            "vhdx_blocks_overlap",
            no(child().bat(RATIO, 0x60_0006)),
            "bitmap 0 at 0x600000 shares bytes with block 3",
        ),
    ]
}

pub(super) fn check_rows() -> Vec<Row> {
    let bitmap = |state| found(child().bat(0, 0x40_0006).bat(RATIO, state));
    // A disk whose second chunk begins makes room for a bitmap in an image without a parent.
    let two_chunks = dynamic().put(ITEMS + 8, &u64s(4097 << 20));
    vec![
        (
            "vhdx_bitmap_state",
            bitmap(0x50_0003),
            "bitmap 0 is 3, 0 or 6 is required",
        ),
        (
            "vhdx_bitmap_state",
            found(two_chunks.bat(RATIO, 0x50_0006).bat(2, 0)),
            "is 6, 0 is required",
        ),
        (
            "vhdx_room_taken",
            found(dynamic().bat(4, 0x50_0003)),
            "block 4 has no data and keeps its room at 0x500000, where something else is",
        ),
        (
            "vhdx_bat_reserved",
            found(dynamic().bat(0, 0x40_000e)),
            "entry 0 are 0x8",
        ),
        (
            "vhdx_region_tables_differ",
            found(second_table(dynamic())),
            "must be the same",
        ),
        (
            "vhdx_no_path",
            found(child_of(&[(
                "parent_linkage",
                "{07070707-0707-0707-0707-070707070707}",
            )])),
            "no path",
        ),
    ]
}

/// The second region table says another thing than the first, and both are whole.
fn second_table(built: Built) -> Built {
    let first = built.0[192 << 10..256 << 10].to_vec();
    built.region_entry(0, "flags", &[0]).put(192 << 10, &first)
}
