//! The backup of a partition table moves to the end of a disk that gets another size: the disk is then the one that would have been
//! partitioned so at that size.

#![allow(clippy::indexing_slicing, reason = "a wrong test should stop")]

use std::sync::Arc;

use imgdelta_core::{Bytes, Format, MemSource, NoAuxFiles, Open, Options, Result, VirtOffset};
use imgdelta_delta::{
    Chain, Layer,
    gpt::{TableMove, resize},
};
use imgdelta_fixtures::{
    gpt::{GptDisk, seal},
    peers::{self, Peer},
};
use imgdelta_registry::{driver_of, open_layer};

/// A raw disk.
fn chain(bytes: Vec<u8>) -> Result<Chain> {
    let driver = driver_of(Format::Raw).expect("raw is always there");
    let open = Open {
        source: Arc::new(MemSource(bytes)),
        aux_files: &NoAuxFiles,
        options: Options::default(),
        snapshot: None,
    };
    let (image, id) = open_layer(driver, open)?;
    Chain::new(vec![Layer::new(image, id)])
}

fn read(disk: &Chain) -> Result<Vec<u8>> {
    let mut bytes = vec![0; disk.size().in_memory()];
    disk.read_at(VirtOffset::ZERO, &mut bytes)?;
    Ok(bytes)
}

/// The disk at another size, and what became of its table.
fn resized(bytes: Vec<u8>, size: u64) -> Result<(Vec<u8>, TableMove)> {
    let done = resize(&chain(bytes)?, Bytes(size))?;
    Ok((read(&done.disk)?, done.table))
}

/// Disks of 64 MiB in blocks of both sizes, and what their partitions need at least.
fn disks() -> [(GptDisk, u64); 3] {
    let small = GptDisk::new(64 << 20, 512, &[(2048, 20_479), (20_480, 40_959)]);
    let large = GptDisk::new(64 << 20, 4096, &[(256, 1023), (1024, 5000)]);
    let many = GptDisk {
        entries: 260,
        vague: true,
        ..small.clone()
    };
    [
        (small, (40_959 + 1 + 32 + 1) * 512),
        (large, (5000 + 1 + 4 + 1) * 4096),
        (many, (40_959 + 1 + 65 + 1) * 512),
    ]
}

#[test]
fn a_moved_table_is_the_one_that_a_disk_of_that_size_would_have() -> Result<()> {
    for (disk, least) in disks() {
        let old = disk.size;
        for size in [
            old + 512,
            old + disk.sector,
            old + 3 * disk.sector + 512,
            old + 17 * disk.sector,
            old * 2,
            old - disk.sector,
            old - 20 * disk.sector,
            old / 2,
            least,
            least + 512,
        ] {
            let (bytes, table) = resized(disk.build(), size)?;
            let expected = disk.sized(size);
            let moved = TableMove::Moved {
                backup: expected.blocks() - 1,
                last_usable: expected.blocks() - 2 - disk.array(),
            };
            assert_eq!(table, moved, "{size}");
            assert!(bytes == expected.build(), "{size} of {disk:?}");
        }
    }
    Ok(())
}

#[test]
fn partitions_that_would_be_cut_leave_all_as_it_was() -> Result<()> {
    for (disk, least) in disks() {
        for size in [least - disk.sector, 10 << 20, disk.sector * 3, 512] {
            let (bytes, table) = resized(disk.build(), size)?;
            let TableMove::Kept(why) = table else {
                panic!("{table:?} at {size}")
            };
            assert!(why.contains("its partitions need"), "{why}");
            assert!(bytes == disk.build()[..size as usize], "{size}");
        }
    }
    Ok(())
}

