//! One window: up to 64 blocks, packed by zstd against a prefix of the base's own pages. It needs nothing but the base and its record.
//!
//! A prefix is set anew for every frame, lives longer than the context that is given it, and never goes through the interface for dictionaries,
//! which would look for a header in it.

use imgdelta_core::{Error, Kind, Result, VirtOffset};
use imgdelta_delta::{Chain, Digest};
use zstd::zstd_safe::{self, CCtx, CParameter, DCtx, DParameter, get_error_name};

use crate::{
    fault::Fault,
    layout::{BLOCK, MOST_PAGES, PAGE, WINDOW_LOG},
    varint,
};

/// A window as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedWindow {
    /// Its number.
    pub number: u64,
    /// The SHA-256 of its blocks, unpacked: the same whatever library packed it.
    pub digest: Digest,
    /// Its record: the pages of its prefix, and a zstd frame.
    pub record: Vec<u8>,
}

/// The bytes of these pages of the base one behind the other; the last page of the base ends with it.
///
/// # Errors
/// Those of the base.
pub(crate) fn prefix(base: &Chain, pages: &[u64]) -> Result<Vec<u8>> {
    let mut prefix = Vec::new();
    for page in pages {
        let at = page.saturating_mul(PAGE.0);
        let len = PAGE.0.min(base.size().0.saturating_sub(at));
        let start = prefix.len();
        prefix.resize(start + len as usize, 0);
        let part = prefix.get_mut(start..).unwrap_or_default();
        base.read_at(VirtOffset(at), part)?;
    }
    Ok(prefix)
}

/// Packs a window's bytes at that level against the pages, or against nothing where that is shorter.
///
/// # Errors
/// Those of the base; Host, if the compressor fails.
pub(crate) fn pack(
    number: u64,
    bytes: &[u8],
    base: &Chain,
    pages: &[u64],
    level: i32,
) -> Result<PackedWindow> {
    let alone = record(&[], &compress(&[], bytes, level)?);
    let record = if pages.is_empty() {
        alone
    } else {
        let prefix = prefix(base, pages)?;
        let with = record(pages, &compress(&prefix, bytes, level)?);
        if with.len() < alone.len() {
            with
        } else {
            alone
        }
    };
    Ok(PackedWindow {
        number,
        digest: Digest::plain(bytes),
        record,
    })
}

/// How many pages, the first, how far each next one lies behind the one before it, and the frame.
fn record(pages: &[u64], frame: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    varint::put(&mut out, pages.len() as u64);
    let mut next = 0;
    for page in pages {
        varint::put(&mut out, page.saturating_sub(next));
        next = page.saturating_add(1);
    }
    out.extend_from_slice(frame);
    out
}

fn compress(prefix: &[u8], bytes: &[u8], level: i32) -> Result<Vec<u8>> {
    let failed = |code| failure("cannot compress", code);
    let together = (prefix.len() + bytes.len()).max(1).next_power_of_two();
    let log = together.trailing_zeros().clamp(10, WINDOW_LOG);
    let mut out = Vec::with_capacity(zstd_safe::compress_bound(bytes.len()));
    let mut context = CCtx::try_create().ok_or_else(no_memory)?;
    let parameters = [
        CParameter::CompressionLevel(level),
        // The whole prefix stays within reach; without it, a frame that says its length would have a window of just that.
        CParameter::WindowLog(log),
        CParameter::ContentSizeFlag(false),
    ];
    for parameter in parameters {
        context.set_parameter(parameter).map_err(failed)?;
    }
    if !prefix.is_empty() {
        context.ref_prefix(prefix).map_err(failed)?;
    }
    context.compress2(&mut out, bytes).map_err(failed)?;
    Ok(out)
}

/// A window's record, taken apart: the pages of its prefix, of a base of `size` bytes, and its frame.
///
/// # Errors
/// Corrupt, if the pages break a rule, or no frame stands behind them.
pub(crate) fn parse(number: u64, record: &[u8], size: u64) -> Result<(Vec<u64>, &[u8])> {
    let mut rest = record;
    let ended = || Fault::Frame {
        part: "window",
        number,
        why: "the record ends before the frame".to_owned(),
    };
    let count = varint::take(&mut rest).ok_or_else(ended)?;
    if count > MOST_PAGES as u64 {
        let found = count;
        return Err(Fault::PageCount { number, found }.into());
    }
    let most = size.div_ceil(PAGE.0);
    let mut pages = Vec::new();
    let mut least = 0_u64;
    for _ in 0..count {
        let gap = varint::take(&mut rest).ok_or_else(ended)?;
        let page = least.saturating_add(gap);
        if page >= most {
            return Err(Fault::Page {
                number,
                found: page,
                least,
                most: most.saturating_sub(1),
            }
            .into());
        }
        pages.push(page);
        least = page.saturating_add(1);
    }
    let framed = zstd_safe::find_frame_compressed_size(rest).map_err(|code| Fault::Frame {
        part: "window",
        number,
        why: get_error_name(code).to_owned(),
    })?;
    if framed != rest.len() {
        let why = format!("its frame ends after {framed} of {} bytes", rest.len());
        let part = "window";
        return Err(Fault::Frame { part, number, why }.into());
    }
    Ok((pages, rest))
}

/// The blocks of a window, of which there are `blocks`, from its record.
///
/// # Errors
/// Corrupt, if the record breaks a rule; Digest, if it unpacks to something else, as it does over another base; those of the base.
pub(crate) fn unpack(
    number: u64,
    record: &[u8],
    (blocks, digest): (u64, &Digest),
    base: &Chain,
) -> Result<Vec<u8>> {
    let (pages, frame) = parse(number, record, base.size().0)?;
    let prefix = prefix(base, &pages)?;
    let len = blocks.saturating_mul(BLOCK.0) as usize;
    let bytes = decompress(&prefix, frame, len).map_err(|why| Fault::Frame {
        part: "window",
        number,
        why,
    })?;
    if bytes.len() != len || Digest::plain(&bytes) != *digest {
        let part = "window";
        return Err(Fault::Digest { part, number }.into());
    }
    Ok(bytes)
}

/// What a frame unpacks to, of which at most `most` bytes are taken, or why it does not.
pub(crate) fn decompress(
    prefix: &[u8],
    frame: &[u8],
    most: usize,
) -> std::result::Result<Vec<u8>, String> {
    let failed = |code| get_error_name(code).to_owned();
    let mut bytes = Vec::with_capacity(most);
    let mut context = DCtx::try_create().ok_or("the host has no memory for it")?;
    context
        .set_parameter(DParameter::WindowLogMax(WINDOW_LOG))
        .map_err(failed)?;
    if !prefix.is_empty() {
        context.ref_prefix(prefix).map_err(failed)?;
    }
    context.decompress(&mut bytes, frame).map_err(failed)?;
    Ok(bytes)
}

/// A frame of its own, without a prefix.
///
/// # Errors
/// Host, if the compressor fails.
pub(crate) fn compress_alone(bytes: &[u8]) -> Result<Vec<u8>> {
    compress(&[], bytes, 9)
}

fn no_memory() -> Error {
    Error::new(Kind::Host, "the host has no memory for a compressor")
}

fn failure(what: &str, code: usize) -> Error {
    Error::new(Kind::Host, format!("{what}: {}", get_error_name(code)))
}
