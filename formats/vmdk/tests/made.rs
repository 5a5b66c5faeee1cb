//! Images that qemu-img made read as it reads them, and the fact sheet's bytes mean what they mean there.

#![allow(clippy::indexing_slicing, reason = "a wrong test should stop")]

mod reading;

use std::{path::Path, sync::Arc};

use imgdelta_core::{
    AuxFiles, FileSource, Image, Open, Options, Result, Source, State, VirtOffset,
};
use imgdelta_fixtures::{
    Recipe,
    peers::{self, Peer},
};
use imgdelta_vmdk::{DRIVER, layout::SparseHeader};
use reading::read_over;

type Outcome = std::result::Result<(), Box<dyn std::error::Error>>;

const MIB: u64 = 1 << 20;

/// The files of a folder.
struct Folder<'a>(&'a Path);

impl AuxFiles for Folder<'_> {
    fn open(&self, name: &str) -> Result<Arc<dyn Source>> {
        Ok(Arc::new(FileSource::open(&self.0.join(name))?))
    }
}

/// Opens an image of a folder, and checks that it is sound.
fn open_in(folder: &Path, name: &str) -> std::result::Result<Arc<dyn Image>, String> {
    let beside = Folder(folder);
    let how = || -> Result<Open<'_>> {
        Ok(Open {
            source: Arc::new(FileSource::open(&folder.join(name))?),
            aux_files: &beside,
            options: Options::default(),
            snapshot: None,
        })
    };
    let report = how().and_then(DRIVER.check);
    let report = report.map_err(|error| format!("{name}: {error}"))?;
    assert!(report.faults.is_empty(), "{name}: {:?}", report.faults);
    how()
        .and_then(DRIVER.open)
        .map_err(|error| format!("{name}: {error}"))
}

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).display().to_string()
}

/// Every kind that qemu writes, with what `info` calls it.
const KINDS: [(&str, &str); 9] = [
    ("subformat=monolithicSparse", "monolithicSparse"),
    (
        "subformat=monolithicSparse,zeroed_grain=on",
        "monolithicSparse",
    ),
    (
        "subformat=monolithicSparse,compat6=on,adapter_type=lsilogic",
        "monolithicSparse",
    ),
    ("subformat=monolithicFlat", "monolithicFlat"),
    ("subformat=twoGbMaxExtentSparse", "twoGbMaxExtentSparse"),
    (
        "subformat=twoGbMaxExtentSparse,zeroed_grain=on",
        "twoGbMaxExtentSparse",
    ),
    ("subformat=twoGbMaxExtentFlat", "twoGbMaxExtentFlat"),
    ("subformat=streamOptimized", "streamOptimized"),
    (
        "subformat=streamOptimized,adapter_type=buslogic",
        "streamOptimized",
    ),
];

#[test]
fn every_kind_that_qemu_makes_reads_as_what_went_in() -> Outcome {
    if peers::find(Peer::QemuImg).is_none() {
        return Ok(());
    }
    for size in [512, MIB, 5 * MIB + 512, 70 * MIB] {
        let disk = Recipe::scatter(size, 100 << 10, size).expected(None);
        for (options, variant) in KINDS {
            let folder = tempfile::tempdir()?;
            let raw = path(folder.path(), "disk.raw");
            std::fs::write(&raw, &disk)?;
            let vmdk = path(folder.path(), "disk.vmdk");
            peers::qemu_img(&[
                "convert", "-f", "raw", "-O", "vmdk", "-o", options, &raw, &vmdk,
            ])?;
            let image = open_in(folder.path(), "disk.vmdk")?;
            assert_eq!(image.metadata().variant, variant, "{options}");
            assert!(image.parent().is_none(), "{options}");
            assert!(read_over(&*image, &[])? == disk, "{options}, {size} bytes");
        }
    }
    Ok(())
}

#[test]
fn extents_of_qemus_split_disks_stand_one_behind_the_other() -> Outcome {
    if peers::find(Peer::QemuImg).is_none() {
        return Ok(());
    }
    for kind in ["twoGbMaxExtentSparse", "twoGbMaxExtentFlat"] {
        let folder = tempfile::tempdir()?;
        let vmdk = path(folder.path(), "disk.vmdk");
        let option = format!("subformat={kind}");
        peers::qemu_img(&["create", "-f", "vmdk", "-o", &option, &vmdk, "4200M"])?;
        let writes = [
            "write -P 1 0 4k",
            "write -P 2 2147483136 1k",
            "write -P 3 4300790k 10k",
        ];
        peers::qemu_io(vmdk.as_ref(), "vmdk", &writes)?;
        let image = open_in(folder.path(), "disk.vmdk")?;
        assert_eq!(image.metadata().size.0, 4200 * MIB);
        assert_eq!(image.metadata().files.len(), 4, "{kind}");
        // Each written place, and the bytes around it.
        for (at, len, value) in [
            (0_u64, 4096_usize, 1_u8),
            (2_147_483_136, 1024, 2),
            (4_300_790 << 10, 10_240, 3),
        ] {
            let mut at = VirtOffset(at);
            let end = at.0 + len as u64;
            while at.0 < end {
                let extent = image.extent_at(at)?;
                let here = (extent.end().0.min(end) - at.0) as usize;
                assert!(matches!(extent.state, State::Data { .. }), "{kind}, {at}");
                let mut bytes = vec![0; here];
                image.read_data(at, &mut bytes)?;
                assert!(bytes.iter().all(|byte| *byte == value), "{kind}, {at}");
                at = VirtOffset(at.0 + here as u64);
            }
        }
    }
    Ok(())
}

