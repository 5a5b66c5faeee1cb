//! Every rule that a VHDX can break, broken: one row a rule, and a rule without a row fails.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a wrong test should stop"
)]

mod reading;

use std::{collections::BTreeSet, sync::Arc};

use imgdelta_core::{Bytes, Error, FileOffset, Kind, Result, Source, VirtOffset};
use imgdelta_vhdx::{
    DRIVER,
    layout::{
        BAT_REGION, INCOMPLETE_FILE, METADATA_REGION, MetadataEntry, PARENT_LOCATOR, RegionEntry,
    },
};
use reading::{
    built::{
        BAT, Built, Entry, ITEMS, LOCATOR, LOG_GUID, M, META, RATIO, Write, child, child_of,
        dynamic, page,
    },
    check, how, open, refusal,
};

/// What is broken, how that is told, and a part of it.
type Row = (&'static str, Error, &'static str);

fn no(built: Built) -> Error {
    refusal(built.0)
}

/// The only fault that a check finds in an image that opens.
fn found(built: Built) -> Error {
    open(built.0.clone()).expect("it opens");
    let mut faults = check(built.0).expect("it can be checked").faults;
    assert_eq!(faults.len(), 1, "{faults:?}");
    faults.remove(0)
}

fn u32s(value: usize) -> [u8; 4] {
    (value as u32).to_le_bytes()
}

fn u64s(value: u64) -> [u8; 8] {
    value.to_le_bytes()
}

/// A file that is longer than what there is in memory of it.
#[derive(Debug)]
struct Long(Vec<u8>, u64);

impl Source for Long {
    fn len(&self) -> Bytes {
        Bytes(self.1)
    }

    fn read_at(&self, at: FileOffset, buf: &mut [u8]) -> Result<()> {
        buf.fill(0);
        let start = usize::try_from(at.0).unwrap_or(usize::MAX);
        let bytes = self.0.get(start..).unwrap_or_default();
        buf.iter_mut()
            .zip(bytes)
            .for_each(|(place, byte)| *place = *byte);
        Ok(())
    }
}

fn no_long(built: Built) -> Error {
    let source: Arc<dyn Source> = Arc::new(Long(built.0, 2 << 30));
    let how = how(source, &[]).expect("no options");
    (DRIVER.open)(how).expect_err("it must be refused")
}

fn header_rows() -> Vec<Row> {
    let dirty = || dynamic().header("log_guid", &LOG_GUID);
    vec![
        ("vhdx_signature", no(dynamic().put(0, b"V")), "'Vhdxfile'"),
        (
            "vhdx_no_header",
            no(dynamic().put(65536, b"H").put((128 << 10) + 100, &[1])),
            "signature is 'Head', 'head' is required; checksum is ",
        ),
        (
            "vhdx_no_header",
            no(dynamic().long(1000)),
            "the file ends at 1000",
        ),
        (
            "vhdx_headers_differ",
            no(dynamic().header("sequence_number", &[3])),
            "sequence number 3",
        ),
        (
            "vhdx_version",
            no(dynamic().header("version", &[2])),
            "is 2, 1",
        ),
        (
            "vhdx_log_version",
            no(dirty().header("log_version", &[1])),
            "is 1, 0",
        ),
        (
            "vhdx_log_length",
            no(dirty().header("log_length", &u32s(0))),
            "is 0",
        ),
        (
            "vhdx_log_length",
            no(dynamic().header("log_length", &u32s(4096))),
            "is 4096",
        ),
        (
            "vhdx_log_too_long",
            no(dynamic().header("log_length", &u32s(2 << 30))),
            "is 2147483648",
        ),
        (
            "vhdx_log_place",
            no(dynamic().header("log_offset", &u64s(0))),
            "at 0x0",
        ),
        (
            "vhdx_log_place",
            no(dynamic().header("log_offset", &u64s(1 << 19))),
            "at 0x80000",
        ),
        (
            "vhdx_log_past_end",
            no(dynamic().header("log_offset", &u64s(6 << 20))),
            "the end of the file at 6291456",
        ),
    ]
}

