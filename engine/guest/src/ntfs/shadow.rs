//! Whether Windows keeps shadow copies of a volume. They read what was deleted after them from where it stood, as long as nobody has written
//! over it: from clusters that the volume calls free. \[libvshadow\] documentation/Volume Shadow Snapshot (VSS) format

use imgdelta_core::record;

use crate::{
    fault::{Fault, Found},
    window::{Window, le},
};

/// Where the head stands, in the last sector of `$Boot`.
const AT: u64 = 0x1e00;
/// What the head and each block of the catalogue begin with: 3808876b-c176-4e48-b7ae-04046e6cc752.
const GUID: [u8; 16] = [
    0x6b, 0x87, 0x08, 0x38, 0x76, 0xc1, 0x48, 0x4e, 0xb7, 0xae, 0x04, 0x04, 0x6e, 0x6c, 0xc7, 0x52,
];
/// The kinds of the two.
const HEAD: u32 = 1;
const CATALOGUE: u32 = 2;
/// The bytes of a block of the catalogue, and of each entry; its own head takes the room of one.
const BLOCK: u64 = 16 << 10;
const ENTRY: usize = 128;
/// Most blocks that are read: 64 shadow copies, two entries each, are all that Windows keeps.
const MOST_BLOCKS: usize = 64;
/// Entries below this kind tell of no copy: free ones, and those of copies that are gone.
const FIRST_KIND: u64 = 2;

record! {
    /// What the head and the blocks of the catalogue begin with.
    struct Head: LittleEndian, 56 {
        /// [`GUID`].
        0 => guid: [u8; 16],
        /// 1 or 2.
        16 => version: u32,
        /// [`HEAD`] or [`CATALOGUE`].
        20 => kind: u32,
        /// Not read.
        24 => places: [u64; 2],
        /// The catalogue: where the next block is in the volume, 0 behind the last one.
        40 => next: u64,
        /// The head: where the catalogue begins in the volume, 0 without one.
        48 => catalogue: u64,
    }
}

/// Makes sure that there are none.
pub(super) fn has_none(volume: &Window<'_>) -> Found<()> {
    if volume.len() < AT + Head::SIZE as u64 {
        return Ok(());
    }
    let head = Head::parse(&volume.array(AT)?);
    if head.guid != GUID {
        return Ok(());
    }
    let unsound = || Fault::unsound("the list of its shadow copies is not sound");
    if head.kind != HEAD {
        return Err(unsound());
    }
    let mut at = head.catalogue;
    for _ in 0..MOST_BLOCKS {
        if at == 0 {
            return Ok(());
        }
        let block = volume.bytes(at, BLOCK, BLOCK)?;
        let head = Head::parse(block.first_chunk().ok_or_else(unsound)?);
        if head.guid != GUID || head.kind != CATALOGUE {
            return Err(unsound());
        }
        let mut entries = block.chunks_exact(ENTRY).skip(1);
        if entries.any(|entry| le::<u64>(entry, 0) >= FIRST_KIND) {
            return Err(Fault::unsound(
                "it has shadow copies, which still read what was deleted after them",
            ));
        }
        at = head.next;
    }
    Err(unsound())
}
