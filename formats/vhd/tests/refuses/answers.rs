//! Every malformed image of the fixtures, cuts and flipped bytes: each has its answer.

use super::*;

/// What must happen to a malformed image, as far as one layer goes: following its parent is the registry's part.
#[test]
fn every_malformed_image_gets_its_answer() -> Tested {
    for case in vhd_cases() {
        let name = &case.name;
        let bytes = case.files[0].1.clone();
        let opened = open(bytes.clone(), &[]);
        let follows = case.files.len() > 1
            || name.starts_with("vhd-29")
            || name.starts_with("vhd-h-parent")
            || name.starts_with("vhd-h-child");
        match (case.expect, opened) {
            (Expect::Reads { note }, Ok(image)) => {
                if let Some(recipe) = &case.disk {
                    assert!(read_over(&*image, &[])? == recipe.expected(None), "{name}");
                }
                // A stamp and a size are only odd beside the parent's.
                assert_eq!(
                    !image.metadata().notes.is_empty(),
                    note && !follows,
                    "{name}: {:?}",
                    image.metadata().notes
                );
            }
            (Expect::CheckFinds { .. }, Ok(_)) => {
                assert!(!check(bytes)?.faults.is_empty(), "{name}");
            }
            (Expect::Refused { .. }, Err(error)) => {
                assert_eq!(i32::from(error.kind().exit()), case.exit, "{name}: {error}");
                let claim = (DRIVER.probe)(&ProbeWindow::of(&*memory(bytes))?);
                let is_gone = error.code() == "vhd_no_footer";
                assert_eq!(
                    matches!(claim, ProbeResult::No),
                    is_gone,
                    "{name} is not taken for raw: {error}"
                );
            }
            (Expect::Refused { .. }, Ok(image)) => {
                assert!(follows, "{name} opens");
                assert!(image.parent().is_some(), "{name}");
            }
            (expect, opened) => panic!("{name}: {expect:?}, {opened:?}"),
        }
    }
    Ok(())
}

#[test]
fn any_cut_and_any_flipped_byte_of_the_tables_is_answered() -> Tested {
    let spec = VhdSpec {
        parent: Some(Parent::named([7; 16], "base.vhd")),
        locators: vec![
            Locator::relative("base.vhd"),
            Locator::absolute("C:\\base.vhd"),
        ],
        ..child()
    };
    let whole = spec.build();
    let answer = |bytes: Vec<u8>| -> Result<()> {
        for options in [&["checksum=ignore"][..], &["size=chs"]] {
            if let Ok(image) = open(bytes.clone(), options) {
                // A flipped size may be large: what is read is what the file can hold.
                if image.metadata().size <= Bytes::mib(64) {
                    let _ = read_over(&*image, &[]);
                }
            }
        }
        let _ = check(bytes.clone());
        let _ = (DRIVER.references)(&memory(bytes.clone()));
        let _ = (DRIVER.probe)(&ProbeWindow::of(&*memory(bytes))?);
        Ok(())
    };
    for cut in (0..8192).step_by(97).chain((0..whole.len()).step_by(8191)) {
        answer(whole[..cut].to_vec())?;
    }
    let end = whole.len() - 512;
    let tables = (0..96)
        .chain(512..700)
        .chain(1088..1140)
        .chain((1536..1600).step_by(1))
        .chain(end..end + 96);
    for at in tables {
        for value in [0x00, 0x01, 0x7f, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] = value;
            answer(bytes)?;
        }
    }
    Ok(())
}

#[test]
fn a_bat_entry_past_the_disk_is_not_followed() -> Tested {
    let mut spec = start();
    spec.extra_entries = 1;
    let mut bytes = spec.build();
    bytes[BAT + 64..BAT + 68].copy_from_slice(&[0, 0, 0, 1]);
    let image = open(bytes.clone(), &[])?;
    assert!(read_over(&*image, &[])? == spec.recipe.expected(None));
    let report = check(bytes)?;
    assert!(
        report
            .notes
            .iter()
            .any(|note| note.contains("1 BAT entries past the end")),
        "{:?}",
        report.notes
    );
    Ok(())
}

#[test]
fn a_check_counts_and_tells_what_is_lost() -> Tested {
    let report = check(start().build())?;
    assert!(report.faults.is_empty());
    assert_eq!(
        report.counts,
        [
            ("blocks", 16),
            ("allocated", 3),
            ("sectors", 384),
            ("leaked", 0)
        ]
    );
    let mut lost = start().build();
    lost[BAT + 4..BAT + 8].fill(0xff);
    let report = check(lost)?;
    let leaked = 512 + BLOCK;
    assert!(
        report.counts.contains(&("leaked", leaked)),
        "{:?}",
        report.counts
    );
    assert_eq!(
        report.notes,
        [format!(
            "{leaked} bytes between structures and blocks belong to nothing"
        )]
    );
    let error = check(bat(&start(), 0, |_| 1)).expect_err("it cannot be opened");
    assert_eq!(error.kind(), Kind::Corrupt);
    Ok(())
}
