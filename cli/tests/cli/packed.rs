//! Inputs that are packed in something else, and packages that are written: what `gzip`, `xz`, `zstd`, `bzip2`, `split` and `tar` made is read
//! as the disk in it, and what is written is read by them, by 7-Zip and by VirtualBox.

use std::process::{Command, Stdio};

use imgdelta_fixtures::{Fill, Recipe};

use crate::{packages::package, place::Place};

const MIB: u64 = 1 << 20;

/// A disk with data at both ends and much that is zero.
pub(crate) fn disk() -> Vec<u8> {
    let recipe = Recipe::of(
        8 * MIB,
        [
            (0, 70_000 & !511, Fill::Text),
            (5 * MIB, 300_000 & !511, Fill::Pattern(7)),
            (8 * MIB - 512, 512, Fill::Text),
        ],
    );
    recipe.expected(None)
}

/// Has a program of the host write to a file of the place.
pub(crate) fn host(place: &Place, program: &str, arguments: &[&str], output: Option<&str>) {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(place.path(""));
    if let Some(output) = output {
        let file = std::fs::File::create(place.path(output)).expect("room");
        command.stdout(Stdio::from(file));
    }
    let status = command
        .status()
        .unwrap_or_else(|cause| panic!("{program}: {cause}"));
    assert!(status.success(), "{program} {arguments:?}");
}

/// Whether a program is on the host; CI has all of them.
fn has(program: &str) -> bool {
    let found = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let is_there = found.is_ok();
    assert!(
        is_there || std::env::var_os("IMGDELTA_REQUIRE_PEERS").is_none(),
        "{program} is required"
    );
    is_there
}

/// Programs that compress, and the extensions of what they write.
const PROGRAMS: [(&str, &str); 4] = [
    ("gzip", "gz"),
    ("xz", "xz"),
    ("zstd", "zst"),
    ("bzip2", "bz2"),
];

#[test]
fn what_a_compressor_made_is_the_disk_in_it_for_every_command() {
    let place = Place::golden();
    place.write("disk.img", &disk());
    place.ok("convert disk.img -o disk.qcow2");
    for (program, extension) in PROGRAMS.into_iter().filter(|(program, _)| has(program)) {
        for inner in ["disk.img", "disk.qcow2"] {
            let name = format!("{inner}.{extension}");
            host(&place, program, &["-c", inner], Some(&name));
            place.ok(&format!("compare {name} disk.img"));
            place.ok(&format!("check {name}"));
            place.ok(&format!("map {name}"));
            place.ok(&format!("convert {name} -o out.vhdx --force"));
            place.ok("compare out.vhdx disk.img");
            let digests = ["disk.img", &name].map(|name| place.ok(&format!("digest {name}")));
            let ids = digests
                .each_ref()
                .map(|said| said.split_whitespace().next());
            assert_eq!(ids[0], ids[1], "{name}");
            assert!(
                place.ok(&format!("info {name}")).contains("taken from"),
                "{name}"
            );
        }
    }
    // By its bytes, where the name does not tell; but a format that is given then means these very bytes.
    host(&place, "gzip", &["-c", "disk.img"], Some("other.img"));
    place.ok("compare other.img disk.img");
    place.ok("convert other.img --input-format raw -o bytes.raw");
    assert!(place.read("bytes.raw").starts_with(b"\x1f\x8b"));
    // A format that is given for one that is called packed is that of the disk in it.
    host(
        &place,
        "gzip",
        &["-c", "disk.img"],
        Some("web.example.org.gz"),
    );
    place.refused("convert web.example.org.gz -o out.raw", 3);
    place.ok("convert web.example.org.gz --input-format raw -o named.raw");
    assert!(place.read("named.raw") == disk());
}

#[test]
fn nothing_is_left_of_what_was_unpacked_and_no_limit_is_passed() {
    let place = Place::empty();
    place.write("disk.img", &disk());
    host(&place, "gzip", &["-k", "disk.img"], None);
    let said = place.refused("convert disk.img.gz -o out.raw --unpack-limit 4M", 4);
    assert!(said.contains("unpacks to more than 4 MiB"), "{said}");
    place.ok("convert disk.img.gz -o out.raw --unpack-limit 8M");
    assert!(place.read("out.raw") == disk());
    assert_eq!(place.names(), ["disk.img", "disk.img.gz", "out.raw"]);
    // Cut short, and with a byte changed in its middle: damage, whatever was unpacked until then.
    let whole = place.read("disk.img.gz");
    place.write("cut.img.gz", &whole[..whole.len() / 2]);
    let said = place.refused("convert cut.img.gz -o cut.raw", 3);
    assert!(said.contains("cut short"), "{said}");
    let mut changed = whole.clone();
    changed[whole.len() - 6] ^= 1;
    place.write("changed.img.gz", &changed);
    place.refused("convert changed.img.gz -o changed.raw", 3);
    // Two members are one file.
    let mut twice = whole.clone();
    twice.extend(&whole);
    place.write("twice.img.gz", &twice);
    place.ok("convert twice.img.gz -o twice.raw");
    assert!(place.read("twice.raw") == [disk(), disk()].concat());
    // Packed five times over is not a disk.
    for _ in 0..5 {
        host(&place, "gzip", &["-c", "disk.img.gz"], Some("deep.img.gz"));
        std::fs::rename(place.path("deep.img.gz"), place.path("disk.img.gz")).expect("renamed");
    }
    place.refused("convert disk.img.gz -o out2.raw", 4);
}

