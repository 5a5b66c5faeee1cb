//! Compressed clusters: raw deflate or Zstandard frames, unpacked into exactly one cluster, the last used ones kept.
//!
//! Where compressed data stand is decided in `cluster_mapping`.

use std::{fmt, sync::Arc};

use flate2::{Decompress, FlushDecompress, Status};
use imgdelta_core::{
    BlockCache, Bytes, ContextPool, Error, FileOffset, Result, Source, UnitCoding, VirtOffset,
};
use zstd::stream::raw::{Decoder, InBuffer, Operation, OutBuffer};

use crate::{fault::Fault, map::packed_reaches};

/// How clusters are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    /// Raw deflate.
    Zlib,
    /// Zstandard frames, one after the other.
    Zstd,
}

impl Compression {
    /// Its name, as qemu-img spells it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Zlib => "zlib",
            Self::Zstd => "zstd",
        }
    }
}

impl Compression {
    /// What the bytes of a cluster are, for who passes them on.
    pub(crate) const fn method(self) -> &'static str {
        match self {
            Self::Zlib => "deflate",
            Self::Zstd => "zstd",
        }
    }
}

/// Unpacked clusters kept for one image take at most this.
const KEPT: Bytes = Bytes::mib(4);

/// And are at most so many.
const KEPT_CLUSTERS: usize = 8;

/// Decompressors kept for the next read, each with an input buffer of up to two clusters: one for each worker of a run, of large clusters
/// fewer.
const IDLE: usize = 16;

/// And their input buffers take at most this; of few threads each has one all the same.
const IDLE_INPUT: Bytes = Bytes::mib(8);

/// Decompressors that are kept whatever they take.
const IDLE_LEAST: usize = 4;

/// A compressed cluster: whose it is, where its data are, and how far at most they go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CompressedCluster {
    /// The guest address of the cluster, for messages.
    pub(crate) guest: VirtOffset,
    /// Where the data start.
    pub(crate) host: FileOffset,
    /// How far they go at most.
    pub(crate) len: Bytes,
}

/// Unpacks the clusters of one image.
pub(crate) struct Unpacker {
    source: Arc<dyn Source>,
    compression: Compression,
    cluster: usize,
    idle: ContextPool<Decompressor>,
    /// Unpacked clusters, by where what they were unpacked from starts and how far it goes.
    kept: BlockCache<(FileOffset, Bytes)>,
}

/// A decompressor with its input buffer.
struct Decompressor {
    method: Method,
    input: Vec<u8>,
}

/// The context of a decompressor.
enum Method {
    /// And one that knows where a stream ends, made when that is first asked.
    Zlib(libdeflater::Decompressor, Option<Decompress>),
    Zstd(Decoder<'static>),
}

impl fmt::Debug for Unpacker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Unpacker({}, {:?})",
            self.compression.name(),
            self.source
        )
    }
}

impl Unpacker {
    /// For clusters of `cluster` bytes in `source`.
    pub(crate) fn new(source: Arc<dyn Source>, compression: Compression, cluster: Bytes) -> Self {
        let most = KEPT.0 / cluster.0.max(1);
        Self {
            source,
            compression,
            cluster: cluster.in_memory(),
            idle: ContextPool::new(
                Bytes(IDLE_INPUT.0 / cluster.0.saturating_mul(2).max(1))
                    .in_memory()
                    .clamp(IDLE_LEAST, IDLE),
            ),
            kept: BlockCache::new(Bytes(most).in_memory().min(KEPT_CLUSTERS)),
        }
    }

    /// How clusters of `unit` bytes are compressed.
    pub(crate) const fn coding(&self, unit: Bytes) -> UnitCoding {
        UnitCoding {
            method: self.compression.method(),
            unit,
        }
    }

