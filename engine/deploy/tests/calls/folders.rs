//! Sites whose folders can be reached.

use std::sync::{Arc, Mutex};

use imgdelta_core::{Format, Kind, Result};
use imgdelta_deploy::calls::{Destination, ImageOutcome};

use crate::{
    place::{assert_sound, files_below},
    world::{World, context, noting},
};

#[test]
fn what_differs_goes_to_a_folder_and_a_second_time_nothing_does() -> Result<()> {
    let world = World::new()?;
    let site = world.site("site", Format::Vhdx)?;
    let deploy = (world.deploy()).to(Destination::Folder(site.folder().to_owned()));

    let report = deploy.run(&context())?;
    assert!(report.failure().is_none() && report.delivery.is_none());
    let at_site = &report.sites[0];
    assert_eq!(at_site.sent.len(), 1);
    assert_eq!(
        at_site.sent[0].base.as_ref().map(|base| base.name.as_str()),
        Some("old")
    );
    assert!(
        report.bytes == at_site.bytes && report.bytes < 300_000,
        "two windows of 64 KiB travel: {}",
        report.bytes
    );
    let there = at_site.images.as_ref().expect("it was reached");
    assert_eq!(there[0].fate, ImageOutcome::Entered);
    assert_eq!(
        there[0].image.as_ref().map(|image| image.format),
        Some("vhdx")
    );
    assert!(world.has_new(&site)?);
    assert_sound(&site, &world.place)?;

    let before = files_below(site.folder());
    let again = deploy.run(&context())?;
    assert_eq!(again.bytes, 0);
    assert!(again.sites[0].sent.is_empty() && again.sites[0].images.is_none());
    assert_eq!(again.sites[0].there[0].image.name, "new");
    assert_eq!(files_below(site.folder()), before);
    Ok(())
}

#[test]
fn a_folder_keeps_the_image_in_the_form_that_was_asked_for() -> Result<()> {
    let world = World::new()?;
    let (child, other) = (
        world.site("child", Format::Vmdk)?,
        world.site("other", Format::Vmdk)?,
    );
    let stages = Arc::new(Mutex::new(Vec::new()));
    let report = (world.deploy())
        .to(Destination::Folder(child.folder().to_owned()))
        .as_child(true)
        .run(&noting(&stages))?;
    let there = report.sites[0].images.as_ref().expect("it was reached");
    assert_eq!(there[0].as_child, Some(true));
    assert!(world.has_new(&child)?);
    let told = stages.lock().expect("nobody panicked").clone();
    let is_stage = |word: &str| told.iter().any(|line| line.starts_with(word));
    assert!(
        is_stage("pack new") && is_stage("prove old") && is_stage("make new"),
        "{told:?}"
    );

    (world.deploy())
        .to(Destination::Folder(other.folder().to_owned()))
        .format(Some(Format::Vdi))
        .run(&context())?;
    assert_eq!(other.show("new")?.format, Format::Vdi);
    assert!(world.has_new(&other)?);
    Ok(())
}

#[test]
fn a_site_that_fails_stands_in_the_report_and_the_others_are_served() -> Result<()> {
    let world = World::new()?;
    let site = world.site("site", Format::Qcow2)?;
    let nowhere = world.place.at("nowhere");
    let report = (world.deploy())
        .to(Destination::Folder(nowhere.clone()))
        .to(Destination::Inventory(world.place.at("none.inv")))
        .to(Destination::Folder(site.folder().to_owned()))
        .medium(world.place.at("stick"))
        .run(&context())?;
    let failed: Vec<_> = (report.sites.iter())
        .map(|site| site.failure().map(|failed| failed.exit))
        .collect();
    assert_eq!(
        failed,
        [Some(Kind::Usage.exit()), Some(Kind::Host.exit()), None]
    );
    assert_eq!(report.sites[0].site, nowhere.display().to_string());
    assert_eq!(
        report.failure().map(|failed| failed.code.as_str()),
        Some("no_repository")
    );
    assert!(world.has_new(&site)?);

    // Of the only site, it is the whole result.
    let alone = world.deploy().to(Destination::Folder(nowhere));
    let error = alone.run(&context()).expect_err("nothing is there");
    assert_eq!((error.kind(), error.code()), (Kind::Usage, "no_repository"));
    Ok(())
}