fn log_rows() -> Vec<Row> {
    let with = |entry: Entry| no(dynamic().log(0, &entry.bytes()));
    let len = 6 * M;
    let writes = |writes| Entry::alone(len, writes);
    let many = Entry::alone(len, vec![Write::Zero(4 << 20, 4096); (1 << 20) + 1]).bytes();
    let far = 64 << 20;
    let mut many = dynamic()
        .header("log_length", &u32s(64 << 20))
        .header("log_offset", &u64s(far))
        .header("log_guid", &LOG_GUID)
        .put(far as usize, &many);
    many = many.long(128 << 20);
    vec![
        (
            "vhdx_log_empty",
            no(dynamic().header("log_guid", &[1])),
            "no valid entries",
        ),
        (
            "vhdx_log_truncated",
            with(Entry {
                flushed: 7 << 20,
                ..writes(vec![])
            }),
            "the file ends at 6291456, the log says that it was 7340032",
        ),
        (
            "vhdx_log_file_too_long",
            with(Entry {
                last: 1 << 62,
                ..writes(vec![])
            }),
            "4611686018427387904 bytes long",
        ),
        (
            "vhdx_log_protected",
            with(writes(vec![page(65536, 1)])),
            "over the headers",
        ),
        (
            "vhdx_log_protected",
            with(writes(vec![page(2 * M - 4096, 1)])),
            "over the log itself",
        ),
        (
            "vhdx_log_protected",
            with(writes(vec![Write::Zero(192 << 10, 4 << 20)])),
            "over the log itself",
        ),
        (
            "vhdx_log_outside",
            with(writes(vec![page(6 * M, 1)])),
            "past the end",
        ),
        (
            "vhdx_log_outside",
            with(writes(vec![Write::Zero(4 << 20, 1 << 63)])),
            "writes 9223372036854775808 bytes",
        ),
        (
            "vhdx_log_outside",
            with(writes(vec![Write::Zero(u64::MAX - 4095, 1 << 63)])),
            "past the end",
        ),
        (
            "vhdx_log_unaligned",
            with(writes(vec![page(4 * M + 512, 1)])),
            "0x400200",
        ),
        (
            "vhdx_log_unaligned",
            with(writes(vec![Write::Zero(4 << 20, 512)])),
            "512 bytes",
        ),
        ("vhdx_log_too_many", no(many), "has 1048577 descriptors"),
    ]
}

fn region_rows() -> Vec<Row> {
    let other = RegionEntry {
        guid: [5; 16],
        file_offset: 5 << 20,
        length: 1 << 20,
        flags: 0,
    };
    let place = |offset: u64| no(dynamic().region_entry(1, "file_offset", &u64s(offset)));
    vec![
        (
            "vhdx_no_region_table",
            no(dynamic().put(192 << 10, b"R").put((256 << 10) + 9, &[1])),
            "signature is 'Regi'",
        ),
        (
            "vhdx_too_many_regions",
            no(dynamic().region(8, &u32s(2048))),
            "2048 entries, at most 2047",
        ),
        (
            "vhdx_region_place",
            place(512 << 10),
            "region 1 has 1048576 bytes at 0x80000",
        ),
        ("vhdx_region_place", place((3 << 20) + 4096), "0x301000"),
        (
            "vhdx_region_place",
            no(dynamic().region_entry(1, "length", &[0; 4])),
            "0 bytes",
        ),
        (
            "vhdx_region_past_end",
            place(6 << 20),
            "the BAT of 1048576 bytes at 0x600000",
        ),
        (
            "vhdx_region_past_end",
            place(u64::MAX << 20),
            "past the end",
        ),
        ("vhdx_regions_overlap", place(1 << 20), "overlaps the log"),
        ("vhdx_regions_overlap", place(2 << 20), "overlaps region 0"),
        (
            "vhdx_region_twice",
            no(dynamic().third_region(&RegionEntry {
                guid: BAT_REGION,
                ..other.clone()
            })),
            "2dc27766-f623-4200-9d64-115e9bfd4a08 is there twice",
        ),
        (
            "vhdx_region_unknown",
            no(dynamic().third_region(&RegionEntry {
                flags: 1,
                ..other.clone()
            })),
            "05050505-0505-0505-0505-050505050505 is required",
        ),
        (
            "vhdx_region_missing",
            no(dynamic()
                .region_entry(0, "guid", &[5; 16])
                .region_entry(0, "flags", &[0])),
            "no metadata region",
        ),
        (
            "vhdx_region_missing",
            no(dynamic().region(8, &u32s(1))),
            "no BAT",
        ),
        (
            "vhdx_region_too_long",
            no_long(dynamic().region_entry(1, "length", &u32s(514 << 20))),
            "the BAT has 538968064 bytes",
        ),
        (
            "vhdx_region_too_long",
            no_long(
                dynamic()
                    .region_entry(0, "guid", &BAT_REGION)
                    .region_entry(1, "guid", &METADATA_REGION)
                    .region_entry(1, "length", &u32s(129 << 20)),
            ),
            "the metadata region has",
        ),
    ]
}

