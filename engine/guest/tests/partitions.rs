//! Partition tables as `fdisk` writes them, in sectors of 512 and of 4096 bytes.

mod host;

use std::{fs, path::Path};

use host::{Memory, are_there, blank, run};
use imgdelta_guest::{Contents, Layout, Table, volumes};

const FDISK: (&str, &str) = ("fdisk", "fdisk");
const MIB: u64 = 1 << 20;

/// A disk of 64 MiB with the table of a script, in sectors of `sector` bytes.
fn disk(folder: &Path, sector: u64, script: &str) -> Memory {
    let (disk, table) = (folder.join("disk.raw"), folder.join("table"));
    blank(&disk, 64 * MIB);
    fs::write(&table, script).expect("it is written");
    let [path, table] = [&disk, &table].map(|path| path.to_str().expect("a name"));
    let words = ["fdisk", "-b", &sector.to_string(), path];
    run(&words, &format!("I\n{table}\nw\n"));
    Memory(fs::read(&disk).expect("it is there"), sector)
}

fn places(layout: &Layout) -> Vec<(u32, u64, u64, &str)> {
    let volumes = layout.volumes.iter();
    volumes
        .map(|one| (one.number, one.start.0, one.len.0, one.kind.as_str()))
        .collect()
}

const GPT: &str = "label: gpt\nstart=1MiB, size=8MiB, type=uefi, name=\"EFI part\"\nstart=16MiB, size=4MiB, type=linux\nstart=9MiB, size=7MiB, type=swap\n";

#[test]
fn the_partitions_of_a_gpt() {
    if !are_there(&[FDISK]) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    for sector in [512, 4096] {
        let disk = disk(folder.path(), sector, GPT);
        let layout = volumes(&disk).expect("it is read");
        assert_eq!((layout.table, &layout.doubt), (Table::Gpt, &None));
        assert_eq!(layout.notes, Vec::<String>::new());
        let right = [
            (1, MIB, 8 * MIB, "EFI System"),
            (3, 9 * MIB, 7 * MIB, "Linux swap"),
            (2, 16 * MIB, 4 * MIB, "Linux filesystem"),
        ];
        assert_eq!(places(&layout), right);
        assert_eq!(layout.volumes[0].name.as_deref(), Some("EFI part"));
        assert_eq!(layout.volumes[0].contents, Contents::Empty);
        // Whoever does not know the sectors finds them.
        let unknown = Memory(disk.0.clone(), 512);
        assert_eq!(places(&volumes(&unknown).expect("it is read")), right);
    }
}

#[test]
fn a_damaged_gpt_is_told_and_its_backup_is_taken() {
    if !are_there(&[FDISK]) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let sound = disk(folder.path(), 512, GPT);
    let right = volumes(&sound).expect("it is read");
    // The header's own CRC, its signature, an entry.
    for at in [512 + 16, 512, 1024 + 33] {
        let mut damaged = sound.clone();
        damaged.0[at] ^= 1;
        let layout = volumes(&damaged).expect("it is read");
        assert_eq!(places(&layout), places(&right), "{at}");
        assert!(
            layout.notes[0].contains("its backup is taken"),
            "{layout:?}"
        );
        assert_eq!(layout.doubt, None);
        let end = damaged.0.len();
        damaged.0[end - 512 + 16] ^= 1;
        let layout = volumes(&damaged).expect("it is read");
        assert!(layout.volumes.is_empty() && layout.doubt.is_some());
    }
    // Two sound copies that say different things.
    let mut other = disk(folder.path(), 512, "label: gpt\nstart=1MiB, size=9MiB\n");
    other.0[0..20 * 512].copy_from_slice(&sound.0[0..20 * 512]);
    let layout = volumes(&other).expect("it is read");
    assert!(layout.doubt.is_some_and(|why| why.contains("two copies")));
}

