//! Every rule that a VHD can break, broken: one row a rule, and a rule without a row fails. Then every malformed image of the fixtures.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a wrong test should stop"
)]

mod driving;

use std::{collections::BTreeSet, path::Path, sync::Arc};

use driving::{S, Tested, check, how, memory, number, open, read_over, refusal};
use imgdelta_core::{
    Bytes, Claim, Companions, Error, FileOffset, Kind, NoCompanions, Peek, Result, Source,
    VirtOffset,
};
use imgdelta_fixtures::{
    Fill, Recipe,
    broken::{Expect, vhd_cases},
    vhd::{Batmap, Bitmaps, FooterCopy, Locator, Parent, VhdSpec, seal_footer, seal_header},
};
use imgdelta_vhd::DRIVER;

/// Where the dynamic header and the BAT stand in every image here.
const HEADER: usize = 512;
const BAT: usize = 1536;
const BLOCK: u64 = 64 << 10;

/// 1 MiB in blocks of 64 KiB, of which the first two and the last are stored.
fn start() -> VhdSpec {
    let runs = [0, 1, 15].map(|block| (block * BLOCK, BLOCK, Fill::Pattern(block)));
    VhdSpec::dynamic(Recipe::of(1 << 20, runs), BLOCK as u32)
}

fn child() -> VhdSpec {
    VhdSpec::differencing(
        Recipe::sectors(1 << 20, 1),
        BLOCK as u32,
        [7; 16],
        "base.vhd",
    )
}

/// Both footers changed and sealed.
fn footers(spec: &VhdSpec, at: usize, value: &[u8]) -> Vec<u8> {
    let mut bytes = spec.build();
    let end = bytes.len() - 512;
    let places = if bytes.starts_with(b"conectix") {
        vec![0, end]
    } else {
        vec![end]
    };
    for place in places {
        bytes[place + at..place + at + value.len()].copy_from_slice(value);
        seal_footer(&mut bytes[place..place + 512]);
    }
    bytes
}

/// The dynamic header changed and sealed.
fn header(spec: &VhdSpec, at: usize, value: &[u8]) -> Vec<u8> {
    let mut bytes = spec.build();
    bytes[HEADER + at..HEADER + at + value.len()].copy_from_slice(value);
    seal_header(&mut bytes[HEADER..HEADER + 1024]);
    bytes
}

/// The BAT's entry of `block` changed.
fn bat(spec: &VhdSpec, block: usize, change: impl Fn(u32) -> u32) -> Vec<u8> {
    let mut bytes = spec.build();
    let at = BAT + 4 * block;
    let entry = u32::try_from(number::<4>(&bytes, at)).expect("four bytes");
    bytes[at..at + 4].copy_from_slice(&change(entry).to_be_bytes());
    bytes
}

fn tap(batmap: Batmap) -> VhdSpec {
    VhdSpec {
        creator: *b"tap\0",
        creator_version: 0x0001_0003,
        batmap: Some(batmap),
        ..start()
    }
}

/// A file that is called `disk.vhd`, with or without `disk.v01` beside it.
#[derive(Debug)]
struct Named(Arc<dyn Source>);

impl Source for Named {
    fn len(&self) -> Bytes {
        self.0.len()
    }

    fn read_at(&self, at: FileOffset, buf: &mut [u8]) -> Result<()> {
        self.0.read_at(at, buf)
    }

    fn path(&self) -> Option<&Path> {
        Some(Path::new("images/disk.vhd"))
    }
}

struct Pieces;

impl Companions for Pieces {
    fn open(&self, name: &str) -> Result<Arc<dyn Source>> {
        if name == "disk.v01" {
            Ok(memory(vec![0; 512]))
        } else {
            NoCompanions.open(name)
        }
    }
}

fn first_piece(bytes: Vec<u8>, companions: &dyn Companions) -> Error {
    let source: Arc<dyn Source> = Arc::new(Named(memory(bytes)));
    let asked = how(source, &[], companions).expect("no options");
    (DRIVER.open)(asked).expect_err("it is only a piece")
}

