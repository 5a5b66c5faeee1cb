//! Any bytes as the parity of a known file: whatever they say, they are read in bounded memory, and what they work out is the file or shows not to be.

use imgdelta_core::{Bytes, FileOffset, MemSink, MemSource, Sink as _};
use imgdelta_delta::{Digest, RunProgress};
use imgdelta_deploy::parity::{Parity, Percent, Shape, write};
use xxhash_rust::xxh3::xxh3_128;

use crate::pair::or_fail;

/// How long the header is, and where its digest stands in it.
const HEAD: usize = 96;
const DIGEST_AT: usize = 80;

/// The file: bytes that do not repeat.
fn data() -> Vec<u8> {
    let numbers = 0..1500_u32;
    numbers
        .flat_map(|number| (number.wrapping_mul(2_654_435_761) ^ number >> 3).to_le_bytes())
        .collect()
}

/// Parity files of it.
pub fn parity_files() -> Vec<Vec<u8>> {
    let data = data();
    let length = data.len() as u64;
    let usual = Percent::ALL.map(|percent| {
        let percent = Percent::new(percent).map(|percent| Shape::of(length, percent));
        percent.unwrap_or_else(|| Shape::new(length, 2, 64, 8))
    });
    let small = [(10, 64, 8), (100, 512, 512), (1, 128, 1)];
    let small = small.map(|(percent, shard, group)| Shape::new(length, percent, shard, group));
    let shapes = usual.into_iter().chain(small);
    let files = shapes.map(|shape| {
        let shape = or_fail(shape, "it is within the limits");
        let (sink, progress) = (MemSink::default(), RunProgress::default());
        let source = MemSource(data.clone());
        let written = write(&source, &Digest::plain(&data), &shape, &sink, &progress);
        or_fail(written, "parity is written");
        // Its sums are put right before it is read.
        let mut file = vec![1];
        file.extend(sink.bytes());
        file
    });
    files.collect()
}

/// Heals the file, a little and badly damaged, by what is behind the first byte, which says whether the sums of the header are put right before.
pub(crate) fn heal(bytes: &[u8]) {
    let Some((seals, file)) = bytes.split_first() else {
        return;
    };
    let mut file = file.to_vec();
    if seals & 1 == 1 {
        seal(&mut file);
    }
    let data = data();
    let file = MemSource(file);
    let sha256 = Digest::plain(&data);
    let Ok(parity) = Parity::open(&file, data.len() as u64, &sha256) else {
        return;
    };
    for step in [data.len(), 1000, 7] {
        let mut damaged = data.clone();
        damaged
            .iter_mut()
            .step_by(step)
            .for_each(|byte| *byte ^= 0x55);
        heal_one(&parity, &data, damaged);
    }
}

fn heal_one(parity: &Parity<'_>, data: &[u8], damaged: Vec<u8>) {
    let (sink, progress) = (MemSink::default(), RunProgress::default());
    or_fail(sink.set_len(Bytes::from(data.len())), "there is room");
    let mut keep = |at, bytes: &[u8]| sink.write_at(FileOffset(at), bytes);
    let survey = or_fail(
        parity.survey(&MemSource(damaged), &mut keep, &progress),
        "bytes in memory are read",
    );
    let shortage = or_fail(parity.shortage(&survey, &progress), "nobody stops it");
    let right = MemSource(sink.bytes());
    let restored = parity.restore(&survey, &right, &sink, &progress);
    assert_eq!(restored.is_ok(), shortage.is_none(), "{shortage:?}");
    if restored.is_ok() {
        assert_eq!(
            sink.bytes().len(),
            data.len(),
            "nothing is written beyond the file"
        );
    }
}

/// Puts the digests of both headers right.
fn seal(file: &mut [u8]) {
    let last = file.len().saturating_sub(HEAD);
    for at in [0, last] {
        let Some(head) = file.get_mut(at..).and_then(|rest| rest.get_mut(..HEAD)) else {
            return;
        };
        let (said, digest) = head.split_at_mut(DIGEST_AT);
        digest.copy_from_slice(&xxh3_128(said).to_le_bytes());
    }
}