    /// Fills `buf` with the bytes of `packed` from `inside` on.
    pub(crate) fn read(
        &self,
        packed: CompressedCluster,
        inside: Bytes,
        buf: &mut [u8],
    ) -> Result<()> {
        let key = (packed.host, packed.len);
        if let Some(bytes) = self.kept.get(&key) {
            return copy(&bytes, packed, inside, buf);
        }
        if buf.len() == self.cluster && inside == Bytes::ZERO {
            return self.unpack(packed, buf);
        }
        let mut bytes = vec![0; self.cluster];
        self.unpack(packed, &mut bytes)?;
        let bytes: Arc<[u8]> = bytes.into();
        copy(&bytes, packed, inside, buf)?;
        self.kept.insert(key, bytes);
        Ok(())
    }

    /// Unpacks all of `packed` into `cluster`.
    pub(crate) fn unpack(&self, packed: CompressedCluster, cluster: &mut [u8]) -> Result<()> {
        self.unpack_by(packed, |worker| worker.unpack(cluster))
    }

    /// As [`unpack`](Self::unpack), and appends to `kept` what it was unpacked from up to its last byte, if that is known.
    pub(crate) fn unpack_keeping(
        &self,
        packed: CompressedCluster,
        cluster: &mut [u8],
        kept: &mut Vec<u8>,
    ) -> Result<()> {
        self.unpack_by(packed, |worker| {
            let (filled, end) = worker.unpack_to_end(cluster)?;
            let bytes = end.and_then(|end| worker.input.get(..end));
            kept.extend_from_slice(bytes.unwrap_or_default());
            Ok(filled)
        })
    }

    fn unpack_by(
        &self,
        packed: CompressedCluster,
        work: impl FnOnce(&mut Decompressor) -> Result<Filled, String>,
    ) -> Result<()> {
        let end = self.source.len();
        packed_reaches(packed.guest, packed.host, packed.len, end)
            .map_err(|fault| Error::from(fault).at(packed.host))?;
        let there = Bytes(end.0.saturating_sub(packed.host.0)).min(packed.len);
        let mut worker = match self.idle.take() {
            Some(worker) => worker,
            None => Decompressor::new(self.compression)?,
        };
        worker.input.resize(there.in_memory(), 0);
        self.source.read_at(packed.host, &mut worker.input)?;
        let unpacked = work(&mut worker);
        self.idle.put_back(worker);
        let fault = match unpacked {
            Ok(Filled::Whole) => return Ok(()),
            _ if there < packed.len => Fault::CompressedPastEnd {
                guest: packed.guest,
                host: packed.host,
                len: packed.len.0,
                end: end.0,
            },
            Ok(Filled::Part(found)) => Fault::CompressedShort {
                guest: packed.guest,
                host: packed.host,
                found,
                required: self.cluster,
            },
            Ok(Filled::Over) => Fault::CompressedLong {
                guest: packed.guest,
                host: packed.host,
                required: self.cluster,
            },
            Err(why) => Fault::CompressedGarbage {
                guest: packed.guest,
                host: packed.host,
                why,
            },
        };
        Err(Error::from(fault).at(packed.host))
    }
}

/// How much of a cluster its data filled.
enum Filled {
    /// All of it.
    Whole,
    /// So many bytes.
    Part(usize),
    /// All of it, and there is more.
    Over,
}

impl Decompressor {
    /// A decompressor.
    fn new(compression: Compression) -> Result<Self> {
        let method = match compression {
            Compression::Zlib => Method::Zlib(libdeflater::Decompressor::new(), None),
            Compression::Zstd => Method::Zstd(
                Decoder::new().map_err(|cause| Error::host("cannot start zstd", cause))?,
            ),
        };
        Ok(Self {
            method,
            input: Vec::new(),
        })
    }

    /// Unpacks its input into `cluster`; says why, if it cannot.
    fn unpack(&mut self, cluster: &mut [u8]) -> Result<Filled, String> {
        match &mut self.method {
            Method::Zlib(context, _) => inflate(context, &self.input, cluster),
            Method::Zstd(context) => Ok(frames(context, &self.input, cluster)?.0),
        }
    }