#[test]
fn the_partitions_of_an_mbr_with_logical_ones() {
    if !are_there(&[FDISK]) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let script = "label: dos\nstart=1MiB, size=4MiB, type=c\nstart=5MiB, size=50MiB, type=5\nstart=56MiB, size=8MiB, type=82\n\nstart=6MiB, size=10MiB, type=83\nstart=20MiB, size=2MiB, type=7\nstart=30MiB, size=2MiB, type=8e\n";
    let script = script.replace("\n\n", "\nstart=55MiB, size=1MiB, type=da\n");
    for sector in [512, 4096] {
        let disk = disk(folder.path(), sector, &script);
        let layout = volumes(&disk).expect("it is read");
        assert_eq!((layout.table, &layout.doubt), (Table::Mbr, &None));
        let right = [
            (1, MIB, 4 * MIB, "W95 FAT32 (LBA)"),
            (5, 6 * MIB, 10 * MIB, "Linux"),
            (6, 20 * MIB, 2 * MIB, "HPFS/NTFS/exFAT"),
            (7, 30 * MIB, 2 * MIB, "Linux LVM"),
            (4, 55 * MIB, MIB, "0xda"),
            (3, 56 * MIB, 8 * MIB, "Linux swap / Solaris"),
        ];
        assert_eq!(places(&layout), right);
    }
    let mut disk = disk(folder.path(), 512, &script);
    // The second extended record leads to itself.
    let at = (5 * MIB) as usize + 446 + 16 + 8;
    disk.0[at..at + 4].copy_from_slice(&0_u32.to_le_bytes());
    let layout = volumes(&disk).expect("it is read");
    assert!(
        layout
            .doubt
            .is_some_and(|why| why.contains("chain of logical"))
    );
}

#[test]
fn partitions_that_share_blocks_or_leave_the_disk_are_doubted() {
    if !are_there(&[FDISK]) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let script = "label: dos\nstart=1MiB, size=4MiB\nstart=5MiB, size=4MiB\n";
    let sound = disk(folder.path(), 512, script);
    for (sectors, why) in [(8193_u32, "share blocks"), (1 << 30, "behind the disk")] {
        let mut disk = sound.clone();
        disk.0[446 + 12..446 + 16].copy_from_slice(&sectors.to_le_bytes());
        let doubt = volumes(&disk).expect("it is read").doubt;
        assert!(
            doubt.as_ref().is_some_and(|one| one.contains(why)),
            "{doubt:?}"
        );
    }
}

#[test]
fn what_a_volume_holds_is_told_by_its_signatures() {
    let whole = |marks: &[(usize, &[u8])]| {
        let mut bytes = vec![0; 512 << 10];
        for (at, mark) in marks {
            bytes[*at..at + mark.len()].copy_from_slice(mark);
        }
        let layout = volumes(&Memory(bytes, 512)).expect("it is read");
        assert_eq!((layout.table, layout.volumes.len()), (Table::None, 1));
        layout.volumes[0].contents
    };
    let magic = 0xbab10c_u64.to_be_bytes();
    assert_eq!(whole(&[]), Contents::Empty);
    assert_eq!(whole(&[(7, b"?")]), Contents::Unknown);
    for (at, mark, name) in [
        (0, &b"LUKS\xba\xbe"[..], "LUKS"),
        (3, b"-FVE-FS-", "BitLocker"),
        (536, b"LVM2 001", "LVM"),
        (0x10040, b"_BHRfS_M", "Btrfs"),
        (130 << 10, &magic, "ZFS"),
        (0x70000, b"\xfc\x4e\x2b\xa9", "Linux RAID"),
        (0x7e000, b"\xfc\x4e\x2b\xa9", "Linux RAID"),
    ] {
        assert_eq!(whole(&[(at, mark)]), Contents::Other(name));
    }
    assert_eq!(whole(&[(4086, b"SWAPSPACE2")]), Contents::Swap);
    assert_eq!(whole(&[(65526, b"S1SUSPEND")]), Contents::Swap);
    let two = whole(&[(1080, &[0x53, 0xef]), (0x10040, b"_BHRfS_M")]);
    assert_eq!(two, Contents::Ambivalent("ext2/3/4", "Btrfs"));
}
