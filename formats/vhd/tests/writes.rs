//! New images: the layout byte for byte where consumers care, the options, what is refused.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a wrong test should stop"
)]

mod driving;

use std::sync::Arc;

use driving::{Pair, S, Tested, check, footer_of, header_of, number, open, pair, parent_of, write};
use imgdelta_core::{Bytes, Create, Kind, MemSink, OneOutput, Options, ParentSpec, Result};
use imgdelta_fixtures::{Fill, Recipe, conform, vhd::VhdSpec};
use imgdelta_vhd::DRIVER;

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

#[test]
fn a_dynamic_image_has_the_layout_that_consumers_want() -> Tested {
    let size = (5 << 20) + 1024;
    let disk = Recipe::of(
        size,
        [
            (0, 512, Fill::Text),
            (4 << 20, (1 << 20) + 1024, Fill::Pattern(1)),
        ],
    )
    .expected(None);
    let bytes = write(&disk, &[], None)?;
    let (footer, header) = (footer_of(&bytes), header_of(&bytes));
    assert_eq!(bytes[..S], bytes[bytes.len() - S..]);
    assert_eq!(footer.creator_application, *b"win ");
    assert_eq!(
        (footer.features, footer.time_stamp, footer.disk_type),
        (2, 0, 3)
    );
    assert_eq!((footer.current_size, footer.original_size), (size, size));
    assert_eq!(footer.unique_id[6] >> 4, 8);
    assert_eq!(
        (
            header.table_offset,
            header.max_table_entries,
            header.block_size
        ),
        (1536, 3, 2 << 20)
    );
    assert_eq!(header.data_offset, u64::MAX);
    // Block 0 and block 2, the BAT filled up with ones; the data of each on a multiple of 4096, the bitmap right below.
    let entries: Vec<u64> = (0..3)
        .map(|block| number::<4>(&bytes, 1536 + 4 * block))
        .collect();
    assert_eq!(
        entries,
        [3584 / 512, 0xffff_ffff, (4096 + (2 << 20) + 3584) / 512]
    );
    assert!(bytes[1536 + 12..2048].iter().all(|byte| *byte == 0xff));
    for entry in [entries[0], entries[2]] {
        let bitmap = entry as usize * S;
        assert!(bytes[bitmap..bitmap + S].iter().all(|byte| *byte == 0xff));
    }
    // The last block is whole, though the disk ends inside it.
    assert_eq!(bytes.len(), 2 * (4096 + (2 << 20)) + S);
    let report = check(bytes)?;
    assert!(
        report.faults.is_empty() && report.notes.is_empty(),
        "{report:?}"
    );
    Ok(())
}

#[test]
fn a_child_names_its_parent_and_holds_exact_sectors() -> Tested {
    let Pair {
        base,
        base_bytes,
        below,
        target,
    } = pair(&Recipe::sectors(6 << 20, 12), 512 << 10)?;
    let parent = ParentSpec {
        relative: Some("golden/base image.vhd".into()),
        ..parent_of(&*base, "golden/base image.vhd")
    };
    let bytes = write(&target, &["block_size=512K"], Some((parent, &below)))?;
    let (footer, header) = (footer_of(&bytes), header_of(&bytes));
    assert_eq!(footer.disk_type, 4);
    assert_eq!(header.parent_unique_id, footer_of(&base_bytes).unique_id);
    assert_eq!(header.parent_time_stamp, 0);
    assert_eq!(header.parent_unicode_name[..6], [0, b'b', 0, b'a', 0, b's']);
    let [relative, absolute, rest @ ..] = &header.parent_locators;
    assert_eq!(
        (relative.platform_code, absolute.platform_code),
        (*b"W2ru", *b"W2ku")
    );
    assert!(rest.iter().all(|entry| entry.platform_code == [0; 4]));
    for (entry, text) in [
        (relative, ".\\golden\\base image.vhd"),
        (absolute, "\\images\\golden\\base image.vhd"),
    ] {
        let at = entry.platform_data_offset as usize;
        assert!(at.is_multiple_of(4096) && entry.platform_data_space == 4096);
        assert_eq!(
            bytes[at..at + entry.platform_data_length as usize],
            utf16(text)
        );
    }
    let image = open(bytes.clone(), &[])?;
    assert_eq!(
        image.parent().map(|link| link.identities.clone()),
        Some(base.metadata().identity.clone().into_iter().collect())
    );
    conform(&image, &Recipe::sectors(6 << 20, 12), Some(&below));
    let differing = target
        .chunks(S)
        .zip(below.chunks(S))
        .filter(|(a, b)| a != b)
        .count() as u64;
    let report = check(bytes)?;
    assert!(
        report.faults.is_empty() && report.notes.is_empty(),
        "{report:?}"
    );
    assert!(
        report.counts.contains(&("sectors", differing)),
        "{:?}, {differing}",
        report.counts
    );
    Ok(())
}

#[test]
fn a_child_copies_the_geometry_of_its_parent() -> Tested {
    let base = VhdSpec {
        geometry: Some(imgdelta_fixtures::vhd::Geometry::new(1000, 2, 4)),
        ..VhdSpec::fixed(Recipe::small(1 << 20))
    };
    let image = open(base.build(), &[])?;
    let disk = base.recipe.expected(None);
    let child = write(&disk, &[], Some((parent_of(&*image, "base.vhd"), &disk)))?;
    let footer = footer_of(&child);
    assert_eq!(
        (footer.cylinders, footer.heads, footer.sectors_per_track),
        (1000, 2, 4)
    );
    assert_eq!(open(child.clone(), &[])?.metadata().size, Bytes::mib(1));
    // Nothing differs: no block is stored.
    assert!(child.len() < 32 << 10);
    Ok(())
}

