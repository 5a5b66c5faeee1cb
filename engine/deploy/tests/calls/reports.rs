//! Reports as JSON: what the command's `--json` is made of.

use imgdelta_core::{Format, Result};
use imgdelta_deploy::calls::{Destination, Receive};
use serde::Serialize;
use serde_json::Value;

use crate::world::{World, context};

fn json(report: &impl Serialize) -> Value {
    serde_json::to_value(report).expect("it serialises")
}

fn keys(value: &Value) -> Vec<&str> {
    let object = value.as_object().expect("it is an object");
    object.keys().map(String::as_str).collect()
}

#[test]
fn reports_have_the_keys_that_are_documented() -> Result<()> {
    let world = World::new()?;
    let site = world.site("site", Format::Vhd)?;
    let stick = world.place.at("stick");
    let deploy = (world.deploy())
        .to(Destination::Inventory(site.folder().to_owned()))
        .to(Destination::Folder(world.place.at("nowhere")))
        .medium(&stick);
    let deployed = json(&deploy.run(&context())?);
    assert_eq!(
        keys(&deployed),
        ["bytes", "delivery", "notes", "repository", "sites"]
    );
    let [carried, failed] = &deployed["sites"].as_array().expect("a list")[..] else {
        panic!("{deployed}")
    };
    assert_eq!(keys(carried), ["bytes", "errors", "sent", "site", "there"]);
    assert_eq!(
        keys(&carried["sent"][0]),
        [
            "base", "bytes", "file", "format", "image", "is_new", "is_step"
        ]
    );
    assert_eq!(keys(&carried["sent"][0]["image"]), ["id", "name"]);
    assert_eq!(
        keys(&failed["errors"][0]),
        ["code", "exit", "hint", "message"]
    );

    let received = json(&Receive::new(&stick, site.folder()).run(&context())?);
    assert_eq!(
        keys(&received),
        ["delivery", "dry_run", "images", "notes", "repository"]
    );
    let image = &received["images"][0];
    assert_eq!(
        keys(image),
        [
            "as_child",
            "base",
            "content_id",
            "fate",
            "id",
            "image",
            "name"
        ]
    );
    assert_eq!(image["fate"], "entered");
    assert_eq!(image["image"]["format"], "vhd");

    let there = (world.deploy()).to(Destination::Folder(site.folder().to_owned()));
    let plan = json(&there.plan().run(&context())?);
    assert_eq!(
        keys(&plan),
        [
            "bytes",
            "carrier",
            "naive",
            "notes",
            "pairs",
            "repository",
            "sites"
        ]
    );
    assert_eq!(plan["sites"][0]["there"][0]["at_site"]["name"], "new");
    Ok(())
}