/// The first fault that a check finds.
fn found(bytes: Vec<u8>) -> Error {
    open(bytes.clone(), &[]).expect("it opens");
    let mut faults = check(bytes).expect("it can be checked").faults;
    assert_eq!(faults.len(), 1, "{faults:?}");
    faults.remove(0)
}

/// Damaged footers: what they break, and a part of what is said.
fn footer_rows() -> Vec<(&'static str, Error, &'static str)> {
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
            first_piece(half, &NoCompanions),
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
            refusal(footers(&start(), 48, &(2041_u64 << 30).to_be_bytes())),
            "2040 GiB",
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
fn header_rows() -> Vec<(&'static str, Error, &'static str)> {
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
fn block_rows() -> Vec<(&'static str, Error, &'static str)> {
    let not_stored = {
        let image = open(start().build(), &[]).expect("it is sound");
        image
            .read_data(VirtOffset(2 * BLOCK), &mut [0; 8])
            .expect_err("the block is not there")
    };
    let past_disk = {
        let image = open(start().build(), &[]).expect("it is sound");
        image
            .read_data(VirtOffset((1 << 20) - 4), &mut [0; 8])
            .expect_err("the disk ends before")
    };
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
        ("vhd_not_stored", not_stored, "block 2"),
        ("vhd_not_stored", past_disk, "block 16"),
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

#[test]
fn every_rule_has_a_file_that_breaks_it() {
    let rows = [footer_rows(), header_rows(), block_rows()].concat_rows();
    let mut broken = BTreeSet::new();
    for (code, error, part) in &rows {
        assert_eq!(error.code(), *code, "{error}");
        assert!(error.message().contains(part), "{error}");
        assert!(!error.message().ends_with('.'), "{error}");
        broken.insert((*code).to_owned());
    }
    let rules: BTreeSet<String> = include_str!("../src/fault.rs")
        .split('"')
        .filter(|text| text.starts_with("vhd_"))
        .map(str::to_owned)
        .collect();
    assert_eq!(broken, rules);
}

/// Rows put together: errors cannot be copied.
trait Rows<T> {
    fn concat_rows(self) -> Vec<T>;
}

impl<T, const N: usize> Rows<T> for [Vec<T>; N] {
    fn concat_rows(self) -> Vec<T> {
        self.into_iter().flatten().collect()
    }
}

#[test]
fn a_refusal_says_where() {
    let error = refusal(header(&start(), 28, &[0, 0, 0, 1]));
    assert_eq!(
        error.to_string(),
        "the BAT covers 65536 bytes, the disk has 1048576 (dynamic header, max_table_entries, offset 540)"
    );
    let error = refusal(bat(&start(), 1, |old| old - 1));
    assert_eq!(error.place().offset, Some(FileOffset(1540)));
    assert_eq!(
        refusal(footers(&start(), 60, &[0; 4]))
            .place()
            .offset
            .map(|at| at.0 % 512),
        Some(60)
    );
}

/// What must happen to a malformed image, as far as one layer goes: following its parent is the registry's part.
#[test]
fn every_malformed_image_gets_its_answer() -> Tested {
    for case in vhd_cases() {
        let name = &case.name;
        let bytes = case.files[0].1.clone();
        let opened = open(bytes.clone(), &[]);
        let follows = case.files.len() > 1
            || name.starts_with("vhd-29")
            || name.starts_with("vhd-h-parent")
            || name.starts_with("vhd-h-child");
        match (case.expect, opened) {
            (Expect::Reads { note }, Ok(image)) => {
                if let Some(recipe) = &case.disk {
                    assert!(read_over(&*image, &[])? == recipe.expected(None), "{name}");
                }
                // A stamp and a size are only odd beside the parent's.
                assert_eq!(
                    !image.facts().notes.is_empty(),
                    note && !follows,
                    "{name}: {:?}",
                    image.facts().notes
                );
            }
            (Expect::CheckFinds { .. }, Ok(_)) => {
                assert!(!check(bytes)?.faults.is_empty(), "{name}");
            }
            (Expect::Refused { .. }, Err(error)) => {
                assert_eq!(i32::from(error.kind().exit()), case.exit, "{name}: {error}");
                let claim = (DRIVER.probe)(&Peek::of(&*memory(bytes))?);
                let is_gone = error.code() == "vhd_no_footer";
                assert_eq!(
                    matches!(claim, Claim::No),
                    is_gone,
                    "{name} is not taken for raw: {error}"
                );
            }
            (Expect::Refused { .. }, Ok(image)) => {
                assert!(follows, "{name} opens");
                assert!(image.parent().is_some(), "{name}");
            }
            (expect, opened) => panic!("{name}: {expect:?}, {opened:?}"),
        }
    }
    Ok(())
}

#[test]
fn any_cut_and_any_flipped_byte_of_the_tables_is_answered() -> Tested {
    let spec = VhdSpec {
        parent: Some(Parent::named([7; 16], "base.vhd")),
        locators: vec![
            Locator::relative("base.vhd"),
            Locator::absolute("C:\\base.vhd"),
        ],
        ..child()
    };
    let whole = spec.build();
    let answer = |bytes: Vec<u8>| -> Result<()> {
        for options in [&["checksum=ignore"][..], &["size=chs"]] {
            if let Ok(image) = open(bytes.clone(), options) {
                // A flipped size may be large: what is read is what the file can hold.
                if image.facts().size <= Bytes::mib(64) {
                    let _ = read_over(&*image, &[]);
                }
            }
        }
        let _ = check(bytes.clone());
        let _ = (DRIVER.references)(&memory(bytes.clone()));
        let _ = (DRIVER.probe)(&Peek::of(&*memory(bytes))?);
        Ok(())
    };
    for cut in (0..8192).step_by(97).chain((0..whole.len()).step_by(8191)) {
        answer(whole[..cut].to_vec())?;
    }
    let end = whole.len() - 512;
    let tables = (0..96)
        .chain(512..700)
        .chain(1088..1140)
        .chain((1536..1600).step_by(1))
        .chain(end..end + 96);
    for at in tables {
        for value in [0x00, 0x01, 0x7f, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] = value;
            answer(bytes)?;
        }
    }
    Ok(())
}

#[test]
fn a_bat_entry_past_the_disk_is_not_followed() -> Tested {
    let mut spec = start();
    spec.extra_entries = 1;
    let mut bytes = spec.build();
    bytes[BAT + 64..BAT + 68].copy_from_slice(&[0, 0, 0, 1]);
    let image = open(bytes.clone(), &[])?;
    assert!(read_over(&*image, &[])? == spec.recipe.expected(None));
    let report = check(bytes)?;
    assert!(
        report
            .notes
            .iter()
            .any(|note| note.contains("1 BAT entries past the end")),
        "{:?}",
        report.notes
    );
    Ok(())
}

#[test]
fn a_check_counts_and_tells_what_is_lost() -> Tested {
    let report = check(start().build())?;
    assert!(report.faults.is_empty());
    assert_eq!(
        report.counts,
        [
            ("blocks", 16),
            ("allocated", 3),
            ("sectors", 384),
            ("leaked", 0)
        ]
    );
    let mut lost = start().build();
    lost[BAT + 4..BAT + 8].fill(0xff);
    let report = check(lost)?;
    let leaked = 512 + BLOCK;
    assert!(
        report.counts.contains(&("leaked", leaked)),
        "{:?}",
        report.counts
    );
    assert_eq!(
        report.notes,
        [format!(
            "{leaked} bytes between structures and blocks belong to nothing"
        )]
    );
    let error = check(bat(&start(), 0, |_| 1)).expect_err("it cannot be opened");
    assert_eq!(error.kind(), Kind::Corrupt);
    Ok(())
}
