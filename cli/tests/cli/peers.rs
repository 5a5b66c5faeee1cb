//! Children as other programs read them: qemu for qcow2; libvhdi, 7-Zip and VirtualBox for VHD, before and after `attach`.
//!
//! `imgdelta_fixtures::peers` has the policy for what is not installed.

use std::path::PathBuf;

use imgdelta_fixtures::{
    golden,
    peers::{self, Peer},
};

use crate::place::Place;

/// What a peer gives back.
type Seen = Result<(), String>;

#[test]
fn qemu_reads_a_qcow2_child_with_its_chain() -> Seen {
    if peers::find(Peer::QemuImg).is_none() {
        return Ok(());
    }
    let place = Place::golden();
    for (base, options) in [
        ("golden.raw", ""),
        ("golden.vhd", "--option compression_type=zlib"),
        ("golden.qcow2", "--option compression_type=zstd"),
        ("golden.qcow2", "--option extended_l2=on"),
        ("golden.qcow2", "--option compat=0.10"),
        ("golden.raw", "--option cluster_size=4K"),
    ] {
        let make = format!("make -b {base} -t patched.vhd -o c.qcow2 --force -q {options}");
        place.ok(&make);
        let (child, target) = (place.path("c.qcow2"), place.path("patched.raw"));
        let read = || {
            peers::qemu_check(&child, "qcow2")?;
            peers::qemu_compare(&child, "qcow2", &target, "raw")
        };
        read().map_err(|said| format!("{make}: {said}"))?;
        place.ok(&format!("attach c.qcow2 -b {base} -q"));
        read().map_err(|said| format!("attached, {make}: {said}"))?;
    }
    Ok(())
}

#[test]
fn qemu_reads_what_convert_and_apply_write() -> Seen {
    if peers::find(Peer::QemuImg).is_none() {
        return Ok(());
    }
    let place = Place::golden();
    place.ok("make -b golden.vhd -t patched.vhd -o c.vhd -q");
    for (output, options, format) in [
        ("full.qcow2", "", "qcow2"),
        ("full.vhd", "", "vhd"),
        ("fixed.vhd", "--option subformat=fixed", "vhd"),
    ] {
        place.ok(&format!(
            "apply c.vhd -b golden.vhd -o {output} -q {options}"
        ));
        let (output, target) = (place.path(output), place.path("patched.raw"));
        if format == "qcow2" {
            peers::qemu_check(&output, format)?;
        }
        peers::qemu_compare(&output, format, &target, "raw")?;
    }
    Ok(())
}

/// Reads a VHD child with its base, by a peer.
type Reader = fn(&std::path::Path, &[PathBuf]) -> Result<Vec<u8>, String>;

/// A child that is read before it is attached and after, to a base of another name and another id.
fn read_by(reader: Reader) -> Seen {
    let place = Place::golden();
    let expected = golden::patched_bytes();
    place.ok("make -b golden.vhd -t patched.vhd -o november.vhd -q");
    let child = place.path("november.vhd");
    if reader(&child, &[place.path("golden.vhd")])? != expected {
        return Err("before attach it is another disk".to_owned());
    }
    place.ok("convert golden.vhd -o copy.vhd --option block_size=512K -q");
    place.ok("attach november.vhd -b copy.vhd -q");
    if reader(&child, &[place.path("copy.vhd")])? != expected {
        return Err("after attach it is another disk".to_owned());
    }
    Ok(())
}

#[test]
fn libvhdi_reads_a_vhd_child() -> Seen {
    match peers::find(Peer::Libyal) {
        Some(_) => read_by(peers::libyal_vhd),
        None => Ok(()),
    }
}

#[test]
fn seven_zip_reads_a_vhd_child_and_finds_its_base() -> Seen {
    match peers::find(Peer::SevenZip) {
        Some(_) => read_by(|child, _| peers::sevenzip(child, "vhd")),
        None => Ok(()),
    }
}

#[test]
fn virtualbox_reads_a_vhd_child_and_accepts_its_link() -> Seen {
    match peers::find(Peer::VirtualBox) {
        Some(_) => read_by(peers::virtualbox_raw),
        None => Ok(()),
    }
}
