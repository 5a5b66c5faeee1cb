//! A signed delivery of a disk without what nobody needs of it, damaged on its way, asked for once more, and sent signed again.

use std::{fs, path::Path, process::Command};

use imgdelta_core::{Error, Format, Kind, Result};
use imgdelta_deploy::{
    bundle::{EntryForm, Request, SigningKey},
    calls::{ImageOutcome, Receive, ReceiveReport, Refill},
    deployment::{Deploy, Destination, deploy_many},
};
use imgdelta_operations::Context;
use imgdelta_repository::catalogue::Signer;

use super::{Months, is_ready};
use crate::{
    host::{are_there, name, poke, run},
    place::stored,
    scene::{edit, sha256sum},
};

const ID: &str = "images@example.org";

/// A key in a folder, and who reads what it signs.
fn key(folder: &Path) -> Result<(SigningKey, Signer)> {
    let [key, allowed] = ["key", "allowed"].map(|file| folder.join(file));
    let words = [
        "ssh-keygen",
        "-q",
        "-t",
        "ed25519",
        "-N",
        "",
        "-f",
        name(&key),
    ];
    run(&words, "");
    let public = fs::read_to_string(key.with_extension("pub")).expect("it was made");
    fs::write(&allowed, format!("{ID} namespaces=\"imgdelta\" {public}")).expect("room");
    Ok((SigningKey::new(&key)?, Signer::new(ID, &allowed, None)?))
}

#[test]
fn a_reduced_delivery_that_came_damaged_is_refilled_by_its_windows_under_the_signature()
-> Result<()> {
    if !is_ready() || !are_there(&[("ssh-keygen", "openssh-client")]) {
        return Ok(());
    }
    let months = Months::new()?;
    let site = months.site("site", Format::Raw)?;
    let base = stored(&site, "month0")?;
    let [stick, refill, request] = ["stick", "refill", "request"].map(|name| months.place.at(name));
    let (key, signer) = key(&months.place.at(""))?;
    let all = Deploy {
        images: vec!["month1".to_owned()],
        sites: vec![Destination::Carried(site.inventory()?)],
        bundle: Some(stick.clone()),
        sign: Some(key),
        ..months.leaving_out()
    };
    let deployed = deploy_many(&all, &months.place.context())?;
    assert!(deployed.failure().is_none(), "{deployed:?}");
    let entry = months.place.index("stick")?.items.remove(0);
    assert_eq!(entry.form, EntryForm::Transport);
    let exact = months.hq.show("month1")?.content_id;
    assert_ne!(entry.content_id, exact, "something is left out");
    let file = stick.join(entry.file.name.as_str());
    edit(&file, |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    });
    let receive = |folders: &[&Path]| -> Result<ReceiveReport> {
        Receive::new(folders[0], site.folder())
            .others(folders[1..].iter().copied())
            .signer(Some(signer.clone()))
            .request(Some(request.clone()))
            .run(&Context::new())
    };
    let error = receive(&[&stick]).expect_err("it is damaged");
    assert_eq!(
        (error.kind(), error.code()),
        (Kind::Digest, "delivery_damaged")
    );
    let asked = Request::read(&request)?.items.remove(0);
    assert_eq!(asked.content_id, entry.content_id);
    // It comes from a headquarters that has the image itself, and only remembers the disk that is asked for.
    let call = Refill::new(months.hq.folder(), &request, &refill);
    let report = call
        .sign(Some(months.place.at("key")))
        .run(&Context::new())?;
    assert_eq!(report.images[0].windows, Some(1), "{report:?}");
    let index = months.place.index("refill")?;
    assert_eq!(index.items[0].content_id, entry.content_id);
    assert!(report.bytes < entry.file.length / 2, "{report:?}");
    assert!(sha256sum(&refill));
    let said = Command::new("ssh-keygen")
        .args(["-Y", "verify", "-n", "imgdelta", "-I", ID, "-f"])
        .arg(months.place.at("allowed"))
        .arg("-s")
        .arg(refill.join("delivery.json.sig"))
        .stdin(fs::File::open(refill.join("delivery.json")).expect("there"))
        .output();
    assert!(said.expect("it runs").status.success());
    // Without its signature the refill is believed as little as any delivery.
    let signature = fs::read(refill.join("delivery.json.sig")).expect("there");
    fs::remove_file(refill.join("delivery.json.sig")).expect("there");
    let unsigned: Error = receive(&[&refill, &stick]).expect_err("it is not signed");
    assert_eq!(unsigned.code(), "unsigned");
    fs::write(refill.join("delivery.json.sig"), signature).expect("room");
    let received = receive(&[&refill, &stick])?;
    assert_eq!(received.images[0].fate, ImageOutcome::Entered);
    assert_eq!(received.signers, [ID]);
    months.assert_right(&site, "month1", &base)?;
    assert_eq!(site.show("month1")?.content_id, entry.content_id);
    Ok(())
}

#[test]
fn a_reduced_delivery_whose_map_is_damaged_is_sent_again_as_it_was() -> Result<()> {
    if !is_ready() {
        return Ok(());
    }
    let months = Months::new()?;
    let site = months.site("site", Format::Raw)?;
    let base = stored(&site, "month0")?;
    let [stick, refill, request] = ["stick", "refill", "request"].map(|name| months.place.at(name));
    let all = Deploy {
        images: vec!["month1".to_owned()],
        sites: vec![Destination::Carried(site.inventory()?)],
        bundle: Some(stick.clone()),
        ..months.leaving_out()
    };
    deploy_many(&all, &months.place.context())?;
    let entry = months.place.index("stick")?.items.remove(0);
    poke(&stick.join(entry.file.name.as_str()), 40, b"spoilt");
    let receive = |folder: &Path| {
        Receive::new(folder, site.folder())
            .request(Some(request.clone()))
            .run(&Context::new())
    };
    receive(&stick).expect_err("it is damaged");
    let report = Refill::new(months.hq.folder(), &request, &refill).run(&Context::new())?;
    assert_eq!(report.images[0].windows, None);
    let again = months.place.index("refill")?.items.remove(0);
    assert_eq!(again.content_id, entry.content_id);
    let received = receive(&refill)?;
    assert_eq!(received.images[0].fate, ImageOutcome::Entered);
    months.assert_right(&site, "month1", &base)?;
    Ok(())
}
