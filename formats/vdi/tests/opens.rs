//! Images of every variant, built by another hand, read as their recipes say.

#![allow(clippy::indexing_slicing, reason = "a wrong test should stop")]

mod reading;

use imgdelta_core::{Bytes, MemSource, ProbeResult, ProbeWindow, Result, State, VirtOffset};
use imgdelta_fixtures::{
    Fill, Recipe, conform,
    vdi::{Kind, VdiSpec},
    vhd::Order,
};
use imgdelta_vdi::DRIVER;
use reading::{check, open};

const KIB: u64 = 1 << 10;

fn recipe() -> Recipe {
    Recipe::scatter(600 * KIB + 512 * 3, 32 * KIB, 7)
}

#[test]
fn every_variant_of_a_base_conforms() -> Result<()> {
    let spec = || VdiSpec::dynamic(recipe(), 64 << 10);
    let variants = [
        spec(),
        VdiSpec::fixed(recipe(), 64 << 10),
        VdiSpec {
            header_size: 0x180,
            ..spec()
        },
        VdiSpec {
            header_size: 0x1b0,
            map_offset: 1024,
            ..spec()
        },
        VdiSpec {
            map_offset: 1 << 16,
            data_offset: Some(1 << 17),
            ..spec()
        },
        VdiSpec {
            marks_zero: true,
            order: Order::Shuffled(3),
            ..spec()
        },
        VdiSpec {
            order: Order::Descending,
            extra_entries: 7,
            ..spec()
        },
        VdiSpec {
            extra: 512,
            ..spec()
        },
        VdiSpec {
            extra: 1 << 20,
            order: Order::Shuffled(8),
            ..spec()
        },
        VdiSpec {
            old: true,
            ..spec()
        },
        VdiSpec {
            block_size: 512,
            ..spec()
        },
        VdiSpec {
            block_size: 4 << 20,
            ..spec()
        },
        VdiSpec {
            comment: vec![b'c'; 256],
            ..spec()
        },
    ];
    for spec in variants {
        let bytes = spec.build();
        conform(&open(&bytes)?, &spec.recipe, None);
        assert!(check(&bytes)?.faults.is_empty(), "{spec:?}");
    }
    Ok(())
}

#[test]
fn children_show_their_parent_and_zeros_hide_it() -> Result<()> {
    let block = 64 * KIB;
    let base = VdiSpec::dynamic(recipe(), 64 << 10);
    let under = base.recipe.expected(None);
    let change = Recipe::of(
        10 * block,
        [
            (0, block, Fill::Zero),
            (3 * block, 2 * block, Fill::Pattern(4)),
        ],
    );
    for kind in [Kind::Differencing, Kind::Undo] {
        for old in [false, true] {
            let child = VdiSpec {
                kind,
                old,
                ..VdiSpec::differencing(change.clone(), 64 << 10, &base)
            };
            let image = open(&child.build())?;
            conform(&image, &change, Some(&under));
            let link = image.parent().expect("it is a child");
            let parent = open(&base.build())?;
            assert!(parent.metadata().is_called(&link.identities[0]), "{link:?}");
        }
    }
    Ok(())
}

#[test]
fn the_vectors_of_the_fact_sheet_hold() -> Result<()> {
    let spec = VdiSpec {
        data_offset: Some(0x400),
        header_size: 0x180,
        ..VdiSpec::dynamic(Recipe::of(10 << 20, [(0, 2 << 20, Fill::Text)]), 1 << 20)
    };
    let place = |spec: &VdiSpec| -> Result<State> {
        Ok(open(&spec.build())?
            .extent_at(VirtOffset((1 << 20) + 5))?
            .state)
    };
    let data = |at| State::Data {
        file: 0,
        at: imgdelta_core::FileOffset(at),
    };
    assert_eq!(place(&spec)?, data(0x10_0405));
    let extra = VdiSpec { extra: 512, ..spec };
    assert_eq!(place(&extra)?, data(0x10_0805));
    Ok(())
}

#[test]
fn a_large_empty_disk_is_one_run_after_the_other_and_few() -> Result<()> {
    let spec = VdiSpec::dynamic(Recipe::empty(1 << 40), 1 << 20);
    let image = open(&spec.build())?;
    let (mut at, mut runs) = (VirtOffset::ZERO, 0);
    while at.0 < 1 << 40 {
        let extent = image.extent_at(at)?;
        assert_eq!(extent.state, State::Absent);
        at = extent.end();
        runs += 1;
    }
    assert!(runs <= 1025, "{runs} runs");
    assert_eq!(image.metadata().block_size, Some(Bytes::mib(1)));
    Ok(())
}

#[test]
fn a_signature_without_a_known_version_is_a_damaged_vdi_and_not_raw() -> Result<()> {
    let mut bytes = VdiSpec::dynamic(recipe(), 64 << 10).build();
    let claim = |bytes: &[u8]| -> Result<ProbeResult> {
        Ok((DRIVER.probe)(&ProbeWindow::of(&MemSource(
            bytes.to_vec(),
        ))?))
    };
    assert!(matches!(claim(&bytes)?, ProbeResult::Yes));
    bytes[0x44] = 0;
    assert!(matches!(claim(&bytes)?, ProbeResult::Damaged));
    bytes[0x40] = 0;
    assert!(matches!(claim(&bytes)?, ProbeResult::No));
    Ok(())
}

#[test]
fn an_empty_disk_reads_as_empty() -> Result<()> {
    let image = open(&VdiSpec::dynamic(Recipe::empty(0), 1 << 20).build())?;
    assert_eq!(image.metadata().size, Bytes::ZERO);
    assert!(!image.metadata().notes.is_empty());
    Ok(())
}
