//! Compressed units that a source and an output have alike are passed on as they are: the disk is the same for qemu-img, the packed bytes are the
//! source's, and what cannot be passed on is compressed anew.

use imgdelta_fixtures::peers::{self, Peer, qemu_compare, qemu_img};

use crate::place::Place;

type Seen = Result<(), String>;

/// A disk of 64 KiB units: text that differs from unit to unit, noise, zeros.
fn disk(units: u64) -> Vec<u8> {
    let mut state = 7_u64;
    let mut noise = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    };
    let mut all = Vec::new();
    for unit in 0..units {
        let end = all.len() + (64 << 10);
        while all.len() < end {
            match unit % 8 {
                3 => all.push(0),
                5 => all.push(noise()),
                _ => {
                    let word = u64::from(noise()) * (unit + 1);
                    all.extend_from_slice(format!("unit {unit} says {word}\n").as_bytes());
                }
            }
        }
        all.truncate(end);
    }
    all
}

fn text(place: &Place, name: &str) -> String {
    place.path(name).display().to_string()
}

/// An image that qemu-img makes of `from`.
fn qemu_makes(place: &Place, from: &str, to: &str, arguments: &[&str]) -> Seen {
    let (from, to) = (text(place, from), text(place, to));
    let mut all = vec!["convert"];
    all.extend(arguments);
    all.extend([from.as_str(), to.as_str()]);
    qemu_img(&all).map(drop)
}

/// Whether the bytes that `from` has for its first unit stand in `to` too.
fn shares_first_unit(place: &Place, from: &str, to: &str) -> bool {
    let from = place.read(from);
    let sample = &from[first_unit(&from) + 100..][..512];
    place.read(to).windows(512).any(|bytes| bytes == sample)
}

/// Where the first unit's packed bytes stand: in a qcow2 as its tables say, in a streamOptimized VMDK behind 64 KiB.
fn first_unit(image: &[u8]) -> usize {
    if !image.starts_with(b"QFI\xfb") {
        return 64 << 10;
    }
    let word = |at: usize| {
        let bytes = image[at..][..8].try_into();
        u64::from_be_bytes(bytes.expect("eight bytes"))
    };
    let place = |entry: u64, bits: u32| (entry & ((1 << bits) - 1)) as usize;
    let cluster_bits = word(16) & 0xffff_ffff;
    let first_table = place(word(40), 56);
    let table = place(word(first_table), 56) & !511;
    let entry = word(table);
    assert!(entry >> 62 == 1, "the first unit is compressed");
    place(entry, 62 - (u32::try_from(cluster_bits).expect("bits") - 8))
}

const QCOW2: [(&str, &str); 4] = [
    ("zlib", "64K"),
    ("zstd", "64K"),
    ("zlib", "4K"),
    ("zstd", "2M"),
];

#[test]
fn qcow2_of_qemu_is_passed_on_the_same_for_any_number_of_threads() -> Seen {
    if peers::find(Peer::QemuImg).is_none() {
        return Ok(());
    }
    let place = Place::empty();
    place.write("a.raw", &disk(70));
    for (kind, cluster) in QCOW2 {
        let form = format!("compression_type={kind},cluster_size={cluster}");
        let made = ["-q", "-f", "raw", "-O", "qcow2", "-c", "-o", &form];
        qemu_makes(&place, "a.raw", "a.qcow2", &made)?;
        for (threads, name) in [(1, "b.qcow2"), (3, "c.qcow2")] {
            place.ok(&format!(
                "convert a.qcow2 -o {name} -q --force -j {threads} --option {form}"
            ));
        }
        assert_eq!(place.read("b.qcow2"), place.read("c.qcow2"), "{form}");
        peers::qemu_check(&place.path("b.qcow2"), "qcow2")?;
        qemu_compare(&place.path("b.qcow2"), "qcow2", &place.path("a.raw"), "raw")?;
        let (from, to) = (place.read("a.qcow2").len(), place.read("b.qcow2").len());
        assert!(to <= from + (256 << 10), "{form}: {to} bytes from {from}");
        let passed = shares_first_unit(&place, "a.qcow2", "b.qcow2");
        assert!(passed || kind == "zlib" && cluster == "4K", "{form}");
        // Who asks for a level has all of it compressed anew.
        place.ok(&format!(
            "convert a.qcow2 -o d.qcow2 -q --force --option {form},compression_level=9"
        ));
        qemu_compare(&place.path("d.qcow2"), "qcow2", &place.path("a.raw"), "raw")?;
        assert!(!shares_first_unit(&place, "a.qcow2", "d.qcow2"), "{form}");
    }
    Ok(())
}

