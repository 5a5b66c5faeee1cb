//! The header of a parity file: it stands at its beginning before the first table, and once more at its end, behind the second one.

use imgdelta_core::{Error, FileOffset, Kind, Result, record};
use imgdelta_delta::Digest;
use xxhash_rust::xxh3::xxh3_128;

use super::shape::{HEAD, Shape};

/// What it begins with.
pub(super) const MAGIC: [u8; 8] = *b"IMGDPAR\n";

/// The version of the form.
pub(super) const VERSION: u32 = 1;

record! {
    /// The header.
    pub(super) struct Head: LittleEndian, 96 {
        /// [`MAGIC`].
        0 => magic: [u8; 8],
        /// [`VERSION`].
        8 => version: u32,
        /// How many shards of a group are for recovery, in percent of its others.
        12 => percent: u32,
        /// How long a shard is, in bytes.
        16 => shard: u32,
        /// Most shards of a group, beside those for recovery.
        20 => group: u32,
        /// How long the file is that it belongs to.
        24 => length: u64,
        /// The SHA-256 of that file.
        32 => sha256: [u8; 32],
        /// The XXH3 (128 bits) of the table.
        64 => table: [u8; 16],
        /// That of all before.
        80 => digest: [u8; 16],
    }
}

const _: () = assert!(
    Head::SIZE as u64 == HEAD,
    "where all else stands follows from it"
);

/// Where the digest of the header stands in it.
const DIGEST_AT: usize = 80;

/// The digest of a shard, or of a table: it finds what is damaged, and proves nothing.
pub(super) fn short_digest(bytes: &[u8]) -> [u8; 16] {
    xxh3_128(bytes).to_le_bytes()
}

impl Head {
    /// That of a file of that shape.
    pub(super) fn of(shape: &Shape, sha256: &Digest, table: &[u8]) -> Self {
        let mut head = Self {
            magic: MAGIC,
            version: VERSION,
            percent: shape.percent(),
            shard: shape.shard(),
            group: shape.group(),
            length: shape.length(),
            sha256: sha256.0,
            table: short_digest(table),
            digest: [0; 16],
        };
        head.digest = head.own_digest();
        head
    }

    fn own_digest(&self) -> [u8; 16] {
        let bytes = self.emit();
        short_digest(bytes.get(..DIGEST_AT).unwrap_or(&bytes))
    }

    /// Holds it against its limits, and against the file that it is to belong to.
    ///
    /// # Errors
    /// Corrupt, if it is damaged or of another file; Unsupported, if it is of another version or beyond the limits.
    pub(super) fn judge(&self, (length, sha256): (u64, &Digest)) -> Result<Shape> {
        if self.magic != MAGIC {
            let message = format!("begins with {:02x?}, {MAGIC:02x?} is required", self.magic);
            return Err(corrupt("magic", &message));
        }
        if self.digest != self.own_digest() {
            return Err(corrupt(
                "digest",
                "is not the digest of the header: it is damaged",
            ));
        }
        if self.version != VERSION {
            let message = format!("is {}, {VERSION} is required", self.version);
            let error = Error::new(Kind::Unsupported, message).with_code("parity_version");
            return Err(placed(error, "version"));
        }
        if (self.length, self.sha256) != (length, sha256.0) {
            return Err(corrupt("sha256", "is that of another file"));
        }
        Shape::new(self.length, self.percent, self.shard, self.group)
    }
}

fn placed(error: Error, field: &'static str) -> Error {
    error
        .in_field("parity header", field)
        .at(FileOffset(Head::at(field)))
}

fn corrupt(field: &'static str, what: &str) -> Error {
    placed(Error::new(Kind::Corrupt, what).with_code("parity"), field)
}
