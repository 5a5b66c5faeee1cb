//! Sticks: several sites on one, what is added later, what is there already, what a stranger finds.

use std::{fs, time::Duration};

use imgdelta_core::{Format, Kind, Result};
use imgdelta_deploy::bundle::{Bundle, Outcome, Received, StoreOptions, preview};

use crate::place::{Place, Windows, assert_sound, bytes_of, files_below, names, stored};

#[test]
fn several_sites_share_a_stick_that_holds_each_difference_once() -> Result<()> {
    let place = Place::new();
    let hq = place.repository("hq", Format::Qcow2)?;
    let old = Windows::new(32, 1);
    let new = old.with(4..8, 2);
    let other = Windows::new(16, 3);
    place.add(&hq, "old", &old, Format::Vhd, None)?;
    place.add(&hq, "new", &new, Format::Vhd, Some("old"))?;
    place.add(&hq, "other", &other, Format::Raw, None)?;
    let north = place.repository("north", Format::Vhd)?;
    let south = place.repository("south", Format::Vdi)?;
    let empty = place.repository("empty", Format::Qcow2)?;
    place.add(&north, "old", &old, Format::Raw, None)?;
    place.add(&south, "golden disk", &old, Format::Vhdx, None)?;

    let deployed = place.carry(&hq, &["new"], &[&north, &south, &empty], "stick")?;
    assert!(deployed.failure().is_none(), "{deployed:?}");
    let index = place.index("stick")?;
    // Once as the difference for two sites, once as a whole for the one that has nothing.
    assert_eq!(index.items.len(), 2);
    let of_base = |has: bool| {
        let mut items = index.items.iter();
        items
            .find(|item| item.base.is_some() == has)
            .expect("it is there")
    };
    let repositories = |has: bool| -> Vec<_> {
        let sites = of_base(has).sites.iter();
        sites.map(|site| site.repository.clone()).collect()
    };
    let mut two = vec![north.about().id.clone(), south.about().id.clone()];
    two.sort();
    assert_eq!(repositories(true), two);
    assert_eq!(repositories(false), [empty.about().id.clone()]);
    assert!(of_base(true).file.length < of_base(false).file.length / 2);

    // More is added to the same stick, and what is there stays.
    let before = fs::read(place.at("stick").join(of_base(true).file.name.as_str()));
    let deployed = place.carry(&hq, &["other", "new"], &[&north], "stick")?;
    assert!(deployed.failure().is_none(), "{deployed:?}");
    let added = &deployed.sites[0].sent;
    assert_eq!(added.iter().filter(|packed| packed.is_new).count(), 1);
    assert_eq!(place.index("stick")?.items.len(), 3);
    let after = fs::read(place.at("stick").join(of_base(true).file.name.as_str()));
    assert_eq!(before.expect("it reads"), after.expect("it reads"));

    for (site, expected) in [
        (&north, vec!["new", "old", "other"]),
        (&south, vec!["golden disk", "new"]),
        (&empty, vec!["new"]),
    ] {
        let received = place.receive("stick", site)?;
        assert!(received.failure().is_none(), "{received:?}");
        assert_eq!(names(site)?, expected);
        assert_eq!(stored(site, "new")?, new.bytes());
        assert_sound(site, &place)?;
    }
    assert_eq!(stored(&north, "other")?, other.bytes());
    Ok(())
}

#[test]
fn a_site_that_nobody_named_takes_what_it_has_the_base_for() -> Result<()> {
    let place = Place::new();
    let hq = place.repository("hq", Format::Qcow2)?;
    let old = Windows::new(16, 1);
    let new = old.with(4..6, 2);
    let foreign = Windows::new(16, 3);
    place.add(&hq, "old", &old, Format::Raw, None)?;
    place.add(&hq, "new", &new, Format::Raw, Some("old"))?;
    place.add(&hq, "foreign", &foreign, Format::Raw, None)?;
    place.add(
        &hq,
        "foreign 2",
        &foreign.with(0..1, 4),
        Format::Raw,
        Some("foreign"),
    )?;
    let named = place.repository("named", Format::Raw)?;
    place.add(&named, "old", &old, Format::Raw, None)?;
    place.add(&named, "foreign", &foreign, Format::Raw, None)?;
    let deployed = place.carry(&hq, &["new", "foreign 2"], &[&named], "stick")?;
    assert!(deployed.failure().is_none());

    let stranger = place.repository("stranger", Format::Raw)?;
    place.add(&stranger, "old", &old, Format::Raw, None)?;
    let received = place.receive("stick", &stranger)?;
    assert!(received.failure().is_none(), "{received:?}");
    assert_eq!(names(&stranger)?, ["new", "old"]);
    let unfit =
        |taken: &&imgdelta_deploy::bundle::ReceivedImage| matches!(taken.outcome, Outcome::Unfit);
    assert_eq!(received.images.iter().filter(unfit).count(), 1);
    Ok(())
}

