//! Disks of a few families: what one has of its family, and what is its own, follows from its number. What they are is told by a plain SHA-256.

use std::{fs, path::Path, process::Command};

use sha2::{Digest, Sha256};

use crate::chance::Chance;

/// Size of a disk in bytes.
const SIZE: usize = 2 << 20;

/// Length of the pieces in which disks differ.
const PIECE: usize = 64 << 10;

/// What a disk is known by here.
pub(crate) type Sha = [u8; 32];

/// The bytes of a disk: those of its family with one to four pieces of its own; number 0 is the family's own disk.
pub(crate) fn disk(family: u64, number: u64) -> Vec<u8> {
    let mut bytes = vec![0; SIZE];
    // A half is never written to.
    fill(&mut bytes[..SIZE / 2], &mut Chance::new(family, u64::MAX));
    if number > 0 {
        let mut chance = Chance::new(family, number);
        for _ in 0..=chance.below(4) {
            let at = chance.below((SIZE / PIECE) as u64) as usize * PIECE;
            let len = 512 * (1 + chance.below((PIECE / 512) as u64)) as usize;
            fill(&mut bytes[at..at + len], &mut chance);
        }
    }
    bytes
}

fn fill(bytes: &mut [u8], chance: &mut Chance) {
    for word in bytes.chunks_exact_mut(8) {
        word.copy_from_slice(&chance.next().to_le_bytes());
    }
}

/// The SHA-256 of bytes.
pub(crate) fn sha(bytes: &[u8]) -> Sha {
    Sha256::digest(bytes).into()
}

/// Writes a disk as a file of that format, by qemu-img where it is not raw.
pub(crate) fn write(bytes: &[u8], format: &str, place: &Path) {
    let raw = place.with_extension("plain");
    fs::write(&raw, bytes).unwrap();
    if format == "raw" {
        return fs::rename(&raw, place).unwrap();
    }
    qemu_img(
        &["convert", "-t", "unsafe", "-f", "raw", "-O", format],
        &[&raw, place],
    );
    fs::remove_file(raw).unwrap();
}

/// What qemu-img reads of an image, parents and all.
pub(crate) fn read(place: &Path, format: &str, aside: &Path) -> Sha {
    qemu_img(
        &["convert", "-t", "unsafe", "-f", format, "-O", "raw"],
        &[place, aside],
    );
    let bytes = fs::read(aside).unwrap();
    fs::remove_file(aside).unwrap();
    sha(&bytes)
}

fn qemu_img(words: &[&str], files: &[&Path]) {
    let mut command = Command::new("qemu-img");
    let ended = command.args(words).args(files).output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(
        ended.status.success(),
        "qemu-img {words:?} {files:?}: {said}"
    );
}
