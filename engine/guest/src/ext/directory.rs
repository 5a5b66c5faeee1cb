//! Directories: blocks of records. Those of a hashed directory's index look like empty ones to who reads them in a line.

use super::inode::Inode;
use crate::window::le;

/// A name in a directory.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Name {
    /// The inode.
    pub(super) inode: u32,
    /// The name.
    pub(super) name: String,
}

/// The names in a block of a directory, `.` and `..` apart; it ends where a record is not one.
pub(super) fn names(block: &[u8]) -> Vec<Name> {
    let mut names = Vec::new();
    let mut rest = block;
    while rest.len() >= 8 {
        let inode = le::<u32>(rest, 0);
        // In blocks of 64 KiB the two lowest bits stand for bits 16 and 17.
        let len = usize::from(le::<u16>(rest, 4));
        let len = match len {
            0 | 65535 => 65536.min(rest.len()),
            len => len & !3 | (len & 3) << 16,
        };
        let name_len = usize::from(rest.get(6).copied().unwrap_or_default());
        let Some(record) = rest.get(..len).filter(|_| len >= 8) else {
            break;
        };
        if let Some(name) = record.get(8..8 + name_len)
            && inode != 0
            && !name.is_empty()
            && name != b"."
            && name != b".."
        {
            let name = String::from_utf8_lossy(name).into_owned();
            names.push(Name { inode, name });
        }
        rest = rest.get(len..).unwrap_or_default();
    }
    names
}

/// The names of a directory that stands in its inode: behind the parent's number, and in the attribute `system.data`.
pub(super) fn inline_names(inode: &Inode) -> Vec<Name> {
    let mut found = names(inode.block().get(4..).unwrap_or_default());
    found.extend(names(inline_rest(inode).unwrap_or_default()));
    found
}

/// What of an inode's contents is in its attribute `system.data`. \[fs/ext4/xattr.h\]
fn inline_rest(inode: &Inode) -> Option<&[u8]> {
    const MAGIC: u32 = 0xea02_0000;
    const SYSTEM: u8 = 7;
    let extra = usize::from(le::<u16>(&inode.0, 128));
    let body = inode.0.get(128 + extra..)?;
    if le::<u32>(body, 0) != MAGIC {
        return None;
    }
    let first = body.get(4..)?;
    let mut at = 0;
    loop {
        let entry = first.get(at..at + 16)?;
        let name_len = usize::from(*entry.first()?);
        let name = first.get(at + 16..at + 16 + name_len)?;
        if le::<u32>(entry, 0) == 0 {
            return None;
        }
        if entry.get(1) == Some(&SYSTEM) && name == b"data" {
            let from = usize::from(le::<u16>(entry, 2));
            let len = usize::try_from(le::<u32>(entry, 8)).ok()?;
            return first.get(from..from.checked_add(len)?);
        }
        at += 16 + name_len.next_multiple_of(4);
    }
}
