//! Calls that are stopped: they say what stays, nothing half made is left, and the same call goes on.

use imgdelta_core::{Error, Format, Kind, Result};
use imgdelta_deploy::calls::{Destination, Receive};

use crate::{
    place::files_below,
    world::{World, context, stopped_at},
};

fn assert_stopped(error: &Error, stays: &str) {
    assert_eq!(error.kind(), Kind::Interrupted);
    assert_eq!(error.details(), [stays]);
}

#[test]
fn a_deployment_that_is_stopped_says_what_stays_and_the_same_call_goes_on() -> Result<()> {
    let world = World::new()?;
    let (one, two) = (
        world.site("one", Format::Qcow2)?,
        world.site("two", Format::Vhd)?,
    );
    let deploy = (world.deploy())
        .to(Destination::Folder(one.folder().to_owned()))
        .to(Destination::Inventory(world.inventory(&two, "two.inv")?))
        .medium(world.place.at("stick"));
    let before = files_below(one.folder());
    for stage in ["pack", "make"] {
        let error = deploy.run(&stopped_at(stage)).expect_err("it was stopped");
        assert_stopped(
            &error,
            "what was sent by then is whole; the same command goes on",
        );
        assert_eq!(files_below(one.folder()), before, "{stage}");
    }
    assert!(deploy.run(&context())?.failure().is_none());
    assert!(world.has_new(&one)?);
    Ok(())
}

#[test]
fn a_receiving_that_is_stopped_says_what_stays_and_the_same_call_goes_on() -> Result<()> {
    let world = World::new()?;
    let site = world.site("site", Format::Vhd)?;
    let stick = world.place.at("stick");
    (world.deploy())
        .to(Destination::Inventory(site.folder().to_owned()))
        .medium(&stick)
        .run(&context())?;
    let before = files_below(site.folder());
    let receive = Receive::new(&stick, site.folder());
    for stage in ["check", "make"] {
        let error = receive.run(&stopped_at(stage)).expect_err("it was stopped");
        assert_stopped(
            &error,
            "what was entered by then is whole; the same command goes on",
        );
        assert_eq!(files_below(site.folder()), before, "{stage}");
    }
    assert!(receive.run(&context())?.failure().is_none());
    assert!(world.has_new(&site)?);
    Ok(())
}
