//! What can be read of a damaged disk is written, the rest is zero and listed.

use imgdelta_fixtures::golden;
use serde_json::Value;

use crate::place::Place;

/// The runs that were lost, and the exit status.
fn salvage(place: &Place, line: &str) -> (Vec<(u64, u64)>, i32) {
    let said = place.run(&format!("{line} --json --force"));
    let report: Value = serde_json::from_str(&said.out)
        .unwrap_or_else(|cause| panic!("{cause}: {}{}", said.out, said.err));
    let runs = report["lost"].as_array().expect("a list").iter();
    let number = |run: &Value, key: &str| run[key].as_u64().expect("a number");
    let lost: Vec<(u64, u64)> = runs
        .map(|run| (number(run, "start"), number(run, "length")))
        .collect();
    let bytes: u64 = lost.iter().map(|(_, length)| length).sum();
    assert_eq!(report["lost_bytes"].as_u64(), Some(bytes));
    assert_eq!(
        report["reasons"].as_array().expect("a list").is_empty(),
        lost.is_empty()
    );
    (lost, said.exit)
}

/// The disk with these runs zero.
fn without(disk: &[u8], lost: &[(u64, u64)]) -> Vec<u8> {
    let mut disk = disk.to_vec();
    for (start, length) in lost {
        let start = *start as usize;
        disk[start..start + *length as usize].fill(0);
    }
    disk
}

#[test]
fn a_sound_disk_is_salvaged_whole() {
    let place = Place::golden();
    for name in ["golden.vhd", "golden.qcow2", "golden.raw"] {
        assert_eq!(
            salvage(&place, &format!("salvage {name} -o out.raw")),
            (Vec::new(), 0)
        );
        assert!(place.read("out.raw") == golden::base_bytes(), "{name}");
    }
    place.ok("make -b golden.vhd -t patched.vhd -o child.vhd");
    place.ok("attach child.vhd -b golden.vhd");
    assert_eq!(salvage(&place, "salvage child.vhd -o out.qcow2").1, 0);
    place.ok("compare out.qcow2 patched.raw");
}

#[test]
fn a_file_that_is_cut_short_is_salvaged_to_its_end() {
    let place = Place::golden();
    // These have all that is needed to open them in front.
    for format in ["vmdk", "vdi", "qcow2"] {
        let name = format!("cut.{format}");
        place.ok(&format!("convert golden.raw -o {name} --force"));
        let whole = place.read(&name);
        place.write(&name, &whole[..whole.len() - 100_000]);
        let (lost, exit) = salvage(&place, &format!("salvage {name} -o out.raw"));
        let bytes: u64 = lost.iter().map(|(_, length)| length).sum();
        if format == "qcow2" {
            // Only what counts its clusters stood there.
            assert_eq!((exit, bytes), (0, 0));
        } else {
            assert_eq!(exit, 3, "{format}");
            // What was cut off, to the sector that is cut in two; a format may round its file up.
            assert!((50_000..=101_000).contains(&bytes), "{format}: {lost:?}");
        }
        assert!(
            place.read("out.raw") == without(&golden::base_bytes(), &lost),
            "{format}"
        );
        place.refused(&format!("convert {name} -o other.raw"), 3);
    }
}

#[test]
fn compressed_grains_that_do_not_decode_are_lost_alone() {
    let place = Place::empty();
    // Half as long when it is compressed.
    let mut random = 1_u32;
    let nibbles = std::iter::repeat_with(|| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (random >> 28) as u8
    });
    let disk: Vec<u8> = nibbles.take(4 << 20).collect();
    place.write("text.img", &disk);
    place.ok("convert text.img -o packed.vmdk --option subformat=streamOptimized");
    let map: Value = serde_json::from_str(&place.ok("map packed.vmdk --json")).expect("JSON");
    let packed = map["extents"].as_array().expect("a list").iter();
    assert!(packed.clone().any(|run| run["state"] == "packed"));
    // Somewhere in the middle of the file: a grain or two, whose sums are wrong now.
    place.change("packed.vmdk", |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle..middle + 512].fill(0xff);
    });
    let (lost, exit) = salvage(&place, "salvage packed.vmdk -o out.raw");
    assert_eq!(exit, 3);
    let bytes: u64 = lost.iter().map(|(_, length)| length).sum();
    assert!((1..=3 * 65536).contains(&bytes), "{lost:?}");
    assert!(place.read("out.raw") == without(&disk, &lost));
    // The same for any number of threads.
    assert_eq!(
        salvage(&place, "salvage packed.vmdk -o again.raw --threads 1").0,
        lost
    );
    assert!(place.read("again.raw") == place.read("out.raw"));
}

#[test]
fn what_does_not_open_at_all_is_refused() {
    let place = Place::golden();
    place.write("no.qcow2", b"QFI\xfb");
    place.refused("salvage no.qcow2 -o out.raw", 3);
    place.refused("salvage missing.qcow2 -o out.raw", 8);
    // Nothing says any more which format it has: that it is raw, and has no end, is no answer.
    place.write("no.vdi", &[0; 1 << 20]);
    place.refused("salvage no.vdi -o out.raw", 3);
    place.refused("salvage golden.vhd -o golden.raw", 2);
    place.refused("salvage golden.vhd -o golden.vhd --force", 2);
}
