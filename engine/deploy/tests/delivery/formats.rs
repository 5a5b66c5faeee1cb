//! Formats on both sides: what is kept whole, what as a child, what travels as the site's own kind. Whatever is kept opens with no options.

use imgdelta_core::{Format, Result};
use imgdelta_deploy::bundle::{Outcome, StoreOptions, receive};
use imgdelta_deploy::deployment::{Deploy, Destination, deploy_many, deploy_one};
use imgdelta_fixtures::{
    golden,
    peers::{self, Peer},
};
use imgdelta_registry::written_formats;
use imgdelta_repository::catalogue::{ParentEvidence, Repository};

use crate::place::{Place, Windows, assert_sound, deploy, file_of, names, stored};

/// Headquarters with the golden story in these formats.
fn headquarters(place: &Place, base: Format, target: Format) -> Result<Repository> {
    let hq = place.repository("hq", Format::Qcow2)?;
    place.add_bytes(&hq, "golden", &golden::base_bytes(), base, None)?;
    place.add_bytes(
        &hq,
        "patched",
        &golden::patched_bytes(),
        target,
        Some("golden"),
    )?;
    Ok(hq)
}

#[test]
fn any_format_here_becomes_any_format_there() -> Result<()> {
    let all: Vec<Format> = written_formats().collect();
    for (number, there) in all.iter().copied().enumerate() {
        let format = |step: usize| all[(number + step) % all.len()];
        let place = Place::new();
        let hq = headquarters(&place, format(1), format(2))?;
        let site = place.repository("site", there)?;
        place.add_bytes(&site, "golden", &golden::base_bytes(), format(4), None)?;
        let deployed = place.carry(&hq, &["patched"], &[&site], "stick")?;
        assert!(deployed.failure().is_none(), "{there}: {deployed:?}");
        let received = place.receive("stick", &site)?;
        assert!(received.failure().is_none(), "{there}: {received:?}");
        let record = site.show("patched")?;
        assert_eq!(record.format, there);
        assert_eq!(
            stored(&site, "patched")?,
            golden::patched_bytes(),
            "{there}"
        );
        assert_sound(&site, &place)?;
    }
    Ok(())
}

#[test]
fn the_format_that_is_asked_for_wins_over_the_repositorys_own() -> Result<()> {
    let place = Place::new();
    let hq = headquarters(&place, Format::Raw, Format::Raw)?;
    let site = place.repository("site", Format::Vdi)?;
    place.carry(&hq, &["patched"], &[&site], "stick")?;
    let manner = StoreOptions {
        format: Some(Format::Vhdx),
        as_child: true,
        ..StoreOptions::default()
    };
    let received = receive(&place.at("stick"), &site, &manner, &place.context())?;
    assert!(received.failure().is_none(), "{received:?}");
    assert_eq!(site.show("patched")?.format, Format::Vhdx);
    assert_eq!(stored(&site, "patched")?, golden::patched_bytes());
    Ok(())
}

#[test]
fn as_a_child_it_names_its_base_in_that_ones_format() -> Result<()> {
    for there in written_formats() {
        let place = Place::new();
        let hq = headquarters(&place, Format::Raw, Format::Vhd)?;
        let site = place.repository("site", Format::Qcow2)?;
        let base = place.add_bytes(&site, "golden", &golden::base_bytes(), there, None)?;
        place.carry(&hq, &["patched"], &[&site], "stick")?;
        let manner = StoreOptions {
            as_child: true,
            ..StoreOptions::default()
        };
        let received = receive(&place.at("stick"), &site, &manner, &place.context())?;
        assert!(received.failure().is_none(), "{there}: {received:?}");
        let installed = received.entered().next().expect("it was entered");
        let record = site.show("patched")?;
        let known = record
            .parent
            .as_ref()
            .map(|parent| (&parent.id, parent.known));
        if there == Format::Raw {
            assert_eq!(installed.as_child, Some(false));
            assert!(!installed.notes.is_empty());
            assert_eq!(known, Some((&base.id, ParentEvidence::Measured)));
            assert_eq!(record.format, Format::Qcow2);
        } else {
            assert_eq!(
                installed.as_child,
                Some(true),
                "{there}: {:?}",
                installed.notes
            );
            assert_eq!(known, Some((&base.id, ParentEvidence::Linked)));
            assert_eq!(record.format, there);
        }
        assert_eq!(
            stored(&site, "patched")?,
            golden::patched_bytes(),
            "{there}"
        );
        assert_sound(&site, &place)?;
        let error = site.remove("golden", &place.run());
        assert_eq!(
            error.is_err(),
            there != Format::Raw,
            "{there}: children need it"
        );
    }
    Ok(())
}

#[test]
fn a_child_that_would_be_no_smaller_is_kept_whole() -> Result<()> {
    let place = Place::new();
    let hq = place.repository("hq", Format::Raw)?;
    let site = place.repository("site", Format::Vhd)?;
    // All of it differs: a child holds as much as the whole, and its own tables.
    let old = Windows::new(16, 1);
    let new = old.with(0..16, 2);
    place.add(&hq, "old", &old, Format::Raw, None)?;
    place.add(&hq, "new", &new, Format::Raw, Some("old"))?;
    place.add(&site, "old", &old, Format::Qcow2, None)?;
    let to = Destination::Folder(site.folder().to_owned());
    let all = Deploy {
        store: StoreOptions {
            as_child: true,
            ..StoreOptions::default()
        },
        rules: imgdelta_repository::planning::Rules {
            threshold: 0,
            ..Default::default()
        },
        ..deploy(&hq, &[])
    };
    let at_site = deploy_one(&all, "new", to, &place.context())?;
    let images = at_site.images.expect("it was reached");
    let Outcome::Entered(entered) = &images[0].outcome else {
        panic!("{images:?}");
    };
    assert_eq!(entered.as_child, Some(false));
    assert!(entered.notes.iter().any(|note| note.contains("not less")));
    assert_eq!(site.show("new")?.format, Format::Vhd);
    assert_eq!(stored(&site, "new")?, new.bytes());
    Ok(())
}

