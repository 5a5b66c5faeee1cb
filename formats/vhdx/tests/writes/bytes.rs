//! The bytes that a new image has, by the fact sheet and by itself: the same for the same disk.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use imgdelta_core::{BlockState, MemSink, Payload, Unit, VirtOffset};
use imgdelta_fixtures::{Fill, Recipe};
use imgdelta_vhdx::layout::{
    BAT_REGION, FileId, HEADER_AT, Header, METADATA_REGION, REGION_AT, RegionHead,
};
use proptest::prelude::*;

use crate::{
    making::{MIB, bytes, parent_of, start},
    reading::{Tested, open, read_all},
};

fn u64_at(bytes: &[u8], at: u64) -> u64 {
    let at = at as usize;
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

#[test]
fn the_front_is_laid_out_as_windows_does_it() -> Tested {
    let disk = Recipe::of(8 * MIB, [(3 * MIB, 512, Fill::Text)]);
    let image = bytes(&disk, &["block_size=1M"], None)?;
    let id = FileId::parse(image.first_chunk().ok_or("a file id")?);
    assert_eq!(&id.signature, b"vhdxfile");
    assert!(id.creator.starts_with(b"i\0m\0g\0d\0e\0l\0t\0a\0 \0"));
    for at in REGION_AT {
        let head = image[at as usize..].first_chunk().ok_or("a table")?;
        // The vector of the sheet: BAT at 3 MiB, then metadata at 2 MiB, both required.
        assert_eq!(RegionHead::parse(head).checksum, 0xc66b_8cae);
        assert!(image[at as usize + 16..].starts_with(&BAT_REGION));
        assert!(image[at as usize + 48..].starts_with(&METADATA_REGION));
    }
    for (at, number) in HEADER_AT.into_iter().zip(1..) {
        let header = Header::parse(image[at as usize..].first_chunk().ok_or("a header")?);
        assert_eq!(header.sequence_number, number);
        assert_eq!(header.checksum, header.computed_checksum());
        assert_eq!((header.log_offset, header.log_length), (MIB, 1 << 20));
        assert_eq!(header.log_guid, [0; 16]);
        // Version 4, of RFC 9562's variant, in the order of Windows.
        for guid in [header.file_write_guid, header.data_write_guid] {
            assert_eq!((guid[7] >> 4, guid[8] >> 6), (4, 2));
        }
    }
    assert_eq!(u64_at(&image, 3 * MIB + 3 * 8), 0x40_0006);
    assert_eq!(image.len() as u64, 5 * MIB);
    Ok(())
}

#[test]
fn a_childs_blocks_and_bitmaps_are_told_as_the_sheet_says() -> Tested {
    let below = Recipe::of(8 * MIB, [(0, 8 * MIB, Fill::Text)]);
    let base = bytes(&below, &["block_size=1M"], None)?;
    let parent = parent_of(&*open(base)?, "base.vhdx");
    let layer = Recipe::of(
        8 * MIB,
        [
            (MIB, 512, Fill::Pattern(1)),
            (MIB + 512 * 9, 512, Fill::Pattern(2)),
            (3 * MIB, MIB, Fill::Pattern(3)),
            (4 * MIB, MIB, Fill::Zero),
            (6 * MIB, MIB - 512, Fill::Zero),
        ],
    );
    let child = bytes(&layer, &["block_size=1M"], Some((parent, &below)))?;
    let entry = |index: u64| u64_at(&child, 3 * MIB + index * 8);
    assert_eq!(entry(0), 0);
    assert_eq!(entry(1), 0x40_0007);
    assert_eq!(entry(3), 0x60_0006);
    // 4096 blocks of 1 MiB share a bitmap.
    assert_eq!(entry(4096), 0x50_0006);
    // What is zero takes no room, but where a sector of the parent shows in the same block.
    assert_eq!(entry(4), 2);
    assert_eq!(entry(6), 0x70_0007);
    assert_eq!(child.len() as u64, 8 * MIB);
    let bits = &child[5 * MIB as usize..][..256 * 3];
    assert!(bits[..256].iter().all(|byte| *byte == 0));
    assert_eq!(bits[256..258], [0x01, 0x02]);
    assert!(bits[258..512].iter().all(|byte| *byte == 0));
    Ok(())
}

#[test]
fn the_same_disk_gives_the_same_bytes_and_another_other_ids() -> Tested {
    let disk = Recipe::scatter(5 * MIB, 4096, 3);
    let image = bytes(&disk, &[], None)?;
    assert!(image == bytes(&disk, &[], None)?);
    let other = bytes(&Recipe::scatter(5 * MIB, 4096, 4), &[], None)?;
    let (one, two) = (open(image)?, open(other)?);
    assert_ne!(one.metadata().identity, two.metadata().identity);
    let page_83 = |image: &dyn imgdelta_core::Image| {
        let mut details = image.metadata().details.iter();
        details.find(|(key, _)| *key == "Page83").cloned()
    };
    assert_ne!(page_83(&*one), page_83(&*two));
    let parent = parent_of(&*one, "base.vhdx");
    let child = open(bytes(&disk, &[], Some((parent, &Recipe::empty(5 * MIB))))?)?;
    assert_eq!(page_83(&*one), page_83(&*child), "a chain is one disk");
    Ok(())
}

/// How long it takes to place a unit, in the middle of many.
fn placing() -> imgdelta_core::Result<Duration> {
    let mut writer = start(Arc::new(MemSink::default()), 1 << 40, &[], None)?;
    let shape = writer.shape();
    let bytes = vec![1; shape.unit.in_memory()];
    let grains = vec![BlockState::Data; (shape.unit.0 / shape.grain.0) as usize];
    let count = 4096;
    let begun = Instant::now();
    for number in 0..count {
        let unit = Unit {
            at: VirtOffset(number * shape.unit.0),
            bytes: &bytes,
            grains: &grains,
        };
        writer.place(&unit, Payload::Plain, shape.unit)?;
    }
    Ok(begun.elapsed() / count as u32)
}

#[test]
fn placing_a_unit_takes_next_to_no_time() -> Tested {
    // The quickest of some: others use the machine too. With a compiler that optimises it is below 60 ns.
    let mut quickest = placing()?;
    for _ in 0..20 {
        quickest = quickest.min(placing()?);
    }
    println!("{quickest:?} a unit");
    assert!(quickest < Duration::from_micros(1), "{quickest:?}");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn whatever_is_written_reads_back(
        seed: u64,
        sectors in 1_u64..2000,
        block in 0_u32..4,
        is_large: bool,
        is_child: bool,
        is_fixed: bool,
    ) {
        let sector = if is_large { 4096 } else { 512 };
        let size = sectors * sector;
        let below = Recipe::scatter(size, 4096, seed);
        let layer = Recipe::sectors(size, seed ^ 1);
        let options = [format!("block_size={}M,logical_sector_size={sector}", 1 << block)];
        let subformat = format!("{},subformat=fixed", options[0]);
        let read = || -> imgdelta_core::Result<(Vec<u8>, Vec<u8>)> {
            if !is_child {
                let options = if is_fixed { &subformat } else { &options[0] };
                let image = open(bytes(&layer, &[options], None)?)?;
                return Ok((read_all(&[image])?, layer.expected(None)));
            }
            let base = open(bytes(&below, &[&options[0]], None)?)?;
            let parent = parent_of(&*base, "base.vhdx");
            let child = open(bytes(&layer, &[&options[0]], Some((parent, &below)))?)?;
            Ok((read_all(&[child, base])?, layer.expected(Some(&below.expected(None)))))
        };
        let (found, expected) = read().expect("it reads");
        prop_assert!(found == expected);
    }
}
