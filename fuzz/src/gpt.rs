//! Any bytes as a disk that gets another size: what its partition table does not take stays, and a table that moved can move back.

use std::sync::Arc;

use imgdelta_core::{Bytes, Format, MemSource, NoAuxFiles, Open, Options, Result, VirtOffset};
use imgdelta_delta::{
    Chain, Layer,
    gpt::{self, Resized, TableMove},
};
use imgdelta_registry::{driver_of, open_layer};

/// What stands in front of the disk: how much its size changes, in sectors.
const HEAD: usize = 2;

/// A raw disk.
fn chain(bytes: &[u8]) -> Result<Chain> {
    let Some(driver) = driver_of(Format::Raw) else {
        panic!("raw is always there")
    };
    let open = Open {
        source: Arc::new(MemSource(bytes.to_vec())),
        aux_files: &NoAuxFiles,
        options: Options::default(),
        snapshot: None,
    };
    let (image, id) = open_layer(driver, open)?;
    Chain::new(vec![Layer::new(image, id)])
}

fn read(disk: &Chain) -> Vec<u8> {
    let mut bytes = vec![0; disk.size().in_memory()];
    let read = disk.read_at(VirtOffset::ZERO, &mut bytes);
    assert!(read.is_ok(), "bytes in memory can be read: {read:?}");
    bytes
}

fn resized(disk: &[u8], size: usize) -> Resized {
    let done = chain(disk).and_then(|disk| gpt::resize(&disk, Bytes::from(size)));
    match done {
        Ok(done) => done,
        Err(error) => panic!("a disk in memory can have any size: {error}"),
    }
}

/// Resizes a disk, and back.
pub(crate) fn resize(bytes: &[u8]) {
    let Some((head, disk)) = bytes.split_first_chunk::<HEAD>() else {
        return;
    };
    let change = usize::from(u16::from_le_bytes(*head) & 0x1ff) * 512;
    let size = if head.ends_with(&[0]) {
        disk.len().saturating_sub(change)
    } else {
        disk.len() + change
    };
    let done = resized(disk, size);
    let new = read(&done.disk);
    assert_eq!(new.len(), size, "it has the size that was asked for");
    let mut plain = disk.to_vec();
    plain.resize(size, 0);
    let TableMove::Moved { backup, .. } = done.table else {
        assert!(new == plain, "nothing else is changed");
        return;
    };
    assert!(backup < size as u64 / 512, "the backup is on the disk");
    // It is sound, so that it moves again.
    let again = resized(&new, size + (1 << 20));
    assert!(
        matches!(again.table, TableMove::Moved { .. }),
        "{:?} after {:?}",
        again.table,
        done.table
    );
}
