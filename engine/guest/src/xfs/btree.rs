//! Trees inside a group: blocks of 32-bit pointers, records in order, so that no block is met twice.

use super::superblock::{Superblock, is_sealed};
use crate::{
    fault::{Fault, Found},
    window::{Window, be},
};

/// How high a tree is at most: more than any that fits into a group.
const HIGHEST: u32 = 10;

/// A tree of a group.
pub(super) struct Tree<'a, 'd> {
    pub(super) volume: &'a Window<'d>,
    pub(super) fs: &'a Superblock,
    pub(super) group: u32,
    /// What its blocks begin with, without and with checksums.
    pub(super) magic: [[u8; 4]; 2],
    /// Bytes of a record, and of a key.
    pub(super) record: usize,
    pub(super) key: usize,
}

impl Tree<'_, '_> {
    /// Hands all records to `see`, and the number of each block to `met`.
    pub(super) fn each(
        &self,
        root: u64,
        levels: u32,
        see: &mut dyn FnMut(&[u8]) -> Found<()>,
        met: &mut dyn FnMut(u64),
    ) -> Found<()> {
        if levels == 0 || levels > HIGHEST {
            let group = self.group;
            let why = format!("a tree of group {group} has {levels} levels");
            return Err(Fault::Unsound(why));
        }
        let mut next = 0;
        let mut ordered = |record: &[u8]| {
            let first = u64::from(be::<u32>(record, 0));
            if first < next {
                return Err(Fault::unsound("a tree is not in order"));
            }
            next = first + 1;
            see(record)
        };
        self.block(root, levels - 1, true, &mut ordered, met)
    }

    fn block(
        &self,
        number: u64,
        level: u32,
        is_root: bool,
        see: &mut dyn FnMut(&[u8]) -> Found<()>,
        met: &mut dyn FnMut(u64),
    ) -> Found<()> {
        let fs = self.fs;
        let bytes = self
            .volume
            .bytes(fs.in_group(self.group, number, 1)?, fs.block, 65536)?;
        met(number);
        let count = usize::from(be::<u16>(&bytes, 6));
        let head = if fs.has_crcs { 56 } else { 16 };
        let body = bytes.get(head..).unwrap_or_default();
        let [plain, sealed] = &self.magic;
        let is_sound = bytes.starts_with(if fs.has_crcs { sealed } else { plain })
            && u32::from(be::<u16>(&bytes, 4)) == level
            && (!fs.has_crcs || is_sealed(&bytes, 52) && be::<u32>(&bytes, 48) == self.group)
            && (is_root && level == 0 || count > 0);
        let size = if level == 0 {
            self.record
        } else {
            self.key + 4
        };
        if !is_sound || count > body.len() / size {
            let group = self.group;
            return Err(Fault::Unsound(format!(
                "block {number} of a tree of group {group} is not sound"
            )));
        }
        if level == 0 {
            return body.chunks_exact(size).take(count).try_for_each(see);
        }
        let pointers = body.get(body.len() / size * self.key..).unwrap_or_default();
        for pointer in pointers.as_chunks::<4>().0.iter().take(count) {
            let child = u64::from(u32::from_be_bytes(*pointer));
            self.block(child, level - 1, false, see, met)?;
        }
        Ok(())
    }
}
