//! Bases and files that turn out to be spoilt: the next way is taken, in the same run.

use std::fs;

use imgdelta_core::{Format, Kind, Result};
use imgdelta_deploy::bundle::{Outcome, ReceivedImage, SCHEMA, SCHEMA_1};
use imgdelta_deploy::deployment::{Deploy, Destination, SiteOutcome, deploy_many};
use imgdelta_repository::catalogue::Repository;

use crate::place::{Place, Windows, assert_sound, deploy, files_below, names, rot, stored};

/// Three images of one lineage: from the second one the least has to be sent to make the third.
fn lineage() -> [Windows; 3] {
    let first = Windows::new(24, 1);
    let second = first.with(0..5, 2);
    let third = second.with(8..9, 3);
    [first, second, third]
}

/// Headquarters with all of them, and a site with the first two.
fn world(place: &Place, site: &str) -> Result<(Repository, Repository)> {
    let [first, second, third] = lineage();
    let hq = Repository::open(&place.at("hq")).or_else(|_| {
        let hq = place.repository("hq", Format::Qcow2)?;
        place.add(&hq, "first", &first, Format::Raw, None)?;
        place.add(&hq, "second", &second, Format::Raw, Some("first"))?;
        place.add(&hq, "third", &third, Format::Raw, Some("second"))?;
        Ok::<_, imgdelta_core::Error>(hq)
    })?;
    let site = place.repository(site, Format::Raw)?;
    place.add(&site, "first", &first, Format::Raw, None)?;
    place.add(&site, "second", &second, Format::Raw, Some("first"))?;
    Ok((hq, site))
}

/// Does that harm to a file of the site.
fn spoil(site: &Repository, file: &str, harm: &str) {
    let path = site.folder().join(file);
    let mut bytes = fs::read(&path).expect("it is there");
    match harm {
        "gone" => return fs::remove_file(path).expect("it is there"),
        "cut" => bytes.truncate(1 << 20),
        _ => bytes[20 * 65536] ^= 1,
    }
    fs::write(path, bytes).expect("room");
}

fn send(place: &Place, hq: &Repository, site: &Repository) -> Result<SiteOutcome> {
    let all = Deploy {
        sites: vec![Destination::Folder(site.folder().to_owned())],
        ..deploy(hq, &["third"])
    };
    let mut sites = deploy_many(&all, &place.context())?.sites;
    Ok(sites.remove(0))
}

#[test]
fn by_path_the_next_base_is_taken_and_at_last_the_whole_image() -> Result<()> {
    let place = Place::new();
    for harm in ["gone", "cut", "changed"] {
        let (hq, site) = world(&place, harm)?;
        spoil(&site, "second.raw", harm);
        let outcome = send(&place, &hq, &site)?;
        assert!(outcome.failure().is_none(), "{harm}: {outcome:?}");
        let image = &outcome.images.as_deref().expect("it was reached")[0];
        assert!(matches!(image.outcome, Outcome::Entered(_)), "{harm}");
        assert_eq!(
            image.base.as_ref().map(|base| base.as_str()),
            Some("first"),
            "{harm}"
        );
        assert_eq!(stored(&site, "third")?, lineage()[2].bytes(), "{harm}");

        site.remove("third", &place.run())?;
        spoil(&site, "first.raw", harm);
        let outcome = send(&place, &hq, &site)?;
        assert!(outcome.failure().is_none(), "{harm}: {outcome:?}");
        let image = &outcome.images.as_deref().expect("it was reached")[0];
        assert_eq!(image.base, None, "{harm}");
        assert_eq!(stored(&site, "third")?, lineage()[2].bytes(), "{harm}");
    }
    Ok(())
}

