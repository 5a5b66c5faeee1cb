//! The patent's own example. Headquarters holds a tree with the root A, B and C on other branches, D below A, E and F children of D, and an
//! unrelated pair, G and its child H. The site holds A, D, E, N, X. F is wanted: D, its parent, wins over E, its sibling, and over A.

use std::fs;

use imgdelta_core::{Format, Result};
use imgdelta_delta::WINDOW;
use imgdelta_deploy::bundle::Outcome;
use imgdelta_deploy::deployment::{Deploy, Destination, SiteOutcome, deploy_one};
use imgdelta_repository::{
    catalogue::{ParentEvidence, ProvenanceKind, Repository},
    planning::{Decision, Relation},
};

use crate::place::{Place, Windows, assert_sound, files_below, names, stored};

/// How many windows differ between D and each of its children.
const CHANGED: u64 = 3;

/// The repositories, whose images have as many formats as fit, and the disk that is wanted.
fn world(place: &Place) -> Result<(Repository, Repository, Windows)> {
    let hq = place.repository("hq", Format::Qcow2)?;
    let site = place.repository("site", Format::Vmdk)?;
    let a = Windows::new(40, 1);
    let d = a.with(0..10, 4);
    let e = d.with(12..15, 5);
    let f = d.with(20..23, 6);
    let g = Windows::new(40, 7);
    for (name, disk, format, parent) in [
        ("A", &a, Format::Vhd, None),
        ("B", &a.with(30..34, 2), Format::Raw, Some("A")),
        ("C", &a.with(34..38, 3), Format::Vdi, Some("A")),
        ("D", &d, Format::Qcow2, Some("A")),
        ("E", &e, Format::Vhdx, Some("D")),
        ("F", &f, Format::Vmdk, Some("D")),
        ("G", &g, Format::Qcow2, None),
        ("H", &g.with(0..2, 8), Format::Qcow2, Some("G")),
    ] {
        place.add(&hq, name, disk, format, parent)?;
    }
    for (name, disk, format, parent) in [
        ("A", &a, Format::Vhdx, None),
        ("D of the site", &d, Format::Vdi, Some("A")),
        ("E", &e, Format::Vhd, None),
        ("N", &Windows::new(40, 14), Format::Raw, None),
        ("X", &Windows::new(20, 24), Format::Qcow2, None),
    ] {
        place.add(&site, name, disk, format, parent)?;
    }
    Ok((hq, site, f))
}

/// Makes sure that only what differs between D and F was packed, with D as the base.
fn assert_chosen(hq: &Repository, at_site: &SiteOutcome) -> Result<()> {
    let d = hq.show("D")?;
    let route = at_site.route.as_ref().expect("it was worked out");
    assert_eq!(route.transfers.len(), 1, "only F travels");
    let choice = &route.transfers[0].choice;
    assert_eq!(choice.candidates, 3, "A, D and E are common");
    let Decision::Base(base) = &choice.decision else {
        panic!("a base was chosen: {choice:?}");
    };
    assert_eq!(base.image, d.id.to_string());
    assert_eq!((base.kin, base.hops), (Relation::Parent, Some(1)));
    let runners: Vec<&str> = (choice.runners_up.iter())
        .map(|one| one.image.as_str())
        .collect();
    let ids = [hq.show("E")?.id.to_string(), hq.show("A")?.id.to_string()];
    assert!(ids.iter().all(|id| runners.contains(&id.as_str())));
    assert_eq!(at_site.sent.len(), 1);
    let item = &at_site.sent[0].entry;
    assert_eq!(item.base.as_ref().map(|base| &base.id), Some(&d.id));
    assert_eq!(item.format, Format::Qcow2);
    // What differs cannot be compressed; headers and tables of a small qcow2 take a few clusters of 64 KiB.
    let changed = CHANGED * WINDOW.0;
    assert!(
        (changed..changed + 8 * WINDOW.0).contains(&item.file.length),
        "{} bytes for {changed}",
        item.file.length
    );
    Ok(())
}

/// Makes sure that the site has F, and knows where it comes from.
fn assert_arrived(hq: &Repository, site: &Repository, f: &Windows, place: &Place) -> Result<()> {
    let (there, here) = (site.show("F")?, hq.show("F")?);
    assert_eq!((&there.id, there.content_id), (&here.id, here.content_id));
    assert_eq!(there.format, Format::Vmdk, "the site's own format");
    assert_eq!(there.provenance.how, ProvenanceKind::Received);
    let parent = there.parent.as_ref().expect("it descends from D");
    assert_eq!(parent.id, site.show("D of the site")?.id);
    assert_eq!(parent.known, ParentEvidence::Measured);
    assert_eq!(stored(site, "F")?, f.bytes());
    assert_eq!(
        names(site)?,
        ["A", "D of the site", "E", "F", "N", "X"],
        "nothing else came"
    );
    assert_sound(site, place)
}

#[test]
fn its_difference_from_d_is_carried_and_received() -> Result<()> {
    let place = Place::new();
    let (hq, site, f) = world(&place)?;
    let before = files_below(hq.folder());
    let deployed = place.carry(&hq, &["F"], &[&site], "stick")?;
    assert!(deployed.failure().is_none(), "{deployed:?}");
    assert_chosen(&hq, &deployed.sites[0])?;
    assert_eq!(
        files_below(hq.folder()),
        before,
        "headquarters is only read"
    );

    let received = place.receive("stick", &site)?;
    assert!(received.failure().is_none(), "{received:?}");
    assert_eq!(received.entered().count(), 1);
    assert_arrived(&hq, &site, &f, &place)?;

    let after = files_below(site.folder());
    let again = place.receive("stick", &site)?;
    assert!(again.failure().is_none());
    assert!(matches!(again.images[0].outcome, Outcome::There(_)));
    assert_eq!(files_below(site.folder()), after, "twice is harmless");
    Ok(())
}

#[test]
fn its_difference_from_d_goes_by_path_and_nothing_is_left_on_the_way() -> Result<()> {
    let place = Place::new();
    let (hq, site, f) = world(&place)?;
    let to = Destination::Folder(site.folder().to_owned());
    let all = Deploy::from(&hq);
    let at_site = deploy_one(&all, "F", to.clone(), &place.context())?;
    assert_chosen(&hq, &at_site)?;
    let received = at_site.images.as_ref().expect("it was reached");
    assert!(received[0].failure().is_none(), "{received:?}");
    assert_arrived(&hq, &site, &f, &place)?;
    let incoming = fs::read_dir(site.incoming()).expect("it is there");
    assert_eq!(incoming.count(), 0);

    let again = deploy_one(&all, "F", to, &place.context())?;
    assert!(again.sent.is_empty() && again.images.is_none());
    let route = again.route.expect("it was worked out");
    assert_eq!(route.there.len(), 1, "F is there already");
    Ok(())
}
