//! Directories: in the inode, or in blocks.

use super::superblock::{Superblock, is_sealed};
use crate::{
    fault::{Fault, Found},
    window::be,
};

/// A name, and its inode.
pub(super) type Name = (String, u64);

/// The names of a directory that stands in its inode.
pub(super) fn short_names(fs: &Superblock, bytes: &[u8]) -> Found<Vec<Name>> {
    let cut = || Fault::unsound("a directory in an inode is cut");
    let (count, wide) = match bytes {
        [count, 0, ..] => (*count, false),
        [_, count, ..] => (*count, true),
        _ => return Err(cut()),
    };
    let width = if wide { 8 } else { 4 };
    let mut rest = bytes.get(2 + width..).ok_or_else(cut)?;
    let mut names = Vec::new();
    for _ in 0..count {
        let len = usize::from(*rest.first().ok_or_else(cut)?);
        let name = rest.get(3..3 + len).ok_or_else(cut)?;
        let at = 3 + len + usize::from(fs.has_types);
        let inode = rest.get(at..at + width).ok_or_else(cut)?;
        let inode = if wide {
            be::<u64>(inode, 0)
        } else {
            u64::from(be::<u32>(inode, 0))
        };
        names.push((String::from_utf8_lossy(name).into_owned(), inode));
        rest = rest.get(at + width..).unwrap_or_default();
    }
    Ok(names)
}

/// The names in a block of a directory, `.` and `..` apart.
pub(super) fn names(fs: &Superblock, block: &[u8]) -> Found<Vec<Name>> {
    let lie = || Fault::unsound("a block of a directory is not sound");
    let (head, is_alone) = match (block.get(..4), fs.has_crcs) {
        (Some(b"XD2D"), false) => (16, false),
        (Some(b"XD2B"), false) => (16, true),
        (Some(b"XDD3"), true) => (64, false),
        (Some(b"XDB3"), true) => (64, true),
        _ => return Err(lie()),
    };
    if fs.has_crcs && !is_sealed(block, 4) {
        return Err(lie());
    }
    let mut end = block.len();
    if is_alone {
        // The hashes, and how many there are, at the end.
        end = end.saturating_sub(8);
        let count = usize::try_from(be::<u32>(block, end)).unwrap_or(usize::MAX);
        end = end.checked_sub(count.saturating_mul(8)).ok_or_else(lie)?;
    }
    let mut rest = block.get(head..end).ok_or_else(lie)?;
    let mut names = Vec::new();
    while rest.len() >= 8 {
        if rest.starts_with(&[0xff, 0xff]) {
            let len = usize::from(be::<u16>(rest, 2));
            rest = rest.get(len..).filter(|_| len >= 8).ok_or_else(lie)?;
            continue;
        }
        let len = usize::from(*rest.get(8).ok_or_else(lie)?);
        let name = rest.get(9..9 + len).filter(|_| len > 0).ok_or_else(lie)?;
        if name != b"." && name != b".." {
            names.push((String::from_utf8_lossy(name).into_owned(), be(rest, 0)));
        }
        // Type if there is one, and where the entry begins, in two bytes.
        let whole = (9 + len + usize::from(fs.has_types) + 2).next_multiple_of(8);
        rest = rest.get(whole..).ok_or_else(lie)?;
    }
    Ok(names)
}
