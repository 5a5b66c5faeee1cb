//! One row a rule: what is broken, how that is told, and a part of it.

use super::*;

pub(super) fn footer_rows() -> Vec<(&'static str, Error, &'static str)> {
    let no_cookie = VhdSpec {
        cookie: [0; 8],
        ..start()
    };
    let poison = VhdSpec {
        cookie: *b"v_poison",
        ..start()
    };
    let mut sums = start().build();
    let end = sums.len() - 512;
    sums[64] ^= 1;
    sums[end + 64] ^= 1;
    let old_tap = VhdSpec {
        creator: *b"tap\0",
        creator_version: 1,
        ..start()
    };
    let whole = start().build();
    let half = whole[..whole.len() - 2 * S].to_vec();
    let fixed = VhdSpec::fixed(Recipe::small(1 << 20));
    vec![
        (
            "vhd_no_footer",
            refusal(no_cookie.build()),
            "'conectix' is required",
        ),
        ("vhd_no_footer", refusal(vec![]), "no footer"),
        (
            "vhd_poisoned",
            refusal(poison.build()),
            "disabled on purpose",
        ),
        (
            "vhd_footer_checksum",
            refusal(sums),
            "footer checksum is 0x",
        ),
        (
            "vhd_split",
            first_piece(half.clone(), &Pieces),
            "disk.v01 follows",
        ),
        (
            "vhd_block_past_end",
            first_piece(half, &NoAuxFiles),
            "block 15",
        ),
        (
            "vhd_footer_version",
            refusal(footers(&start(), 12, &[0, 2, 0, 0])),
            "0x00020000",
        ),
        (
            "vhd_disk_type",
            refusal(footers(&start(), 60, &[0, 0, 0, 5])),
            "disk type is 5",
        ),
        (
            "vhd_little_endian_bitmaps",
            refusal(old_tap.build()),
            "tapdisk 0.1",
        ),
        (
            "vhd_size_unaligned",
            refusal(footers(&fixed, 48, &1023_u64.to_be_bytes())),
            "current_size is 1023",
        ),
        (
            "vhd_size_too_large",
            refusal(footers(&start(), 48, &(1_u64 << 53).to_be_bytes())),
            "at most 4503599627370496 is supported",
        ),
        (
            "vhd_fixed_too_short",
            refusal(footers(&fixed, 48, &(2_u64 << 20).to_be_bytes())),
            "fixed VHD claims 2097152 bytes, the file holds 1048576",
        ),
        (
            "vhd_header_unaligned",
            refusal(footers(&start(), 16, &513_u64.to_be_bytes())),
            "data_offset is 0x201",
        ),
        (
            "vhd_header_in_footer",
            refusal(footers(&start(), 16, &[0; 8])),
            "footer copy",
        ),
        (
            "vhd_header_past_end",
            refusal(footers(&start(), 16, &(1_u64 << 40).to_be_bytes())),
            "0x10000000000",
        ),
    ]
}

/// Damaged dynamic headers.
pub(super) fn header_rows() -> Vec<(&'static str, Error, &'static str)> {
    let mut sum = start().build();
    sum[HEADER + 36] ^= 1;
    let big = |value: u32| value.to_be_bytes();
    let at = |value: u64| value.to_be_bytes();
    vec![
        (
            "vhd_header_cookie",
            refusal(header(&start(), 0, b"xxsparse")),
            "'xxsparse'",
        ),
        (
            "vhd_header_checksum",
            refusal(sum),
            "dynamic header checksum",
        ),
        (
            "vhd_header_version",
            refusal(header(&start(), 24, &big(0x0002_0000))),
            "header_version",
        ),
        (
            "vhd_block_size",
            refusal(header(&start(), 32, &big(0))),
            "block_size is 0",
        ),
        (
            "vhd_block_size",
            refusal(header(&start(), 32, &big(0x0018_0000))),
            "power of two",
        ),
        (
            "vhd_block_too_large",
            refusal(header(&start(), 32, &big(1 << 31))),
            "256 MiB",
        ),
        (
            "vhd_bat_unaligned",
            refusal(header(&start(), 16, &at(1537))),
            "table_offset is 0x601",
        ),
        (
            "vhd_bat_overlap",
            refusal(header(&start(), 16, &at(512))),
            "dynamic header",
        ),
        (
            "vhd_bat_overlap",
            refusal(header(&start(), 16, &at(0))),
            "footer copy",
        ),
        (
            "vhd_too_many_entries",
            refusal(header(&start(), 28, &big(u32::MAX))),
            "4294967295",
        ),
        (
            "vhd_bat_past_end",
            refusal(header(&start(), 16, &at(1 << 30))),
            "16 entries at 0x40000000",
        ),
        (
            "vhd_bat_too_small",
            refusal(header(&start(), 28, &big(1))),
            "covers 65536 bytes",
        ),
        (
            "vhd_locator_too_long",
            refusal(header(&child(), 584, &big(u32::MAX))),
            "parent locator 0",
        ),
        (
            "vhd_locator_outside",
            refusal(header(&child(), 592, &at(1 << 40))),
            "outside the file",
        ),
        (
            "vhd_locator_odd",
            refusal(header(&child(), 584, &big(5))),
            "5 bytes of UTF-16",
        ),
        (
            "vhd_no_parent",
            refusal(footers(&start(), 60, &[0, 0, 0, 4])),
            "names no parent",
        ),
    ]
}

