//! Differences as transport files: what travels by default, who is sent something else, and what a site makes of them.

use std::fs;

use imgdelta_core::{Format, Kind, Result};
use imgdelta_deploy::bundle::{EntryForm, StoreOptions, receive};
use imgdelta_deploy::deployment::{Deploy, Destination, deploy_many};
use imgdelta_repository::catalogue::{Inventory, Repository};

use crate::place::{Place, Windows, assert_sound, deploy, names, stored};

/// An image, and one that has other content, moved content, and more of it.
fn disks() -> (Windows, Windows) {
    let old = Windows::new(32, 1);
    let mut new = old.with(4..7, 2);
    // What the base has elsewhere travels as a reference to it.
    let moved: Vec<u64> = old.0[12..28].to_vec();
    new.0.extend(moved);
    (old, new)
}

/// Headquarters with both, and a site with the first.
fn world(place: &Place) -> Result<(Repository, Repository)> {
    let (old, new) = disks();
    let hq = place.repository("hq", Format::Qcow2)?;
    place.add(&hq, "old", &old, Format::Raw, None)?;
    place.add(&hq, "new", &new, Format::Vhdx, Some("old"))?;
    let site = place.repository("site", Format::Raw)?;
    place.add(&site, "old", &old, Format::Vmdk, None)?;
    Ok((hq, site))
}

/// The inventory, as a program writes it that does not know transport files.
fn older(site: &Repository) -> Result<Inventory> {
    let inventory = site.inventory()?;
    let json = String::from_utf8(inventory.to_json()?).expect("it is text");
    let takes = serde_json::to_string(&inventory.takes).expect("it is JSON");
    let older = json.replacen(&format!("\"takes\":{takes},"), "", 1);
    assert_ne!(older, json);
    Inventory::from_json(older.as_bytes())
}

/// Deploys for a site whose inventory is that.
fn carry(place: &Place, hq: &Repository, inventory: Inventory, stick: &str) -> Result<()> {
    let all = Deploy {
        sites: vec![Destination::Carried(inventory)],
        bundle: Some(place.at(stick)),
        ..deploy(hq, &["new"])
    };
    let deployed = deploy_many(&all, &place.context())?;
    assert!(deployed.failure().is_none(), "{deployed:?}");
    Ok(())
}

#[test]
fn a_transport_file_travels_that_takes_what_moved_from_the_base() -> Result<()> {
    let place = Place::new();
    let (hq, site) = world(&place)?;
    place.carry(&hq, &["new"], &[&site], "stick")?;
    place.carry_children(&hq, &["new"], &[&site], "children")?;
    let (index, children) = (place.index("stick")?, place.index("children")?);
    let [item] = &index.items[..] else {
        panic!("{index:?}");
    };
    assert_eq!(
        (item.form, item.file_format()),
        (EntryForm::Transport, Format::Transport)
    );
    assert!(item.manifest.is_none() && item.file.name.as_str().ends_with(".imgdelta"));
    assert_eq!(
        (&index.requires[..], &item.requires[..]),
        (&["transport".to_owned()][..], &["transport".to_owned()][..])
    );
    // Three windows are new; the child has those that moved too.
    assert!(item.bytes() < 4 << 16, "{}", item.bytes());
    assert!(
        children.items[0].bytes() > 12 << 16,
        "{}",
        children.items[0].bytes()
    );
    assert!(children.requires.is_empty());
    let howto = fs::read_to_string(place.at("stick/HOWTO.txt")).expect("it is there");
    assert!(
        howto.contains("only imgdelta reads a transport file"),
        "{howto}"
    );

    let received = place.receive("stick", &site)?;
    assert!(received.failure().is_none(), "{received:?}");
    assert_eq!(stored(&site, "new")?, disks().1.bytes());
    assert_sound(&site, &place)
}

#[test]
fn a_site_that_does_not_read_the_form_is_sent_a_child_and_its_stick_stays_so() -> Result<()> {
    let place = Place::new();
    let (hq, site) = world(&place)?;
    let newer = place.repository("newer", Format::Raw)?;
    place.add(&newer, "old", &disks().0, Format::Raw, None)?;
    carry(&place, &hq, older(&site)?, "stick")?;
    let index = place.index("stick")?;
    assert!(index.requires.is_empty() && index.images_only);
    assert_eq!(index.items[0].file_format(), Format::Qcow2);
    // A site that would read it comes later: the first one must still read the list.
    place.carry(&hq, &["new"], &[&newer], "stick")?;
    let index = place.index("stick")?;
    assert_eq!((index.items.len(), index.items[0].sites.len()), (1, 2));
    assert!(index.requires.is_empty());
    for site in [&site, &newer] {
        assert!(place.receive("stick", site)?.failure().is_none());
        assert_eq!(stored(site, "new")?, disks().1.bytes());
    }
    Ok(())
}

#[test]
fn one_site_that_does_not_read_the_form_decides_for_the_stick_that_is_shared() -> Result<()> {
    let place = Place::new();
    let (hq, site) = world(&place)?;
    let newer = place.repository("newer", Format::Raw)?;
    place.add(&newer, "old", &disks().0, Format::Raw, None)?;
    let all = Deploy {
        sites: vec![
            Destination::Carried(newer.inventory()?),
            Destination::Carried(older(&site)?),
        ],
        bundle: Some(place.at("stick")),
        ..deploy(&hq, &["new"])
    };
    assert!(deploy_many(&all, &place.context())?.failure().is_none());
    let index = place.index("stick")?;
    assert_eq!(
        (index.items.len(), index.items[0].form),
        (1, EntryForm::Image)
    );
    // What holds transport files already is not for it.
    carry(&place, &hq, newer.inventory()?, "second")?;
    let refused = carry(&place, &hq, older(&site)?, "second").expect_err("it cannot read that");
    assert_eq!(
        (refused.kind(), refused.code()),
        (Kind::Usage, "delivery_form")
    );
    Ok(())
}

