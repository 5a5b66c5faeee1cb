//! What came damaged is asked for once more, and of a transport file only its damaged windows are sent.

use std::{
    fs,
    path::{Path, PathBuf},
};

use imgdelta_core::{Error, Format, Kind, Result};
use imgdelta_deploy::bundle::{EntryForm, Request};
use imgdelta_deploy::calls::{ImageOutcome, Receive, ReceiveReport, Refill, RefillReport};
use imgdelta_operations::Context;
use imgdelta_repository::catalogue::Repository;

use crate::place::{Place, Windows, assert_sound, files_below, stored};

/// The disk that the site has, and the one that it is to have: 40 of 72 windows are new, which is ten windows of the transport file.
fn disks() -> (Windows, Windows) {
    let old = Windows::new(72, 1);
    let new = old.with(8..48, 2);
    (old, new)
}

/// A site, and a stick for it.
fn world(place: &Place) -> Result<Repository> {
    let (old, new) = disks();
    let hq = place.repository("hq", Format::Qcow2)?;
    let site = place.repository("site", Format::Raw)?;
    place.add(&hq, "old", &old, Format::Raw, None)?;
    place.add(&hq, "new", &new, Format::Raw, Some("old"))?;
    place.add(&site, "old", &old, Format::Raw, None)?;
    let deployed = place.carry(&hq, &["new"], &[&site], "stick")?;
    assert!(deployed.failure().is_none(), "{deployed:?}");
    assert_eq!(place.index("stick")?.items[0].form, EntryForm::Transport);
    Ok(site)
}

/// The file of the stick's first entry.
fn part(place: &Place, stick: &str) -> Result<PathBuf> {
    let item = place.index(stick)?.items.remove(0);
    Ok(place.at(stick).join(item.file.name.as_str()))
}

/// Flips a bit at so many thousandths of a file.
fn flip(file: &Path, thousandths: usize) {
    let mut bytes = fs::read(file).expect("it is there");
    let at = bytes.len() * thousandths / 1000;
    bytes[at] ^= 4;
    fs::write(file, bytes).expect("room");
}

/// Receives from these, asking for what came damaged.
fn receive(place: &Place, deliveries: &[&str]) -> Result<ReceiveReport> {
    let (first, others) = deliveries.split_first().expect("one");
    Receive::new(place.at(first), place.at("site"))
        .others(others.iter().map(|other| place.at(other)))
        .request(Some(place.at("request")))
        .run(&Context::new())
}

fn refill(place: &Place) -> Result<RefillReport> {
    Refill::new(place.at("hq"), place.at("request"), place.at("refill")).run(&Context::new())
}

fn code(outcome: Result<impl std::fmt::Debug>) -> (Kind, String) {
    let error = outcome.expect_err("it is refused");
    (error.kind(), error.code().to_owned())
}

#[test]
fn damaged_windows_are_asked_for_sent_and_put_in() -> Result<()> {
    let place = Place::new();
    let site = world(&place)?;
    let file = part(&place, "stick")?;
    for thousandths in [200, 210, 700] {
        flip(&file, thousandths);
    }
    let before = files_below(site.folder());
    let error = receive(&place, &["stick"]).expect_err("it is damaged");
    assert_eq!(error.code(), "delivery_damaged");
    let details = error.details();
    assert!(
        details.iter().any(|line| line.contains("--refill")),
        "{error:?}"
    );
    assert_eq!(files_below(site.folder()), before);
    let length = fs::metadata(place.at("request"))
        .expect("it is there")
        .len();
    assert!(length < 4096, "{length}");
    let request = Request::read(&place.at("request"))?;
    let windows = request.items[0].windows.as_ref().expect("windows alone");
    let count: u64 = windows.runs.iter().map(|run| run.1).sum();
    assert!((2..=3).contains(&count), "{windows:?}");

    let report = refill(&place)?;
    assert_eq!(report.images[0].windows, Some(count));
    let whole = fs::metadata(&file).expect("it is there").len();
    assert!(report.bytes < whole / 2, "{} of {whole}", report.bytes);
    let index = place.index("refill")?;
    assert_eq!(
        (index.items[0].form, &index.requires[..]),
        (EntryForm::Windows, &["windows".to_owned()][..])
    );

    // In either order; a look before writes nothing.
    let dry = Receive::new(place.at("stick"), place.at("site"))
        .others([place.at("refill")])
        .dry_run(true)
        .run(&Context::new())?;
    assert_eq!(dry.images[0].fate, ImageOutcome::Due);
    let report = receive(&place, &["refill", "stick"])?;
    assert_eq!(report.images[0].fate, ImageOutcome::Entered);
    assert_eq!(report.request, None);
    assert_eq!(stored(&site, "new")?, disks().1.bytes());
    assert_eq!(
        fs::read_dir(site.incoming()).expect("it is there").count(),
        0
    );
    assert_sound(&site, &place)
}

