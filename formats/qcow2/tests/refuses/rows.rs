//! The rows: an image for each rule, which it breaks.

use std::sync::Arc;

use imgdelta_core::{Bytes, Kind};
use imgdelta_fixtures::{
    Fill, Recipe,
    qcow2::{Backing, Bitmap, Built, Compression, DataFile, Qcow2Spec, Snapshot},
};

use crate::{By, Row, bad, checked, reading::long, row};

/// These bytes with others from `at` on.
fn with(bytes: &[u8], at: u64, change: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let at = Bytes(at).in_memory();
    bytes[at..at + change.len()].copy_from_slice(change);
    bytes
}

/// With a u32 there.
fn with32(bytes: &[u8], at: u64, value: u32) -> Vec<u8> {
    with(bytes, at, &value.to_be_bytes())
}

/// With a u64 there.
fn with64(bytes: &[u8], at: u64, value: u64) -> Vec<u8> {
    with(bytes, at, &value.to_be_bytes())
}

/// The u64 there.
fn word(bytes: &[u8], at: u64) -> u64 {
    let at = Bytes(at).in_memory();
    bytes[at..at + 8]
        .iter()
        .fold(0, |sum, &byte| sum << 8 | u64::from(byte))
}

/// A disk of 1 MiB with data at its start.
fn recipe() -> Recipe {
    Recipe::of(1 << 20, [(0, 128 << 10, Fill::Text)])
}

/// The image that most rows damage.
fn start() -> Qcow2Spec {
    Qcow2Spec {
        feature_names: false,
        ..Qcow2Spec::new(recipe(), 16)
    }
}

/// Copied flag, and compressed flag.
const COPIED: u64 = 1 << 63;
const COMPRESSED: u64 = 1 << 62;

/// Header fields of their own.
fn fields() -> Vec<Row> {
    let image = start().build();
    let zstd = Qcow2Spec {
        compression: Some(Compression::zstd(1)),
        ..start()
    }
    .build();
    let unsupported = |code, bytes| row(code, Kind::Unsupported, bytes);
    vec![
        bad("qcow2_magic", with32(&image, 0, 7)),
        bad("qcow2_version", with32(&image, 4, 4)),
        unsupported("qcow2_version_one", with32(&image, 4, 1)),
        bad("qcow2_cluster_bits", with32(&image, 20, 22)),
        bad("qcow2_header_length", with32(&image, 100, 105)),
        bad("qcow2_refcount_order", with32(&image, 96, 7)),
        unsupported("qcow2_size", with64(&image, 24, 1 << 63)),
        unsupported("qcow2_l1_too_large", with32(&image, 36, u32::MAX)),
        bad("qcow2_l1_too_small", with32(&image, 36, 0)),
        unsupported(
            "qcow2_refcount_table_too_large",
            with32(&image, 56, 1 << 20),
        ),
        bad("qcow2_no_refcount_table", with32(&image, 56, 0)),
        bad("qcow2_unaligned", with64(&image, 40, 0x30200)),
        bad("qcow2_in_header", with64(&image, 40, 0)),
        bad("qcow2_past_end", with64(&image, 48, 1 << 40)),
        unsupported("qcow2_feature", with64(&image, 72, 1 << 63)),
        bad("qcow2_corrupt_bit", with64(&image, 72, 2)),
        bad("qcow2_compression_without_bit", with(&image, 104, &[1])),
        bad("qcow2_compression_bit_alone", with(&zstd, 104, &[0])),
        unsupported("qcow2_compression_type", with(&zstd, 104, &[2])),
        unsupported("qcow2_aes", with32(&image, 32, 1)),
        unsupported("qcow2_crypt_method", with32(&image, 32, 3)),
        bad("qcow2_encryption_header", with32(&image, 32, 2)),
        unsupported(
            "qcow2_luks",
            Qcow2Spec {
                crypt_method: 2,
                ..start()
            }
            .build(),
        ),
    ]
}