#[test]
fn a_stick_says_to_people_what_it_holds_and_a_child_opens_beside_its_base() -> Result<()> {
    let place = Place::new();
    let hq = place.repository("hq", Format::Qcow2)?;
    let old = Windows::new(16, 1);
    let new = old.with(4..6, 2);
    place.add(&hq, "old", &old, Format::Vhd, None)?;
    place.add(&hq, "new", &new, Format::Raw, Some("old"))?;
    let site = place.repository("site", Format::Raw)?;
    place.add(&site, "old", &old, Format::Raw, None)?;
    place.carry_children(&hq, &["new"], &[&site], "stick")?;
    let item = place.index("stick")?.items.remove(0);
    let howto = fs::read_to_string(place.at("stick/HOWTO.txt")).expect("it is there");
    for word in [
        "imgdelta receive",
        "imgdelta verify",
        "sha256sum -c SHA256SUMS",
        "qemu-img rebase",
        item.file.name.as_str(),
        &item.file.sha256.to_string(),
        &item.content_id.to_string(),
    ] {
        assert!(howto.contains(word), "{word} in {howto}");
    }
    // Nothing of where it was made is in what travels.
    let here = place.at("").display().to_string();
    let child = place.at("stick").join(item.file.name.as_str());
    for (name, bytes) in files_below(&place.at("stick")) {
        let is_in = bytes
            .windows(here.len())
            .any(|part| part == here.as_bytes());
        assert!(!is_in, "{name} names {here}");
    }
    fs::copy(place.at("hq/old.vhd"), place.at("stick/old.vhd")).expect("room");
    assert_eq!(bytes_of(&child)?, new.bytes());
    Ok(())
}

#[test]
fn a_folder_that_is_no_delivery_says_so() -> Result<()> {
    let place = Place::new();
    let site = place.repository("site", Format::Raw)?;
    for folder in ["site", "nowhere"] {
        let error = place.receive(folder, &site).expect_err("it is none");
        assert_eq!((error.kind(), error.code()), (Kind::Usage, "no_delivery"));
    }
    let delivery = Bundle::begin(&place.at("fresh"), Duration::ZERO)?;
    assert!(delivery.index().items.is_empty());
    Ok(())
}

#[test]
fn one_adds_to_a_delivery_at_a_time_and_anyone_reads_it() -> Result<()> {
    let place = Place::new();
    let stick = place.at("stick");
    let adding = Bundle::begin(&stick, Duration::ZERO)?;
    let error = Bundle::begin(&stick, Duration::from_millis(60)).expect_err("it is added to");
    assert_eq!((error.kind(), error.code()), (Kind::Busy, "locked"));
    let hq = place.repository("hq", Format::Qcow2)?;
    let site = place.repository("site", Format::Raw)?;
    let old = Windows::new(8, 1);
    place.add(&hq, "old", &old, Format::Raw, None)?;
    drop(adding);
    place.carry(&hq, &["old"], &[&site], "stick")?;
    // A site that reads it keeps nobody away.
    let reading = Bundle::open(&stick)?;
    assert_eq!(reading.index().items.len(), 1);
    assert_eq!(
        files_below(&stick).len(),
        4,
        "the image, the index, the how-to and the sums"
    );
    Bundle::begin(&stick, Duration::ZERO)?;
    Ok(())
}

#[test]
fn what_would_be_received_is_told_and_nothing_is_written() -> Result<()> {
    let place = Place::new();
    let hq = place.repository("hq", Format::Qcow2)?;
    let site = place.repository("site", Format::Raw)?;
    let old = Windows::new(16, 1);
    place.add(&hq, "old", &old, Format::Raw, None)?;
    place.add(&hq, "new", &old.with(0..2, 2), Format::Raw, Some("old"))?;
    place.add(&site, "old", &old, Format::Raw, None)?;
    place.carry(&hq, &["old", "new"], &[&site], "stick")?;
    let before = files_below(site.folder());
    let fates = |received: &Received| {
        let fates = received.images.iter().map(|taken| match taken.outcome {
            Outcome::Due => "due",
            Outcome::There(_) => "there",
            Outcome::Failed(_) => "failed",
            _ => "else",
        });
        fates.collect::<Vec<_>>().join(" ")
    };
    let foreseen = preview(
        &place.at("stick"),
        &site,
        &StoreOptions::default(),
        &place.context(),
    )?;
    assert_eq!(fates(&foreseen), "due");
    assert_eq!(files_below(site.folder()), before);
    // A damaged file is found without receiving it.
    let item = &place.index("stick")?.items[0];
    let child = place.at("stick").join(item.file.name.as_str());
    let whole = fs::read(&child).expect("readable");
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 1;
    fs::write(&child, damaged).expect("room");
    assert_eq!(
        fates(&preview(
            &place.at("stick"),
            &site,
            &StoreOptions::default(),
            &place.context()
        )?),
        "failed"
    );
    fs::write(&child, whole).expect("room");
    place.receive("stick", &site)?;
    assert_eq!(
        fates(&preview(
            &place.at("stick"),
            &site,
            &StoreOptions::default(),
            &place.context()
        )?),
        "there"
    );
    Ok(())
}
