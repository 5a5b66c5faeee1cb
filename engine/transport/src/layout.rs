//! The file, byte for byte, and its constants: version 1 of the form that `docs/transport-format.md` describes. Bytes only, no judgement.

use imgdelta_core::{Bytes, SECTOR, record};

/// What every file begins with: a byte that is no text, and ends of lines that a transfer as text would change.
pub const MAGIC: [u8; 8] = *b"\x89IDT\r\n\x1a\n";

/// The version of the form.
pub const VERSION: u32 = 1;

/// The unit in which disks are compared and mapped: 4 KiB.
pub const BLOCK: Bytes = Bytes::kib(4);

/// The unit of the base of which prefixes are made: 32 KiB.
pub const PAGE: Bytes = Bytes::kib(32);

/// Blocks in a window: 256 KiB.
pub const WINDOW_BLOCKS: u64 = 64;

/// Blocks that one segment of the map stands for: 64 MiB of the target.
pub const SEGMENT_BLOCKS: u64 = 16_384;

/// Most pages of a prefix: 1 MiB.
pub const MOST_PAGES: usize = 32;

/// The unpacked bytes of a whole window.
pub const WINDOW: Bytes = Bytes(BLOCK.0 * WINDOW_BLOCKS);

/// The longest record of a window: its page numbers, and a frame of bytes that do not shrink.
pub const LONGEST_WINDOW: Bytes = Bytes::kib(264);

/// The longest map of a segment, unpacked: every block a run of its own, and its numbers as long as they get.
pub const LONGEST_MAP: Bytes = Bytes(SEGMENT_BLOCKS * 16);

/// The longest record of a segment: a frame of a map that does not shrink.
pub const LONGEST_PACKED_MAP: Bytes = Bytes::kib(272);

/// The longest manifest, unpacked.
pub const LONGEST_MANIFEST: Bytes = Bytes::mib(1);

/// The largest disk on either side: numbers of blocks take 34 bits.
pub const LARGEST_DISK: Bytes = Bytes(1 << 46);

/// Most segments of the map: what their index takes in memory is bounded by it.
pub const MOST_SEGMENTS: u64 = 1 << 18;

/// The greatest window of a zstd frame, as a power of two: prefix and window fit in it.
pub const WINDOW_LOG: u32 = 21;

record! {
    /// The first bytes of the file. Written last: a file that was not finished does not begin as one.
    pub struct Header: LittleEndian, 352 {
        /// [`MAGIC`].
        0 => magic: [u8; 8],
        /// [`VERSION`].
        8 => version: u32,
        /// How long the header is, in bytes.
        12 => header_len: u32,
        /// [`BLOCK`], in bytes.
        16 => block_size: u32,
        /// [`PAGE`], in bytes.
        20 => page_size: u32,
        /// [`WINDOW_BLOCKS`].
        24 => window_blocks: u32,
        /// [`SEGMENT_BLOCKS`].
        28 => segment_blocks: u32,
        /// The size of the base in bytes.
        32 => base_size: u64,
        /// The size of the target in bytes.
        40 => target_size: u64,
        /// The digest of the base's content id.
        48 => base_id: [u8; 32],
        /// The digest of the target's content id.
        80 => target_id: [u8; 32],
        /// How many blocks all windows hold.
        112 => fresh_blocks: u64,
        /// How many windows there are.
        120 => windows: u64,
        /// How many segments the map has.
        128 => segments: u64,
        /// Where the first window starts.
        136 => windows_at: u64,
        /// Where the first segment of the map starts.
        144 => map_at: u64,
        /// Where the manifest starts.
        152 => manifest_at: u64,
        /// How many bytes it takes, packed.
        160 => manifest_packed: u32,
        /// How many bytes it has, unpacked.
        164 => manifest_len: u32,
        /// Where the index of windows starts.
        168 => window_index_at: u64,
        /// Where the index of segments starts.
        176 => segment_index_at: u64,
        /// How long the file is.
        184 => file_len: u64,
        /// The SHA-256 of the manifest, unpacked.
        192 => manifest_digest: [u8; 32],
        /// The SHA-256 of the index of windows.
        224 => window_index_digest: [u8; 32],
        /// The SHA-256 of the index of segments.
        256 => segment_index_digest: [u8; 32],
        /// Zero.
        288 => reserved: [u8; 32],
        /// The SHA-256 of the header up to here.
        320 => digest: [u8; 32],
    }
}

record! {
    /// A window in the index of windows.
    pub struct WindowEntry: LittleEndian, 48 {
        /// Where its record starts in the file.
        0 => at: u64,
        /// How long that is.
        8 => packed: u32,
        /// Its CRC-32C.
        12 => crc: u32,
        /// The SHA-256 of the window's blocks, unpacked.
        16 => digest: [u8; 32],
    }
}

record! {
    /// A segment in the index of segments.
    pub struct SegmentEntry: LittleEndian, 72 {
        /// Its number: which 64 MiB of the target.
        0 => number: u64,
        /// Where its record starts in the file.
        8 => at: u64,
        /// How many blocks of windows the segments before it take.
        16 => fresh_before: u64,
        /// How long its record is.
        24 => packed: u32,
        /// The CRC-32C of its record.
        28 => crc: u32,
        /// How long its map is, unpacked.
        32 => len: u32,
        /// Zero.
        36 => reserved: u32,
        /// The SHA-256 of its map, unpacked.
        40 => digest: [u8; 32],
    }
}

/// Where the header's own digest stands in it: it is over all before.
pub(crate) const HEADER_DIGEST_AT: usize = 320;

/// The size of the layer of a disk of `size` bytes: layers, and their digests, count in sectors.
#[must_use]
pub const fn layer_size(size: Bytes) -> Bytes {
    size.round_up(Bytes(SECTOR))
}

/// How many blocks hold `size` bytes.
#[must_use]
pub const fn blocks_of(size: Bytes) -> u64 {
    size.pieces(BLOCK)
}
