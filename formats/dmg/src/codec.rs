//! The bytes of a chunk, decoded to exactly what it covers, the last used ones kept.

use std::{
    fmt,
    io::{self, Read},
    sync::Arc,
};

use bzip2::{Decompress as Bunzip, Status};
use flate2::{Decompress, FlushDecompress};
use imgdelta_core::{BlockCache, Bytes, Error, Kind, Result, Source, read_vec};
use libdeflater::Decompressor;
use lzfse_rust::LzfseRingDecoder;

use crate::{
    adc::{self, AdcError},
    chunk::{Chunk, Codec},
    fault::Fault,
    map::placed,
};

/// Decoded chunks kept for one image take at most this, or what one takes.
const KEPT: Bytes = Bytes::mib(4);

/// Decodes the chunks of one image.
pub(crate) struct Decoder {
    source: Arc<dyn Source>,
    /// By the first sector that they cover.
    kept: BlockCache<u64>,
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Decoder({:?})", self.source)
    }
}

/// What decoding gave.
enum Decoded {
    /// So many bytes.
    Bytes(usize),
    /// More than there is room for.
    More,
}

impl Decoder {
    /// For chunks of at most `largest` bytes in `source`.
    pub(crate) fn new(source: Arc<dyn Source>, largest: Bytes) -> Self {
        let most = Bytes(KEPT.0 / largest.0.max(1)).in_memory();
        Self {
            source,
            kept: BlockCache::new(most),
        }
    }

    /// Fills `buf` with the bytes of a chunk from `inside` on.
    pub(crate) fn read(&self, chunk: &Chunk, inside: Bytes, buf: &mut [u8]) -> Result<()> {
        if let Some(bytes) = self.kept.get(&chunk.sector) {
            return copy(&bytes, inside, buf);
        }
        if inside == Bytes::ZERO && Bytes::from(buf.len()) == chunk.len() {
            return self.decode(chunk, buf);
        }
        let mut bytes = vec![0; chunk.len().in_memory()];
        self.decode(chunk, &mut bytes)?;
        let bytes: Arc<[u8]> = bytes.into();
        copy(&bytes, inside, buf)?;
        self.kept.insert(chunk.sector, bytes);
        Ok(())
    }

    /// Decodes a chunk into `output`, which is as long as what it covers. Both have met a limit.
    pub(crate) fn decode(&self, chunk: &Chunk, output: &mut [u8]) -> Result<()> {
        let input = read_vec(&*self.source, chunk.at, chunk.size)?;
        let (sector, codec) = (chunk.sector, chunk.codec.name());
        let decoded = decode(chunk.codec, &input, output).map_err(|why| {
            let fault = Fault::Garbage { sector, codec, why };
            placed(fault, chunk.at)
        })?;
        let found = match decoded {
            Decoded::Bytes(found) if found == output.len() => return Ok(()),
            Decoded::Bytes(found) => found.to_string(),
            Decoded::More => "more".to_owned(),
        };
        let required = output.len();
        let fault = Fault::Length {
            sector,
            codec,
            found,
            required,
        };
        Err(placed(fault, chunk.at))
    }
}

fn copy(bytes: &[u8], inside: Bytes, buf: &mut [u8]) -> Result<()> {
    let from = inside.in_memory();
    let part = bytes.get(from..from.saturating_add(buf.len()));
    let part = part.ok_or_else(|| Error::new(Kind::Usage, "no extent passes its chunk"))?;
    buf.copy_from_slice(part);
    Ok(())
}

/// Decodes `input` into `output`; says why, if it cannot.
fn decode(codec: Codec, input: &[u8], output: &mut [u8]) -> Result<Decoded, String> {
    match codec {
        Codec::Zero | Codec::Raw => Err("it is not compressed".to_owned()),
        Codec::Adc => unpack_adc(input, output),
        Codec::Zlib => inflate(input, output),
        Codec::Bzip2 => bunzip(input, output),
        Codec::Lzfse => unlzfse(input, output),
    }
}

fn unpack_adc(input: &[u8], output: &mut [u8]) -> Result<Decoded, String> {
    match adc::decode(input, output) {
        Ok(filled) => Ok(Decoded::Bytes(filled)),
        Err(AdcError::TooLong) => Ok(Decoded::More),
        Err(AdcError::Cut) => Err("it ends inside of a code".to_owned()),
        Err(AdcError::BeforeStart) => Err("a copy begins in front of the chunk".to_owned()),
    }
}

fn inflate(input: &[u8], output: &mut [u8]) -> Result<Decoded, String> {
    // A chunk is far larger than what a context takes: one each costs nothing that was measured.
    if let Ok(filled) = Decompressor::new().zlib_decompress(input, output) {
        return Ok(Decoded::Bytes(filled));
    }
    let mut inflate = Decompress::new(true);
    let status = inflate
        .decompress(input, output, FlushDecompress::Finish)
        .map_err(|cause| cause.to_string())?;
    let filled = Bytes(inflate.total_out()).in_memory();
    Ok(match status {
        flate2::Status::StreamEnd => Decoded::Bytes(filled),
        _ if filled < output.len() => return Err("it is cut short".to_owned()),
        _ => Decoded::More,
    })
}

fn bunzip(input: &[u8], output: &mut [u8]) -> Result<Decoded, String> {
    let mut bunzip = Bunzip::new(false);
    loop {
        let (read, filled) = (
            Bytes(bunzip.total_in()).in_memory(),
            Bytes(bunzip.total_out()).in_memory(),
        );
        let from = input.get(read..).unwrap_or_default();
        let to = output.get_mut(filled..).unwrap_or_default();
        let is_full = to.is_empty();
        // A byte of room tells a stream that ends from one that goes on.
        let mut spare = [0];
        let to = if is_full { &mut spare[..] } else { to };
        let status = bunzip
            .decompress(from, to)
            .map_err(|cause| cause.to_string())?;
        let now = Bytes(bunzip.total_out()).in_memory();
        if is_full && now > filled {
            return Ok(Decoded::More);
        }
        if status == Status::StreamEnd {
            return Ok(Decoded::Bytes(now));
        }
        let has_moved = now > filled || Bytes(bunzip.total_in()).in_memory() > read;
        if !has_moved {
            return Err("it is cut short".to_owned());
        }
    }
}

fn unlzfse(input: &[u8], output: &mut [u8]) -> Result<Decoded, String> {
    let mut decoder = LzfseRingDecoder::default();
    let mut reader = decoder.reader_bytes(input);
    let mut filled = 0;
    while let Some(rest) = output.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match reader.read(rest) {
            Ok(0) => return Ok(Decoded::Bytes(filled)),
            Ok(count) => filled = filled.saturating_add(count),
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) => return Err(cause.to_string()),
        }
    }
    match reader.read(&mut [0]) {
        Ok(0) => Ok(Decoded::Bytes(filled)),
        Ok(_) => Ok(Decoded::More),
        Err(cause) => Err(cause.to_string()),
    }
}
