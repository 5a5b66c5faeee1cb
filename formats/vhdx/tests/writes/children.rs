//! Children: sectors of their own, zeros that hide the parent, and the parent by its name.

use std::path::Path;

use imgdelta_core::{Extent, Image, ParentSpec, Result, State, VirtOffset};
use imgdelta_fixtures::{
    Fill, Recipe, conform,
    peers::{self, Peer},
};

use crate::{
    making::{MIB, parent_of, write},
    reading::{Tested, check_file, open_file, read_all},
};

/// A child over `base.vhdx` in `folder`, which it makes too; the parent as it was named.
pub(crate) fn pair(
    folder: &Path,
    (below, base_options): (&Recipe, &[&str]),
    (layer, options): (&Recipe, &[&str]),
) -> std::result::Result<ParentSpec, Box<dyn std::error::Error>> {
    let base = folder.join("base.vhdx");
    write(&base, below, base_options, None)?;
    let parent = parent_of(&*open_file(&base)?, "base.vhdx");
    let child = folder.join("child.vhdx");
    write(&child, layer, options, Some((parent.clone(), below)))?;
    Ok(parent)
}

/// Everybody who can read children sees `target`; libvhdi is given the parent, the others find it.
pub(crate) fn everybody_reads(folder: &Path, target: &[u8], what: &str) -> Tested {
    let (base, child) = (folder.join("base.vhdx"), folder.join("child.vhdx"));
    let report = check_file(&child)?;
    assert!(
        report.faults.is_empty() && report.notes.is_empty(),
        "{what}: {report:?}"
    );
    let chain = [open_file(&child)?, open_file(&base)?];
    let facts = chain[0].metadata();
    assert!(facts.notes.is_empty(), "{what}: {:?}", facts.notes);
    assert!(read_all(&chain)? == target, "our own reader, {what}");
    let (is_whole, sector) = (
        (target.len() as u64).is_multiple_of(MIB),
        facts.logical_sector.0,
    );
    // dissect loses the last sector where sectors of 4096 bytes end inside a block.
    if (is_whole || sector == 512) && peers::find(Peer::Dissect).is_some() {
        let seen =
            peers::dissect("vhdx", &child, &[]).map_err(|error| format!("{what}: {error}"))?;
        assert!(seen == target, "dissect, {what}");
    }
    if is_whole && peers::find(Peer::SevenZip).is_some() {
        let seen = peers::sevenzip(&child, "vhdx").map_err(|error| format!("{what}: {error}"))?;
        assert!(seen == target, "7-Zip, {what}");
    }
    if peers::find(Peer::Libyal).is_some() {
        let seen =
            peers::libyal("vhdx", &child, &[base]).map_err(|error| format!("{what}: {error}"))?;
        let extents = map(&*chain[0])?;
        // It asks the bitmap also of blocks that are zero, for which no bit means anything.
        for extent in extents.iter().filter(|one| one.state != State::Zero) {
            let range = extent.at.0 as usize..extent.end().0 as usize;
            assert!(
                seen[range.clone()] == target[range],
                "libvhdi, {what}, at {}",
                extent.at
            );
        }
    }
    Ok(())
}

/// The whole map of a layer.
fn map(image: &dyn Image) -> Result<Vec<Extent>> {
    let mut map: Vec<Extent> = Vec::new();
    let mut at = VirtOffset::ZERO;
    while at.0 < image.metadata().size.0 {
        let extent = image.extent_at(at)?;
        at = extent.end();
        map.push(extent);
    }
    Ok(map)
}

/// A child's layer of `size` bytes with every kind of block of 1 MiB: untouched, all its own, zero, and in parts.
pub(crate) fn layer(size: u64, sector: u64) -> Recipe {
    let runs = [
        (0, sector, Fill::Pattern(1)),
        (7 * sector, 2 * sector, Fill::Text),
        (MIB, MIB, Fill::Pattern(2)),
        (2 * MIB, MIB, Fill::Zero),
        (3 * MIB + 16 * sector, 64 * sector, Fill::Zero),
        (5 * MIB - sector, 2 * sector, Fill::Pattern(3)),
        (size - sector, sector, Fill::Pattern(4)),
    ];
    Recipe::of(size, runs)
}