/// Damaged tables, blocks and maps.
pub(super) fn block_rows() -> Vec<(&'static str, Error, &'static str)> {
    let differ = VhdSpec {
        copy: FooterCopy::OtherId([3; 16]),
        ..start()
    };
    let half = Recipe::of(1 << 20, [(0, 512, Fill::Pattern(1))]);
    let exact = VhdSpec {
        bitmaps: Bitmaps::Exact,
        ..VhdSpec::dynamic(half, BLOCK as u32)
    };
    let mut unused = exact.build();
    let block = number::<4>(&unused, BAT) as usize * S;
    unused[block + 3 * S] = 1;
    let map = tap(Batmap {
        key_hash: false,
        version: 0x0001_0002,
    });
    let encrypted = tap(Batmap {
        key_hash: true,
        version: 0x0001_0002,
    });
    let mut lies = map.build();
    let first = number::<4>(&lies, BAT) as usize * S;
    lies[first] = 0x7f;
    // The sector that is now unused must be zero, or that is a second fault.
    lies[first + S..first + 2 * S].fill(0);
    let mut map_sum = map.build();
    map_sum[2048 + 27] ^= 1;
    let mut map_gone = map.build();
    map_gone[2048 + 8] = 0x7f;
    let into_locator =
        u32::try_from(number::<8>(&child().build(), HEADER + 592) / 512).expect("small");
    vec![
        (
            "vhd_block_in_structure",
            refusal(bat(&start(), 0, |_| 0)),
            "footer copy",
        ),
        (
            "vhd_block_in_structure",
            refusal(bat(&start(), 0, |_| 1)),
            "dynamic header",
        ),
        (
            "vhd_block_in_structure",
            refusal(bat(&start(), 0, |_| 3)),
            "BAT",
        ),
        (
            "vhd_block_in_structure",
            refusal(bat(&child(), 0, |_| into_locator)),
            "locator",
        ),
        (
            "vhd_block_in_structure",
            refusal(bat(&start(), 15, |old| old + 1)),
            "footer",
        ),
        (
            "vhd_block_past_end",
            refusal(bat(&start(), 15, |old| old + 2)),
            "beyond the end",
        ),
        (
            "vhd_block_past_end",
            refusal(bat(&start(), 15, |_| u32::MAX - 1)),
            "block 15",
        ),
        (
            "vhd_blocks_overlap",
            refusal(bat(&start(), 1, |old| old - 1)),
            "blocks 0 and 1 overlap",
        ),
        (
            "vhd_blocks_overlap",
            refusal(bat(&start(), 1, |old| old - 129)),
            "blocks 0 and 1 overlap",
        ),
        (
            "vhd_footers_differ",
            found(differ.build()),
            "disagree in checksum",
        ),
        (
            "vhd_unused_holds_data",
            found(unused),
            "block 0: 1 sectors marked unused hold data, the first at 0x400",
        ),
        (
            "vhd_bitmaps_of_child",
            open(child().build(), &["bitmap=ignore"]).expect_err("it has a parent"),
            "say what is its parent's",
        ),
        (
            "vhd_encrypted",
            refusal(encrypted.build()),
            "encrypted XenServer VHD",
        ),
        (
            "vhd_batmap_lies",
            found(lies),
            "calls block 0 full, 1 of its sectors",
        ),
        ("vhd_batmap_checksum", found(map_sum), "batmap checksum"),
        (
            "vhd_batmap_outside",
            found(map_gone),
            "the batmap has 512 bytes",
        ),
    ]
}
