//! Memory does not grow with the number of threads: a budget feeds workers, and more threads than it feeds idle.

use std::{fs::File, io::Write as _};

use crate::{
    Outcome,
    watched::{Ended, imgdelta, run},
};

/// What a run may hold, whatever threads it has.
const MOST: u64 = 128 << 20;
/// What one may hold that compresses nothing.
const MOST_PLAIN: u64 = 96 << 20;
/// Enough for 32 workers to have a cluster of 2 MiB at once.
const SIZE: usize = 64 << 20;

/// A folder with a disk that cannot be compressed, so that every buffer is used to its end.
fn folder() -> std::io::Result<tempfile::TempDir> {
    let folder = tempfile::tempdir()?;
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(SIZE);
    while bytes.len() < SIZE {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        // Every eighth word is the same: a little smaller it becomes.
        bytes.extend_from_slice(&(if state.is_multiple_of(8) { 0 } else { state }).to_le_bytes());
    }
    File::create(folder.path().join("disk.raw"))?.write_all(&bytes)?;
    bytes.iter_mut().step_by(50_000).for_each(|byte| *byte ^= 1);
    File::create(folder.path().join("other.raw"))?.write_all(&bytes)?;
    Ok(folder)
}

fn held_by(folder: &std::path::Path, line: &str) -> std::io::Result<Ended> {
    let args: Vec<&str> = line.split_whitespace().collect();
    let mut command = imgdelta(&args);
    command.current_dir(folder);
    run(command)
}

/// Runs a line with so many threads, and says how much it held.
fn runs(folder: &std::path::Path, line: &str, threads: &[u16]) -> Outcome {
    for threads in threads {
        let ended = held_by(folder, &format!("{line} -j {threads}"))?;
        assert_eq!(ended.code, Some(0), "{line} -j {threads}: {ended}");
        let (peak, took) = (ended.peak >> 20, ended.took);
        eprintln!("{peak:>4} MiB, {took:?}: {line} -j {threads}");
        let most = if line.contains("compression_type") || line.contains("packed") {
            MOST
        } else {
            MOST_PLAIN
        };
        assert!(ended.peak < most, "{line} -j {threads}: {ended}");
    }
    Ok(())
}

#[test]
fn memory_does_not_grow_with_the_number_of_threads() -> Outcome {
    let folder = folder()?;
    let folder = folder.path();
    // Every window differs: each thread that compares holds those of both disks that it hashes at once.
    let plain = "make -b disk.raw -t other.raw -o child.qcow2 --no-cache --force";
    runs(folder, plain, &[1, 2, 16, 64, 256])?;
    let large = "--option cluster_size=2M --force";
    for codec in ["zlib", "zstd"] {
        let compressed = format!("{large} --option compression_type={codec}");
        let convert = format!("convert disk.raw -o packed.qcow2 {compressed}");
        runs(folder, &convert, &[1, 2, 16, 64, 256])?;
        let make = format!("make -b disk.raw -t other.raw -o child.qcow2 --no-cache {compressed}");
        runs(folder, &make, &[64, 256])?;
        let back = "convert packed.qcow2 -o again.raw --force";
        runs(folder, back, &[16, 256])?;
        runs(folder, "digest packed.qcow2 --no-cache", &[16, 256])?;
        let again = std::fs::read(folder.join("again.raw"))?;
        assert!(again == std::fs::read(folder.join("disk.raw"))?);
    }
    Ok(())
}
