//! Conversations with a release that speaks version 1 alone, as it has spoken.

use std::{fs, path::Path};

use imgdelta_core::Result;
use imgdelta_deploy::{
    bundle::{DeliveryContext, Outcome},
    deployment::{Deploy, deploy_over},
    wire::{ClientSession, serve},
};
use imgdelta_repository::catalogue::Repository;
use serde_json::{Value, json};

use crate::{
    disks::{WANTED, disk},
    place::Place,
    raw::{self, Frame},
};

/// The frames of a conversation that was recorded.
fn recorded(name: &str) -> Vec<Frame> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/version_1");
    raw::frames(&fs::read(folder.join(name)).expect("it is kept"))
}

fn kinds(frames: &[Frame]) -> Vec<u8> {
    frames.iter().map(|(kind, _)| *kind).collect()
}

fn content(repository: &Repository, name: &str) -> Result<Vec<u8>> {
    let record = repository.show(name)?;
    Ok(fs::read(repository.folder().join(record.path()?.as_path())).expect("it is there"))
}

#[test]
fn headquarters_of_version_1_is_served() -> Result<()> {
    let place = Place::new();
    let site = place.repository("site")?;
    place.add(&site, "golden", &disk("golden"))?;
    let mut said = recorded("to-site");
    said[1] = raw::json(3, &json!({"path": site.folder().to_str().expect("text")}));
    let mut answer = Vec::new();
    let served = serve(&raw::bytes(0, &said)[..], &mut answer, &place.serving())?;
    assert_eq!((served.entered.len(), served.refused.len()), (3, 0));
    for name in WANTED {
        assert_eq!(content(&site, name)?, disk(name), "{name}");
    }
    // Whatever it says while it works, version 1 knows.
    let mut answered = kinds(&raw::frames(&answer));
    answered.retain(|kind| *kind != 16);
    assert_eq!(answered, kinds(&recorded("to-headquarters")));
    Ok(())
}

#[test]
fn a_site_of_version_1_is_sent_what_it_knows() -> Result<()> {
    let place = Place::new();
    let hq = place.repository("hq")?;
    place.add(&hq, "golden", &disk("golden"))?;
    place.add(&hq, "middle", &disk("middle"))?;
    for name in WANTED {
        place.add_child(&hq, name, &disk(name), "middle")?;
    }
    let packing = place.at("packing");
    fs::create_dir(&packing).expect("room");
    let deploy = Deploy {
        images: WANTED.map(str::to_owned).to_vec(),
        ..Deploy::from(&hq)
    };
    let heard = raw::bytes(0, &recorded("to-headquarters"));
    let mut said = Vec::new();
    let client = ClientSession::open(&heard[..], &mut said, "/srv/images", &place.progress)?;
    let sent = deploy_over(
        &deploy,
        client,
        &packing,
        &DeliveryContext::quiet(place.run()),
    )?;
    assert!(sent.failure().is_none(), "{sent:?}");
    let images = sent.images.as_deref().unwrap_or_default();
    assert!(matches!(images[0].outcome, Outcome::Step));
    let mut wanted = images.iter().skip(1);
    assert!(wanted.all(|one| matches!(one.outcome, Outcome::Entered(_))));

    let (said, once) = (raw::frames(&said), recorded("to-site"));
    assert_eq!(kinds(&said), kinds(&once));
    for ((kind, now), (_, once)) in said.iter().zip(&once) {
        if *kind == 11 {
            let (now, once): (Value, Value) = (
                serde_json::from_slice(now).expect("it is JSON"),
                serde_json::from_slice(once).expect("it is JSON"),
            );
            assert_eq!(keys(&now), keys(&once));
            assert_eq!(keys(&now["item"]), keys(&once["item"]));
            assert_eq!(now["parts"][1]["name"], once["parts"][1]["name"]);
        }
    }
    Ok(())
}

fn keys(value: &Value) -> Vec<String> {
    let object = value.as_object().expect("it has keys");
    object.keys().cloned().collect()
}
