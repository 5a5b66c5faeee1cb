//! Several images to several sites: steps that nobody wants, and sites that fail.

use std::fs;

use imgdelta_core::{Format, Kind, Result};
use imgdelta_deploy::bundle::Outcome;
use imgdelta_deploy::deployment::{Deploy, Destination, deploy_many};

use crate::place::{Place, Windows, assert_sound, deploy, names, rot, stored};

#[test]
fn an_image_that_only_serves_as_a_step_is_carried_but_not_entered() -> Result<()> {
    let place = Place::new();
    let hq = place.repository("hq", Format::Qcow2)?;
    let site = place.repository("site", Format::Vhd)?;
    let a = Windows::new(48, 1);
    let d = a.with(0..20, 2);
    let (e, f) = (d.with(24..26, 3), d.with(28..30, 4));
    place.add(&hq, "A", &a, Format::Raw, None)?;
    place.add(&hq, "D", &d, Format::Vmdk, Some("A"))?;
    place.add(&hq, "E", &e, Format::Raw, Some("D"))?;
    place.add(&hq, "F", &f, Format::Vhdx, Some("D"))?;
    place.add(&site, "A", &a, Format::Qcow2, None)?;

    let deployed = place.carry(&hq, &["E", "F"], &[&site], "stick")?;
    assert!(deployed.failure().is_none(), "{deployed:?}");
    let route = deployed.sites[0].route.as_ref().expect("it was worked out");
    assert!(route.bytes() < route.naive);
    let index = place.index("stick")?;
    assert_eq!(index.items.len(), 3);
    let steps: Vec<&str> = (index.items.iter())
        .filter(|item| item.sites[0].step)
        .map(|item| item.name.as_str())
        .collect();
    assert_eq!(steps, ["D"]);

    let received = place.receive("stick", &site)?;
    assert!(received.failure().is_none(), "{received:?}");
    assert!(matches!(received.images[0].outcome, Outcome::Step));
    assert_eq!(names(&site)?, ["A", "E", "F"]);
    assert_eq!(stored(&site, "E")?, e.bytes());
    assert_eq!(stored(&site, "F")?, f.bytes());
    assert_sound(&site, &place)?;

    // Now somebody wants it, and it is entered; what is there is left alone.
    place.carry(&hq, &["D"], &[&site], "stick")?;
    let received = place.receive("stick", &site)?;
    assert!(received.failure().is_none(), "{received:?}");
    assert_eq!(names(&site)?, ["A", "D", "E", "F"]);
    assert_eq!(stored(&site, "D")?, d.bytes());
    Ok(())
}

#[test]
fn a_site_that_fails_does_not_stop_the_others() -> Result<()> {
    let place = Place::new();
    let hq = place.repository("hq", Format::Qcow2)?;
    let old = Windows::new(24, 1);
    let new = old.with(3..5, 2);
    place.add(&hq, "old", &old, Format::Raw, None)?;
    place.add(&hq, "new", &new, Format::Raw, Some("old"))?;
    let good = place.repository("good", Format::Raw)?;
    let changed = place.repository("changed", Format::Raw)?;
    let carried = place.repository("carried", Format::Raw)?;
    for site in [&good, &changed, &carried] {
        place.add(site, "old", &old, Format::Raw, None)?;
    }
    // Its base is not any more what it was when it was entered: the whole image does.
    let mut bytes = old.bytes();
    bytes[70_000] ^= 1;
    rot(&place.at("changed/old.raw"), &bytes);

    let folder = |site: &str| Destination::Folder(place.at(site));
    let all = Deploy {
        bundle: Some(place.at("stick")),
        sites: vec![
            folder("nowhere"),
            folder("changed"),
            Destination::Carried(carried.inventory()?),
            folder("good"),
        ],
        ..deploy(&hq, &["new"])
    };
    let deployed = deploy_many(&all, &place.context())?;
    let kinds: Vec<Option<Kind>> = (deployed.sites.iter())
        .map(|site| site.failure().map(imgdelta_core::Error::kind))
        .collect();
    assert_eq!(kinds, [Some(Kind::Usage), None, None, None]);
    assert_eq!(
        deployed.failure().map(|error| error.code()),
        Some("no_repository")
    );
    // What is no base any more is not promised as one: the image comes whole.
    assert_eq!(names(&changed)?, ["new", "old"]);
    assert_eq!(stored(&changed, "new")?, new.bytes());
    assert_eq!(
        fs::read_dir(changed.incoming())
            .expect("it is there")
            .count(),
        0
    );
    assert_eq!(stored(&good, "new")?, new.bytes());
    place.receive("stick", &carried)?;
    assert_eq!(stored(&carried, "new")?, new.bytes());
    Ok(())
}

#[test]
fn what_headquarters_does_not_have_is_said_before_anything_is_written() -> Result<()> {
    let place = Place::new();
    let hq = place.repository("hq", Format::Qcow2)?;
    let site = place.repository("site", Format::Raw)?;
    let error = place
        .carry(&hq, &["nothing"], &[&site], "stick")
        .expect_err("there is no such image");
    assert_eq!(error.kind(), Kind::Usage);
    assert!(!place.at("stick").exists());
    place.add(&hq, "old", &Windows::new(4, 1), Format::Raw, None)?;
    let nowhere = Deploy {
        sites: vec![Destination::Carried(site.inventory()?)],
        ..deploy(&hq, &["old"])
    };
    let error = deploy_many(&nowhere, &place.context()).expect_err("there is no folder");
    assert_eq!(error.kind(), Kind::Usage);
    Ok(())
}