#[test]
fn what_has_no_windows_left_is_asked_for_as_a_whole() -> Result<()> {
    // The header, an index, all of the file.
    for harm in ["head", "index", "gone"] {
        let place = Place::new();
        let site = world(&place)?;
        let file = part(&place, "stick")?;
        match harm {
            "head" => flip(&file, 0),
            "index" => flip(&file, 999),
            _ => fs::remove_file(&file).expect("it is there"),
        }
        receive(&place, &["stick"]).expect_err("it is damaged");
        let request = Request::read(&place.at("request"))?;
        assert_eq!(request.items[0].windows, None, "{harm}");
        let report = refill(&place)?;
        assert_eq!(report.images[0].windows, None, "{harm}");
        // It stands for itself.
        receive(&place, &["refill"])?;
        assert_eq!(stored(&site, "new")?, disks().1.bytes(), "{harm}");
    }
    Ok(())
}

#[test]
fn children_and_whole_images_are_asked_for_too() -> Result<()> {
    let place = Place::new();
    let (old, new) = disks();
    let hq = place.repository("hq", Format::Qcow2)?;
    let site = place.repository("site", Format::Raw)?;
    place.add(&hq, "old", &old, Format::Raw, None)?;
    place.add(&hq, "new", &new, Format::Raw, Some("old"))?;
    place.carry_children(&hq, &["old", "new"], &[&site], "stick")?;
    let items = place.index("stick")?.items;
    for item in &items {
        flip(&place.at("stick").join(item.file.name.as_str()), 500);
    }
    // The cheaper way round is taken: either may be the whole one, which the other is made from.
    let (wholes, children): (Vec<_>, Vec<_>) = items.iter().partition(|item| item.base.is_none());
    let [whole, child] = [wholes, children].map(|one| {
        one.iter()
            .map(|item| item.name.to_string())
            .collect::<Vec<_>>()
            .join(" ")
    });
    assert_eq!(items.len(), 2, "'{whole}' and '{child}'");
    let asked = || -> Result<Vec<String>> {
        let request = Request::read(&place.at("request"))?;
        Ok(request
            .items
            .iter()
            .map(|item| item.name.to_string())
            .collect())
    };
    let disk = |name: &str| {
        if name == "old" {
            old.bytes()
        } else {
            new.bytes()
        }
    };
    let report = receive(&place, &["stick"])?;
    assert!(report.failure().is_some());
    // What is made from it was not looked at.
    assert_eq!(asked()?.join(" "), whole);
    refill(&place)?;
    let report = receive(&place, &["stick", "refill"])?;
    assert_eq!(stored(&site, &whole)?, disk(&whole));
    assert!(report.failure().is_some(), "the other one is damaged, too");
    assert_eq!(asked()?.join(" "), child);
    refill(&place)?;
    let report = receive(&place, &["stick", "refill"])?;
    assert!(report.failure().is_none(), "{report:?}");
    assert_eq!(stored(&site, &whole)?, disk(&whole));
    assert_eq!(stored(&site, &child)?, disk(&child));
    Ok(())
}

