//! Headers, log, region tables.

use imgdelta_vhdx::layout::{BAT_REGION, METADATA_REGION, RegionEntry};

use super::{
    Row, no, no_long,
    reading::built::{Entry, LOG_GUID, M, Write, dynamic, page},
    u32s, u64s,
};

pub(super) fn header_rows() -> Vec<Row> {
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

pub(super) fn log_rows() -> Vec<Row> {
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

pub(super) fn region_rows() -> Vec<Row> {
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
