//! Disks in memory, and a packing of them there and back.

#![allow(dead_code, reason = "not every test needs all of it")]

use std::sync::Arc;

use imgdelta_core::{Bytes, Format, LayerId, MemSink, MemSource, Result, VirtOffset};
use imgdelta_delta::{
    Chain, DigestCache, ExecContext, Layer, Manifest, RunProgress, manifest::ImageName,
};
use imgdelta_registry::{OpenSpec, open_bytes};
use imgdelta_transport::{IndexBudget, LEVEL, Pack, Packing, TransportFile, TransportImage};

/// What packings remember: nothing.
static NONE: DigestCache = DigestCache::none();

/// A disk of these bytes.
pub(crate) fn disk(bytes: &[u8]) -> Chain {
    let spec = OpenSpec {
        format: Some(Format::Raw),
        ..OpenSpec::of("disk.raw")
    };
    let opened = open_bytes(Arc::new(MemSource(bytes.to_vec())), &spec).expect("it is raw");
    Chain::new(vec![Layer::new(opened.image, opened.id)]).expect("one layer")
}

/// Hands a packing of both to `then`.
pub(crate) fn packing<T>(
    (base, target): (&Chain, &Chain),
    (threads, budget): (usize, IndexBudget),
    then: impl FnOnce(&Packing<'_>) -> Result<T>,
) -> Result<T> {
    let progress = RunProgress::default();
    let pack = Pack {
        base,
        target,
        level: LEVEL,
        budget,
        memory: &NONE,
        work: ExecContext::new(threads, &progress),
    };
    then(&pack.prepare()?)
}

/// The manifest of a packing.
pub(crate) fn manifest(packing: &Packing<'_>, size: Bytes) -> Result<Manifest> {
    let named = |name: &str, format| ImageName {
        name: name.to_owned(),
        format,
        identity: None,
    };
    let (base, target) = (
        named("base.raw", Format::Raw),
        named("target.raw", Format::Raw),
    );
    let child = named("target.imgdelta", Format::Transport);
    let size = imgdelta_transport::layout::layer_size(size);
    Manifest::describe(packing.made(), &base, &target, &child, size)
}

/// The file of both.
pub(crate) fn file_of(base: &[u8], target: &[u8]) -> Vec<u8> {
    packed(base, target, 1, IndexBudget::default()).expect("it is packed")
}

/// The file of both, on so many threads.
pub(crate) fn packed(
    base: &[u8],
    target: &[u8],
    threads: usize,
    budget: IndexBudget,
) -> Result<Vec<u8>> {
    let (base, target) = (disk(base), disk(target));
    packing((&base, &target), (threads, budget), |packing| {
        let sink = MemSink::default();
        let written = packing.write(&sink, &manifest(packing, target.size())?)?;
        let bytes = sink.bytes();
        assert_eq!(written.len, Bytes::from(bytes.len()));
        Ok(bytes)
    })
}

/// An open file of these bytes.
pub(crate) fn open(file: &[u8]) -> Result<TransportFile> {
    TransportFile::open(Arc::new(MemSource(file.to_vec())))
}

/// The file over its base.
pub(crate) fn over(file: &[u8], base: &Chain) -> Result<Chain> {
    let image = Arc::new(TransportImage::new(open(file)?, Some(base)));
    let id = LayerId::of(&*image);
    let size = image.file().head().target_size();
    Ok(Chain::over(Layer::new(image, id), base)?.resized(size))
}

/// All bytes of the disk that the file makes of the base.
pub(crate) fn unpacked(file: &[u8], base: &[u8]) -> Result<Vec<u8>> {
    let disk = over(file, &disk(base))?;
    let mut bytes = vec![0; disk.size().in_memory()];
    disk.read_at(VirtOffset::ZERO, &mut bytes)?;
    Ok(bytes)
}

/// Bytes that do not compress.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    };
    (0..len.div_ceil(8))
        .flat_map(|_| next().to_le_bytes())
        .take(len)
        .collect()
}
