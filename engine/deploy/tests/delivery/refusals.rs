//! Bases that are missing, changed or only said to be the same, names and ids that others bear: each a clear refusal, and nothing entered.

use std::fs;

use imgdelta_core::{Format, Kind, Result};
use imgdelta_deploy::bundle::{Outcome, Received};

use crate::place::{Place, Windows, files_below, names, rot, stored};

/// The one failure.
fn failure(received: &Received) -> &imgdelta_core::Error {
    received.failure().expect("it failed")
}

#[test]
fn without_any_base_it_is_refused_and_the_bases_are_named() -> Result<()> {
    let place = Place::new();
    let hq = place.repository("hq", Format::Qcow2)?;
    let named = place.repository("named", Format::Raw)?;
    let site = place.repository("site", Format::Raw)?;
    let old = Windows::new(16, 1);
    let base = place.add(&hq, "old", &old, Format::Raw, None)?;
    place.add(&hq, "new", &old.with(0..2, 2), Format::Raw, Some("old"))?;
    place.add(&named, "old", &old, Format::Raw, None)?;
    place.carry(&hq, &["new"], &[&named], "stick")?;
    let before = files_below(site.folder());
    let error = place.receive("stick", &site).expect_err("it has no base");
    assert_eq!((error.kind(), error.code()), (Kind::Chain, "no_base"));
    let details = error.details().join("\n");
    assert!(details.contains(&base.content_id.to_string()), "{details}");
    assert_eq!(files_below(site.folder()), before);

    // The inventory is old: the base is gone since.
    named.remove("old", &place.run())?;
    let error = place.receive("stick", &named).expect_err("it is gone");
    assert_eq!((error.kind(), error.code()), (Kind::Chain, "no_base"));
    Ok(())
}

#[test]
fn a_base_that_is_only_said_to_be_the_same_is_not_chosen_and_the_whole_image_comes() -> Result<()> {
    let place = Place::new();
    let hq = place.repository("hq", Format::Qcow2)?;
    let site = place.repository("site", Format::Raw)?;
    let old = Windows::new(32, 1);
    let new = old.with(0..2, 2);
    place.add(&hq, "old", &old, Format::Raw, None)?;
    place.add(&hq, "new", &new, Format::Raw, Some("old"))?;
    // Both sides call it "golden", and the lists say that it is not the same.
    place.add(&site, "mine", &old.with(9..11, 7), Format::Vhd, None)?;
    for (repository, word) in [(&hq, "old"), (&site, "mine")] {
        repository.set_id(word, &"golden".parse()?, &place.run())?;
    }
    let deployed = place.carry(&hq, &["new"], &[&site], "stick")?;
    assert!(deployed.sites[0].sent[0].entry.base.is_none());
    assert!(place.receive("stick", &site)?.failure().is_none());
    assert_eq!(stored(&site, "new")?, new.bytes());

    // Nor does a stick that was made for another site make the claim count.
    let other = place.repository("other", Format::Raw)?;
    place.add(&other, "old", &old, Format::Raw, None)?;
    place.carry(&hq, &["new"], &[&other], "for the other")?;
    site.remove("new", &place.run())?;
    let error = place
        .receive("for the other", &site)
        .expect_err("it has not that base");
    assert_eq!((error.kind(), error.code()), (Kind::Chain, "no_base"));
    Ok(())
}

#[test]
fn a_base_that_changed_since_it_was_entered_is_refused() -> Result<()> {
    let place = Place::new();
    let hq = place.repository("hq", Format::Qcow2)?;
    let site = place.repository("site", Format::Raw)?;
    let old = Windows::new(16, 1);
    let new = old.with(0..2, 2);
    place.add(&hq, "old", &old, Format::Raw, None)?;
    place.add(&hq, "new", &new, Format::Raw, Some("old"))?;
    place.add(&site, "old", &old, Format::Raw, None)?;
    place.carry(&hq, &["new"], &[&site], "stick")?;
    let whole = fs::read(place.at("site/old.raw")).expect("it reads");
    let mut changed = whole.clone();
    changed[5 * 65536] ^= 0x80;
    rot(&place.at("site/old.raw"), &changed);
    let before = files_below(site.folder());
    let received = place.receive("stick", &site)?;
    let error = failure(&received);
    assert_eq!((error.kind(), error.code()), (Kind::Chain, "base_mismatch"));
    assert!(
        error
            .details()
            .iter()
            .any(|line| line.contains(&format!("{}..", 5 * 65536)))
    );
    // Only its record says so now: whoever looks at the list is told.
    let of_images = |files: Vec<(String, Vec<u8>)>| -> Vec<(String, Vec<u8>)> {
        let mut files = files;
        files.retain(|(name, _)| !name.starts_with(".imgdelta/images/"));
        files
    };
    assert_eq!(of_images(files_below(site.folder())), of_images(before));
    assert!(site.show("old")?.refuted);
    // The same command finishes the job once the base is mended.
    rot(&place.at("site/old.raw"), &whole);
    assert!(place.receive("stick", &site)?.failure().is_none());
    assert_eq!(stored(&site, "new")?, new.bytes());
    Ok(())
}