#[test]
fn native_sends_the_sites_own_kind_of_child_where_that_can_be() -> Result<()> {
    for there in written_formats() {
        let place = Place::new();
        let hq = headquarters(&place, there, Format::Raw)?;
        let site = place.repository("site", there)?;
        let other = place.repository("other", Format::Vhd)?;
        place.add_bytes(&site, "golden", &golden::base_bytes(), there, None)?;
        place.add_bytes(&other, "golden", &golden::base_bytes(), Format::Raw, None)?;
        let all = Deploy {
            bundle: Some(place.at("stick")),
            native: true,
            sites: vec![
                Destination::Carried(site.inventory()?),
                Destination::Carried(other.inventory()?),
            ],
            ..deploy(&hq, &["patched"])
        };
        let deployed = deploy_many(&all, &place.context())?;
        assert!(deployed.failure().is_none(), "{there}: {deployed:?}");
        let sent: Vec<Format> = (deployed.sites.iter())
            .map(|site| site.sent[0].entry.file_format())
            .collect();
        let own = |is_child: bool, format: Format| if is_child { format } else { Format::Qcow2 };
        let expected = [
            own(there != Format::Raw, there),
            own(there == Format::Vhd, Format::Vhd),
        ];
        assert_eq!(sent, expected, "{there}");
        let is_noted = !deployed.sites[1].sent[0].notes.is_empty();
        assert_eq!(
            is_noted,
            there != Format::Vhd,
            "{there}: what came instead is said"
        );
        for site in [&site, &other] {
            let received = place.receive("stick", site)?;
            assert!(received.failure().is_none(), "{there}: {received:?}");
            assert_eq!(stored(site, "patched")?, golden::patched_bytes(), "{there}");
        }
    }
    Ok(())
}

#[test]
fn sizes_change_and_need_not_be_whole_sectors() -> Result<()> {
    for there in written_formats() {
        let place = Place::new();
        let hq = place.repository("hq", Format::Raw)?;
        let site = place.repository("site", there)?;
        let old = Windows::new(20, 1).bytes();
        let mut grown = Windows::new(33, 1).bytes();
        grown.truncate(grown.len() - 1000);
        let mut cut = old.clone();
        cut.truncate(15 * 65536 - 7);
        place.add_bytes(&hq, "old", &old, Format::Raw, None)?;
        place.add_bytes(&hq, "grown", &grown, Format::Raw, Some("old"))?;
        place.add_bytes(&hq, "cut", &cut, Format::Raw, Some("old"))?;
        place.add_bytes(&site, "old", &old, Format::Raw, None)?;
        let deployed = place.carry(&hq, &["grown", "cut"], &[&site], "stick")?;
        assert!(deployed.failure().is_none(), "{there}: {deployed:?}");
        let received = place.receive("stick", &site)?;
        assert!(received.failure().is_none(), "{there}: {received:?}");
        assert_eq!(stored(&site, "grown")?, grown, "{there}");
        assert_eq!(stored(&site, "cut")?, cut, "{there}");
        assert_eq!(names(&site)?, ["cut", "grown", "old"]);
    }
    Ok(())
}

#[test]
fn qemu_sees_the_disk_in_what_travels_and_in_what_is_kept() -> Result<()> {
    if peers::find(Peer::QemuImg).is_none() {
        return Ok(());
    }
    let place = Place::new();
    let hq = headquarters(&place, Format::Qcow2, Format::Vhd)?;
    let site = place.repository("site", Format::Vmdk)?;
    let empty = place.repository("empty", Format::Raw)?;
    place.add_bytes(&site, "golden", &golden::base_bytes(), Format::Qcow2, None)?;
    place.carry_children(&hq, &["patched"], &[&site, &empty], "stick")?;
    let expected = place.at("expected.raw");
    std::fs::write(&expected, golden::patched_bytes()).expect("room");
    std::fs::copy(place.at("hq/golden.qcow2"), place.at("stick/golden.qcow2")).expect("room");
    for item in place.index("stick")?.items {
        let file = place.at("stick").join(item.file.name.as_str());
        peers::qemu_check(&file, "qcow2").expect("it is sound");
        peers::qemu_compare(&file, "qcow2", &expected, "raw").expect("it is the same disk");
    }
    let manner = StoreOptions {
        as_child: true,
        ..StoreOptions::default()
    };
    for (site, format) in [(&site, "qcow2"), (&empty, "raw")] {
        let received = receive(&place.at("stick"), site, &manner, &place.context())?;
        assert!(received.failure().is_none(), "{received:?}");
        let file = file_of(site, &site.show("patched")?);
        peers::qemu_compare(&file, format, &expected, "raw").expect("it is the same disk");
    }
    Ok(())
}