#[test]
fn a_table_that_is_not_sound_is_left_as_it_is() -> Result<()> {
    let (disk, _) = &disks()[0];
    let (last, array) = (disk.blocks() as usize - 1, disk.array() as usize);
    let backup_array = (last - array) * 512;
    let sealed = |bytes: &mut [u8], at: usize, change: &[u8]| {
        bytes[at..at + change.len()].copy_from_slice(change);
        let start = at / 512 * 512;
        seal(&mut bytes[start..start + 92]);
    };
    type Damage<'a> = &'a dyn Fn(&mut [u8]);
    let damages: [(&str, Damage<'_>); 14] = [
        ("first header has the CRC", &|bytes| bytes[512 + 60] ^= 1),
        ("first array of entries has the CRC", &|bytes| {
            bytes[1024 + 56] ^= 1;
        }),
        ("backup header has the CRC", &|bytes| {
            bytes[last * 512 + 60] ^= 1;
        }),
        ("backup array of entries has the CRC", &|bytes| {
            bytes[backup_array + 56] ^= 1;
        }),
        ("backup header is missing", &|bytes| {
            bytes[last * 512..].fill(0);
        }),
        ("first header is missing, though", &|bytes| {
            bytes[512..1024].fill(0);
        }),
        ("revision", &|bytes| sealed(bytes, 512 + 8, &[0, 0, 2, 0])),
        ("says that it has 4096 bytes", &|bytes| {
            bytes[512 + 12..512 + 16].copy_from_slice(&[0, 16, 0, 0]);
        }),
        ("says that it is at LBA 2", &|bytes| {
            sealed(bytes, 512 + 24, &[2]);
        }),
        ("is said to be at LBA", &|bytes| {
            sealed(bytes, 512 + 32, &[0xff; 8]);
        }),
        ("gives partitions LBA", &|bytes| {
            sealed(bytes, 512 + 48, &[0xff; 8]);
        }),
        ("says 0 entries", &|bytes| sealed(bytes, 512 + 80, &[0; 4])),
        ("where it cannot be", &|bytes| {
            sealed(bytes, 512 + 72, &[1, 0]);
        }),
        ("does not say the same", &|bytes| {
            sealed(bytes, last * 512 + 56, b"other");
        }),
    ];
    for (word, damage) in damages {
        let mut bytes = disk.build();
        damage(&mut bytes);
        for size in [96 << 20, 40 << 20] {
            let (now, table) = resized(bytes.clone(), size)?;
            let TableMove::Kept(why) = table else {
                panic!("{word}: {table:?}")
            };
            assert!(why.contains(word), "{word}: {why}");
            let mut expected = bytes.clone();
            expected.resize(size as usize, 0);
            assert!(now == expected, "{word}");
        }
    }
    Ok(())
}

#[test]
fn partitions_that_share_blocks_are_not_sound() -> Result<()> {
    for partitions in [
        [(2048, 20_480), (20_480, 40_959)],
        [(20, 20_479), (20_480, 40_959)],
        [(2048, 2047), (20_480, 40_959)],
        [(2048, 20_479), (20_480, 131_071)],
    ] {
        let disk = GptDisk::new(64 << 20, 512, &partitions);
        let mut bytes = GptDisk::new(64 << 20, 512, &[]).build();
        // The tables alone: what the partitions hold would stand on them.
        let drawn = disk.build();
        for range in [0..1024 + (32 << 9), (64 << 20) - (33 << 9)..64 << 20] {
            bytes[range.clone()].copy_from_slice(&drawn[range]);
        }
        let (_, table) = resized(bytes, 96 << 20)?;
        assert!(matches!(table, TableMove::Kept(_)), "{partitions:?}");
    }
    Ok(())
}

#[test]
fn a_disk_without_such_a_table_only_gets_its_size() -> Result<()> {
    let mut plain = vec![0; 8 << 20];
    plain[446 + 4] = 0x83;
    plain[510..512].copy_from_slice(&[0x55, 0xaa]);
    let none = [plain, vec![0; 8 << 20], vec![7; 512], vec![0; 1024]];
    for bytes in none {
        for size in [512, 1024, 4 << 20, 9 << 20] {
            let (now, table) = resized(bytes.clone(), size)?;
            let mut expected = bytes.clone();
            expected.resize(size as usize, 0);
            assert!(now == expected && table == TableMove::None);
        }
    }
    let disk = disks()[0].0.build();
    let (same, table) = resized(disk.clone(), disk.len() as u64)?;
    assert!(same == disk && table == TableMove::None);
    Ok(())
}

#[test]
fn a_hybrid_boot_record_stays_what_its_maker_chose() -> Result<()> {
    let (disk, _) = &disks()[0];
    let mut bytes = disk.build();
    bytes[446 + 12..446 + 16].copy_from_slice(&2047_u32.to_le_bytes());
    bytes[462 + 4] = 0x0c;
    let (now, table) = resized(bytes.clone(), 96 << 20)?;
    assert!(matches!(table, TableMove::Moved { .. }));
    assert_eq!(now[..512], bytes[..512]);
    Ok(())
}

#[test]
fn sgdisk_and_fdisk_find_no_problem_in_moved_tables()
-> std::result::Result<(), Box<dyn std::error::Error>> {
    let (has_sgdisk, has_fdisk) = (
        peers::find(Peer::Sgdisk).is_some(),
        peers::find(Peer::Fdisk).is_some(),
    );
    let folder = tempfile::tempdir()?;
    let place = folder.path().join("disk.raw");
    for (disk, least) in disks() {
        for size in [disk.size, disk.size * 3, disk.size / 2, least] {
            std::fs::write(&place, resized(disk.build(), size)?.0)?;
            if has_sgdisk && disk.sector == 512 {
                peers::sgdisk_verify(&place)?;
            }
            if has_fdisk {
                peers::fdisk_verify(&place, disk.sector)?;
            }
        }
    }
    Ok(())
}
