//! Plans, and the dry run of a deployment: sites are asked, and nothing is changed.

use imgdelta_core::{Bytes, Format, Result};
use imgdelta_deploy::calls::{Destination, Plan};

use crate::{
    place::files_below,
    world::{World, context},
};

#[test]
fn a_dry_run_says_what_would_be_sent_and_changes_nothing() -> Result<()> {
    let world = World::new()?;
    let site = world.site("site", Format::Vhd)?;
    let stick = world.place.at("stick");
    let all = world.place.at("");
    let reached = (world.deploy()).to(Destination::Folder(site.folder().to_owned()));
    let carried = (world.deploy())
        .to(Destination::Inventory(site.folder().to_owned()))
        .medium(&stick);
    let before = files_below(&all);
    for (deploy, carrier) in [(&reached, "lines"), (&carried, "medium")] {
        let plan = deploy.plan().run(&context())?;
        assert_eq!(plan.carrier, carrier);
        let transfer = &plan.sites[0].legs[0];
        assert_eq!(
            (transfer.image.name.as_str(), transfer.from),
            ("new", "there")
        );
        let base = transfer.base.as_ref().expect("it is a difference");
        assert_eq!(base.image.name, "old");
        assert_eq!(plan.bytes, 2 * 65536, "two windows, before compression");
        assert_eq!(files_below(&all), before);
    }
    assert!(!stick.exists());
    reached.run(&context())?;
    let plan = reached.plan().run(&context())?;
    assert_eq!((plan.bytes, plan.sites[0].there.len()), (0, 1));
    Ok(())
}

#[test]
fn a_plan_says_how_long_it_takes_and_whether_a_medium_holds_it() -> Result<()> {
    let world = World::new()?;
    let site = world.site("site", Format::Vhd)?;
    let plan = Plan::new(world.hq.folder(), ["new"])
        .site(Destination::known_by(site.folder())?)
        .rate(Some(Bytes(65536)));
    let report = plan.run(&context())?;
    assert_eq!((report.carrier, report.seconds), ("lines", Some(2)));
    assert!(report.media.is_none());
    let report = plan.clone().media(Some(Bytes(65536))).run(&context())?;
    assert_eq!(report.carrier, "medium");
    assert!(!report.media.expect("it was given").fits);
    let report = plan.media(Some(Bytes(1 << 30))).run(&context())?;
    assert!(report.media.expect("it was given").fits);
    Ok(())
}

#[test]
fn a_dry_run_fails_where_the_deployment_would() -> Result<()> {
    let world = World::new()?;
    let site = world.site("site", Format::Vhd)?;
    // An inventory is no folder that images could be entered in.
    let inventory = world.inventory(&site, "site.inv")?;
    for wrong in [inventory, world.place.at("nowhere")] {
        let deploy = world.deploy().to(Destination::Folder(wrong));
        let foreseen = deploy.plan().run(&context()).expect_err("no repository");
        let error = deploy.run(&context()).expect_err("no repository");
        assert_eq!(
            (foreseen.kind(), foreseen.code()),
            (error.kind(), error.code())
        );
    }
    Ok(())
}

#[test]
fn a_plan_for_the_sending_repository_says_so() -> Result<()> {
    let world = World::new()?;
    let report = Plan::new(world.hq.folder(), ["new"])
        .site(Destination::Folder(world.hq.folder().to_owned()))
        .run(&context())?;
    let [note] = &report.notes[..] else {
        panic!("{:?}", report.notes)
    };
    assert!(note.ends_with("is the sending repository itself"), "{note}");
    Ok(())
}
