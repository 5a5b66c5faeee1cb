//! Folders of a site that is reached by a path are swapped for links while images are packed into it: nothing outside is written, made or deleted.

use std::{cell::Cell, fs};

use imgdelta_core::{Format, Kind, Result};
use imgdelta_deploy::{
    bundle::StoreOptions,
    deployment::{Deploy, Destination, deploy_many},
};
use imgdelta_operations::Stage;

use crate::{
    outside::{Outside, SWAPPED},
    place::{Place, Windows, assert_sound, deploy, stored},
};

/// A deployment of two images, the second from the first, and the folder swapped when so many stages have begun; how many there were.
fn swapped_at(stage: usize, swapped: &str, as_child: bool) -> Result<usize> {
    let when = format!("{swapped} at stage {stage}");
    let place = Place::new();
    let hq = place.repository("hq", Format::Qcow2)?;
    let site = place.repository("site", Format::Vhd)?;
    let old = Windows::new(16, 1);
    let new = old.with(4..6, 2);
    let newer = new.with(8..9, 3);
    place.add(&hq, "old", &old, Format::Raw, None)?;
    place.add(&hq, "new", &new, Format::Raw, Some("old"))?;
    place.add(&hq, "newer", &newer, Format::Raw, Some("new"))?;
    place.add(&site, "old", &old, Format::Qcow2, None)?;
    // It is the first one there.
    let delivery = format!("by-path-{}-0", std::process::id());
    let outside = Outside::new(place.at("outside"), delivery, &[]);
    let passed = Cell::new(0);
    let told = |_: Stage<'_>| {
        if passed.get() == stage {
            outside.swap(site.folder(), swapped, &place.at("moved"));
        }
        passed.set(passed.get() + 1);
    };
    let all = Deploy {
        sites: vec![Destination::Folder(site.folder().to_owned())],
        store: StoreOptions {
            as_child,
            ..StoreOptions::default()
        },
        ..deploy(&hq, &["new", "newer"])
    };
    let deployed = deploy_many(&all, &place.telling(&told))?;
    outside.assert_untouched(&when);
    if swapped == ".imgdelta/incoming"
        && let Some(error) = deployed.failure()
    {
        // The repository changes nothing while one of its own folders is a link.
        let found = (error.kind(), error.code());
        assert_eq!(found, (Kind::Reference, "outside"), "{when}: {error}");
        return Ok(passed.get());
    }
    assert!(deployed.failure().is_none(), "{when}: {deployed:?}");
    assert_eq!(stored(&site, "new")?, new.bytes(), "{when}");
    assert_eq!(stored(&site, "newer")?, newer.bytes(), "{when}");
    if passed.get() > stage {
        let inner = match swapped {
            ".imgdelta" => "moved/incoming",
            _ => "moved",
        };
        let mut left = fs::read_dir(place.at(inner)).expect("there").flatten();
        assert!(left.next().is_none(), "{when}: it was taken away");
    }
    assert_sound(&site, &place)?;
    Ok(passed.get())
}

#[test]
fn a_folder_that_is_swapped_while_images_are_packed_leads_nothing_outside() -> Result<()> {
    for (swapped, as_child) in SWAPPED.into_iter().zip([false, false, true]) {
        let mut stage = 0;
        while swapped_at(stage, swapped, as_child)? > stage {
            stage += 1;
        }
        assert!(stage >= 4, "each image: packed, installed: {stage}");
    }
    Ok(())
}
