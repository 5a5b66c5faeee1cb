//! Compressed clusters: raw deflate, unpacked into exactly one cluster, the last used ones kept.
//!
//! Where compressed bytes stand is decided in `map`.

use std::{fmt, sync::Arc};

use flate2::{Decompress, FlushDecompress};
use imgdelta_core::{
    BlockCache, Bytes, ContextPool, Error, FileOffset, Result, Source, VirtOffset, read_vec,
};
use libdeflater::Decompressor;

use crate::fault::Fault;

/// Unpacked clusters kept for one image: of at most 64 KiB each.
const KEPT: usize = 8;

/// Decompressors kept for the next read.
const IDLE: usize = 16;

/// A compressed cluster: whose it is, and where its bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CompressedCluster {
    /// The guest address of the cluster, for messages.
    pub(crate) guest: VirtOffset,
    /// Where its bytes start.
    pub(crate) host: FileOffset,
    /// How many there are.
    pub(crate) len: Bytes,
}

/// Unpacks the clusters of one image.
pub(crate) struct Unpacker {
    source: Arc<dyn Source>,
    cluster: Bytes,
    idle: ContextPool<Decompressor>,
    kept: BlockCache<(FileOffset, Bytes)>,
}

impl fmt::Debug for Unpacker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unpacker({:?})", self.source)
    }
}

impl Unpacker {
    /// For clusters of `cluster` bytes in `source`.
    pub(crate) fn new(source: Arc<dyn Source>, cluster: Bytes) -> Self {
        Self {
            source,
            cluster,
            idle: ContextPool::new(IDLE),
            kept: BlockCache::new(KEPT),
        }
    }

    /// Fills `buf` with the bytes of a cluster from `inside` on.
    pub(crate) fn read(
        &self,
        packed: CompressedCluster,
        inside: Bytes,
        buf: &mut [u8],
    ) -> Result<()> {
        let key = (packed.host, packed.len);
        let cluster = match self.kept.get(&key) {
            Some(cluster) => cluster,
            None => {
                let cluster: Arc<[u8]> = self.unpack(packed)?.into();
                self.kept.insert(key, Arc::clone(&cluster));
                cluster
            }
        };
        let from = inside.in_memory();
        let part = cluster.get(from..from.saturating_add(buf.len()));
        buf.copy_from_slice(part.ok_or_else(|| {
            Error::new(imgdelta_core::Kind::Usage, "no extent passes its cluster")
        })?);
        Ok(())
    }

    /// All bytes of a cluster.
    fn unpack(&self, packed: CompressedCluster) -> Result<Vec<u8>> {
        let guest = packed.guest;
        let placed = |fault: Fault| {
            Error::from(fault)
                .in_structure("compressed cluster")
                .at(packed.host)
        };
        let input = read_vec(&*self.source, packed.host, packed.len)?;
        let mut cluster = vec![0; self.cluster.in_memory()];
        let mut context = self.idle.take().unwrap_or_default();
        let unpacked = context.deflate_decompress(&input, &mut cluster);
        self.idle.put_back(context);
        if unpacked == Ok(cluster.len()) {
            return Ok(cluster);
        }
        // What goes on behind a full cluster is nothing to that decoder, and of what is wrong it says little.
        let mut inflate = Decompress::new(false);
        inflate
            .decompress(&input, &mut cluster, FlushDecompress::Finish)
            .map_err(|cause| {
                let why = cause.to_string();
                placed(Fault::CompressedGarbage { guest, why })
            })?;
        let (found, required) = (Bytes(inflate.total_out()).in_memory(), cluster.len());
        // What would follow a full cluster is not looked at: qemu does not either.
        if found < required {
            return Err(placed(Fault::CompressedShort {
                guest,
                found,
                required,
            }));
        }
        Ok(cluster)
    }
}
