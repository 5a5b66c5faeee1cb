//! What is written is read: by this crate, by qemu, 7-Zip, libvhdi and VirtualBox; and foreign structures are emitted as they were.

#![allow(clippy::indexing_slicing, reason = "a wrong test should stop")]

mod driving;

use std::path::PathBuf;

use driving::{
    Pair, S, Tested, check, footer_of, header_of, memory, open, pair, parent_of, patched, read_all,
    read_over, write, write_to,
};
use imgdelta_core::{AtomicFile, Existing};
use imgdelta_fixtures::{
    Fill, Recipe,
    peers::{self, Peer},
    vhd::VhdSpec,
};
use imgdelta_vhd::DRIVER;
use proptest::prelude::*;

#[test]
fn every_structure_of_a_foreign_image_is_emitted_as_it_was() {
    for spec in [
        VhdSpec::dynamic(Recipe::small(1 << 20), 64 << 10),
        VhdSpec::differencing(Recipe::small(1 << 20), 2 << 20, [4; 16], "base.vhd"),
    ] {
        let bytes = spec.build();
        assert_eq!(footer_of(&bytes).emit()[..], bytes[bytes.len() - S..]);
        assert_eq!(header_of(&bytes).emit()[..], bytes[512..1536]);
        assert_eq!(
            footer_of(&bytes).computed_checksum(),
            footer_of(&bytes).checksum
        );
        assert_eq!(
            header_of(&bytes).computed_checksum(),
            header_of(&bytes).checksum
        );
    }
}

#[test]
fn an_image_goes_to_a_file_as_to_memory_and_a_fixed_one_to_a_pipe() -> Tested {
    let disk = Recipe::scatter((9 << 20) + 512, 64 << 10, 3).expected(None);
    let folder = tempfile::tempdir()?;
    for options in [&["subformat=dynamic"][..], &["subformat=fixed"]] {
        let path = folder.path().join("out.vhd");
        let draft = AtomicFile::create(&path, Existing::Replace)?;
        write_to(&draft.sink(), &disk, options, None, None)?;
        draft.commit()?;
        let in_memory = write(&disk, options, None)?;
        assert!(std::fs::read(&path)? == in_memory, "{options:?}");
        assert!(read_all(&*open(in_memory, &[])?)? == disk);
    }
    Ok(())
}