/// The backing file and the extensions.
fn names() -> Vec<Row> {
    let child = |format: Option<&str>| {
        Qcow2Spec {
            backing: Some(Backing {
                name: "base.raw".into(),
                format: format.map(str::to_owned),
            }),
            ..start()
        }
        .build()
    };
    let image = child(Some("raw"));
    let name = word(&image, 8);
    let unsupported = |code, bytes| row(code, Kind::Unsupported, bytes);
    let reference = |code, bytes| row(code, Kind::Reference, bytes);
    vec![
        unsupported("qcow2_backing_offset", with64(&image, 8, 1 << 20)),
        unsupported("qcow2_backing_size", with32(&image, 16, 1024)),
        reference("qcow2_backing_nul", with(&image, name, &[0])),
        unsupported("qcow2_not_utf8", with(&image, name, &[0xff])),
        reference("qcow2_backing_format", child(Some("nosuch"))),
        unsupported("qcow2_backing_format_size", child(Some("sixteen-letters!"))),
        unsupported(
            "qcow2_extension_too_large",
            with64(&image, 112, 0x1234_5678_7fff_ffff),
        ),
    ]
}

/// Snapshots.
fn snapshots() -> Vec<Row> {
    let built = Qcow2Spec {
        snapshots: vec![Snapshot::new("1", "one", recipe())],
        ..start()
    }
    .build_files();
    let (image, at) = (&built.image, built.layout.snapshots);
    let unsupported = |code, bytes| row(code, Kind::Unsupported, bytes);
    // 600 entries with names of 64 KiB each, of a disk that needs no tables.
    let mut many = Qcow2Spec::new(Recipe::empty(0), 16).build();
    many = with64(&many, 64, many.len() as u64);
    many = with32(&many, 60, 600);
    let mut entry = vec![0; 40 + 2 * 65535];
    entry[12..16].fill(0xff);
    entry.resize(entry.len().next_multiple_of(8), 0);
    for _ in 0..600 {
        many.extend_from_slice(&entry);
    }
    vec![
        unsupported("qcow2_snapshot_count", with32(image, 60, 65537)),
        unsupported("qcow2_snapshot_table_too_large", many),
        bad(
            "qcow2_snapshot_l1_too_large",
            with32(image, at + 8, 1 << 28),
        ),
        unsupported(
            "qcow2_snapshot_extra_too_large",
            with32(image, at + 36, 1025),
        ),
        checked("qcow2_snapshot_extra_too_small", with32(image, at + 36, 8)),
    ]
}

/// External data files.
fn data_files() -> Vec<Row> {
    let spec = |name: Option<&str>, raw| Qcow2Spec {
        data_file: Some(DataFile {
            name: name.map(str::to_owned),
            raw,
        }),
        ..start()
    };
    let beside = |code, built: Built, bytes| Row {
        data: built.data,
        ..bad(code, bytes)
    };
    let both = Qcow2Spec {
        backing: Some(Backing {
            name: "base.raw".into(),
            format: Some("raw".into()),
        }),
        ..spec(Some("a.data"), true)
    };
    let built = spec(Some("a.data"), false).build_files();
    let l2 = built.layout.l2[0];
    let moved = with64(&built.image, l2, COPIED | 0x50000);
    let packed = with64(&built.image, l2, COMPRESSED | 0x50000);
    vec![
        bad("qcow2_data_file_name", spec(None, false).build()),
        bad("qcow2_raw_data_file_with_backing", both.build()),
        beside("qcow2_data_file_offset", built.clone(), moved),
        beside("qcow2_compressed_in_data_file", built, packed),
    ]
}

/// L1 and L2 entries.
fn entries() -> Vec<Row> {
    let built = start().build_files();
    let (image, l1, l2) = (&built.image, built.layout.l1, built.layout.l2[0]);
    let old = Qcow2Spec::version_2(recipe(), 16).build_files();
    let extended = Qcow2Spec {
        extended_l2: true,
        ..start()
    }
    .build_files();
    let parts = |entry, bitmap| {
        let at = extended.layout.l2[0];
        with64(&with64(&extended.image, at, entry), at + 8, bitmap)
    };
    let small = Qcow2Spec::new(Recipe::of(4096, [(0, 512, Fill::Text)]), 9).build_files();
    let far = with64(&small.image, small.layout.l2[0], COMPRESSED | 1 << 57);
    vec![
        bad("qcow2_overlap", with64(image, l1, COPIED | l1)),
        bad("qcow2_l1_reserved", with64(image, l1, COPIED | l2 | 1)),
        bad("qcow2_l2_reserved", with64(image, l2, COPIED | 0x50002)),
        bad(
            "qcow2_zero_in_version_2",
            with64(&old.image, old.layout.l2[0], 1),
        ),
        bad(
            "qcow2_subcluster_both",
            parts(COPIED | 0x50000, 1 << 32 | 1),
        ),
        bad("qcow2_subcluster_without_cluster", parts(0, 1)),
        bad(
            "qcow2_compressed_subclusters",
            parts(COMPRESSED | 0x50000, 1),
        ),
        bad("qcow2_data_past_end", with64(image, l2, COPIED | 1 << 40)),
        bad(
            "qcow2_compressed_past_end",
            with64(image, l2, COMPRESSED | 1 << 40),
        ),
        bad(
            "qcow2_compressed_copied",
            with64(image, l2, COPIED | COMPRESSED | 0x50000),
        ),
        bad("qcow2_compressed_offset", far),
        Row {
            by: By::ReadingSilence,
            ..row("qcow2_no_data", Kind::Usage, image.clone())
        },
    ]
}

