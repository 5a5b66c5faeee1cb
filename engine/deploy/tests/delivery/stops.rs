//! Runs that are stopped: nothing half made is left, and the same call finishes the job.

use std::{cell::Cell, fs};

use imgdelta_core::{Format, Kind, Result};
use imgdelta_deploy::bundle::{StoreOptions, receive};
use imgdelta_deploy::deployment::{Deploy, Destination, deploy_many};
use imgdelta_operations::Stage;
use imgdelta_repository::catalogue::Repository;

use crate::place::{Place, Windows, deploy, files_below, stored};

fn world(place: &Place) -> Result<(Repository, Repository, Windows)> {
    let hq = place.repository("hq", Format::Qcow2)?;
    let site = place.repository("site", Format::Vhd)?;
    let old = Windows::new(24, 1);
    let new = old.with(4..9, 2);
    place.add(&hq, "old", &old, Format::Raw, None)?;
    place.add(&hq, "new", &new, Format::Raw, Some("old"))?;
    place.add(&site, "old", &old, Format::Qcow2, None)?;
    Ok((hq, site, new))
}

#[test]
fn at_whatever_stage_a_receiving_is_stopped_nothing_is_left() -> Result<()> {
    let place = Place::new();
    let (hq, site, new) = world(&place)?;
    place.carry(&hq, &["new"], &[&site], "stick")?;
    place.carry_children(&hq, &["new"], &[&site], "children")?;
    let before = files_below(site.folder());
    let forms = [("stick", 1), ("children", 2)];
    let cases = forms.map(|form| [(form, false), (form, true)]);
    for ((stick, files), as_child) in cases.into_iter().flatten() {
        let manner = StoreOptions {
            as_child,
            ..StoreOptions::default()
        };
        let mut stages = 0;
        loop {
            let stopped = Place::new();
            let passed = Cell::new(0);
            let told = |_: Stage<'_>| {
                if passed.get() == stages {
                    stopped.progress.stop();
                }
                passed.set(passed.get() + 1);
            };
            let outcome = receive(&place.at(stick), &site, &manner, &stopped.telling(&told));
            if passed.get() <= stages {
                assert!(outcome?.failure().is_none());
                break;
            }
            let error = outcome.expect_err("it was stopped");
            assert_eq!(error.kind(), Kind::Interrupted, "stage {stages}");
            assert_eq!(files_below(site.folder()), before, "stage {stages}");
            stages += 1;
        }
        // Each file, the image; of a child the base before it.
        assert_eq!(stages, files + 1 + i32::from(as_child), "{stick}");
        assert_eq!(stored(&site, "new")?, new.bytes());
        site.remove("new", &place.run())?;
        assert_eq!(files_below(site.folder()), before);
    }
    Ok(())
}

#[test]
fn a_packing_that_is_stopped_leaves_a_stick_that_is_whole() -> Result<()> {
    let place = Place::new();
    let (hq, site, new) = world(&place)?;
    let stopped = Place::new();
    let told = |_: Stage<'_>| stopped.progress.stop();
    let all = Deploy {
        bundle: Some(place.at("stick")),
        sites: vec![Destination::Carried(site.inventory()?)],
        ..deploy(&hq, &["new"])
    };
    let error = deploy_many(&all, &stopped.telling(&told)).expect_err("it was stopped");
    assert_eq!(error.kind(), Kind::Interrupted);
    assert!(files_below(&place.at("stick")).is_empty());
    deploy_many(&all, &place.context())?;
    place.receive("stick", &site)?;
    assert_eq!(stored(&site, "new")?, new.bytes());
    Ok(())
}

#[test]
fn a_deployment_by_path_that_is_stopped_leaves_nothing_on_the_way() -> Result<()> {
    let place = Place::new();
    let (hq, site, new) = world(&place)?;
    let before = files_below(site.folder());
    // A base is proven apart from the image only where that is kept as its child.
    let all = Deploy {
        sites: vec![Destination::Folder(site.folder().to_owned())],
        store: StoreOptions {
            as_child: true,
            ..StoreOptions::default()
        },
        ..deploy(&hq, &["new"])
    };
    let is_stage: [fn(Stage<'_>) -> bool; 3] = [
        |stage| matches!(stage, Stage::Pack(_)),
        |stage| matches!(stage, Stage::ProveBase(_)),
        |stage| matches!(stage, Stage::Install(_)),
    ];
    for is_stage in is_stage {
        let stopped = Place::new();
        let told = |stage: Stage<'_>| {
            if is_stage(stage) {
                stopped.progress.stop();
            }
        };
        let error = deploy_many(&all, &stopped.telling(&told)).expect_err("it was stopped");
        assert_eq!(error.kind(), Kind::Interrupted);
        assert_eq!(files_below(site.folder()), before);
        let left = fs::read_dir(site.incoming()).expect("it is there").count();
        assert_eq!(left, 0);
    }
    assert!(deploy_many(&all, &place.context())?.failure().is_none());
    assert_eq!(stored(&site, "new")?, new.bytes());
    Ok(())
}