#[test]
fn of_chains_other_sizes_and_other_codings_what_does_not_fit_is_compressed_anew() -> Seen {
    if peers::find(Peer::QemuImg).is_none() {
        return Ok(());
    }
    let place = Place::empty();
    let mut bytes = disk(40);
    bytes.truncate(bytes.len() - (20 << 10));
    place.write("a.raw", &bytes);
    let zlib = [
        "-q",
        "-f",
        "raw",
        "-O",
        "qcow2",
        "-c",
        "-o",
        "compression_type=zlib",
    ];
    qemu_makes(&place, "a.raw", "base.qcow2", &zlib)?;
    // A layer above changes a part of one cluster, all of another, and makes a third one zero.
    let child = text(&place, "top.qcow2");
    qemu_img(&[
        "create",
        "-q",
        "-f",
        "qcow2",
        "-o",
        "cluster_size=4k",
        "-b",
        "base.qcow2",
        "-F",
        "qcow2",
        &child,
    ])?;
    let changes = [
        "write -P 0x5a 66000 3000",
        "write -P 0x33 131072 65536",
        "write -z 262144 65536",
    ];
    peers::qemu_io(&place.path("top.qcow2"), "qcow2", &changes)?;
    qemu_makes(&place, "top.qcow2", "top.raw", &["-q", "-O", "raw"])?;
    for (source, raw) in [("base.qcow2", "a.raw"), ("top.qcow2", "top.raw")] {
        for options in [
            "compression_type=zlib",
            "compression_type=zstd",
            "compression_type=zlib,cluster_size=32K",
            "compression_type=zlib,compression_window=32K",
            "compression_type=zlib,compat=0.10",
            "compression_type=none",
        ] {
            place.ok(&format!(
                "convert {source} -o b.qcow2 -q --force --option {options}"
            ));
            peers::qemu_check(&place.path("b.qcow2"), "qcow2")?;
            qemu_compare(&place.path("b.qcow2"), "qcow2", &place.path(raw), "raw")
                .map_err(|said| format!("{source}, {options}: {said}"))?;
        }
    }
    for (size, len) in [("1M", 1 << 20), ("1100K", 1100 << 10), ("5M", 5 << 20)] {
        place.ok(&format!(
            "convert base.qcow2 -o b.qcow2 -q --force --size {size} --option compression_type=zlib"
        ));
        let mut sized = bytes.clone();
        sized.resize(len, 0);
        place.write("sized.raw", &sized);
        qemu_compare(
            &place.path("b.qcow2"),
            "qcow2",
            &place.path("sized.raw"),
            "raw",
        )
        .map_err(|said| format!("{size}: {said}"))?;
    }
    Ok(())
}

#[test]
fn streams_of_qemu_are_passed_on() -> Seen {
    if peers::find(Peer::QemuImg).is_none() {
        return Ok(());
    }
    let place = Place::empty();
    place.write("a.raw", &disk(70));
    let form = [
        "-q",
        "-f",
        "raw",
        "-O",
        "vmdk",
        "-o",
        "subformat=streamOptimized",
    ];
    qemu_makes(&place, "a.raw", "a.vmdk", &form)?;
    for (threads, name) in [(1, "b.vmdk"), (3, "c.vmdk")] {
        place.ok(&format!(
            "convert a.vmdk -o {name} -q --force -j {threads} --option subformat=streamOptimized"
        ));
    }
    let unnamed = |name: &str| place.read(name)[64 << 10..].to_vec();
    assert_eq!(unnamed("b.vmdk"), unnamed("c.vmdk"));
    assert!(shares_first_unit(&place, "a.vmdk", "b.vmdk"));
    qemu_compare(&place.path("b.vmdk"), "vmdk", &place.path("a.raw"), "raw")?;
    for level in [1, 12] {
        place.ok(&format!(
            "convert a.vmdk -o d.vmdk -q --force --option subformat=streamOptimized,compression_level={level}"
        ));
        assert!(!shares_first_unit(&place, "a.vmdk", "d.vmdk"), "{level}");
        qemu_compare(&place.path("d.vmdk"), "vmdk", &place.path("a.raw"), "raw")?;
    }
    for options in [
        "subformat=streamOptimized,compression_level=13",
        "compression_level=5",
    ] {
        place.refused(
            &format!("convert a.vmdk -o e.vmdk -q --option {options}"),
            2,
        );
    }
    Ok(())
}

#[test]
fn a_unit_that_does_not_unpack_is_never_passed_on() {
    let place = Place::empty();
    place.write("a.raw", &disk(8));
    for (name, options) in [
        ("a.qcow2", "compression_type=zlib"),
        ("b.qcow2", "compression_type=zstd"),
        ("c.vmdk", "subformat=streamOptimized"),
    ] {
        place.ok(&format!("convert a.raw -o {name} -q --option {options}"));
        place.ok(&format!(
            "convert {name} -o sound-{name} -q --option {options}"
        ));
        place.change(name, |bytes| bytes[(64 << 10) + 600..][..200].fill(0xff));
        place.refused(
            &format!("convert {name} -o out-{name} -q --option {options}"),
            3,
        );
    }
}
