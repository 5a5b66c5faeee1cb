//! Sites that are known by their inventories, and the medium that is carried to them.

use std::fs;

use imgdelta_core::{Format, Kind, Result};
use imgdelta_deploy::calls::{Destination, DropImages, ImageOutcome, Receive};

use crate::{
    place::{assert_sound, files_below, names},
    world::{World, context},
};

#[test]
fn a_medium_holds_each_difference_once_and_each_site_takes_it() -> Result<()> {
    let world = World::new()?;
    let (one, two) = (
        world.site("one", Format::Vhd)?,
        world.site("two", Format::Vdi)?,
    );
    let inventory = world.inventory(&one, "one.inv")?;
    let stick = world.place.at("stick");
    let report = (world.deploy())
        .to(Destination::Inventory(inventory))
        .to(Destination::Inventory(two.folder().to_owned()))
        .medium(&stick)
        .run(&context())?;
    assert!(report.failure().is_none());
    assert_eq!(report.delivery, Some(stick.display().to_string()));
    let [first, second] = &report.sites[..] else {
        panic!("{report:?}")
    };
    assert_eq!(first.sent[0].file, second.sent[0].file);
    assert_eq!(report.bytes, first.bytes, "the file is shared");
    assert!(first.images.is_none() && second.images.is_none());
    assert_eq!(names(&two)?, ["old"], "only the medium was written");

    for site in [&one, &two] {
        let before = files_below(site.folder());
        let receive = Receive::new(&stick, site.folder());
        let foreseen = receive.clone().dry_run(true).run(&context())?;
        assert!(foreseen.dry_run && foreseen.failure().is_none());
        assert_eq!(foreseen.images[0].fate, ImageOutcome::Due);
        assert_eq!(files_below(site.folder()), before);

        let received = receive.run(&context())?;
        assert_eq!(received.images[0].fate, ImageOutcome::Entered);
        assert!(world.has_new(site)?);
        assert_sound(site, &world.place)?;
        let again = receive.run(&context())?;
        assert_eq!(again.images[0].fate, ImageOutcome::There);
    }
    Ok(())
}

#[test]
fn a_folder_and_a_medium_are_served_by_one_call_and_counted_apart() -> Result<()> {
    let world = World::new()?;
    let (near, far) = (
        world.site("near", Format::Qcow2)?,
        world.site("far", Format::Qcow2)?,
    );
    let report = (world.deploy())
        .to(Destination::Folder(near.folder().to_owned()))
        .to(Destination::Inventory(world.inventory(&far, "far.inv")?))
        .medium(world.place.at("stick"))
        .run(&context())?;
    let [first, second] = &report.sites[..] else {
        panic!("{report:?}")
    };
    assert!(first.site.ends_with("near") && first.images.is_some());
    assert!(second.site.ends_with("far.inv") && second.images.is_none());
    assert_eq!(report.bytes, first.bytes + second.bytes);
    assert!(world.has_new(&near)?);
    Receive::new(world.place.at("stick"), far.folder()).run(&context())?;
    assert!(world.has_new(&far)?);
    Ok(())
}

#[test]
fn a_site_without_the_base_takes_nothing() -> Result<()> {
    let world = World::new()?;
    let site = world.site("site", Format::Qcow2)?;
    let stranger = world.place.repository("stranger", Format::Qcow2)?;
    let stick = world.place.at("stick");
    (world.deploy())
        .to(Destination::Inventory(site.folder().to_owned()))
        .medium(&stick)
        .run(&context())?;
    let before = files_below(stranger.folder());
    let error = Receive::new(&stick, stranger.folder())
        .run(&context())
        .expect_err("it has no base");
    assert_eq!((error.kind(), error.code()), (Kind::Chain, "no_base"));
    assert_eq!(files_below(stranger.folder()), before);
    Ok(())
}

/// A stick that was pulled out after its list was written holds files that nothing lists.
#[test]
fn files_that_nothing_lists_are_swept_by_the_next_run_and_all_others_stay() -> Result<()> {
    let world = World::new()?;
    let site = world.site("site", Format::Qcow2)?;
    let stick = world.place.at("stick");
    let deploy = (world.deploy())
        .to(Destination::Inventory(world.inventory(&site, "site.inv")?))
        .medium(&stick);
    let report = deploy.run(&context())?;
    assert!(report.notes.is_empty(), "{:?}", report.notes);
    let file = report.sites[0].sent[0].file.clone().expect("a file");
    let rest = file.strip_prefix("new").expect("called as the image");
    // The user's own files, and what only looks similar.
    for own in ["photo.jpg", "disk.qcow2", &format!("{file}.bak")] {
        fs::write(stick.join(own), own).expect("room");
    }
    fs::create_dir(stick.join(format!("folder{rest}"))).expect("room");
    let before = files_below(&stick);
    let leave = || {
        for left in [format!("gone{rest}"), format!("gone{rest}.manifest.json")] {
            fs::write(stick.join(left), "left").expect("room");
        }
    };

    leave();
    let again = deploy.run(&context())?;
    assert_eq!(again.notes.len(), 2, "{:?}", again.notes);
    assert!(
        again
            .notes
            .iter()
            .all(|note| note.contains("nothing lists it; deleted"))
    );
    assert!(!again.sites[0].sent[0].is_new);
    assert_eq!(files_below(&stick), before);
    assert!(stick.join(format!("folder{rest}")).is_dir());

    leave();
    let dry = DropImages::new(&stick, ["new"])
        .dry_run(true)
        .run(&context())?;
    assert!(dry.notes.is_empty());
    assert_eq!(
        files_below(&stick).len(),
        before.len() + 2,
        "a dry run deletes nothing"
    );
    let dropped = DropImages::new(&stick, ["new"]).run(&context())?;
    assert_eq!(dropped.notes.len(), 2, "{:?}", dropped.notes);
    let left: Vec<String> = files_below(&stick)
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert!(
        left.iter()
            .all(|name| !name.starts_with("gone") && *name != file),
        "{left:?}"
    );

    // Where no list says that it is a delivery, nothing is touched.
    fs::remove_file(stick.join("delivery.json")).expect("it is there");
    leave();
    deploy.run(&context())?;
    assert!(stick.join(format!("gone{rest}")).exists());
    Ok(())
}