#[test]
fn children_read_back_and_others_read_them() -> Tested {
    for sector in [512, 4096] {
        let sectors = format!("logical_sector_size={sector}");
        for block in [1, 2, 8] {
            for size in [8 * MIB, 8 * MIB + 3 * sector, 13 * MIB] {
                let place = tempfile::tempdir()?;
                let blocks = format!("block_size={block}M");
                let below = Recipe::scatter(size, 300 << 10, size);
                let layer = layer(size, sector);
                let subformat = ["subformat=dynamic", "subformat=fixed"][usize::from(block == 8)];
                let base: &[&str] = &[&sectors, "block_size=2M", subformat];
                pair(place.path(), (&below, base), (&layer, &[&blocks]))?;
                let under = below.expected(None);
                let what = format!("{size} bytes, {sectors}, {blocks}");
                everybody_reads(place.path(), &layer.expected(Some(&under)), &what)?;
                conform(
                    &open_file(&place.path().join("child.vhdx"))?,
                    &layer,
                    Some(&under),
                );
            }
        }
    }
    Ok(())
}

#[test]
fn sectors_around_the_borders_of_chunks_are_the_childs_own() -> Tested {
    // Blocks of 1 MiB and sectors of 512 bytes: 4096 blocks to a bitmap; nothing of the second chunk is the child's own.
    let chunk = 4096 * MIB;
    let size = 3 * chunk + MIB / 2;
    let places = [
        0,
        chunk - 512,
        2 * chunk,
        3 * chunk - 512,
        3 * chunk,
        size - 512,
    ];
    let own = places.map(|at| (at, 512, Fill::Pattern(at + 1)));
    let below = Recipe::of(size, places.map(|at| (at, 512, Fill::Text)));
    let layer = Recipe::of(size, own);
    let place = tempfile::tempdir()?;
    pair(place.path(), (&below, &[]), (&layer, &["block_size=1M"]))?;
    let path = place.path().join("child.vhdx");
    let report = check_file(&path)?;
    assert!(
        report.faults.is_empty() && report.notes.is_empty(),
        "{report:?}"
    );
    // Front, six blocks less those that share one, and three bitmaps.
    assert_eq!(std::fs::metadata(&path)?.len(), (4 + 5 + 3) * MIB);
    let child = open_file(&path)?;
    let mut found = Vec::new();
    for extent in map(&*child)? {
        if extent.state.holds_data() {
            let mut bytes = vec![0; extent.len.in_memory()];
            child.read_data(extent.at, &mut bytes)?;
            let expected = layer.bytes_at(extent.at.0, extent.len.0);
            assert!(bytes == expected, "at {}", extent.at);
            found.push((extent.at.0, extent.len.0));
        } else {
            assert_eq!(extent.state, State::Absent);
        }
    }
    let sectors: u64 = found.iter().map(|(_, len)| len / 512).sum();
    assert_eq!(sectors, places.len() as u64, "{found:?}");
    Ok(())
}

#[test]
fn a_child_of_64_tib_takes_what_it_says() -> Tested {
    let place = tempfile::tempdir()?;
    let size = 64 << 40;
    let layer = Recipe::of(size, [(size - 512, 512, Fill::Text)]);
    let empty = Recipe::empty(size);
    pair(place.path(), (&empty, &[]), (&layer, &["block_size=32M"]))?;
    let path = place.path().join("child.vhdx");
    assert!(check_file(&path)?.faults.is_empty());
    // 2 113 536 entries of 8 bytes, a block, a bitmap.
    assert_eq!(std::fs::metadata(&path)?.len(), (3 + 17 + 32 + 1) * MIB);
    let last = open_file(&path)?.extent_at(VirtOffset(size - 512))?;
    assert!(last.state.holds_data());
    Ok(())
}

#[test]
fn a_child_may_be_larger_than_its_parent() -> Tested {
    let place = tempfile::tempdir()?;
    let below = Recipe::scatter(3 * MIB, 300 << 10, 1);
    let layer = layer(9 * MIB, 512);
    pair(place.path(), (&below, &[]), (&layer, &[]))?;
    let target = layer.expected(Some(&below.expected(None)));
    let chain = ["child.vhdx", "base.vhdx"].map(|name| open_file(&place.path().join(name)));
    let [child, base] = chain;
    assert!(read_all(&[child?, base?])? == target);
    Ok(())
}
