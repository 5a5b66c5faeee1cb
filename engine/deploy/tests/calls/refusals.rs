//! Calls that make no sense are refused before anything is sent.

use imgdelta_core::{Format, Kind, Result};
use imgdelta_deploy::calls::{Deploy, Destination, Plan, Receive};

use crate::world::{World, context};

#[test]
fn calls_that_make_no_sense_are_refused() -> Result<()> {
    let world = World::new()?;
    let site = world.site("site", Format::Qcow2)?;
    let there = Destination::Folder(site.folder().to_owned());
    let carried = Destination::Inventory(site.folder().to_owned());
    let nowhere = world.place.at("nowhere");
    for (deploy, code) in [
        (world.deploy().to(there.clone()).to(there.clone()), None),
        // One way or the other: it is one site.
        (world.deploy().to(there.clone()).to(carried.clone()), None),
        (world.deploy().to(carried), Some("no_delivery")),
        (
            Deploy::new(&nowhere, ["new"]).to(there.clone()),
            Some("no_repository"),
        ),
        (
            Deploy::new(world.hq.folder(), ["newer"]).to(there.clone()),
            None,
        ),
    ] {
        let error = deploy.run(&context()).expect_err("it makes no sense");
        assert_eq!(error.kind(), Kind::Usage, "{error}");
        if let Some(code) = code {
            assert_eq!(error.code(), code);
        }
        assert_eq!(site.list()?.records().len(), 1);
    }
    let twice = Plan::new(world.hq.folder(), ["new"])
        .site(there.clone())
        .site(there);
    let error = twice.run(&context()).expect_err("it is given twice");
    assert_eq!(error.message(), "is given twice as a site");
    let error = Receive::new(&nowhere, site.folder())
        .run(&context())
        .expect_err("there is no delivery");
    assert_eq!(error.kind(), Kind::Usage, "{error}");
    Ok(())
}
