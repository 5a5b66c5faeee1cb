//! What we write is what was asked for, as other projects and our own reader see it.

#![allow(clippy::indexing_slicing, reason = "a wrong test should stop")]

mod reading;

use std::path::Path;

use imgdelta_core::{Format, Kind, ParentSpec};
use imgdelta_fixtures::{
    Recipe,
    peers::{self, Peer},
};
use imgdelta_vdi::{DRIVER, layout::Header};
use proptest::prelude::*;
use reading::{check, open, parent_of, read_over, write};

type Outcome = Result<(), Box<dyn std::error::Error>>;

const MIB: u64 = 1 << 20;

/// Disks of sizes where something changes.
fn disks() -> Vec<Vec<u8>> {
    [512, MIB - 512, MIB, MIB + 512, 5 * MIB + 1000]
        .into_iter()
        .map(|size| Recipe::scatter(size, 100 << 10, size).expected(None))
        .collect()
}

fn put(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    std::fs::write(path, bytes)
}

#[test]
fn bases_read_back_and_qemu_and_7zip_read_them() -> Outcome {
    let has = |peer| peers::find(peer).is_some();
    let (qemu, sevenzip) = (has(Peer::QemuImg), has(Peer::SevenZip));
    let folder = tempfile::tempdir()?;
    let (image, raw) = (folder.path().join("a.vdi"), folder.path().join("a.raw"));
    for mut disk in disks() {
        for options in [&[][..], &["subformat=fixed"], &["static=on"]] {
            let bytes = write(&disk, options, None)?;
            disk.resize(disk.len().next_multiple_of(512), 0);
            assert!(read_over(&*open(&bytes)?, &[])? == disk);
            let report = check(&bytes)?;
            assert!(
                report.faults.is_empty() && report.notes.is_empty(),
                "{report:?}"
            );
            put(&image, &bytes)?;
            put(&raw, &disk)?;
            if qemu {
                peers::qemu_compare(&image, "vdi", &raw, "raw")?;
                peers::qemu_check(&image, "vdi")?;
            }
            if sevenzip {
                assert!(peers::sevenzip(&image, "vdi")? == disk, "{options:?}");
            }
        }
    }
    Ok(())
}

/// VirtualBox refuses blocks under 1 MiB; qemu and 7-Zip read those of 1 MiB only.
#[test]
fn blocks_of_other_sizes_read_back_and_virtualbox_reads_the_larger() -> Outcome {
    let folder = tempfile::tempdir()?;
    let image = folder.path().join("a.vdi");
    let disk = Recipe::scatter(9 * MIB + 512, 700 << 10, 5).expected(None);
    for size in [64 << 10, 2 * MIB, 8 * MIB, 64 * MIB] {
        let bytes = write(&disk, &[&format!("block_size={size}")], None)?;
        assert!(read_over(&*open(&bytes)?, &[])? == disk, "{size}");
        assert!(check(&bytes)?.faults.is_empty(), "{size}");
        put(&image, &bytes)?;
        if size >= MIB && peers::find(Peer::VirtualBox).is_some() {
            assert!(peers::virtualbox_raw(&image, &[])? == disk, "{size}");
        }
    }
    Ok(())
}

#[test]
fn children_read_back_and_dissect_and_virtualbox_read_them() -> Outcome {
    let has = |peer| peers::find(peer).is_some();
    let (dissect, virtualbox) = (has(Peer::Dissect), has(Peer::VirtualBox));
    let folder = tempfile::tempdir()?;
    let (base, child) = (
        folder.path().join("base.vdi"),
        folder.path().join("child.vdi"),
    );
    let below = Recipe::scatter(6 * MIB, 300 << 10, 3).expected(None);
    let mut target = below.clone();
    target[2 * MIB as usize..3 * MIB as usize].fill(0);
    target[4 * MIB as usize + 7] ^= 1;
    for options in [&[][..], &["subformat=fixed"]] {
        let base_bytes = write(&below, options, None)?;
        let parent = parent_of(&*open(&base_bytes)?);
        let bytes = write(&target, &[], Some((parent, &below)))?;
        let image = open(&bytes)?;
        assert!(read_over(&*image, &below)? == target);
        assert!(check(&bytes)?.faults.is_empty());
        put(&base, &base_bytes)?;
        put(&child, &bytes)?;
        let parents = [base.clone()];
        if dissect {
            assert!(
                peers::dissect("vdi", &child, &parents)? == target,
                "dissect"
            );
        }
        if virtualbox {
            assert!(
                peers::virtualbox_raw(&base, &[])? == below,
                "VirtualBox, base"
            );
            assert!(
                peers::virtualbox_raw(&child, &parents)? == target,
                "VirtualBox, child"
            );
        }
    }
    Ok(())
}