#[test]
fn a_base_that_rotted_is_written_down_as_changed_and_comes_anew() -> Result<()> {
    let place = Place::new();
    let (hq, site) = world(&place, "site")?;
    let mut bytes = lineage()[1].bytes();
    bytes[20 * 65536] ^= 1;
    rot(&place.at("site/second.raw"), &bytes);
    assert_eq!(site.inventory()?.images.len(), 2, "a look does not show it");
    let outcome = send(&place, &hq, &site)?;
    let image = &outcome.images.as_deref().expect("it was reached")[0];
    assert_eq!(image.rejected[0].code(), "base_mismatch");
    assert_eq!(stored(&site, "third")?, lineage()[2].bytes());
    let inventory = site.inventory()?;
    let known: Vec<&str> = inventory
        .images
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    assert_eq!(known, ["first", "third"], "it is promised to nobody");

    let again = Deploy {
        sites: vec![Destination::Folder(site.folder().to_owned())],
        ..deploy(&hq, &["second"])
    };
    let deployed = deploy_many(&again, &place.context())?;
    assert!(deployed.failure().is_none(), "{deployed:?}");
    assert_eq!(stored(&site, "second")?, lineage()[1].bytes());
    assert_eq!(site.inventory()?.images.len(), 3);
    assert_sound(&site, &place)
}

#[test]
fn a_base_that_headquarters_has_lost_is_passed_over_too() -> Result<()> {
    let place = Place::new();
    let (hq, site) = world(&place, "site")?;
    spoil(&hq, "second.raw", "changed");
    let outcome = send(&place, &hq, &site)?;
    assert!(outcome.failure().is_none(), "{outcome:?}");
    assert_eq!(stored(&site, "third")?, lineage()[2].bytes());
    Ok(())
}

/// Onto a stick with so many ways more than are needed.
fn carry(place: &Place, hq: &Repository, site: &Repository, spare: usize) -> Result<()> {
    let all = Deploy {
        sites: vec![Destination::Carried(site.inventory()?)],
        bundle: Some(place.at("stick")),
        spare,
        ..deploy(hq, &["third"])
    };
    let deployed = deploy_many(&all, &place.context())?;
    assert!(deployed.failure().is_none(), "{deployed:?}");
    Ok(())
}

#[test]
fn a_stick_carries_as_many_ways_more_as_are_asked_for() -> Result<()> {
    let place = Place::new();
    let (hq, site) = world(&place, "site")?;
    for (spare, bases) in [
        (0, &[Some("second")][..]),
        (1, &[Some("second"), Some("first")]),
        (9, &[Some("second"), Some("first"), None]),
    ] {
        carry(&place, &hq, &site, spare)?;
        let index = place.index("stick")?;
        let found: Vec<Option<&str>> = (index.items.iter())
            .map(|entry| entry.base.as_ref().map(|base| base.name.as_str()))
            .collect();
        assert_eq!(found, bases);
    }
    Ok(())
}

#[test]
fn from_a_stick_the_next_way_is_taken_and_what_was_wrong_is_said() -> Result<()> {
    let place = Place::new();
    let (hq, site) = world(&place, "site")?;
    carry(&place, &hq, &site, 2)?;
    let index = place.index("stick")?;
    // The base of the best way is spoilt, and the file of the next.
    spoil(&site, "second.raw", "changed");
    let file = place.at("stick").join(index.items[1].file.name.as_str());
    let mut bytes = fs::read(&file).expect("it is there");
    bytes[1000] ^= 1;
    fs::write(&file, bytes).expect("room");

    let received = place.receive("stick", &site)?;
    assert!(received.failure().is_none(), "{received:?}");
    let [third] = &received.images[..] else {
        panic!("{received:?}");
    };
    assert_eq!(third.base, None);
    let why: Vec<(Kind, &str)> = (third.rejected.iter())
        .map(|error| (error.kind(), error.code()))
        .collect();
    assert_eq!(
        why,
        [
            (Kind::Chain, "base_mismatch"),
            (Kind::Digest, "delivery_damaged")
        ]
    );
    assert_eq!(stored(&site, "third")?, lineage()[2].bytes());
    Ok(())
}

#[test]
fn what_is_made_from_an_image_follows_it_on_its_second_way() -> Result<()> {
    let place = Place::new();
    let (hq, site) = world(&place, "site")?;
    let fourth = lineage()[2].with(12..13, 4);
    place.add(&hq, "fourth", &fourth, Format::Raw, Some("third"))?;
    carry(&place, &hq, &site, 1)?;
    place.carry(&hq, &["third", "fourth"], &[&site], "stick")?;
    spoil(&site, "second.raw", "gone");
    let received = place.receive("stick", &site)?;
    assert!(received.failure().is_none(), "{received:?}");
    assert_eq!(stored(&site, "third")?, lineage()[2].bytes());
    assert_eq!(stored(&site, "fourth")?, fourth.bytes());
    Ok(())
}