#[test]
fn standard_input_may_be_packed() {
    let place = Place::empty();
    place.write("disk.img", &disk());
    host(&place, "gzip", &["-k", "disk.img"], None);
    let mut command = place.command("convert - -o out.raw");
    command.stdin(std::fs::File::open(place.path("disk.img.gz")).expect("it is there"));
    assert!(command.status().expect("it starts").success());
    assert!(place.read("out.raw") == disk());
}

#[test]
fn pieces_are_one_disk_and_a_gap_is_none() {
    let place = Place::empty();
    place.write("disk.img", &disk());
    host(
        &place,
        "split",
        &[
            "-b",
            "3M",
            "-d",
            "-a",
            "3",
            "--numeric-suffixes=1",
            "disk.img",
            "disk.",
        ],
        None,
    );
    place.ok("convert disk.001 -o out.raw");
    assert!(place.read("out.raw") == disk());
    let said = place.run("convert disk.001 -o again.raw");
    assert!(said.err.contains("3 pieces"), "{}", said.err);
    place.refused("convert disk.002 -o other.raw", 4);
    // No piece may become the output.
    let said = place.run("convert disk.001 -f raw -o disk.002 --force");
    assert_eq!(said.exit, 2, "{}", said.err);
    let middle = place.read("disk.002");
    place.write("disk.002", &middle[..middle.len() - 512]);
    let said = place.refused("convert disk.001 -o other.raw", 3);
    assert!(said.contains("disk.002"), "{said}");
    std::fs::remove_file(place.path("disk.002")).expect("removed");
    let said = place.refused("convert disk.001 -o other.raw", 5);
    assert!(said.contains("'disk.002' is missing"), "{said}");
    // A compressed file in pieces.
    host(&place, "gzip", &["-c", "disk.img"], Some("p.img.gz"));
    host(
        &place,
        "split",
        &["-b", "20k", "-d", "-a", "3", "p.img.gz", "p.img.gz."],
        None,
    );
    place.ok("compare p.img.gz.000 disk.img");
}

#[test]
fn a_disk_in_chunks_is_put_together() {
    let place = Place::golden();
    package(&place);
    host(
        &place,
        "split",
        &["-b", "100000", "-d", "-a", "9", "first.vmdk", "first.vmdk."],
        None,
    );
    std::fs::remove_file(place.path("first.vmdk")).expect("removed");
    place.change("web.ovf", |bytes| {
        let text = String::from_utf8(bytes.clone()).expect("text");
        *bytes = text
            .replacen("ovf:id='f1'", "ovf:id='f1' ovf:chunkSize='100000'", 1)
            .into_bytes();
    });
    std::fs::remove_file(place.path("web.mf")).expect("removed");
    place.ok("compare web.ovf one.img --disk 1");
    host(
        &place,
        "sh",
        &["-c", "tar -cf web.ova web.ovf first.vmdk.0* second.vmdk"],
        None,
    );
    place.ok("compare web.ova one.img --disk 1");
    // The last chunk is cut: no format needs to notice.
    let last = (0..).map(|number| format!("first.vmdk.{number:09}"));
    let last = last
        .take_while(|name| place.path(name).exists())
        .last()
        .expect("it has chunks");
    let kept = place.read(&last);
    place.write(&last, &kept[..kept.len() - 1]);
    let said = place.refused("convert web.ovf --disk 1 -o out.raw", 3);
    assert!(said.contains("the descriptor says"), "{said}");
    place.write(&last, &kept);
    std::fs::remove_file(place.path("first.vmdk.000000001")).expect("removed");
    place.refused("convert web.ovf --disk 1 -o out.raw", 5);
}

#[test]
fn what_is_packed_is_changed_by_nobody_and_named_by_no_child() {
    let place = Place::golden();
    host(&place, "gzip", &["-k", "golden.vhd"], None);
    place.ok("make -b golden.vhd -t patched.vhd -o child.vhd");
    place.refused("attach child.vhd -b golden.vhd.gz", 4);
    place.ok("apply child.vhd -b golden.vhd.gz -o full.vhd");
    place.ok("compare full.vhd patched.vhd");
    host(&place, "gzip", &["-k", "child.vhd"], None);
    place.refused(
        "attach child.vhd.gz -b golden.vhd --manifest child.vhd.manifest.json",
        4,
    );
    place.ok("apply child.vhd.gz -b golden.vhd --manifest child.vhd.manifest.json -o again.vhd");
    place.refused("check --repair --in-place golden.vhd.gz", 4);
    // A child over what is packed records no parent where its format allows that.
    place.ok("make -b golden.vhd.gz -t patched.vhd -o child.qcow2");
    let info = place.ok("info child.qcow2");
    assert!(info.contains("imgdelta-apply:"), "{info}");
    place.ok("apply child.qcow2 -b golden.vhd -o third.vhd");
    place.ok("compare third.vhd patched.vhd");
}

#[test]
fn a_repository_takes_what_is_in_it() {
    let place = Place::golden();
    host(&place, "gzip", &["-k", "golden.vhd"], None);
    place.ok("repo init hq");
    place.ok("repo add golden.vhd.gz --repo hq --name golden");
    place.ok("repo verify --repo hq");
    let stored = place.ok("repo show golden --repo hq");
    assert!(!stored.contains(".gz"), "{stored}");
}