#[test]
fn a_relinked_child_names_the_other_base_and_nothing_else_changes() -> Outcome {
    let below = Recipe::scatter(3 * MIB, 300 << 10, 3).expected(None);
    let parent = |seed: u8| -> Result<ParentSpec, Box<dyn std::error::Error>> {
        let mut other = below.clone();
        other[0] = seed;
        Ok(parent_of(&*open(&write(&other, &[], None)?)?))
    };
    let (first, second) = (parent(1)?, parent(2)?);
    let mut target = below.clone();
    target[5] ^= 1;
    let bytes = write(&target, &[], Some((first, &below)))?;
    let relink = DRIVER.relink.ok_or("it has one")?;
    let source = std::sync::Arc::new(imgdelta_core::MemSource(bytes.clone()));
    let mut changed = bytes.clone();
    for patch in relink(&(source as _), &second)? {
        let at = patch.at.0 as usize;
        changed[at..at + patch.bytes.len()].copy_from_slice(&patch.bytes);
    }
    let link = open(&changed)?.parent().cloned().ok_or("it is a child")?;
    assert_eq!(Some(&link.identities[0]), second.identity.as_ref());
    let linkage = 72 + Header::at("uuid_linkage") as usize;
    assert!(bytes[..linkage] == changed[..linkage]);
    assert!(bytes[linkage + 32..] == changed[linkage + 32..]);
    let base = std::sync::Arc::new(imgdelta_core::MemSource(write(&below, &[], None)?));
    assert_eq!(
        relink(&(base as _), &second)
            .err()
            .map(|error| error.kind()),
        Some(Kind::Unsupported)
    );
    Ok(())
}

#[test]
fn the_same_disk_gives_the_same_bytes_and_another_other_ids() -> Outcome {
    let disk = Recipe::scatter(3 * MIB, 4096, 3).expected(None);
    let bytes = write(&disk, &[], None)?;
    assert!(bytes == write(&disk, &[], None)?);
    let mut other = disk.clone();
    other[0] ^= 1;
    let ids = |bytes: &[u8]| open(bytes).map(|image| image.metadata().identity.clone());
    assert_ne!(ids(&bytes)?, ids(&write(&other, &[], None)?)?);
    Ok(())
}

#[test]
fn what_cannot_be_is_refused() -> Outcome {
    let disk = vec![1; 4096];
    let refused = |options: &[&str]| write(&disk, options, None).err().map(|error| error.kind());
    for options in [
        &["subformat=thick"][..],
        &["static=maybe"],
        &["block_size=3M"],
        &["block_size=128M"],
        &["block_size=1K"],
        &["cluster_size=64K"],
    ] {
        assert_eq!(refused(options), Some(Kind::Usage), "{options:?}");
    }
    assert_eq!(
        write(&[], &[], None).err().map(|error| error.kind()),
        Some(Kind::Unsupported)
    );
    let parent = parent_of(&*open(&write(&disk, &[], None)?)?);
    let other = ParentSpec {
        format: Some(Format::Raw),
        ..parent.clone()
    };
    let nameless = ParentSpec {
        identity: None,
        ..parent.clone()
    };
    for parent in [other, nameless] {
        let refused = write(&disk, &[], Some((parent, &disk))).err();
        assert_eq!(refused.map(|error| error.kind()), Some(Kind::Unsupported));
    }
    for options in ["subformat=fixed", "block_size=4M"] {
        let refused = write(&disk, &[options], Some((parent.clone(), &disk))).err();
        assert_eq!(refused.map(|error| error.kind()), Some(Kind::Usage));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_is_written_reads_back(
        seed: u64,
        sectors in 1_u64..600,
        block in 12_u32..18,
        is_child: bool,
    ) {
        let size = sectors * 512;
        let below = Recipe::scatter(size, 4096, seed).expected(None);
        let target = Recipe::sectors(size, seed ^ 1).expected(Some(&below));
        let options = format!("block_size={}", 1_u64 << block);
        let read = || -> imgdelta_core::Result<Vec<u8>> {
            let parent = if is_child {
                let base = write(&below, &[&options], None)?;
                Some((parent_of(&*open(&base)?), below.as_slice()))
            } else {
                None
            };
            // Under a base there is nothing: where it is silent it is zero.
            let under = parent.as_ref().map_or(&[][..], |(_, below)| below);
            let bytes = write(&target, &[&options], parent.clone())?;
            read_over(&*open(&bytes)?, under)
        };
        prop_assert!(read().expect("it reads") == target);
    }
}
