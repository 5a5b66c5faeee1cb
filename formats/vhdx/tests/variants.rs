//! Images of every variant, drawn by a hand that knows nothing of this crate: read as their recipes say, malformed ones answered as their
//! class wants, and mended without a change of the disk.

#![allow(clippy::indexing_slicing, reason = "a wrong test should stop")]

mod reading;

use std::sync::Arc;

use imgdelta_core::{Bytes, CheckReport, FileOffset, Result};
use imgdelta_fixtures::{
    broken::{Case, Expect, vhdx_cases},
    conform, read_over,
    vhdx::{Copies, Headers, LogSpec, Part, VhdxSpec, variants},
};
use imgdelta_vhdx::DRIVER;
use reading::{Tested, check, how, memory, open};

#[test]
fn every_image_that_stands_alone_reads_as_it_was_drawn() -> Tested {
    for (name, spec) in variants::alone().into_iter().chain(variants::dirty()) {
        let image = open(spec.build()).map_err(|error| format!("{name}: {error}"))?;
        conform(&image, &spec.recipe, None);
        let found = read_over(&*image, &[])?;
        assert!(found == spec.recipe.expected(None), "{name}");
    }
    Ok(())
}

#[test]
fn every_child_shows_its_parent_where_it_is_silent() -> Tested {
    for (name, child, base) in variants::children() {
        let below = base.recipe.expected(None);
        let image = open(child.build()).map_err(|error| format!("{name}: {error}"))?;
        conform(&image, &child.recipe, Some(&below));
        let found = read_over(&*image, &below)?;
        assert!(found == child.recipe.expected(Some(&below)), "{name}");
    }
    let (files, shown) = variants::chain();
    let mut disk = Vec::new();
    for (_, spec) in files.iter().rev() {
        disk = read_over(&*open(spec.build())?, &disk)?;
    }
    assert!(disk == shown, "the chain");
    Ok(())
}

/// Whether the answer is the registry's.
fn is_of_a_chain(case: &Case) -> bool {
    case.files.len() > 1
}

/// Opens the case's image and reads all of it; what it noted.
fn read(case: &Case) -> Result<Vec<String>> {
    let image = open(case.files[0].1.clone())?;
    if image.metadata().size > Bytes::mib(64) {
        return Ok(image.metadata().notes.clone());
    }
    let found = read_over(&*image, &[])?;
    if let (Some(disk), None) = (&case.disk, image.parent()) {
        assert!(found == disk.expected(None), "{}: wrong bytes", case.name);
    }
    Ok(image.metadata().notes.clone())
}

#[test]
fn every_malformed_image_gets_its_answer() {
    let mut wrong = Vec::new();
    for case in vhdx_cases().iter().filter(|case| !is_of_a_chain(case)) {
        let found = read(case);
        let exit = found
            .as_ref()
            .map_or_else(|error| i32::from(error.kind().exit()), |_| 0);
        let right = match case.expect {
            Expect::Reads { note } => found.as_ref().is_ok_and(|notes| !note || !notes.is_empty()),
            // Where its parent may be, and what it is like, is not asked here.
            Expect::Refused { .. } => exit == case.exit || matches!(case.exit, 5 | 7) && exit == 0,
            Expect::CheckFinds { .. } => exit == 0,
        };
        if !right {
            wrong.push(format!("{}: {:?}, found {found:?}", case.name, case.expect));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The image once it is mended, and what was done; `None` if it does not open.
fn mended(bytes: &[u8]) -> Result<Option<(Vec<u8>, Vec<String>)>> {
    let source = memory(bytes.to_vec());
    let repair = DRIVER.repair.map(|repair| repair(how(source, &[])?));
    let Some(Ok(repair)) = repair else {
        return Ok(None);
    };
    let mut out = vec![0; repair.len.in_memory()];
    let len = repair.source.len().in_memory().min(out.len());
    repair.source.read_at(FileOffset::ZERO, &mut out[..len])?;
    for patch in &repair.patches {
        let at = patch.at.0 as usize;
        out[at..at + patch.bytes.len()].copy_from_slice(&patch.bytes);
    }
    Ok(Some((out, repair.done)))
}

/// How many of the faults of `report` no repair takes away: the path to a parent is nowhere in the file.
fn lasting(report: &CheckReport) -> usize {
    let faults = report.faults.iter();
    faults
        .filter(|fault| fault.code() != "vhdx_no_path")
        .count()
}

#[test]
fn whatever_opens_is_mended_and_its_disk_stays_the_same() -> Tested {
    let drawn = variants::alone().into_iter().chain(variants::dirty());
    let drawn = drawn.map(|(name, spec)| (name.to_owned(), spec.build()));
    let broken = vhdx_cases().into_iter();
    let broken = broken.map(|case| (case.name, case.files.into_iter().next()));
    let broken = broken.filter_map(|(name, file)| Some((name, file?.1)));
    let mut count = 0;
    for (name, bytes) in drawn.chain(broken) {
        let Some((after, done)) = mended(&bytes)? else {
            let refused = open(bytes).is_err();
            assert!(refused || name.contains("sequence"), "{name}: it opens");
            continue;
        };
        count += 1;
        if done.is_empty() {
            assert!(after == bytes, "{name}: nothing was to be done");
        }
        let new = open(after.clone())?;
        match open(bytes) {
            Ok(old) => {
                assert_eq!(old.metadata().identity, new.metadata().identity, "{name}");
                if old.metadata().size <= Bytes::mib(64) {
                    assert!(
                        read_over(&*old, &[])? == read_over(&*new, &[])?,
                        "{name}: another disk"
                    );
                }
            }
            // Room that a block without data may not keep is given up.
            Err(error) => assert!(error.code().starts_with("vhdx_room"), "{name}: {error}"),
        }
        let report = check(after.clone())?;
        assert_eq!(lasting(&report), 0, "{name}: {report:?}");
        let again = mended(&after)?.ok_or("it opens")?;
        assert!(again.1.is_empty(), "{name}: {:?}", again.1);
    }
    assert!(count > 100, "{count} were mended");
    Ok(())
}

#[test]
fn all_that_can_be_mended_is_told() -> Tested {
    let (_, base) = variants::alone().swap_remove(0);
    let spec = VhdxSpec {
        headers: Headers::OnlyFirst,
        region_tables: Copies::OnlySecond,
        log: Some(LogSpec::of(&[Part::Bat])),
        ..base
    };
    let mut bytes = spec.build();
    bytes.extend([0; 4096]);
    let (after, done) = mended(&bytes)?.ok_or("it opens")?;
    let told = done.join("\n");
    for what in [
        "the log was replayed into the file",
        "region table 1 was written anew",
        "a multiple of 1 MiB",
        "both headers were written anew",
    ] {
        assert!(told.contains(what), "{told}");
    }
    let image = open(after)?;
    assert!(
        image.metadata().notes.is_empty(),
        "{:?}",
        image.metadata().notes
    );
    let source = Arc::clone(&image.metadata().files[0]);
    assert_eq!(source.len().0 % (1 << 20), 0);
    Ok(())
}
