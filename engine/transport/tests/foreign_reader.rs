//! What an independent reader makes of a file, written from the description of the form alone: `decode.py`, with the program zstd.

#![allow(
    clippy::indexing_slicing,
    reason = "a test indexes what it has just made"
)]

mod common;

use std::{path::Path, process::Command};

use common::{file_of, noise};

/// Has it read a file; what comes out.
fn decoded(base: &[u8], target: &[u8]) -> Option<Vec<u8>> {
    let has = |program: &str| Command::new(program).arg("--version").output().is_ok();
    if !has("python3") || !has("zstd") {
        let required = std::env::var_os("IMGDELTA_REQUIRE_PEERS").is_some();
        assert!(!required, "python3 and zstd are required");
        return None;
    }
    let folder = tempfile::tempdir().expect("a place");
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("file.imgdelta"), file_of(base, target)).expect("room");
    std::fs::write(at("base"), base).expect("room");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/decode.py");
    let names = ["file.imgdelta", "base", "target"].map(at);
    let output = Command::new("python3")
        .arg(script)
        .args(names)
        .output()
        .expect("it runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(std::fs::read(at("target")).expect("it was written"))
}

#[test]
fn a_reader_written_from_the_description_gets_the_same_disk() {
    let base = noise(1, 1_500_000);
    let fresh = noise(2, 700_000);
    // All kinds of runs, moved by whole blocks and by an odd number, a repeat, zeros, a short last block.
    let mut target = base[..300_000].to_vec();
    target.extend(&fresh[..400_000]);
    target.extend(&base[200_000..900_000]);
    target.resize(350 * 4096, 0);
    target.extend(&base[40 * 4096..80 * 4096]);
    target.resize(400 * 4096, 0);
    target.extend(&fresh[..100_000]);
    target.resize(430 * 4096, 0);
    target.extend(&fresh[..100_001]);
    for (base, target) in [(&base, &target), (&target, &base), (&base, &base)] {
        if let Some(found) = decoded(base, target) {
            assert!(found == *target, "another disk came out");
        }
    }
}

#[test]
fn disks_across_several_segments_come_out() {
    let mut base = vec![0; 130 << 20];
    base[5 << 20..6 << 20].copy_from_slice(&noise(3, 1 << 20));
    let mut target = base.clone();
    target[64 << 20..65 << 20].copy_from_slice(&noise(3, 1 << 20));
    target[(129 << 20) + 5..(129 << 20) + 70_000].copy_from_slice(&noise(4, 69_995));
    target[(5 << 20) + 77] ^= 1;
    if let Some(found) = decoded(&base, &target) {
        assert!(found == target, "another disk came out");
    }
}
