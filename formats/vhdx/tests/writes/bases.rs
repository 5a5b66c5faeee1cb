//! Images without parent: dynamic and fixed, of all sizes of blocks, sectors and disks.

use std::{fs::File, path::Path};

use imgdelta_core::VirtOffset;
use imgdelta_fixtures::{
    Fill, Recipe, conform,
    peers::{self, Peer},
};

use crate::{
    making::{MIB, write},
    reading::{Tested, check_file, open_file, read},
};

const GIB: u64 = 1 << 30;

/// A disk as a raw file with holes.
fn raw(path: &Path, disk: &Recipe) -> Tested {
    use std::os::unix::fs::FileExt;
    let file = File::create(path)?;
    file.set_len(disk.size)?;
    for run in disk.runs.iter().filter(|run| run.fill != Fill::Absent) {
        file.write_all_at(&disk.bytes_at(run.at, run.len), run.at)?;
    }
    Ok(())
}

/// Writes the disk and has everybody read it who can; qemu knows no sectors of 4096 bytes.
fn everybody_reads(disk: &Recipe, options: &[&str]) -> Tested {
    let place = tempfile::tempdir()?;
    let (image, model) = (place.path().join("a.vhdx"), place.path().join("a.raw"));
    write(&image, disk, options, None)?;
    let what = format!("{} bytes, {options:?}", disk.size);
    let report = check_file(&image)?;
    assert!(
        report.faults.is_empty() && report.notes.is_empty(),
        "{what}: {report:?}"
    );
    assert!(std::fs::metadata(&image)?.len().is_multiple_of(MIB));
    let opened = open_file(&image)?;
    assert!(
        opened.metadata().notes.is_empty(),
        "{:?}",
        opened.metadata().notes
    );
    if disk.size <= 64 * MIB {
        conform(&opened, disk, None);
    }
    if peers::find(Peer::QemuImg).is_some() && opened.metadata().logical_sector.0 == 512 {
        peers::qemu_check(&image, "vhdx").map_err(|error| format!("{what}: {error}"))?;
        if disk.size <= 64 * MIB {
            raw(&model, disk)?;
            peers::qemu_compare(&image, "vhdx", &model, "raw")
                .map_err(|error| format!("{what}: {error}"))?;
        }
    }
    // 7-Zip opens nobody's disk of another size.
    let is_whole = disk.size <= 64 * MIB && disk.size.is_multiple_of(MIB);
    if is_whole && peers::find(Peer::SevenZip).is_some() {
        let seen = peers::sevenzip(&image, "vhdx").map_err(|error| format!("{what}: {error}"))?;
        assert!(seen == disk.bytes_at(0, disk.size), "7-Zip, {what}");
    }
    Ok(())
}

#[test]
fn disks_of_all_sizes_in_all_blocks_read_back() -> Tested {
    for sector in [512, 4096] {
        let (options, unit) = (format!("logical_sector_size={sector}"), 96 << 10);
        for subformat in ["subformat=dynamic", "subformat=fixed"] {
            for size in [sector, MIB - sector, MIB, MIB + sector, 5 * MIB + sector] {
                let disk = Recipe::scatter(size, unit, size);
                everybody_reads(&disk, &[&options, subformat, "block_size=1M"])?;
            }
            for block in [2, 4, 32] {
                let block_size = format!("block_size={block}M");
                for size in [block * MIB + 3 * sector, (block + 3) * MIB] {
                    let disk = Recipe::scatter(size, 700 << 10, block);
                    everybody_reads(&disk, &[&options, subformat, &block_size])?;
                }
            }
        }
    }
    Ok(())
}

/// A disk of which one sector is told at each of these places, and that qemu-io, which can pass over the rest, finds it there: it would
/// read every zero of a VHDX to convert it.
fn sectors_are_found(size: u64, places: &[u64], options: &[&str]) -> Tested {
    let runs = places.iter().map(|at| (*at, 512, Fill::Bytes(&[9; 512])));
    let disk = Recipe::of(size, runs);
    everybody_reads(&disk, options)?;
    let place = tempfile::tempdir()?;
    let path = place.path().join("a.vhdx");
    write(&path, &disk, options, None)?;
    let chain = [open_file(&path)?];
    let mut asked = Vec::new();
    for at in places {
        let from = at.saturating_sub(512);
        let mut found = vec![1; 1024 + (at - from) as usize];
        read(&chain, VirtOffset(from), &mut found)?;
        let mut expected = disk.bytes_at(from, found.len() as u64);
        expected.truncate(found.len());
        assert!(found == expected, "{size} bytes, {options:?}, at {at}");
        asked.push(format!("read -P 9 {at} 512"));
        let after = at + 512;
        if after < size && !places.contains(&after) {
            asked.push(format!("read -P 0 {after} 512"));
        }
    }
    if peers::find(Peer::QemuImg).is_some() {
        let asked: Vec<&str> = asked.iter().map(String::as_str).collect();
        peers::qemu_io(&path, "vhdx", &asked)?;
    }
    Ok(())
}

#[test]
fn blocks_are_counted_right_around_the_entries_of_bitmaps() -> Tested {
    // Blocks of 1 MiB and sectors of 512 bytes: 4096 blocks to a chunk.
    let chunk = 4 * GIB;
    for size in [chunk - MIB, chunk, chunk + 512, 2 * chunk + 3 * MIB] {
        let places = [
            0,
            chunk - 2 * MIB,
            chunk - MIB,
            chunk,
            chunk + MIB,
            2 * chunk - 512,
            2 * chunk,
        ];
        let places: Vec<u64> = places.into_iter().filter(|at| *at < size).collect();
        sectors_are_found(size, &places, &["block_size=1M"])?;
    }
    Ok(())
}

#[test]
fn sparse_and_huge_disks_take_what_their_data_take() -> Tested {
    let size = 1 << 40;
    let places = [0, 5 * GIB + 512, 700 * GIB, size - 512];
    sectors_are_found(size, &places, &[])?;
    sectors_are_found(64 << 40, &[0, 40 << 40, (64 << 40) - 512], &[])?;
    let place = tempfile::tempdir()?;
    let path = place.path().join("a.vhdx");
    let disk = Recipe::of(size, places.map(|at| (at, 512, Fill::Text)));
    write(&path, &disk, &[], None)?;
    // Front, log, metadata, 5 MiB of BAT, four blocks.
    assert_eq!(std::fs::metadata(&path)?.len(), (3 + 5 + 4 * 2) * MIB);
    Ok(())
}

#[test]
fn an_empty_disk_of_64_tib_is_written_in_blocks_of_all_sizes() -> Tested {
    let empty = Recipe::empty(64 << 40);
    for options in [&["block_size=1M"][..], &["block_size=256M", "log_size=8M"]] {
        everybody_reads(&empty, options)?;
    }
    Ok(())
}