#[test]
fn qemus_children_name_their_parents_and_leave_absent_what_those_hold() -> Outcome {
    if peers::find(Peer::QemuImg).is_none() {
        return Ok(());
    }
    for (kind, zeroed) in [
        ("monolithicSparse", "off"),
        ("monolithicSparse", "on"),
        ("twoGbMaxExtentSparse", "off"),
    ] {
        let folder = tempfile::tempdir()?;
        let at = folder.path();
        let (raw, base) = (path(at, "base.raw"), path(at, "base.vmdk"));
        let bottom = Recipe::scatter(4 * MIB, 100 << 10, 3).expected(None);
        std::fs::write(&raw, &bottom)?;
        peers::qemu_img(&["convert", "-f", "raw", "-O", "vmdk", &raw, &base])?;
        let option = format!("subformat={kind},zeroed_grain={zeroed}");
        let (mid, top) = (path(at, "mid.vmdk"), path(at, "top.vmdk"));
        // A write changes the CID, so each is written to before it becomes a parent.
        for (below, child, writes) in [
            (&base, &mid, ["write -P 7 64k 128k", "write -P 8 2M 512"]),
            (&mid, &top, ["write -P 9 1M 4k", "write -z 128k 64k"]),
        ] {
            peers::qemu_img(&[
                "create", "-f", "vmdk", "-o", &option, "-b", below, "-F", "vmdk", child,
            ])?;
            peers::qemu_io(child.as_ref(), "vmdk", &writes)?;
        }
        let mut below = bottom;
        let mut parent = open_in(at, "base.vmdk")?;
        for name in ["mid.vmdk", "top.vmdk"] {
            let image = open_in(at, name)?;
            let link = image.parent().ok_or("it is a child")?;
            assert!(
                parent.metadata().is_called(&link.identities[0]),
                "{name}: {link:?}"
            );
            assert_eq!(link.hints.len(), 1, "{name}");
            let last = image.extent_at(VirtOffset(3 * MIB))?;
            assert_eq!(last.state, State::Absent, "{name}");
            let disk = read_over(&*image, &below)?;
            let out = path(at, "out.raw");
            peers::qemu_convert_to_raw(&at.join(name), "vmdk", out.as_ref())?;
            assert!(disk == std::fs::read(&out)?, "{kind}, {zeroed}, {name}");
            (below, parent) = (disk, image);
        }
    }
    Ok(())
}

/// The header of a monolithicSparse image of 4200 MiB by qemu-img 10.0.2, as the fact sheet has it.
const HEADER: &str = "4b444d5601000000030000000040830000000000800000000000000001000000000000001400000000000000\
    00020000150000000000000027020000000000008004000000000000000a200d0a0000";

#[test]
fn a_header_of_qemu_means_what_it_says_and_is_what_qemu_writes_today() -> Outcome {
    let digits = HEADER.as_bytes().chunks_exact(2);
    let mut bytes = [0; 512];
    for (place, pair) in bytes.iter_mut().zip(digits) {
        *place = u8::from_str_radix(std::str::from_utf8(pair)?, 16)?;
    }
    let header = SparseHeader::parse(&bytes);
    assert_eq!(header.emit(), bytes);
    assert_eq!((header.version, header.flags), (1, 3));
    assert_eq!((header.capacity, header.grain_size), (8_601_600, 128));
    assert_eq!((header.descriptor_offset, header.descriptor_size), (1, 20));
    assert_eq!((header.rgd_offset, header.gd_offset), (0x15, 0x227));
    assert_eq!(header.overhead, 0x480);
    if peers::find(Peer::QemuImg).is_none() {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let vmdk = path(folder.path(), "disk.vmdk");
    peers::qemu_img(&["create", "-f", "vmdk", &vmdk, "4200M"])?;
    let image = std::fs::read(&vmdk)?;
    assert_eq!(image.get(..512), Some(&bytes[..]));
    assert_eq!(
        image.get(0x15 * 512..0x15 * 512 + 8),
        Some(&[0x17, 0, 0, 0, 0x1b, 0, 0, 0][..])
    );
    Ok(())
}