#[test]
fn by_path_it_travels_too_and_as_a_child_it_is_kept_in_the_bases_format() -> Result<()> {
    let place = Place::new();
    let (hq, site) = world(&place)?;
    let store = StoreOptions {
        as_child: true,
        ..StoreOptions::default()
    };
    let all = Deploy {
        sites: vec![Destination::Folder(site.folder().to_owned())],
        store,
        ..deploy(&hq, &["new"])
    };
    let deployed = deploy_many(&all, &place.context())?;
    assert!(deployed.failure().is_none(), "{deployed:?}");
    assert_eq!(deployed.sites[0].sent[0].entry.form, EntryForm::Transport);
    assert_eq!(stored(&site, "new")?, disks().1.bytes());
    assert_eq!(names(&site)?, ["new", "old"]);
    // And from a stick.
    let second = place.repository("second", Format::Raw)?;
    place.add(&second, "old", &disks().0, Format::Qcow2, None)?;
    place.carry(&hq, &["new"], &[&second], "stick")?;
    let received = receive(&place.at("stick"), &second, &store, &place.context())?;
    assert!(received.failure().is_none(), "{received:?}");
    assert_eq!(second.show("new")?.format, Format::Qcow2);
    assert_eq!(stored(&second, "new")?, disks().1.bytes());
    assert_sound(&second, &place)
}

#[test]
fn steps_are_transport_files_over_transport_files() -> Result<()> {
    let place = Place::new();
    let (hq, site) = world(&place)?;
    let new = disks().1;
    // Each is the least from the one before; nobody wants the first two.
    let (second, third) = (new.with(20..22, 5), new.with(20..22, 5).with(1..2, 6));
    place.add(&hq, "second", &second, Format::Raw, Some("new"))?;
    place.add(&hq, "third", &third, Format::Raw, Some("second"))?;
    place.carry(&hq, &["new", "second", "third"], &[&site], "stick")?;
    let index = fs::read_to_string(place.at("stick/delivery.json")).expect("it is there");
    let mut index: serde_json::Value = serde_json::from_str(&index).expect("JSON");
    for item in index["items"].as_array_mut().expect("a list") {
        let is_step = item["name"] != "third";
        item["sites"][0]["step"] = is_step.into();
        assert_eq!(item["form"], "transport");
    }
    fs::write(place.at("stick/delivery.json"), index.to_string()).expect("room");
    let received = place.receive("stick", &site)?;
    assert!(received.failure().is_none(), "{received:?}");
    assert_eq!(names(&site)?, ["old", "third"]);
    assert_eq!(stored(&site, "third")?, third.bytes());
    Ok(())
}

#[test]
fn a_level_that_is_said_packs_harder_and_makes_the_same_image() -> Result<()> {
    let place = Place::new();
    let hq = place.repository("hq", Format::Raw)?;
    let site = place.repository("site", Format::Raw)?;
    let old = Windows::new(16, 1).bytes();
    let mut new = old.clone();
    let words = ["golden", "patched", "delivery", "window", "leaf", "digest"];
    let mut state = 1_u64;
    let mut text = Vec::new();
    while text.len() < 5 << 16 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        text.extend_from_slice(words[(state >> 33) as usize % words.len()].as_bytes());
        text.extend_from_slice((state >> 52).to_string().as_bytes());
    }
    new[..text.len()].copy_from_slice(&text);
    place.add_bytes(&hq, "old", &old, Format::Raw, None)?;
    place.add_bytes(&hq, "new", &new, Format::Raw, Some("old"))?;
    place.add_bytes(&site, "old", &old, Format::Raw, None)?;
    let mut lengths = Vec::new();
    for level in [1, 19] {
        let stick = format!("stick{level}");
        let all = Deploy {
            sites: vec![Destination::Carried(site.inventory()?)],
            bundle: Some(place.at(&stick)),
            level,
            ..deploy(&hq, &["new"])
        };
        assert!(deploy_many(&all, &place.context())?.failure().is_none());
        lengths.push(place.index(&stick)?.items[0].bytes());
    }
    assert!(lengths[1] < lengths[0], "{lengths:?}");
    assert!(place.receive("stick19", &site)?.failure().is_none());
    assert_eq!(stored(&site, "new")?, new);
    Ok(())
}

#[test]
fn a_level_that_packs_nothing_is_told() -> Result<()> {
    let place = Place::new();
    let (hq, site) = world(&place)?;
    let told = |stick: &str, all: Deploy<'_>| -> Result<bool> {
        let all = Deploy {
            sites: vec![Destination::Carried(site.inventory()?)],
            bundle: Some(place.at(stick)),
            ..all
        };
        let deployed = deploy_many(&all, &place.context())?;
        let mut notes = deployed.sites.iter().flat_map(|site| &site.notes);
        Ok(notes.any(|note| note.contains("the level 9 packs transport files")))
    };
    let level = || Deploy {
        level: 9,
        ..deploy(&hq, &["new"])
    };
    assert!(!told("transport", level())?);
    let native = Deploy {
        native: true,
        ..level()
    };
    assert!(told("native", native)?);
    assert!(!told("usual", deploy(&hq, &["new"]))?);
    Ok(())
}