    /// As [`unpack`](Self::unpack); and how many bytes of its input that took, where the data end with the cluster.
    fn unpack_to_end(&mut self, cluster: &mut [u8]) -> Result<(Filled, Option<usize>), String> {
        match &mut self.method {
            Method::Zlib(_, context) => {
                let context = context.get_or_insert_with(|| Decompress::new(false));
                context.reset(false);
                inflate_judging(context, &self.input, cluster)
            }
            Method::Zstd(context) => {
                let (filled, end) = frames(context, &self.input, cluster)?;
                let is_whole = matches!(filled, Filled::Whole);
                Ok((filled, is_whole.then_some(end)))
            }
        }
    }
}

/// Unpacks raw deflate. What is behind a full cluster is padding, or the start of the next one.
fn inflate(
    context: &mut libdeflater::Decompressor,
    input: &[u8],
    cluster: &mut [u8],
) -> Result<Filled, String> {
    match context.deflate_decompress(input, cluster) {
        Ok(filled) if filled == cluster.len() => Ok(Filled::Whole),
        // A stream that goes on behind a full cluster is none for that decoder, and of others it does not say what is wrong.
        _ => Ok(inflate_judging(&mut Decompress::new(false), input, cluster)?.0),
    }
}

/// As [`inflate`], stopping where qemu does, and saying what is wrong; and where a stream ends that ends with the cluster.
fn inflate_judging(
    context: &mut Decompress,
    input: &[u8],
    cluster: &mut [u8],
) -> Result<(Filled, Option<usize>), String> {
    let status = context
        .decompress(input, cluster, FlushDecompress::Finish)
        .map_err(|cause| cause.to_string())?;
    let filled = Bytes(context.total_out()).in_memory();
    if filled < cluster.len() {
        return Ok((Filled::Part(filled), None));
    }
    let end = Bytes(context.total_in()).in_memory();
    Ok((Filled::Whole, (status == Status::StreamEnd).then_some(end)))
}

/// Unpacks frame after frame until the cluster is full, and says how much of the input that took. A frame that goes on then is more than the cluster. [qemu does the same]
fn frames(
    context: &mut Decoder<'static>,
    input: &[u8],
    cluster: &mut [u8],
) -> Result<(Filled, usize), String> {
    context.reinit().map_err(|cause| cause.to_string())?;
    let len = cluster.len();
    let mut from = InBuffer::around(input);
    let mut to = OutBuffer::around(cluster);
    loop {
        let before = (from.pos, to.pos());
        let left = context
            .run(&mut from, &mut to)
            .map_err(|cause| cause.to_string())?;
        if to.pos() == len {
            let filled = if left == 0 {
                Filled::Whole
            } else {
                Filled::Over
            };
            return Ok((filled, from.pos));
        }
        if before == (from.pos, to.pos()) {
            return Ok((Filled::Part(to.pos()), from.pos));
        }
    }
}

/// Copies the part of an unpacked cluster that starts at `inside`.
fn copy(bytes: &[u8], packed: CompressedCluster, inside: Bytes, buf: &mut [u8]) -> Result<()> {
    let from = inside.in_memory();
    let part = bytes
        .get(from..from.saturating_add(buf.len()))
        .ok_or(Fault::NoData {
            guest: packed.guest,
        })?;
    buf.copy_from_slice(part);
    Ok(())
}

#[cfg(test)]
mod tests {
    use imgdelta_core::MemSource;

    use super::*;

    #[test]
    fn what_is_kept_takes_no_more_than_4_mib() {
        for (cluster, kept) in [
            (512, 8),
            (1 << 16, 8),
            (1 << 19, 8),
            (1 << 20, 4),
            (1 << 21, 2),
        ] {
            let source = Arc::new(MemSource(Vec::new()));
            let unpacker = Unpacker::new(source, Compression::Zlib, Bytes(cluster));
            assert_eq!(
                format!("{:?}", unpacker.kept),
                format!("BlockCache(0 of {kept})")
            );
        }
    }
}
