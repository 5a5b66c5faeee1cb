//! Children as other programs read them: qemu for qcow2 and VMDK; libvhdi, 7-Zip and VirtualBox for VHD; libvmdk and VirtualBox for VMDK;
//! dissect and VirtualBox for VDI; libvhdi, 7-Zip and dissect for VHDX; before and after `attach`.
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

/// Reads a child with its base, by a peer.
type Reader = fn(&std::path::Path, &[PathBuf]) -> Result<Vec<u8>, String>;

/// A child that is read before it is attached and after, to a base of another name and another id.
fn read_by(format: &str, reader: Reader) -> Seen {
    let place = Place::golden();
    let expected = golden::patched_bytes();
    if format != "vhd" {
        place.ok(&format!("convert golden.raw -o golden.{format} -q"));
    }
    place.ok(&format!(
        "make -b golden.{format} -t patched.raw -o november.{format} -q"
    ));
    let child = place.path(&format!("november.{format}"));
    if reader(&child, &[place.path(&format!("golden.{format}"))])? != expected {
        return Err("before attach it is another disk".to_owned());
    }
    place.ok(&format!(
        "convert golden.{format} -o copy.{format} --new-ids -q"
    ));
    place.ok(&format!("attach november.{format} -b copy.{format} -q"));
    if reader(&child, &[place.path(&format!("copy.{format}"))])? != expected {
        return Err("after attach it is another disk".to_owned());
    }
    Ok(())
}

#[test]
fn libvhdi_reads_a_vhd_child() -> Seen {
    match peers::find(Peer::Libyal) {
        Some(_) => read_by("vhd", peers::libyal_vhd),
        None => Ok(()),
    }
}

#[test]
fn seven_zip_reads_a_vhd_child_and_finds_its_base() -> Seen {
    match peers::find(Peer::SevenZip) {
        Some(_) => read_by("vhd", |child, _| peers::sevenzip(child, "vhd")),
        None => Ok(()),
    }
}

#[test]
fn virtualbox_reads_a_vhd_child_and_accepts_its_link() -> Seen {
    match peers::find(Peer::VirtualBox) {
        Some(_) => read_by("vhd", peers::virtualbox_raw),
        None => Ok(()),
    }
}

#[test]
fn qemu_and_libvmdk_read_a_vmdk_child_and_follow_its_link() -> Seen {
    if peers::find(Peer::QemuImg).is_some() {
        read_by("vmdk", |child, _| {
            let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
            let raw = folder.path().join("disk.raw");
            peers::qemu_convert_to_raw(child, "vmdk", &raw)?;
            std::fs::read(raw).map_err(|error| error.to_string())
        })?;
    }
    match peers::find(Peer::Libyal) {
        Some(_) => read_by("vmdk", |child, parents| {
            peers::libyal("vmdk", child, parents)
        }),
        None => Ok(()),
    }
}

#[test]
fn dissect_reads_a_vdi_child() -> Seen {
    match peers::find(Peer::Dissect) {
        Some(_) => read_by("vdi", |child, parents| {
            peers::dissect("vdi", child, parents)
        }),
        None => Ok(()),
    }
}

#[test]
fn libvhdi_7zip_and_dissect_read_a_vhdx_child() -> Seen {
    let has = |peer| peers::find(peer).is_some();
    if has(Peer::Libyal) {
        read_by("vhdx", |child, parents| {
            peers::libyal("vhdx", child, parents)
        })?;
    }
    if has(Peer::SevenZip) {
        // It finds the base by the path that the child records.
        read_by("vhdx", |child, _| peers::sevenzip(child, "vhdx"))?;
    }
    if has(Peer::Dissect) {
        // As it does.
        read_by("vhdx", |child, _| peers::dissect("vhdx", child, &[]))?;
    }
    Ok(())
}

#[test]
fn virtualbox_reads_vmdk_and_vdi_children_and_accepts_their_links() -> Seen {
    if peers::find(Peer::VirtualBox).is_none() {
        return Ok(());
    }
    read_by("vmdk", peers::virtualbox_raw)?;
    read_by("vdi", peers::virtualbox_raw)
}

#[test]
fn a_stream_is_read_by_qemu_7zip_libvmdk_and_virtualbox() -> Seen {
    let place = Place::golden();
    place.ok("convert golden.raw -o s.vmdk --option subformat=streamOptimized -q");
    let (image, raw) = (place.path("s.vmdk"), place.path("golden.raw"));
    let expected = golden::base_bytes();
    let has = |peer| peers::find(peer).is_some();
    if has(Peer::QemuImg) {
        peers::qemu_compare(&image, "vmdk", &raw, "raw")?;
    }
    if has(Peer::SevenZip) {
        assert!(peers::sevenzip(&image, "vmdk")? == expected, "7-Zip");
    }
    if has(Peer::Libyal) {
        assert!(peers::libyal("vmdk", &image, &[])? == expected, "libvmdk");
    }
    if has(Peer::VirtualBox) {
        assert!(
            peers::virtualbox_raw(&image, &[])? == expected,
            "VirtualBox"
        );
    }
    Ok(())
}
