//! Whether the log is empty: its last record says that the file system was unmounted. \[fs/xfs/xfs_log_recover.c\] xlog_find_head, xlog_find_tail

use super::superblock::Superblock;
use crate::{
    fault::{Fault, Found},
    window::{Window, be},
};

/// What a record begins with.
const MAGIC: u32 = 0xfeed_babe;
/// The unit of the log.
const BLOCK: u64 = 512;
/// How far behind the head its record may begin: records are at most 256 KiB.
const FARTHEST: u64 = 2048;
/// The flag of the only operation of an unmount record.
const UNMOUNT: u8 = 0x20;

/// Makes sure that nothing is to be replayed.
pub(super) fn is_empty(volume: &Window<'_>, fs: &Superblock) -> Found<()> {
    let Some((at, len)) = fs.log else {
        return Err(Fault::unsound("its log is on another device"));
    };
    let log = Log {
        volume,
        at,
        blocks: len / BLOCK,
    };
    let open = || Fault::unsound("its log is not empty: it must be replayed");
    if log.blocks < 2 {
        return Err(open());
    }
    if log.cycle(0)? == 0 {
        // Never written.
        return Ok(());
    }
    let head = log.head()?;
    for back in 1..=FARTHEST.min(log.blocks) {
        let number = (head + log.blocks - back) % log.blocks;
        let block = log.block(number)?;
        if be::<u32>(&block, 0) == MAGIC {
            return if log.is_unmount(number, &block, head)? {
                Ok(())
            } else {
                Err(open())
            };
        }
    }
    Err(open())
}

struct Log<'a, 'd> {
    volume: &'a Window<'d>,
    /// Where it begins in the volume.
    at: u64,
    /// Its blocks of 512 bytes.
    blocks: u64,
}

impl Log<'_, '_> {
    fn block(&self, number: u64) -> Found<[u8; 512]> {
        self.volume
            .array(self.at.saturating_add(number.saturating_mul(BLOCK)))
    }

    /// How often the log had been written around when a block was written.
    fn cycle(&self, number: u64) -> Found<u32> {
        let block = self.block(number)?;
        let at = if be::<u32>(&block, 0) == MAGIC { 4 } else { 0 };
        Ok(be(&block, at))
    }

    /// The block that is written next: the first of another cycle than that of the first block.
    fn head(&self) -> Found<u64> {
        let first = self.cycle(0)?;
        let (mut known, mut other) = (0, self.blocks - 1);
        if self.cycle(other)? == first {
            return Ok(0);
        }
        while other - known > 1 {
            let middle = known + (other - known) / 2;
            if self.cycle(middle)? == first {
                known = middle;
            } else {
                other = middle;
            }
        }
        Ok(other)
    }

    /// Whether the record at `number` is that of an unmount, and the head is right behind it.
    fn is_unmount(&self, number: u64, header: &[u8], head: u64) -> Found<bool> {
        let (version, size) = (be::<u32>(header, 8), u64::from(be::<u32>(header, 320)));
        let headers = if version & 2 != 0 {
            size.div_ceil(32768).clamp(1, 8)
        } else {
            1
        };
        let len = u64::from(be::<u32>(header, 12));
        let end = number
            .saturating_add(headers)
            .saturating_add(len.div_ceil(BLOCK));
        if end % self.blocks != head || be::<u32>(header, 40) != 1 {
            return Ok(false);
        }
        let operation = self.block((number + headers) % self.blocks)?;
        Ok(operation.get(9).is_some_and(|flags| flags & UNMOUNT != 0))
    }
}