#[test]
fn qemu_reads_fixed_and_dynamic_images() -> Tested {
    if peers::find(Peer::QemuImg).is_none() {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let (image, raw) = (folder.path().join("a.vhd"), folder.path().join("a.raw"));
    for (recipe, options) in [
        (Recipe::small(1 << 20), &["subformat=fixed"][..]),
        (
            Recipe::scatter((7 << 20) + 512, 96 << 10, 5),
            &["subformat=fixed"],
        ),
        (Recipe::scatter((7 << 20) + 512, 96 << 10, 5), &[]),
        (Recipe::sectors(34 << 20, 8), &["block_size=512K"]),
        (Recipe::small(33 << 20), &["size=chs", "creator=vpc"]),
        (Recipe::small(5 << 20), &["size=azure"]),
        (Recipe::empty(3 << 20), &[]),
    ] {
        let mut disk = recipe.expected(None);
        let bytes = write(&disk, options, None)?;
        disk.resize(footer_of(&bytes).current_size as usize, 0);
        std::fs::write(&image, bytes)?;
        std::fs::write(&raw, disk)?;
        peers::qemu_compare(&image, "vhd", &raw, "raw")
            .map_err(|error| format!("{options:?}: {error}"))?;
    }
    Ok(())
}

/// A child beside its base, both as this crate writes them, and the target's bytes.
fn chain_on_disk(
    folder: &tempfile::TempDir,
    block_size: u32,
    over: &Recipe,
) -> Result<(PathBuf, PathBuf, Vec<u8>), Box<dyn std::error::Error>> {
    let Pair {
        base,
        base_bytes,
        below,
        target,
    } = pair(over, block_size)?;
    let (base_path, child_path) = (
        folder.path().join("base.vhd"),
        folder.path().join("child.vhd"),
    );
    let option = format!("block_size={block_size}");
    let child = write(
        &target,
        &[&option],
        Some((parent_of(&*base, "base.vhd"), &below)),
    )?;
    std::fs::write(&base_path, base_bytes)?;
    std::fs::write(&child_path, child)?;
    Ok((base_path, child_path, target))
}

/// libvhdi reads wrong sectors of blocks that are present in part, which 7-Zip and VirtualBox read right: here blocks are whole or absent.
#[test]
fn libvhdi_reads_a_child_over_its_parent() -> Tested {
    if peers::find(Peer::Libyal).is_none() {
        return Ok(());
    }
    for block_size in [512 << 10, 2 << 20] {
        let folder = tempfile::tempdir()?;
        let block = u64::from(block_size);
        let whole = [0, 1, 4, 7].map(|number| (number * block, block, Fill::Pattern(number)));
        let recipe = Recipe::of(24 << 20, whole);
        let (base, child, target) = chain_on_disk(&folder, block_size, &recipe)?;
        assert!(
            peers::libyal_vhd(&child, &[base])? == target,
            "blocks of {block_size}"
        );
    }
    Ok(())
}

#[test]
fn seven_zip_reads_a_child_and_finds_its_parent() -> Tested {
    if peers::find(Peer::SevenZip).is_none() {
        return Ok(());
    }
    for block_size in [512 << 10, 2 << 20] {
        let folder = tempfile::tempdir()?;
        let recipe = Recipe::sectors((9 << 20) + 2048, 12);
        let (_, child, target) = chain_on_disk(&folder, block_size, &recipe)?;
        assert!(
            peers::sevenzip(&child, "vhd")? == target,
            "blocks of {block_size}"
        );
    }
    Ok(())
}

#[test]
fn virtualbox_reads_a_child_and_accepts_its_parent() -> Tested {
    if peers::find(Peer::VirtualBox).is_none() {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let recipe = Recipe::sectors((9 << 20) + 2048, 12);
    let (base, child, target) = chain_on_disk(&folder, 2 << 20, &recipe)?;
    assert!(peers::virtualbox_raw(&child, &[base])? == target);
    Ok(())
}

#[test]
fn virtualbox_accepts_a_child_that_was_given_another_parent() -> Tested {
    if peers::find(Peer::VirtualBox).is_none() {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let recipe = Recipe::sectors((5 << 20) + 512, 13);
    let (base, child, target) = chain_on_disk(&folder, 2 << 20, &recipe)?;
    // The same disk as another tool may hold it: a fixed image with an id of its own.
    let below = read_all(&*open(std::fs::read(&base)?, &[])?)?;
    let local = folder.path().join("local-copy-of-the-base.vhd");
    std::fs::write(
        &local,
        write(&below, &["subformat=fixed", "creator=imgd"], None)?,
    )?;
    let mut bytes = std::fs::read(&local)?;
    let end = bytes.len() - S;
    bytes[end + 68] ^= 0xff;
    imgdelta_fixtures::vhd::seal_footer(&mut bytes[end..]);
    std::fs::write(&local, &bytes)?;
    let parent = parent_of(&*open(bytes, &[])?, "local-copy-of-the-base.vhd");
    let old = std::fs::read(&child)?;
    let relink = DRIVER.relink.expect("VHD has children");
    std::fs::write(
        &child,
        patched(old.clone(), &relink(&memory(old), &parent)?),
    )?;
    assert!(peers::virtualbox_raw(&child, &[local])? == target);
    assert!(peers::sevenzip(&child, "vhd")? == target);
    Ok(())
}

/// A disk of sectors that are zero, or one byte throughout.
fn disks(sectors: usize) -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(prop_oneof![3 => Just(0_u8), 1 => any::<u8>()], sectors)
        .prop_map(|values| values.into_iter().flat_map(|value| [value; S]).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read(
        disk in (1_usize..400).prop_flat_map(disks),
        shift in 12_u32..=18,
        fixed in any::<bool>(),
    ) {
        let block = format!("block_size={}", 1 << shift);
        let option = if fixed { "subformat=fixed" } else { &block };
        let bytes = write(&disk, &[option], None).expect("it can be written");
        let report = check(bytes.clone()).expect("it can be checked");
        prop_assert!(report.faults.is_empty() && report.notes.is_empty(), "{:?}", report);
        let image = open(bytes, &[]).expect("it can be opened");
        prop_assert!(read_all(&*image).expect("it can be read") == disk);
    }

    #[test]
    fn what_a_child_says_is_what_differs(
        (below, target) in (1_usize..300).prop_flat_map(|sectors| (disks(sectors), disks(sectors))),
        shift in 12_u32..=17,
    ) {
        let base = open(write(&below, &[], None).expect("room"), &[]).expect("sound");
        let block = format!("block_size={}", 1 << shift);
        let parent = parent_of(&*base, "base.vhd");
        let child = write(&target, &[&block], Some((parent, &below))).expect("room");
        let report = check(child.clone()).expect("it can be checked");
        prop_assert!(report.faults.is_empty() && report.notes.is_empty(), "{:?}", report);
        let differing = target.chunks(S).zip(below.chunks(S)).filter(|(a, b)| a != b).count() as u64;
        prop_assert!(report.counts.contains(&("sectors", differing)));
        let image = open(child, &[]).expect("sound");
        prop_assert!(read_over(&*image, &below).expect("it can be read") == target);
    }
}