#[test]
fn an_image_of_headquarters_that_is_not_what_its_record_says_does_not_travel() -> Result<()> {
    let place = Place::new();
    let hq = place.repository("hq", Format::Qcow2)?;
    let site = place.repository("site", Format::Raw)?;
    let empty = place.repository("empty", Format::Raw)?;
    let old = Windows::new(16, 1);
    place.add(&hq, "old", &old, Format::Raw, None)?;
    place.add(&hq, "new", &old.with(0..2, 2), Format::Raw, Some("old"))?;
    place.add(&site, "old", &old, Format::Raw, None)?;
    fs::write(place.at("hq/new.raw"), old.with(0..3, 9).bytes()).expect("room");
    let deployed = place.carry(&hq, &["new"], &[&site, &empty], "stick")?;
    for at_site in &deployed.sites {
        let error = at_site.failure().expect("it failed");
        assert_eq!(
            (error.kind(), error.code()),
            (Kind::Digest, "image_changed")
        );
    }
    assert!(files_below(&place.at("stick")).is_empty());
    Ok(())
}

#[test]
fn a_name_that_another_image_bears_gives_way_and_an_id_does_not() -> Result<()> {
    let place = Place::new();
    let hq = place.repository("hq", Format::Qcow2)?;
    let site = place.repository("site", Format::Raw)?;
    let old = Windows::new(16, 1);
    let new = old.with(0..2, 2);
    place.add(&hq, "old", &old, Format::Raw, None)?;
    let sent = place.add(&hq, "new", &new, Format::Raw, Some("old"))?;
    place.add(&site, "old", &old, Format::Raw, None)?;
    place.add(&site, "new", &Windows::new(8, 9), Format::Raw, None)?;
    place.carry(&hq, &["new"], &[&site], "stick")?;
    let received = place.receive("stick", &site)?;
    let installed = received.entered().next().expect("it was entered");
    let digits = &sent.content_id.0.to_string()[..8];
    assert_eq!(installed.name.as_str(), format!("new-{digits}"));
    assert!(
        installed
            .notes
            .iter()
            .any(|note| note.contains("bears the name"))
    );
    assert_eq!(names(&site)?, ["new", &format!("new-{digits}"), "old"]);

    let third = old.with(3..5, 3);
    place.add(&hq, "third", &third, Format::Raw, Some("old"))?;
    hq.set_id("third", &"third-id".parse()?, &place.run())?;
    site.set_id("new", &"third-id".parse()?, &place.run())?;
    place.carry(&hq, &["third"], &[&site], "stick2")?;
    let before = files_below(site.folder());
    let received = place.receive("stick2", &site)?;
    assert_eq!(failure(&received).code(), "id_taken");
    assert_eq!(files_below(site.folder()), before);
    Ok(())
}

#[test]
fn an_image_that_is_there_under_another_name_is_not_made_again() -> Result<()> {
    let place = Place::new();
    let hq = place.repository("hq", Format::Qcow2)?;
    let site = place.repository("site", Format::Raw)?;
    let old = Windows::new(16, 1);
    let new = old.with(0..2, 2);
    place.add(&hq, "old", &old, Format::Raw, None)?;
    place.add(&hq, "new", &new, Format::Raw, Some("old"))?;
    place.add(&site, "old", &old, Format::Raw, None)?;
    place.carry(&hq, &["new"], &[&site], "stick")?;
    place.add(&site, "came by itself", &new, Format::Vhd, None)?;
    let received = place.receive("stick", &site)?;
    let Outcome::There(record) = &received.images[0].outcome else {
        panic!("it is there: {received:?}");
    };
    assert_eq!(record.name.as_str(), "came by itself");
    Ok(())
}
