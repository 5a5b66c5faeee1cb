//! What a check notes and counts of images that open.

#![allow(clippy::indexing_slicing, reason = "a wrong test should stop")]

mod reading;

use imgdelta_core::{CheckReport, Result};
use reading::{
    built::{Built, ITEMS, M, META, RATIO, child, dynamic},
    check,
};

fn count(report: &CheckReport, name: &str) -> Option<u64> {
    report
        .counts
        .iter()
        .find(|(key, _)| *key == name)
        .map(|(_, count)| *count)
}

/// The only note of an image without faults.
fn note(built: Built) -> Result<String> {
    let mut report = check(built.0)?;
    assert!(report.faults.is_empty(), "{:?}", report.faults);
    assert_eq!(report.notes.len(), 1, "{:?}", report.notes);
    Ok(report.notes.remove(0))
}

#[test]
fn a_sound_image_has_counts_and_nothing_else() -> Result<()> {
    for (built, counts) in [
        (dynamic(), [8, 2, 0, 0, 0, 0]),
        (child(), [8, 2, 1, 9, 1, 0]),
    ] {
        let report = check(built.0)?;
        assert!(report.faults.is_empty(), "{:?}", report.faults);
        assert!(report.notes.is_empty(), "{:?}", report.notes);
        let names = [
            "blocks",
            "allocated",
            "partial",
            "sectors",
            "bitmaps",
            "leaked",
        ];
        assert_eq!(
            report.counts,
            names.into_iter().zip(counts).collect::<Vec<_>>()
        );
    }
    Ok(())
}

#[test]
fn lost_space_is_counted() -> Result<()> {
    let report = check(dynamic().bat(2, 0).long(9 * M).0)?;
    assert_eq!(count(&report, "leaked"), Some(4 << 20));
    assert!(
        report.notes[0].contains("4194304 bytes"),
        "{:?}",
        report.notes
    );
    // What is undefined or unmapped may keep its room.
    let report = check(dynamic().bat(2, 0x50_0003).0)?;
    assert_eq!(count(&report, "leaked"), Some(0));
    Ok(())
}

#[test]
fn what_is_odd_is_noted() -> Result<()> {
    let twin = dynamic().0;
    let twin = Built(twin.clone()).put(64 << 10, &twin[128 << 10..132 << 10]);
    let rows = [
        (twin, "same write"),
        (dynamic().put(64 << 10, b"H"), "header 1 is damaged"),
        (
            dynamic().put((256 << 10) + 17, &[1]),
            "region table 2 is damaged",
        ),
        (dynamic().header("reserved", &[1]), "reserved bytes"),
        (
            dynamic().one_header(1, "sequence_number", &[255; 8]),
            "the last one",
        ),
        (dynamic().put(META + 8, &[1]), "metadata table's reserved"),
        (dynamic().entry(2, 24, &[0x16]), "metadata table's reserved"),
        (dynamic().put(ITEMS + 4, &[4]), "at most 0x3"),
        (dynamic().region_entry(0, "flags", &[3]), "flags of regions"),
        (dynamic().bat(4, 0x50_0002), "name a place"),
        (dynamic().bat(100, 2), "past the end of the disk"),
        (
            child().put(5 * M, &[0, 0]),
            "wholly present or wholly absent",
        ),
        (
            dynamic().put(ITEMS + 4, &[1]),
            "6 blocks of the fixed image",
        ),
        (dynamic().long(6 * M + 512), "multiple of 1 MiB"),
        (
            dynamic().entry(2, 0, &[5; 16]).entry(2, 24, &[0]),
            "no Page 83 Data",
        ),
        (
            dynamic().entry(4, 0, &[5; 16]).entry(4, 24, &[0]),
            "no Physical Sector Size",
        ),
    ];
    for (built, part) in rows {
        if part == "multiple of 1 MiB" {
            let notes = check(built.0)?.notes;
            assert!(
                notes.iter().any(|note| note.contains(part)),
                "{part}: {notes:?}"
            );
            continue;
        }
        let note = note(built)?;
        assert!(note.contains(part), "{part}: {note}");
    }
    Ok(())
}

#[test]
fn the_last_block_may_end_with_the_disk() -> Result<()> {
    let built = dynamic()
        .put(ITEMS + 8, &((2_u64 << 20) + 512).to_le_bytes())
        .long(5 * M + 512);
    let report = check(built.0.clone())?;
    assert!(report.faults.is_empty(), "{:?}", report.faults);
    assert!(
        report.notes.iter().any(|note| note.contains("cut off")),
        "{:?}",
        report.notes
    );
    let image = reading::open(built.0)?;
    assert_eq!(reading::read_all(&[image])?.len(), 2 * M + 512);
    Ok(())
}

#[test]
fn all_reserved_bits_are_told_up_to_a_limit() -> Result<()> {
    let mut built = child();
    for index in 4..RATIO {
        built = built.bat(index, 8);
    }
    // Those past the end of the disk are nobody's.
    assert_eq!(check(built.0)?.faults.len(), 4);
    Ok(())
}
