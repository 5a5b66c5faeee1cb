//! What an L2 entry names is in the file, whatever the entry says of it: asked of the map, which reads no data, as of the data.

#![allow(clippy::indexing_slicing, reason = "a wrong test should stop")]

mod reading;

use imgdelta_core::{Result, State, VirtOffset};
use imgdelta_fixtures::{
    Fill, Recipe,
    qcow2::{Compression, Qcow2Spec},
};
use reading::{open, read_all};

const CLUSTER: u64 = 64 << 10;

fn spec() -> Qcow2Spec {
    Qcow2Spec::new(Recipe::of(16 * CLUSTER, [(0, 4 * CLUSTER, Fill::Text)]), 16)
}

/// The code with which an image is refused of which the first words of the L2 table are `words`, by its map; `None` if it has one.
fn refused(spec: &Qcow2Spec, words: &[u64]) -> Result<Option<&'static str>> {
    let built = spec.build_files();
    let mut image = built.image;
    let at = built.layout.l2[0] as usize;
    for (number, word) in words.iter().enumerate() {
        let place = at + 8 * number;
        image[place..place + 8].copy_from_slice(&word.to_be_bytes());
    }
    let image = open(&image)?;
    let mut at = VirtOffset::ZERO;
    while at.0 < image.metadata().size.0 {
        match image.extent_at(at) {
            Ok(extent) => at = extent.end(),
            Err(error) => return Ok(Some(error.code())),
        }
    }
    Ok(None)
}

#[test]
fn entries_that_need_nothing_are_held_to_the_file_too() -> Result<()> {
    let end = spec().build().len() as u64;
    let past = end.next_multiple_of(CLUSTER);
    for (word, code) in [
        (1, None),
        (CLUSTER | 1, None),
        ((past - CLUSTER) | 1, None),
        (past | 1, Some("qcow2_data_past_end")),
        (1 << 40 | 1, Some("qcow2_data_past_end")),
        (CLUSTER | 0x201, Some("qcow2_unaligned")),
        (0x201, Some("qcow2_unaligned")),
    ] {
        assert_eq!(refused(&spec(), &[word])?, code, "{word:#x}");
    }
    // In another cluster of the run, too.
    let (zero, bad) = (CLUSTER | 1, past | 1);
    let code = refused(&spec(), &[zero, zero, bad])?;
    assert_eq!(code, Some("qcow2_data_past_end"));
    Ok(())
}

#[test]
fn clusters_of_which_no_part_is_data_are_held_to_the_file_too() -> Result<()> {
    let spec = Qcow2Spec {
        extended_l2: true,
        ..spec()
    };
    let past = (spec.build().len() as u64).next_multiple_of(CLUSTER);
    let (all_zero, none) = (0xffff_ffff_0000_0000, 0);
    for (word, parts, code) in [
        (CLUSTER, all_zero, None),
        (CLUSTER, none, None),
        (0, all_zero, None),
        (past, all_zero, Some("qcow2_data_past_end")),
        (past, none, Some("qcow2_data_past_end")),
        (CLUSTER | 0x200, all_zero, Some("qcow2_unaligned")),
        (0x200, none, Some("qcow2_unaligned")),
    ] {
        let found = refused(&spec, &[word, parts])?;
        assert_eq!(found, code, "{word:#x} {parts:#x}");
    }
    Ok(())
}

#[test]
fn compressed_clusters_are_held_to_the_file_by_the_map_too() -> Result<()> {
    let spec = Qcow2Spec {
        compression: Some(Compression::deflate()),
        ..spec()
    };
    let end = spec.build().len() as u64;
    for (word, code) in [
        (1 << 62 | end, Some("qcow2_compressed_past_end")),
        (1 << 62 | 1 << 40, Some("qcow2_compressed_past_end")),
        (1 << 62 | 100, Some("qcow2_in_header")),
    ] {
        assert_eq!(refused(&spec, &[word])?, code, "{word:#x}");
    }
    Ok(())
}

#[test]
fn a_zero_cluster_may_keep_its_place() -> Result<()> {
    let built = spec().build_files();
    let mut image = built.image;
    let at = built.layout.l2[0] as usize;
    image[at + 7] |= 1;
    let image = open(&image)?;
    let extent = image.extent_at(VirtOffset::ZERO)?;
    assert_eq!((extent.len.0, extent.state), (CLUSTER, State::Zero));
    let disk = read_all(&*image)?;
    let data = Recipe::of(16 * CLUSTER, [(0, 4 * CLUSTER, Fill::Text)]).content(None);
    let cluster = CLUSTER as usize;
    assert!(disk[..cluster].iter().all(|byte| *byte == 0));
    assert!(disk[cluster..] == data[cluster..]);
    Ok(())
}