fn item_rows() -> Vec<Row> {
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

fn value_rows() -> Vec<Row> {
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

fn locator_rows() -> Vec<Row> {
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

fn block_rows() -> Vec<Row> {
    let bat = |index: usize, value: u64| no(dynamic().bat(index, value));
    let image = open(dynamic().0).expect("it opens");
    let not_stored = image.read_data(VirtOffset(1 << 20), &mut [0; 512]);
    let past_end = image.read_data(VirtOffset(9 << 20), &mut [0; 512]);
    let (not_stored, past_end) = (
        not_stored.expect_err("it is zero"),
        past_end.expect_err("none"),
    );
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
            "vhdx_blocks_overlap",
            bat(2, 0x40_0006),
            "block 2 at 0x400000 shares bytes with block 0 at 0x400000",
        ),
        (
            "vhdx_blocks_overlap",
            no(child().bat(RATIO, 0x60_0006)),
            "bitmap 0 at 0x600000 shares bytes with block 3",
        ),
        ("vhdx_not_stored", not_stored, "block 1"),
        ("vhdx_not_stored", past_end, "block 9"),
    ]
}

fn check_rows() -> Vec<Row> {
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

#[test]
fn every_rule_is_broken_and_told() {
    let rows: Vec<Row> = [
        header_rows(),
        log_rows(),
        region_rows(),
        item_rows(),
        value_rows(),
        locator_rows(),
        block_rows(),
        check_rows(),
    ]
    .into_iter()
    .flatten()
    .collect();
    let mut broken = BTreeSet::new();
    for (code, error, part) in &rows {
        assert_eq!(error.code(), *code, "{error}");
        assert!(error.message().contains(part), "{error}: {part}");
        assert!(!error.message().ends_with('.'), "{error}");
        assert!(
            matches!(error.kind(), Kind::Corrupt | Kind::Unsupported),
            "{error}"
        );
        broken.insert((*code).to_owned());
    }
    let rules: BTreeSet<String> = include_str!("../src/fault.rs")
        .split('"')
        .filter(|text| text.starts_with("vhdx_"))
        .map(str::to_owned)
        .collect();
    assert_eq!(broken, rules);
}

#[test]
fn a_refusal_says_where() {
    let error = refusal(dynamic().bat(7, 5).0);
    let at = BAT + 7 * 8;
    assert_eq!(
        error.to_string(),
        format!("the state of block 7 is 5, which is reserved (BAT, offset {at})")
    );
    let error = refusal(dynamic().header("version", &[2]).0);
    assert_eq!(
        error.to_string(),
        "header version is 2, 1 is required (header, version, offset 131138)"
    );
}

#[test]
fn what_the_file_says_nothing_of_needs_no_room() -> Result<()> {
    // A region and an item that nobody knows and nobody must; a place that a state makes meaningless.
    let region = RegionEntry {
        guid: [5; 16],
        file_offset: 6 << 20,
        length: 1 << 20,
        flags: 0,
    };
    let item = MetadataEntry {
        item_id: [5; 16],
        offset: 0,
        length: 0,
        flags: 1,
        reserved: 0,
    };
    let built = dynamic()
        .long(7 * M)
        .third_region(&region)
        .sixth_item(&item)
        .bat(3, u64::MAX << 20 | 2);
    let image = open(built.0.clone())?;
    assert!(image.facts().details.contains(&("UserItems", "1".into())));
    assert!(check(built.0)?.faults.is_empty());
    Ok(())
}
