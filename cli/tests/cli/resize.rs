//! `convert --size`: a disk of another size, whose partition table fits it.

use std::process::Command;

use imgdelta_fixtures::{
    gpt::GptDisk,
    peers::{self, Peer},
};

use crate::place::Place;

const MIB: u64 = 1 << 20;

fn disk() -> GptDisk {
    GptDisk::new(64 * MIB, 512, &[(2048, 20_479), (20_480, 40_959)])
}

/// A folder with that disk, raw and as qcow2.
fn place() -> Place {
    let place = Place::empty();
    place.write("disk.raw", &disk().build());
    place.ok("convert disk.raw -o disk.qcow2 -q");
    place
}

/// What a run says that must succeed.
fn said(place: &Place, line: &str) -> String {
    let run = place.run(line);
    assert_eq!(run.exit, 0, "{line}: {run:?}");
    run.err
}

#[test]
fn the_backup_of_a_gpt_moves_and_that_is_said() {
    let place = place();
    for (size, mib) in [("96M", 96), ("32M", 32)] {
        for source in ["disk.raw", "disk.qcow2"] {
            let line = format!("convert {source} --size {size} -o new.raw --force");
            let told = said(&place, &line);
            let backup = mib * 2048 - 1;
            assert!(told.contains(&format!("LBA {backup}")), "{told}");
            assert_eq!(told.contains("the disk is cut"), mib == 32, "{told}");
            assert!(place.read("new.raw") == disk().sized(mib * MIB).build());
        }
        // In another format, and through a pipe: the same disk, by its content id.
        place.ok(&format!(
            "convert disk.raw --size {size} -o new.vhdx --force -q"
        ));
        place.ok("compare new.raw new.vhdx -q");
        let id = |name: &str| {
            let line = place.ok(&format!("digest {name}"));
            line.split_whitespace().next().map(str::to_owned)
        };
        assert_eq!(id("new.raw"), id("new.vhdx"));
        let piped = place.command(&format!("convert disk.qcow2 --size {size} -o - -q"));
        let piped = { piped }.output().expect("it starts");
        assert!(piped.stdout == place.read("new.raw"));
    }
}

#[test]
fn the_size_is_the_one_that_the_format_holds() {
    let place = place();
    // Azure's disks are whole MiB: the backup stands at the end of that.
    let told = said(
        &place,
        "convert disk.raw --size 83891200 -o azure.vhd --option size=azure,subformat=fixed",
    );
    assert!(told.contains("holds no size between"), "{told}");
    let held = place.read("azure.vhd");
    let disk = disk().sized(81 * MIB).build();
    assert!(held[..disk.len()] == disk && held.len() == disk.len() + 512);
    let json = place.ok("convert disk.raw --size 80M -o new.qcow2 --json");
    for part in ["\"source_size\": 67108864", "\"size\": 83886080", "GPT"] {
        assert!(json.contains(part), "{json}");
    }
}

#[test]
fn a_table_that_cannot_move_is_told_and_stays() {
    let place = place();
    let told = said(&place, "convert disk.raw --size 16M -o cut.raw");
    assert!(told.contains("the GPT is left as it is"), "{told}");
    assert!(
        told.contains("its partitions need blocks up to LBA 40959"),
        "{told}"
    );
    assert!(place.read("cut.raw") == disk().build()[..16 << 20]);
    let mut damaged = disk().build();
    damaged[1024 + 32] ^= 1;
    place.write("damaged.raw", &damaged);
    let told = said(&place, "convert damaged.raw --size 96M -o grown.raw");
    assert!(told.contains("has the CRC"), "{told}");
    damaged.resize(96 << 20, 0);
    assert!(place.read("grown.raw") == damaged);
    // A disk without a GPT, and one that keeps its size, say nothing of it.
    place.write("plain.raw", &[7; 1 << 20]);
    for line in [
        "convert plain.raw --size 2M -o plain2.raw",
        "convert disk.raw --size 64M -o same.raw",
    ] {
        let told = said(&place, line);
        assert!(!told.contains("GPT"), "{line}: {told}");
    }
    assert!(place.read("same.raw") == disk().build());
}

#[test]
fn a_size_is_a_whole_number_of_sectors() {
    let place = place();
    for size in ["0", "1000", "67108865"] {
        let told = place.refused(&format!("convert disk.raw --size {size} -o x.raw"), 2);
        assert!(told.contains("a multiple of 512 is required"), "{told}");
    }
    let told = place.refused("convert disk.raw --size large -o x.raw", 2);
    assert!(told.contains("a size like"), "{told}");
}

#[test]
fn a_disk_of_sgdisk_is_sound_at_its_new_size() {
    let Some(sgdisk) = peers::find(Peer::Sgdisk) else {
        return;
    };
    let place = Place::empty();
    let image = place.path("made.raw");
    std::fs::File::create(&image)
        .and_then(|file| file.set_len(64 * MIB))
        .expect("room");
    let made = Command::new(sgdisk.program)
        .args(["-n", "1:2048:+8M", "-n", "2:0:+8M", "-c", "1:first"])
        .arg(&image)
        .output()
        .expect("it starts");
    assert!(made.status.success(), "{made:?}");
    for size in ["100M", "20M", "3T"] {
        place.ok(&format!(
            "convert made.raw --size {size} -o new.raw --force -q"
        ));
        peers::sgdisk_verify(&place.path("new.raw")).expect("it is sound");
        if peers::find(Peer::Fdisk).is_some() {
            peers::fdisk_verify(&place.path("new.raw"), 512).expect("it is sound");
        }
    }
}