#[test]
fn what_came_anew_is_not_believed_either() -> Result<()> {
    let place = Place::new();
    let site = world(&place)?;
    let file = part(&place, "stick")?;
    flip(&file, 500);
    receive(&place, &["stick"]).expect_err("it is damaged");
    refill(&place)?;
    let alone = code(receive(&place, &["refill"]));
    assert_eq!(alone, (Kind::Usage, "windows_alone".to_owned()));
    // Damaged itself.
    let windows = part(&place, "refill")?;
    let whole = fs::read(&windows).expect("it is there");
    flip(&windows, 500);
    assert_eq!(
        code(receive(&place, &["stick", "refill"])).1,
        "delivery_damaged"
    );
    // Forged, with its digest in the list.
    for at in [
        0,
        8,
        16,
        24,
        40,
        70,
        100,
        130,
        136,
        144,
        whole.len() / 2,
        whole.len() - 1,
    ] {
        let mut forged = whole.clone();
        forged[at] ^= 0x55;
        list(&place, &forged)?;
        let error: Error = receive(&place, &["stick", "refill"]).expect_err("it is forged");
        let is_clear = matches!(
            error.kind(),
            Kind::Corrupt | Kind::Digest | Kind::Unsupported
        );
        assert!(is_clear, "{at}: {error}");
    }
    for cut in [0, 100, 128, 140, whole.len() - 1] {
        list(&place, &whole[..cut])?;
        let kind = code(receive(&place, &["stick", "refill"])).0;
        assert_eq!(kind, Kind::Corrupt, "cut at {cut}");
    }
    list(&place, &whole)?;
    // More was damaged since: what did not come anew is still damaged, and asked for.
    flip(&file, 100);
    let error = receive(&place, &["stick", "refill"]).expect_err("another window is damaged");
    assert_eq!(error.kind(), Kind::Corrupt, "{error}");
    flip(&file, 100);
    receive(&place, &["stick", "refill"])?;
    assert_eq!(stored(&site, "new")?, disks().1.bytes());
    Ok(())
}

/// Puts bytes in the place of the refill's file, and lets its list say that they belong so.
fn list(place: &Place, bytes: &[u8]) -> Result<()> {
    let mut index = place.index("refill")?;
    let file = &mut index.items[0].file;
    file.length = bytes.len() as u64;
    file.sha256 = imgdelta_delta::Digest::plain(bytes);
    fs::write(place.at("refill").join(file.name.as_str()), bytes).expect("room");
    fs::write(place.at("refill/delivery.json"), index.to_json()?).expect("room");
    Ok(())
}

#[test]
fn a_request_is_judged_and_windows_of_another_making_are_sent_as_a_whole() -> Result<()> {
    let place = Place::new();
    let site = world(&place)?;
    flip(&part(&place, "stick")?, 500);
    receive(&place, &["stick"]).expect_err("it is damaged");
    let good = fs::read_to_string(place.at("request")).expect("it is there");
    let with = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut value: serde_json::Value = serde_json::from_str(&good).expect("JSON");
        change(&mut value);
        fs::write(place.at("request"), value.to_string()).expect("room");
    };
    let zeros = "0".repeat(64);
    with(&|value| value["schema"] = "imgdelta/request/2".into());
    assert_eq!(
        code(refill(&place)),
        (Kind::Unsupported, "schema".to_owned())
    );
    with(&|value| value["items"] = 7.into());
    assert_eq!(code(refill(&place)), (Kind::Corrupt, "request".to_owned()));
    with(&|value| value["items"][0]["windows"]["runs"] = serde_json::json!([[3, 1], [2, 1]]));
    assert_eq!(code(refill(&place)).0, Kind::Corrupt);
    with(&|value| value["items"][0]["content_id"] = format!("imgdelta1:{zeros}").into());
    assert_eq!(
        code(refill(&place)),
        (Kind::Usage, "no_such_image".to_owned())
    );
    // Another release may have cut it into other windows.
    with(&|value| value["items"][0]["windows"]["sha256"] = zeros.clone().into());
    let report = refill(&place)?;
    assert_eq!(report.images[0].windows, None);
    assert!(
        report
            .notes
            .iter()
            .any(|note| note.contains("all of it is sent")),
        "{:?}",
        report.notes
    );
    receive(&place, &["refill", "stick"])?;
    assert_eq!(stored(&site, "new")?, disks().1.bytes());
    Ok(())
}
