//! Images of every variant, built by another hand, read as their recipes say.

#![allow(clippy::indexing_slicing, reason = "a wrong test should stop")]

mod reading;

use imgdelta_core::{
    Bytes, Format, MemSource, ProbeResult, ProbeWindow, Result, State, VirtOffset,
};
use imgdelta_fixtures::{Fill, Recipe, conform, qcow1::Qcow1Spec, vhd::Order};
use imgdelta_qcow1::DRIVER;
use reading::{check, open};

const KIB: u64 = 1 << 10;

fn recipe() -> Recipe {
    Recipe::scatter(600 * KIB + 512 * 3, 32 * KIB, 7)
}

#[test]
fn every_variant_of_a_base_conforms() -> Result<()> {
    let spec = || Qcow1Spec::new(recipe(), 12);
    let variants = [
        spec(),
        Qcow1Spec::new(recipe(), 9),
        Qcow1Spec::new(recipe(), 16),
        Qcow1Spec {
            l2_bits: 13,
            ..spec()
        },
        Qcow1Spec {
            l2_bits: 9,
            order: Order::Descending,
            ..spec()
        },
        Qcow1Spec {
            order: Order::Shuffled(3),
            ..spec()
        },
        Qcow1Spec {
            compressed: 1,
            ..spec()
        },
        Qcow1Spec {
            compressed: 3,
            order: Order::Shuffled(4),
            ..spec()
        },
        Qcow1Spec {
            compressed: 1,
            ..Qcow1Spec::new(recipe(), 16)
        },
        Qcow1Spec {
            compressed: 2,
            ..Qcow1Spec::new(recipe(), 9)
        },
        Qcow1Spec {
            l1_at: Some(4096 + 8),
            ..spec()
        },
        Qcow1Spec {
            mtime: 77,
            ..spec()
        },
        Qcow1Spec::new(Recipe::small((100 << 10) + 77), 12),
    ];
    for spec in variants {
        let bytes = spec.build();
        conform(&open(&bytes)?, &spec.recipe, None);
        let report = check(&bytes)?;
        assert!(report.faults.is_empty(), "{report:?} {spec:?}");
    }
    Ok(())
}

#[test]
fn children_show_their_parent() -> Result<()> {
    let block = 4 * KIB;
    let under = recipe().expected(None);
    let change = Recipe::of(
        300 * block,
        [
            (0, block, Fill::Zero),
            (3 * block, 2 * block, Fill::Pattern(4)),
            (200 * block, block, Fill::Text),
        ],
    );
    for compressed in [0, 1] {
        let child = Qcow1Spec {
            compressed,
            ..Qcow1Spec::child(change.clone(), 12, "base.raw")
        };
        let image = open(&child.build())?;
        conform(&image, &change, Some(&under));
        let link = image.parent().expect("it is a child");
        assert_eq!(
            (link.format, link.hints[0].text.as_str()),
            (None, "base.raw")
        );
    }
    Ok(())
}

/// An image of 1 MiB as qemu-img 10 makes it: the header, then an L1 table of one entry, rounded up to a sector.
#[test]
fn the_vectors_of_qemu_hold() -> Result<()> {
    let mut bytes = vec![0; 560];
    bytes[..4].copy_from_slice(b"QFI\xfb");
    bytes[7] = 1;
    bytes[29] = 0x10;
    bytes[32..34].copy_from_slice(&[12, 9]);
    bytes[47] = 0x30;
    let image = open(&bytes)?;
    assert_eq!(image.metadata().size, Bytes::mib(1));
    assert_eq!(image.metadata().format, Format::Qcow1);
    assert_eq!(image.metadata().block_size, Some(Bytes::kib(4)));
    assert_eq!(image.extent_at(VirtOffset::ZERO)?.len, Bytes::mib(1));
    Ok(())
}

#[test]
fn a_large_empty_disk_is_few_runs() -> Result<()> {
    let spec = Qcow1Spec {
        l2_bits: 13,
        ..Qcow1Spec::new(Recipe::empty(1 << 44), 16)
    };
    let image = open(&spec.build())?;
    let (mut at, mut runs) = (VirtOffset::ZERO, 0);
    while at.0 < 1 << 44 {
        let extent = image.extent_at(at)?;
        assert_eq!(extent.state, State::Absent);
        at = extent.end();
        runs += 1;
    }
    assert!(runs <= 66, "{runs} runs");
    Ok(())
}

#[test]
fn a_magic_of_version_1_without_a_possible_header_is_damaged_and_that_of_another_is_not_claimed()
-> Result<()> {
    let mut bytes = Qcow1Spec::new(recipe(), 12).build();
    let claim = |bytes: &[u8]| -> Result<ProbeResult> {
        Ok((DRIVER.probe)(&ProbeWindow::of(&MemSource(
            bytes.to_vec(),
        ))?))
    };
    assert!(matches!(claim(&bytes)?, ProbeResult::Yes));
    assert!(matches!(claim(&bytes[..40])?, ProbeResult::Damaged));
    bytes[32] = 0;
    assert!(matches!(claim(&bytes)?, ProbeResult::Damaged));
    bytes[7] = 2;
    assert!(matches!(claim(&bytes)?, ProbeResult::No));
    Ok(())
}

#[test]
fn there_are_no_snapshots_and_no_options() {
    let bytes = Qcow1Spec::new(recipe(), 12).build();
    let how = |options: &[&str], snapshot: Option<&str>| imgdelta_core::Open {
        source: std::sync::Arc::new(MemSource(bytes.clone())),
        aux_files: &imgdelta_core::NoAuxFiles,
        options: imgdelta_core::Options::parse(options).expect("options"),
        snapshot: snapshot.map(str::to_owned),
    };
    let refused = |how| {
        (DRIVER.open)(how)
            .map_err(|error| error.kind().exit())
            .err()
    };
    assert_eq!(refused(how(&[], Some("old"))), Some(4));
    assert_eq!(refused(how(&["dirty=ignore"], None)), Some(2));
}
