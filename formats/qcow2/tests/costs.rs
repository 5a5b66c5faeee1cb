//! What reading costs: the time of a large map, the bytes read of a compressed cluster.

#![allow(clippy::indexing_slicing, reason = "a wrong test should stop")]

mod reading;

use std::{sync::Arc, time::Instant};

use imgdelta_core::{Bytes, FileOffset, Result, Source, VirtOffset};
use imgdelta_fixtures::{
    Fill, Recipe,
    qcow2::{Compression, Qcow2Spec},
};
use imgdelta_qcow2::DRIVER;
use reading::{Beside, how, memory, open};

#[test]
fn a_tebibyte_of_nothing_is_mapped_at_once() -> Result<()> {
    for (bits, extended) in [(16, false), (21, false), (12, false), (16, true)] {
        let mut bytes = Qcow2Spec {
            extended_l2: extended,
            ..Qcow2Spec::new(Recipe::of(64 << 10, [(0, 512, Fill::Text)]), bits)
        }
        .build();
        // The disk grows; its L1 table moves to the end of the file, nothing but its first entry.
        let cluster = 1_usize << bits;
        let l1 = bytes.len().next_multiple_of(cluster);
        let entry = u64::from_be_bytes(bytes[40..48].try_into().expect("8 bytes"));
        let at = Bytes(entry).in_memory();
        let first = bytes[at..at + 8].to_vec();
        let reach = (cluster / if extended { 16 } else { 8 }) * cluster;
        let entries = (1_usize << 40) / reach;
        bytes.resize(l1 + (entries * 8).next_multiple_of(cluster), 0);
        bytes[l1..l1 + 8].copy_from_slice(&first);
        bytes[24..32].copy_from_slice(&(1_u64 << 40).to_be_bytes());
        bytes[36..40].copy_from_slice(&u32::try_from(entries).expect("few").to_be_bytes());
        bytes[40..48].copy_from_slice(&(l1 as u64).to_be_bytes());
        let image = open(&bytes)?;
        let start = Instant::now();
        let (mut at, mut extents) = (VirtOffset::ZERO, 0);
        while at.0 < 1 << 40 {
            at = image.extent_at(at)?.end();
            extents += 1;
        }
        assert!(extents < 2000, "{bits}: {extents} extents");
        assert!(
            start.elapsed().as_millis() < 500,
            "{bits}: {:?}",
            start.elapsed()
        );
    }
    Ok(())
}

/// A source that counts what is read of it.
#[derive(Debug)]
struct Counting(Arc<dyn Source>, std::sync::atomic::AtomicU64);

impl Source for Counting {
    fn len(&self) -> Bytes {
        self.0.len()
    }

    fn read_at(&self, at: FileOffset, buf: &mut [u8]) -> Result<()> {
        let len = buf.len() as u64;
        self.1.fetch_add(len, std::sync::atomic::Ordering::Relaxed);
        self.0.read_at(at, buf)
    }
}

#[test]
fn a_compressed_cluster_read_in_pieces_is_unpacked_once() -> Result<()> {
    let spec = Qcow2Spec {
        compression: Some(Compression::deflate()),
        ..Qcow2Spec::new(Recipe::of(2 << 20, [(0, 2 << 20, Fill::Text)]), 21)
    };
    let source = Arc::new(Counting(memory(&spec.build()), Default::default()));
    let beside = Beside::default();
    let image = (DRIVER.open)(how(Arc::clone(&source) as Arc<dyn Source>, &beside))?;
    let mut piece = vec![0; 64 << 10];
    image.read_data(VirtOffset::ZERO, &mut piece)?;
    let once = source.1.load(std::sync::atomic::Ordering::Relaxed);
    for number in 1..32 {
        image.read_data(VirtOffset(number << 16), &mut piece)?;
        assert!(piece == spec.recipe.bytes_at(number << 16, 64 << 10));
    }
    assert_eq!(source.1.load(std::sync::atomic::Ordering::Relaxed), once);
    Ok(())
}
