//! The bytes of a QED image, as docs/interop/qed_spec.txt declares them. All integers are little-endian.

use std::ops::RangeInclusive;

use imgdelta_core::record;

/// What every image begins with: `QED` and NUL.
pub const MAGIC: u32 = 0x0044_4551;

/// The sizes that a cluster may have, in bytes: powers of two.
pub const CLUSTER_SIZE: RangeInclusive<u32> = 4 << 10..=64 << 20;
/// The sizes that a table may have, in clusters: powers of two.
pub const TABLE_SIZE: RangeInclusive<u32> = 1..=16;

/// The longest name of a backing file that qemu takes.
pub const BACKING_NAME_LIMIT: u32 = 1023;

/// An L2 entry of a cluster that is zero, whatever the backing file holds.
pub const ZERO: u64 = 1;

/// Bits of `features`: what a reader must know.
pub mod feature {
    /// There is a backing file.
    pub const BACKING_FILE: u64 = 1;
    /// It was not closed: its tables may be wrong.
    pub const NEED_CHECK: u64 = 1 << 1;
    /// The backing file is raw, whatever its bytes look like.
    pub const BACKING_RAW: u64 = 1 << 2;
    /// All that are defined.
    pub const ALL: u64 = BACKING_FILE | NEED_CHECK | BACKING_RAW;
}

record! {
    /// The header.
    pub struct Header: LittleEndian, 64 {
        /// [`MAGIC`].
        0 => magic: u32,
        /// The bytes of a cluster.
        4 => cluster_size: u32,
        /// The clusters of an L1 or L2 table.
        8 => table_size: u32,
        /// The clusters in front of the first that is not the header's.
        12 => header_size: u32,
        /// What a reader must know: [`feature`].
        16 => features: u64,
        /// What a reader need not know; none is defined.
        24 => compat_features: u64,
        /// What a writer that does not know it clears; none is defined.
        32 => autoclear_features: u64,
        /// Where the L1 table stands, in bytes.
        40 => l1_table_offset: u64,
        /// The size of the disk in bytes.
        48 => image_size: u64,
        /// Where the name of the backing file stands, in bytes.
        56 => backing_filename_offset: u32,
        /// How long it is.
        60 => backing_filename_size: u32,
    }
}
