//! Compresses clusters, each by itself: raw deflate or one Zstandard frame.
//!
//! Whether and where the result is stored is decided elsewhere.

use std::io;

use flate2::{Compress, FlushCompress, Status};
use imgdelta_core::{
    BlockState, Bytes, Encoded, Encoder, Error, PlainEncoder, Result, Unit, UnitCoding, VirtOffset,
};
use libdeflater::{CompressionError, CompressionLvl};
use zstd::{
    bulk::Compressor,
    zstd_safe::{CParameter, Strategy, compress_bound},
};

use super::create_options::{Compression, CreateOptions};
use crate::compressed::Compression as Packing;

/// The window that qemu asks zlib for when it unpacks. Its zlib takes more, since it unpacks a cluster in one call; who unpacks in pieces
/// refuses what reaches back further. [dissect]
const WINDOW_BITS: u8 = 12;

/// An encoder for images of this form.
pub(super) fn encoder(form: &CreateOptions) -> Box<dyn Encoder> {
    let engine: Box<dyn Engine> = match form.compression {
        Compression::None => return Box::new(PlainEncoder),
        Compression::Zlib(level) => Box::new(Deflate(Compress::new_with_window_bits(
            flate2::Compression::new(level),
            false,
            WINDOW_BITS,
        ))),
        Compression::ZlibFullWindow(level) => Box::new(FullWindow {
            level,
            context: libdeflater::Compressor::new(CompressionLvl::new(level).unwrap_or_default()),
        }),
        Compression::Zstd(level) => Box::new(Zstd {
            level,
            tables: tables(level, form.cluster()),
            context: None,
        }),
    };
    let method = match form.compression {
        Compression::None => None,
        Compression::Zlib(_) | Compression::ZlibFullWindow(_) => Some(Packing::Zlib.method()),
        Compression::Zstd(_) => Some(Packing::Zstd.method()),
    };
    Box::new(ClusterEncoder {
        engine,
        coding: method.filter(|_| form.adopts).map(|method| UnitCoding {
            method,
            unit: form.cluster(),
        }),
        padded: vec![0; form.cluster().in_memory()],
    })
}

/// A compressor with its context.
trait Engine: Send {
    /// Compresses `cluster` to `out`, which is empty; what does not compress may become larger.
    fn compress(&mut self, cluster: &[u8], out: &mut Vec<u8>) -> io::Result<()>;

    /// How many bytes its context takes for clusters of `cluster` bytes.
    fn memory(&self, cluster: Bytes) -> Bytes;
}

/// Compresses whole clusters.
struct ClusterEncoder {
    /// How.
    engine: Box<dyn Engine>,
    /// What clusters of a source may be compressed as to be taken as they are.
    coding: Option<UnitCoding>,
    /// Room for the disk's last cluster, which may be short but unpacks to a whole one.
    padded: Vec<u8>,
}

impl Encoder for ClusterEncoder {
    fn encode(&mut self, unit: &Unit<'_>, out: &mut Vec<u8>) -> Result<Encoded> {
        // A compressed cluster has no subclusters: it would hide what is the parent's. What is zero in it reads as data, and takes less
        // of the file than a cluster of which only a part is written.
        if !unit.grains.contains(&BlockState::Data) || unit.grains.contains(&BlockState::Absent) {
            return Ok(Encoded::as_told(unit));
        }
        self.compress(unit.bytes, out)
            .map_err(|cause| Error::host("cannot compress", cause))?;
        if out.len() < unit.bytes.len() {
            return Ok(Encoded::COMPRESSED);
        }
        out.clear();
        Ok(Encoded::as_told(unit))
    }

    fn coding(&self) -> Option<UnitCoding> {
        self.coding
    }

    fn adopt(&mut self, _at: VirtOffset, packed: &[u8], out: &mut Vec<u8>) -> bool {
        let is_smaller = packed.len() < self.padded.len();
        if is_smaller {
            out.extend_from_slice(packed);
        }
        is_smaller
    }

    fn memory(&self) -> Bytes {
        let cluster = Bytes::from(self.padded.len());
        let out = cluster.0.saturating_add(cluster.0 / 4);
        Bytes(self.engine.memory(cluster).0.saturating_add(out))
    }
}

impl ClusterEncoder {
    /// Compresses a cluster, filled up with zeros if it is short.
    fn compress(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        if bytes.len() >= self.padded.len() {
            return self.engine.compress(bytes, out);
        }
        let (head, tail) = self.padded.split_at_mut(bytes.len());
        head.copy_from_slice(bytes);
        tail.fill(0);
        self.engine.compress(&self.padded, out)
    }
}

/// Raw deflate.
struct Deflate(Compress);

