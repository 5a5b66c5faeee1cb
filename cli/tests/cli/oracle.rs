//! Disks that tests make up themselves, and what qemu-img reads of images: nothing of ours has a say in whether they are the same.

use std::{fs, path::Path};

use imgdelta_fixtures::peers;
use sha2::{Digest, Sha256};

use crate::{place::Place, repo::json};

/// What a disk is known by here.
pub(crate) type Sha = [u8; 32];

/// The SHA-256 of a disk's bytes.
pub(crate) fn sha(bytes: &[u8]) -> Sha {
    Sha256::digest(bytes).into()
}

/// Fills bytes with what does not compress and follows from a seed.
pub(crate) fn fill(bytes: &mut [u8], seed: u64) {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for part in bytes.chunks_mut(8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        part.copy_from_slice(&state.to_le_bytes()[..part.len()]);
    }
}

/// What qemu-img reads of a file, its parents too.
pub(crate) fn read(place: &Place, file: &Path, format: &str) -> Sha {
    let raw = place.path("oracle.raw");
    // As qemu calls it.
    let format = if format == "qcow1" { "qcow" } else { format };
    peers::qemu_convert_to_raw(file, format, &raw).unwrap_or_else(|why| panic!("{why}"));
    let found = sha(&fs::read(&raw).expect("readable"));
    fs::remove_file(raw).expect("it is there");
    found
}

/// What qemu-img reads of a repository's image.
pub(crate) fn read_image(place: &Place, repository: &str, image: &str) -> Sha {
    let shown = json(place, &format!("repo show {image} --repo {repository}"));
    let path = shown["files"][0]["path"].as_str().expect("text");
    let format = shown["format"].as_str().expect("text");
    read(place, &place.path(repository).join(path), format)
}
