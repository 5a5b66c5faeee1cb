//! A parity file made. The file is read twice: once in order, for its SHA-256 and the digests of its shards, then group by group.

use imgdelta_core::{Bytes, Error, FileOffset, Kind, Result, Sink, Source};
use imgdelta_delta::{Digest, RunProgress};
use reed_solomon_simd::ReedSolomonEncoder;
use sha2::{Digest as _, Sha256};

use super::{
    head::{Head, short_digest},
    shape::{HEAD, Shape},
};

/// Writes the parity of `data`, the SHA-256 of which is known.
///
/// # Errors
/// Digest (`not_read_back`), if its bytes are not those, or others the second time; Host; Interrupted.
pub fn write(
    data: &dyn Source,
    sha256: &Digest,
    shape: &Shape,
    sink: &dyn Sink,
    progress: &RunProgress,
) -> Result<()> {
    let mut table = digests(data, sha256, shape, progress)?;
    progress.begin(Bytes(shape.length()));
    for group in 0..shape.groups() {
        write_group(data, (shape, group), &mut table, sink, progress)?;
    }
    let table = table.concat();
    let head = Head::of(shape, sha256, &table).emit();
    let second = FileOffset(shape.second_table_at());
    sink.write_at(second, &table)?;
    sink.write_at(second.saturating_add(Bytes::from(table.len())), &head)?;
    sink.write_at(FileOffset(HEAD), &table)?;
    sink.write_at(FileOffset::ZERO, &head)
}

/// The digests of all shards, of a file that is what it must be.
fn digests(
    data: &dyn Source,
    sha256: &Digest,
    shape: &Shape,
    progress: &RunProgress,
) -> Result<Vec<[u8; 16]>> {
    progress.begin(Bytes(shape.length()));
    let (mut whole, mut table) = (Sha256::new(), Vec::new());
    for shard in 0..shape.shards() {
        let bytes = read_shard(data, shape, shard, progress)?;
        let there = bytes.get(..shape.len(shard)).unwrap_or(&bytes);
        whole.update(there);
        table.push(short_digest(there));
    }
    match Digest(whole.finalize().into()) == *sha256 && data.len().0 == shape.length() {
        true => Ok(table),
        false => Err(changed(data)),
    }
}

/// Writes the recovery shards of a group, and appends their digests.
fn write_group(
    data: &dyn Source,
    (shape, group): (&Shape, u64),
    table: &mut Vec<[u8; 16]>,
    sink: &dyn Sink,
    progress: &RunProgress,
) -> Result<()> {
    let (members, recovery) = (shape.members(group), shape.recovery(group));
    let counts = [members, recovery, shape.shard().into()].map(|count| Bytes(count).in_memory());
    let [originals, recoveries, len] = counts;
    let mut encoder =
        ReedSolomonEncoder::new(originals, recoveries, len).map_err(|error| failed(&error))?;
    for place in 0..members {
        let shard = shape.shard_of(group, place);
        let bytes = read_shard(data, shape, shard, progress)?;
        let there = bytes.get(..shape.len(shard)).unwrap_or(&bytes);
        if table.get(Bytes(shard).in_memory()) != Some(&short_digest(there)) {
            return Err(changed(data));
        }
        encoder
            .add_original_shard(&bytes)
            .map_err(|error| failed(&error))?;
    }
    let encoded = encoder.encode().map_err(|error| failed(&error))?;
    for (number, bytes) in (shape.recovery_before(group)..).zip(encoded.recovery_iter()) {
        sink.write_at(FileOffset(shape.recovery_at(number)), bytes)?;
        table.push(short_digest(bytes));
    }
    Ok(())
}

/// A shard, filled with zeros to its full length.
fn read_shard(
    data: &dyn Source,
    shape: &Shape,
    shard: u64,
    progress: &RunProgress,
) -> Result<Vec<u8>> {
    progress.go_on()?;
    let mut bytes = vec![0; Bytes(shape.shard().into()).in_memory()];
    let there = bytes.get_mut(..shape.len(shard)).unwrap_or_default();
    data.read_at(FileOffset(shape.at(shard)), there)?;
    progress.advance(Bytes::from(there.len()), Bytes::ZERO);
    Ok(bytes)
}

fn changed(data: &dyn Source) -> Error {
    let error = Error::new(Kind::Digest, "is not read as it was written")
        .with_code("not_read_back")
        .with_hint("the medium, its reader or the cable fails: take another one");
    match data.path() {
        Some(place) => error.in_file(place),
        None => error,
    }
}

/// The crate refuses what `Shape` never asks for.
pub(super) fn failed(error: &reed_solomon_simd::Error) -> Error {
    Error::new(Kind::Unsupported, format!("parity: {error}")).with_code("parity")
}