impl Engine for Deflate {
    fn compress(&mut self, cluster: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        self.0.reset();
        // Room for what does not become smaller too, as literals of nine bits: zlib-rs 0.6 loses room in its own buffer at each reset
        // of a stream that did not end, until it panics.
        out.reserve(cluster.len() + cluster.len() / 4 + 256);
        let status = self
            .0
            .compress_vec(cluster, out, FlushCompress::Finish)
            .map_err(io::Error::other)?;
        if status == Status::StreamEnd {
            Ok(())
        } else {
            Err(io::Error::other("deflate has grown beyond its bound"))
        }
    }

    /// Its hash heads and pending output; the window is small.
    fn memory(&self, _cluster: Bytes) -> Bytes {
        Bytes::kib(320)
    }
}

/// Raw deflate without a limit of its window.
struct FullWindow {
    /// 1 to 12.
    level: i32,
    context: libdeflater::Compressor,
}

impl Engine for FullWindow {
    fn compress(&mut self, cluster: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        out.resize(cluster.len(), 0);
        let room = out.split_last_mut().map_or(&mut [][..], |(_, room)| room);
        match self.context.deflate_compress(cluster, room) {
            Ok(len) => out.truncate(len),
            // What is not smaller stays as long as a cluster: nobody stores it.
            Err(CompressionError::InsufficientSpace) => {}
        }
        Ok(())
    }

    /// Its matchfinder and the symbols of a block; from level 10 on the matches of all its positions too.
    fn memory(&self, _cluster: Bytes) -> Bytes {
        match self.level {
            ..=9 => Bytes::kib(768),
            _ => Bytes::mib(9),
        }
    }
}

/// Strategy and sizes of tables that serve a cluster better than what zstd has for sources of up to 128 KiB.
struct Tables {
    hash: u32,
    chain: u32,
    min_match: u32,
}

/// Those for a level and clusters of a size; `None`: zstd's own, which are made for it. At the usual level and clusters of 64 KiB, shorter
/// matches make frames a hundredth smaller, and smaller tables stay in the cache and so pay for them.
fn tables(level: i32, cluster: Bytes) -> Option<Tables> {
    (level == 3 && cluster == Bytes::kib(64)).then_some(Tables {
        hash: 14,
        chain: 13,
        min_match: 4,
    })
}

/// Zstandard.
struct Zstd {
    /// 1 to 22.
    level: i32,
    tables: Option<Tables>,
    /// Made when it is first needed, because that can fail.
    context: Option<Compressor<'static>>,
}

impl Engine for Zstd {
    fn compress(&mut self, cluster: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        let context = match &mut self.context {
            Some(context) => context,
            none => none.insert(start(self.level, self.tables.as_ref())?),
        };
        out.reserve(compress_bound(cluster.len()));
        context.compress_to_buffer(cluster, out).map(drop)
    }

    /// Its tables: entries of four bytes, at most twice as many of either kind as a cluster has bytes, and less than the level's own
    /// (zstd's `clevels.h`, sources beyond 256 KiB); and its sequences.
    fn memory(&self, cluster: Bytes) -> Bytes {
        let tables = match self.level {
            ..=6 => Bytes::mib(3),
            7..=8 => Bytes::mib(6),
            9 => Bytes::mib(12),
            _ => Bytes::mib(33),
        };
        let tables = tables.min(Bytes(cluster.0.saturating_mul(16)));
        Bytes(tables.0.saturating_add(1 << 20))
    }
}

/// A context of zstd.
fn start(level: i32, tables: Option<&Tables>) -> io::Result<Compressor<'static>> {
    let mut context = Compressor::new(level)?;
    if let Some(tables) = tables {
        context.set_parameter(CParameter::Strategy(Strategy::ZSTD_dfast))?;
        context.set_parameter(CParameter::HashLog(tables.hash))?;
        context.set_parameter(CParameter::ChainLog(tables.chain))?;
        context.set_parameter(CParameter::MinMatch(tables.min_match))?;
    }
    Ok(context)
}

#[cfg(test)]
mod tests {
    use imgdelta_core::{Options, Payload, ReadsAs};

    use super::*;

    fn pack(kind: &str, bytes: &[u8], grains: &[BlockState]) -> Result<(Encoded, Vec<u8>)> {
        let option = format!("compression_type={kind}");
        let form = CreateOptions::take(Options::parse(&[option.as_str(), "cluster_size=4K"])?)?;
        let unit = Unit {
            at: VirtOffset::ZERO,
            bytes,
            grains,
        };
        let mut out = Vec::new();
        let mut encoder = encoder(&form);
        encoder.encode(&unit, &mut out)?;
        // Once more: nothing of the first run may be left.
        out.clear();
        Ok((encoder.encode(&unit, &mut out)?, out))
    }