#[test]
fn where_no_way_is_left_the_first_failure_is_told_and_the_others_stand_beside_it() -> Result<()> {
    let place = Place::new();
    let (hq, site) = world(&place, "site")?;
    carry(&place, &hq, &site, 1)?;
    for file in ["first.raw", "second.raw"] {
        spoil(&site, file, "changed");
    }
    let received = place.receive("stick", &site)?;
    let [third] = &received.images[..] else {
        panic!("{received:?}");
    };
    let error = third.failure().expect("nothing is left");
    assert!(
        error
            .location()
            .file
            .as_ref()
            .is_some_and(|file| file.ends_with("second.raw"))
    );
    assert_eq!(third.rejected.len(), 1);
    assert_eq!(names(&site)?, ["first", "second"]);
    Ok(())
}

#[test]
fn an_entry_that_requires_what_is_not_known_is_left_alone() -> Result<()> {
    let place = Place::new();
    let (hq, site) = world(&place, "site")?;
    carry(&place, &hq, &site, 1)?;
    let require = |count: usize| -> Result<()> {
        let mut index = place.index("stick")?;
        for entry in index.items.iter_mut().take(count) {
            entry.requires.push("smoke".to_owned());
        }
        fs::write(place.at("stick/delivery.json"), index.to_json()?).expect("room");
        Ok(())
    };
    require(2)?;
    let received = place.receive("stick", &site)?;
    let failure = received.images.iter().find_map(ReceivedImage::failure);
    let failure = failure.map(|error| (error.kind(), error.code()));
    assert_eq!(failure, Some((Kind::Unsupported, "delivery_feature")));
    assert_eq!(names(&site)?, ["first", "second"]);

    let mut index = place.index("stick")?;
    index.items[1].requires.retain(|word| word != "smoke");
    fs::write(place.at("stick/delivery.json"), index.to_json()?).expect("room");
    let received = place.receive("stick", &site)?;
    assert!(received.failure().is_none(), "{received:?}");
    assert_eq!(received.images[0].rejected.len(), 1);
    assert_eq!(stored(&site, "third")?, lineage()[2].bytes());
    assert_sound(&site, &place)
}

#[test]
fn a_site_whose_program_knows_version_1_alone_gets_that() -> Result<()> {
    let place = Place::new();
    let (hq, site) = world(&place, "site")?;
    carry(&place, &hq, &site, 0)?;
    assert_eq!(place.index("stick")?.schema, SCHEMA);
    let mut inventory = site.inventory()?;
    let json = String::from_utf8(inventory.to_json()?).expect("it is text");
    assert!(json.contains("\"deliveries\":2"), "{json}");
    // As a release that did not say so has written it.
    inventory.deliveries = 1;
    let json = String::from_utf8(inventory.to_json()?).expect("it is text");
    assert!(!json.contains("deliveries"), "{json}");
    let all = |stick: &str| Deploy {
        sites: vec![Destination::Carried(inventory.clone())],
        bundle: Some(place.at(stick)),
        ..deploy(&hq, &["third"])
    };
    // The stick holds what that program does not read: nothing there is touched.
    let before = files_below(&place.at("stick"));
    let refused = deploy_many(&all("stick"), &place.context()).expect_err("it is not for it");
    assert_eq!(
        (refused.kind(), refused.code()),
        (Kind::Usage, "delivery_form")
    );
    assert!(refused.hint().is_some());
    assert_eq!(files_below(&place.at("stick")), before);
    assert!(
        deploy_many(&all("old"), &place.context())?
            .failure()
            .is_none()
    );
    let index = fs::read_to_string(place.at("old/delivery.json")).expect("it is there");
    assert_eq!(place.index("old")?.schema, SCHEMA_1);
    for key in ["\"requires\"", "\"form\"", "\"howto\"", "\"images_only\""] {
        assert!(!index.contains(key), "version 1 has no {key}: {index}");
    }
    assert!(place.receive("old", &site)?.failure().is_none());
    Ok(())
}