#[test]
fn sizes_follow_the_rule_that_was_asked_for() -> Tested {
    let size_of = |len: usize, options: &[&str]| -> Result<(u64, usize)> {
        let bytes = write(&vec![1; len], options, None)?;
        assert!(check(bytes.clone())?.faults.is_empty());
        Ok((footer_of(&bytes).current_size, bytes.len()))
    };
    assert_eq!(
        size_of(1_000_001, &["subformat=fixed"])?,
        (1_000_448, 1_000_448 + S)
    );
    assert_eq!(
        size_of(4 << 20, &["size=chs", "subformat=fixed"])?.0,
        4_212_736
    );
    // Whole MiB, and at least 20 of them.
    let mib = |count: u64| (count << 20, (count << 20) as usize + S);
    assert_eq!(size_of(1_000_001, &["size=azure"])?, mib(20));
    assert_eq!(size_of(20 << 20, &["size=azure"])?, mib(20));
    assert_eq!(size_of((20 << 20) + 1, &["size=azure"])?, mib(21));
    assert_eq!(
        size_of(1 << 20, &["size=chs", "creator=qemu"])?.0,
        1_079_296
    );
    Ok(())
}

#[test]
fn what_cannot_be_written_is_refused_before_anything_is() {
    let base = ParentSpec {
        format: Some(imgdelta_core::Format::Vhd),
        size: Bytes::mib(4),
        absolute: "/base.vhd".into(),
        identity: Some(imgdelta_core::Identity {
            kind: "unique id",
            value: "00112233-4455-6677-8899-aabbccddeeff".into(),
        }),
        ..ParentSpec::default()
    };
    let raw = ParentSpec {
        format: Some(imgdelta_core::Format::Raw),
        ..base.clone()
    };
    let nameless = ParentSpec {
        identity: None,
        ..base.clone()
    };
    let long = ParentSpec {
        absolute: format!("/{}", "x".repeat(300)),
        ..base.clone()
    };
    let rows: [(Bytes, &[&str], Option<ParentSpec>, Kind); 17] = [
        (
            Bytes(Bytes::gib(32 << 10).0 + 1),
            &["size=azure"],
            None,
            Kind::Unsupported,
        ),
        (Bytes(u64::MAX), &["size=azure"], None, Kind::Unsupported),
        (Bytes::gib(2041), &[], None, Kind::Unsupported),
        (
            Bytes::gib(2041),
            &["subformat=fixed"],
            None,
            Kind::Unsupported,
        ),
        (Bytes::gib(17), &["block_size=4K"], None, Kind::Unsupported),
        (Bytes::mib(4), &["block_size=3M"], None, Kind::Usage),
        (Bytes::mib(4), &["block_size=4M"], None, Kind::Usage),
        (
            Bytes::mib(4),
            &["block_size=2M", "subformat=fixed"],
            None,
            Kind::Usage,
        ),
        (Bytes::mib(4), &["creator=toolong"], None, Kind::Usage),
        (Bytes::mib(4), &["creator=qemu"], None, Kind::Usage),
        (
            Bytes::mib(4),
            &["size=azure", "subformat=dynamic"],
            None,
            Kind::Usage,
        ),
        (Bytes::mib(4), &["colour=red"], None, Kind::Usage),
        (
            Bytes::mib(4),
            &["subformat=fixed"],
            Some(base.clone()),
            Kind::Usage,
        ),
        (Bytes::mib(5), &[], Some(base), Kind::Unsupported),
        (Bytes::mib(4), &[], Some(raw), Kind::Unsupported),
        (Bytes::mib(4), &[], Some(nameless), Kind::Unsupported),
        (Bytes::mib(4), &[], Some(long), Kind::Unsupported),
    ];
    for (size, options, parent, kind) in rows {
        let sink = Arc::new(MemSink::default());
        let refused = DRIVER.start(Create {
            outputs: &OneOutput(Arc::clone(&sink) as _),
            disk: size.into(),
            options: Options::parse(options).expect("well formed"),
            parent,
            seed: None,
        });
        match refused {
            Ok(_) => panic!("{size} {options:?} is not refused"),
            Err(error) => assert_eq!(error.kind(), kind, "{error}"),
        }
        assert!(sink.bytes().is_empty());
    }
}

#[test]
fn the_same_disk_gets_the_same_bytes_and_the_time_that_was_asked_for() -> Tested {
    let disk = Recipe::small(3 << 20).expected(None);
    assert!(write(&disk, &[], None)? == write(&disk, &[], None)?);
    for (time, stamp) in [
        (None, 0),
        (Some(5), 0),
        (Some(946_684_807), 7),
        (Some(u64::MAX), u32::MAX),
    ] {
        let sink = Arc::new(MemSink::default());
        let writer = DRIVER.start(Create {
            outputs: &OneOutput(Arc::clone(&sink) as _),
            disk: Bytes::mib(1).into(),
            options: Options::default(),
            parent: None,
            seed: None,
        })?;
        writer.finish(&imgdelta_core::FinishParams {
            time,
            ..imgdelta_core::FinishParams::default()
        })?;
        assert_eq!(footer_of(&sink.bytes()).time_stamp, stamp);
    }
    Ok(())
}