    #[test]
    fn text_becomes_smaller_and_a_short_cluster_unpacks_to_a_whole_one() -> Result<()> {
        for len in [4096, 512] {
            let bytes: Vec<u8> = b"all of it again ".repeat(len / 16);
            let (packed, out) = pack("zlib", &bytes, &[BlockState::Data])?;
            assert_eq!(packed, Encoded::COMPRESSED);
            let mut cluster = Vec::with_capacity(4096);
            let status = flate2::Decompress::new_with_window_bits(false, WINDOW_BITS)
                .decompress_vec(&out, &mut cluster, flate2::FlushDecompress::Finish)
                .expect("it is deflate");
            assert_eq!(status, Status::StreamEnd);
            assert_eq!(cluster.len(), 4096);
            assert!(cluster.starts_with(&bytes));

            let (packed, out) = pack("zstd", &bytes, &[BlockState::Data])?;
            assert_eq!(packed, Encoded::COMPRESSED);
            let cluster = zstd::bulk::decompress(&out, 4096).expect("it is a frame");
            assert_eq!(cluster.len(), 4096);
            assert!(cluster.starts_with(&bytes));
        }
        Ok(())
    }

    fn noise(len: usize) -> Vec<u8> {
        let mut state = 1_u64;
        std::iter::repeat_with(|| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 56) as u8
        })
        .take(len)
        .collect()
    }

    #[test]
    fn any_amount_of_noise_in_clusters_of_any_size_leaves_a_packer_fit() -> Result<()> {
        let noise = noise(2 << 20);
        for (size, times) in [("512", 500), ("64K", 50), ("2M", 3)] {
            for (level, window) in [(1, "4K"), (6, "4K"), (9, "4K"), (5, "32K"), (12, "32K")] {
                let options = [
                    "compression_type=zlib".to_owned(),
                    format!("compression_window={window}"),
                    format!("cluster_size={size}"),
                    format!("compression_level={level}"),
                ];
                let form = CreateOptions::take(Options::parse(&options)?)?;
                let mut encoder = encoder(&form);
                let unit = Unit {
                    at: VirtOffset::ZERO,
                    bytes: &noise[..form.cluster().in_memory()],
                    grains: &[BlockState::Data],
                };
                for _ in 0..times {
                    let mut out = Vec::new();
                    assert_eq!(encoder.encode(&unit, &mut out)?.payload, Payload::Plain);
                }
            }
        }
        Ok(())
    }

    #[test]
    fn a_full_window_finds_what_a_small_one_does_not_see() -> Result<()> {
        let noise = noise(2048);
        let zeros = [0; 6144];
        let cluster = [noise.as_slice(), &zeros, &noise, &zeros].concat();
        let mut sizes = Vec::new();
        for options in ["compression_window=4K", "compression_window=32K"] {
            let options = ["compression_type=zlib", options, "cluster_size=16K"];
            let form = CreateOptions::take(Options::parse(&options)?)?;
            let unit = Unit {
                at: VirtOffset::ZERO,
                bytes: &cluster,
                grains: &[BlockState::Data],
            };
            let mut out = Vec::new();
            let encoded = encoder(&form).encode(&unit, &mut out)?;
            assert_eq!(encoded, Encoded::COMPRESSED);
            let mut unpacked = Vec::with_capacity(cluster.len());
            let status = flate2::Decompress::new(false)
                .decompress_vec(&out, &mut unpacked, flate2::FlushDecompress::Finish)
                .expect("it is deflate");
            assert_eq!((status, &unpacked), (Status::StreamEnd, &cluster));
            sizes.push(out.len());
        }
        assert!(sizes[1] + 1500 < sizes[0], "{sizes:?}");
        Ok(())
    }

    const fn told(payload: Payload) -> Encoded {
        Encoded {
            payload,
            reads_as: ReadsAs::Told,
        }
    }

    #[test]
    fn a_compressed_cluster_reads_as_data_where_it_was_zero() -> Result<()> {
        let text = b"all of it again ".repeat(4096 / 16);
        for kind in ["zlib", "zstd"] {
            let grains = [BlockState::Data, BlockState::Zero];
            let (encoded, _) = pack(kind, &text, &grains)?;
            assert_eq!(encoded, Encoded::COMPRESSED, "{kind}");
            for grain in grains {
                assert_eq!(encoded.reads_as.of(grain), BlockState::Data, "{kind}");
            }
            let (encoded, _) = pack(kind, &noise(4096), &grains)?;
            assert_eq!(encoded, told(Payload::Plain), "{kind}");
        }
        Ok(())
    }

    #[test]
    fn noise_and_partly_silent_clusters_stay_as_they_are() -> Result<()> {
        let noise = noise(4096);
        for kind in ["zlib", "zstd", "none"] {
            let (packed, out) = pack(kind, &noise, &[BlockState::Data])?;
            assert_eq!((packed, out.len()), (told(Payload::Plain), 0), "{kind}");
            let grains = [BlockState::Absent, BlockState::Data];
            let packed = pack(kind, &[0; 4096], &grains)?.0;
            assert_eq!(packed, told(Payload::Plain), "{kind}");
            let grains = [BlockState::Absent, BlockState::Zero];
            let packed = pack(kind, &[0; 4096], &grains)?.0;
            assert_eq!(packed, told(Payload::None), "{kind}");
        }
        Ok(())
    }
}
