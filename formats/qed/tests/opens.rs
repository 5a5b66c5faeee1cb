//! Images of every variant, built by another hand, read as their recipes say.

#![allow(clippy::indexing_slicing, reason = "a wrong test should stop")]

mod reading;

use imgdelta_core::{
    Bytes, Format, MemSource, ProbeResult, ProbeWindow, Result, State, VirtOffset,
};
use imgdelta_fixtures::{Fill, Recipe, conform, qed::QedSpec, vhd::Order};
use imgdelta_qed::DRIVER;
use reading::{check, open};

const KIB: u64 = 1 << 10;

fn recipe() -> Recipe {
    Recipe::scatter(3 * 1024 * KIB + 512 * 3, 32 * KIB, 7)
}

#[test]
fn every_variant_of_a_base_conforms() -> Result<()> {
    let spec = || QedSpec::new(recipe(), 4096);
    let variants = [
        spec(),
        QedSpec {
            table: 16,
            ..spec()
        },
        QedSpec {
            header: 3,
            gap: 2,
            ..spec()
        },
        QedSpec {
            order: Order::Descending,
            ..spec()
        },
        QedSpec {
            order: Order::Shuffled(3),
            marks_zero: true,
            ..spec()
        },
        QedSpec {
            marks_zero: true,
            table: 2,
            ..QedSpec::new(recipe(), 64 << 10)
        },
        QedSpec::new(recipe(), 1 << 20),
        QedSpec {
            compat: 5,
            autoclear: 9,
            ..spec()
        },
        QedSpec::new(Recipe::empty(1 << 20), 4096),
    ];
    for spec in variants {
        let bytes = spec.build();
        conform(&open(&bytes)?, &spec.recipe, None);
        let report = check(&bytes)?;
        assert!(report.faults.is_empty(), "{report:?} {spec:?}");
        let leaked = report.counts.iter().find(|(name, _)| *name == "leaked");
        assert_eq!(leaked, Some(&("leaked", u64::from(spec.gap))));
    }
    Ok(())
}

#[test]
fn children_show_their_parent_and_zeros_hide_it() -> Result<()> {
    let block = 4 * KIB;
    let under = recipe().expected(None);
    let change = Recipe::of(
        1000 * block,
        [
            (0, block, Fill::Zero),
            (3 * block, 2 * block, Fill::Pattern(4)),
            (900 * block, block, Fill::Text),
        ],
    );
    for backing_raw in [false, true] {
        let child = QedSpec {
            backing_raw,
            ..QedSpec::child(change.clone(), 4096, "base.raw")
        };
        let image = open(&child.build())?;
        conform(&image, &change, Some(&under));
        let link = image.parent().expect("it is a child");
        let format = backing_raw.then_some(Format::Raw);
        assert_eq!(
            (link.format, link.hints[0].text.as_str()),
            (format, "base.raw")
        );
    }
    Ok(())
}

/// An image of 1 MiB as qemu-img 10 makes it: a cluster of header, four of L1 table.
#[test]
fn the_vectors_of_qemu_hold() -> Result<()> {
    let mut bytes = vec![0; 327_680];
    bytes[..4].copy_from_slice(b"QED\0");
    bytes[6] = 1;
    bytes[8] = 4;
    bytes[12] = 1;
    bytes[42] = 1;
    bytes[50] = 0x10;
    let image = open(&bytes)?;
    assert_eq!(image.metadata().size, Bytes::mib(1));
    assert_eq!(image.metadata().block_size, Some(Bytes::kib(64)));
    assert_eq!(image.extent_at(VirtOffset::ZERO)?.len, Bytes::mib(1));
    assert!(check(&bytes)?.faults.is_empty());
    Ok(())
}

#[test]
fn a_large_empty_disk_is_few_runs() -> Result<()> {
    let spec = QedSpec {
        table: 16,
        ..QedSpec::new(Recipe::empty(1 << 46), 64 << 10)
    };
    let image = open(&spec.build())?;
    let (mut at, mut runs) = (VirtOffset::ZERO, 0);
    while at.0 < 1 << 46 {
        let extent = image.extent_at(at)?;
        assert_eq!(extent.state, State::Absent);
        at = extent.end();
        runs += 1;
    }
    assert!(runs <= 64, "{runs} runs");
    Ok(())
}

#[test]
fn a_magic_without_a_possible_header_is_damaged_and_never_raw() -> Result<()> {
    let mut bytes = QedSpec::new(recipe(), 4096).build();
    let claim = |bytes: &[u8]| -> Result<ProbeResult> {
        Ok((DRIVER.probe)(&ProbeWindow::of(&MemSource(
            bytes.to_vec(),
        ))?))
    };
    assert!(matches!(claim(&bytes)?, ProbeResult::Yes));
    assert!(matches!(claim(&bytes[..40])?, ProbeResult::Damaged));
    bytes[8] = 0;
    assert!(matches!(claim(&bytes)?, ProbeResult::Damaged));
    bytes[0] = 0;
    assert!(matches!(claim(&bytes)?, ProbeResult::No));
    Ok(())
}

#[test]
fn there_are_no_snapshots_and_no_options() {
    let bytes = QedSpec::new(recipe(), 4096).build();
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