/// What compressed clusters unpack to.
fn streams() -> Vec<Row> {
    let put = |how, stream: &[u8]| {
        let built = Qcow2Spec {
            compression: Some(how),
            ..start()
        }
        .build_files();
        let l2 = built.layout.l2[0];
        let mut bytes = with64(
            &built.image,
            l2,
            COMPRESSED | 1 << 54 | built.image.len() as u64,
        );
        bytes.extend_from_slice(stream);
        bytes.resize(bytes.len() + 1024 - stream.len(), 0xff);
        bytes
    };
    let too_much = zstd::bulk::compress(&[0; 65537], 1).expect("zeros compress");
    vec![
        bad("qcow2_compressed_garbage", put(Compression::deflate(), &[])),
        // A final block of nothing.
        bad(
            "qcow2_compressed_short",
            put(Compression::deflate(), &[3, 0]),
        ),
        bad(
            "qcow2_compressed_long",
            put(Compression::zstd(1), &too_much),
        ),
    ]
}

/// Bitmaps.
fn bitmaps() -> Vec<Row> {
    let built = Qcow2Spec {
        bitmaps: vec![Bitmap {
            name: "one".into(),
            flags: 2,
            granularity_bits: 16,
            dirty: vec![3],
        }],
        ..start()
    }
    .build_files();
    let (image, at) = (&built.image, built.layout.bitmaps);
    let table = word(image, at);
    let unsupported = |code, bytes| row(code, Kind::Unsupported, bytes);
    // The extension is the first: its data stand at 120.
    vec![
        bad("qcow2_extension_size", with32(image, 116, 16)),
        bad("qcow2_no_bitmaps", with32(image, 120, 0)),
        unsupported("qcow2_bitmap_count", with32(image, 120, 65536)),
        unsupported(
            "qcow2_bitmap_directory_too_large",
            with64(image, 128, 1 << 40),
        ),
        bad("qcow2_bitmap_directory", with(image, at + 18, &[1, 0])),
        bad("qcow2_bitmap_type", with(image, at + 16, &[2])),
        bad("qcow2_bitmap_granularity", with(image, at + 17, &[8])),
        checked("qcow2_bitmap_table_size", with32(image, at + 8, 0)),
        checked(
            "qcow2_bitmap_reserved",
            with64(image, table, word(image, table) | 2),
        ),
    ]
}

/// Refcounts.
fn refcounts() -> Vec<Row> {
    let built = start().build_files();
    let (image, layout) = (&built.image, &built.layout);
    let (table, block) = (layout.refcount_table, layout.refcount_blocks[0]);
    let far: Vec<u64> = (1..=300).map(|number| number << 32).collect();
    vec![
        checked(
            "qcow2_refcount_reserved",
            with64(image, table, block | 0x100),
        ),
        checked("qcow2_refcount_too_low", with64(image, block, 0)),
        checked(
            "qcow2_copied",
            with64(image, layout.l2[0], layout.data[0].1),
        ),
        Row {
            by: By::Checking,
            source: Arc::new(long(1 << 42, &far)),
            ..row("qcow2_too_scattered", Kind::Unsupported, Vec::new())
        },
    ]
}

/// All rows.
pub(crate) fn rows() -> Vec<Row> {
    [
        fields(),
        names(),
        snapshots(),
        data_files(),
        entries(),
        streams(),
        bitmaps(),
        refcounts(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
