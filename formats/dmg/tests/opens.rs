//! Images of every variant, built by another hand, read as their recipes say.

#![allow(clippy::indexing_slicing, reason = "a wrong test should stop")]

mod reading;

use imgdelta_core::{Bytes, MemSource, ProbeResult, ProbeWindow, Result, State, VirtOffset};
use imgdelta_dmg::DRIVER;
use imgdelta_fixtures::{
    Fill, Recipe, conform,
    dmg::{Codec, DmgSpec},
};
use reading::{check, open};

const KIB: u64 = 1 << 10;

fn recipe() -> Recipe {
    Recipe::scatter(600 * KIB + 512 * 3, 32 * KIB, 7)
}

#[test]
fn every_variant_conforms() -> Result<()> {
    for codec in Codec::ALL {
        let spec = || DmgSpec::new(recipe(), codec);
        for spec in [
            spec(),
            DmgSpec {
                chunk: 1,
                ..DmgSpec::new(Recipe::scatter(20 * KIB, 1024, 3), codec)
            },
            DmgSpec {
                chunk: 2048,
                ..spec()
            },
            DmgSpec {
                splits: vec![1, 100, 640],
                ..spec()
            },
            DmgSpec {
                resource_fork: true,
                ..spec()
            },
            DmgSpec {
                prefix: 5000,
                data_offset: 300,
                ..spec()
            },
            DmgSpec {
                gaps: true,
                mixed: true,
                ..spec()
            },
            DmgSpec {
                ignores: true,
                ..spec()
            },
            DmgSpec {
                checksums: true,
                ignores: true,
                mixed: true,
                splits: vec![1, 100, 640],
                ..spec()
            },
        ] {
            let bytes = spec.build();
            conform(&open(&bytes)?, &spec.recipe, None);
            let report = check(&bytes)?;
            assert!(report.faults.is_empty(), "{report:?} {spec:?}");
        }
    }
    Ok(())
}

#[test]
fn a_check_holds_every_part_against_its_checksum() -> Result<()> {
    for (ignores, mixed) in [(false, false), (true, true)] {
        let spec = DmgSpec {
            checksums: true,
            ignores,
            mixed,
            splits: vec![640],
            ..DmgSpec::new(recipe(), Codec::Raw)
        };
        let sound = spec.build();
        assert!(check(&sound)?.faults.is_empty());
        // A byte of the disk, which is stored as it is.
        let mut changed = sound.clone();
        changed[700] ^= 1;
        let report = check(&changed)?;
        let codes: Vec<&str> = report.faults.iter().map(|fault| fault.code()).collect();
        assert_eq!(codes, ["dmg_data_fork_checksum", "dmg_table_checksum"]);
        let gaps = DmgSpec { gaps: true, ..spec };
        let report = check(&gaps.build())?;
        assert!(report.faults.is_empty(), "{report:?}");
        assert!(
            report
                .notes
                .iter()
                .any(|note| note.contains("is not checked"))
        );
    }
    Ok(())
}

#[test]
fn an_image_is_called_as_hdiutil_calls_it() -> Result<()> {
    let names = ["UDRO", "UDCO", "UDZO", "UDBZ", "ULFO"];
    for (codec, name) in Codec::ALL.into_iter().zip(names) {
        let image = open(&DmgSpec::new(recipe(), codec).build())?;
        assert_eq!(image.metadata().variant, name);
        let unit = (codec != Codec::Raw).then_some(Bytes::kib(32));
        assert_eq!(image.compressed_unit(), unit);
        let part = image
            .metadata()
            .details
            .iter()
            .find(|(name, _)| *name == "blkx");
        assert_eq!(part.map(|(_, name)| name.as_str()), Some("part 0 & all"));
    }
    Ok(())
}

#[test]
fn a_large_disk_without_chunks_is_one_run() -> Result<()> {
    let spec = DmgSpec {
        gaps: true,
        chunk: 1 << 20,
        ..DmgSpec::new(Recipe::empty(1 << 45), Codec::Zlib)
    };
    // Drawing all chunks of that disk would take long: it has none.
    let mut bytes = DmgSpec {
        recipe: Recipe::empty(0),
        ..spec
    }
    .build();
    let at = bytes.len() - 20;
    bytes[at..at + 8].copy_from_slice(&(1_u64 << 36).to_be_bytes());
    let image = open(&bytes)?;
    assert_eq!(image.metadata().size, Bytes(1 << 45));
    let extent = image.extent_at(VirtOffset(4096))?;
    assert_eq!(
        (extent.len, extent.state),
        (Bytes((1 << 45) - 4096), State::Zero)
    );
    Ok(())
}

#[test]
fn a_trailer_makes_it_an_image_and_nothing_else_does() -> Result<()> {
    let claim = |bytes: &[u8]| -> Result<ProbeResult> {
        Ok((DRIVER.probe)(&ProbeWindow::of(&MemSource(
            bytes.to_vec(),
        ))?))
    };
    let mut bytes = DmgSpec::new(Recipe::of(4096, [(0, 4096, Fill::Text)]), Codec::Zlib).build();
    assert!(matches!(claim(&bytes)?, ProbeResult::Yes));
    assert!(matches!(claim(&bytes[..bytes.len() - 1])?, ProbeResult::No));
    let trailer = bytes.len() - 512;
    bytes[trailer + 7] = 9;
    assert!(matches!(claim(&bytes)?, ProbeResult::Damaged));
    bytes[trailer] = 0;
    assert!(matches!(claim(&bytes)?, ProbeResult::No));
    bytes[..8].copy_from_slice(b"encrcdsa");
    assert!(matches!(claim(&bytes)?, ProbeResult::Yes));
    assert!(matches!(claim(b"")?, ProbeResult::No));
    Ok(())
}

#[test]
fn there_are_no_snapshots_and_no_options() {
    let bytes = DmgSpec::new(recipe(), Codec::Zlib).build();
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
