//! The inventory: what it says, how long it is, and what hostile ones are answered.

use imgdelta_core::{Existing, Kind, Result};
use imgdelta_registry::OpenSpec;
use imgdelta_repository::catalogue::{Add, Inventory};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::place::Place;

#[test]
fn an_inventory_says_what_is_there_and_no_path() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("secret-folder")?;
    assert_eq!(
        Inventory::from_json(&repository.inventory()?.to_json()?)?
            .images
            .len(),
        0
    );
    let golden = place.add(&repository, &place.golden("golden.vhd"))?.record;
    let add = Add {
        image: OpenSpec::of(place.golden("patched.qcow2")),
        parent: Some("golden".to_owned()),
        tags: ["2026".parse()?].into(),
        id: Some("win11".parse()?),
        ..Add::default()
    };
    repository.add(&add, &place.run())?;
    let inventory = repository.inventory()?;
    let carried = place.at("site.inv");
    inventory.write(&carried, Existing::Keep)?;
    assert_eq!(Inventory::read(&carried)?, inventory);
    let text = std::fs::read_to_string(&carried).expect("it is there");
    assert_eq!(text.lines().count(), 4, "a line an image");
    assert!(!text.contains("secret-folder") && !text.contains(".vhd"));
    let json: Value = serde_json::from_str(&text).expect("it is JSON");
    assert_eq!(json["schema"], "imgdelta/inventory/1");
    assert_eq!(json["repository"], repository.about().id.as_str());
    assert_eq!(json["default_format"], "qcow2");
    assert_eq!(
        json["images"][1],
        json!({
            "id": "win11",
            "content_id": repository.show("win11")?.content_id.to_string(),
            "size": 12 << 20,
            "name": "patched",
            "parent": golden.id.as_str(),
            "tags": ["2026"],
        })
    );
    Ok(())
}

#[test]
fn an_inventory_that_windows_has_written_once_more_is_read() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("site")?;
    let add = Add {
        image: OpenSpec::of(place.golden("golden.vhd")),
        name: Some("Größe".parse()?),
        ..Add::default()
    };
    repository.add(&add, &place.run())?;
    let inventory = repository.inventory()?;
    let json = String::from_utf8(inventory.to_json()?).expect("it is text");
    let marked = format!("\u{feff}{json}");
    let in_units = |text: &str, bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    };
    for text in [
        marked.clone().into_bytes(),
        in_units(&marked, u16::to_le_bytes),
        in_units(&marked, u16::to_be_bytes),
        in_units(&json, u16::to_le_bytes),
        in_units(&json, u16::to_be_bytes),
    ] {
        assert_eq!(Inventory::from_json(&text)?, inventory);
    }
    // Half a character, or a half of a pair, is no name.
    let broken = [in_units(&marked, u16::to_le_bytes), vec![0x00]].concat();
    assert_eq!(Inventory::from_json(&broken)?, inventory);
    let cut = &in_units(&marked, u16::to_le_bytes)[..200];
    let error = Inventory::from_json(cut).expect_err("it is cut");
    assert_eq!(error.kind(), Kind::Corrupt);
    Ok(())
}

fn item(id: &str) -> Value {
    json!({
        "id": id,
        "content_id": format!("imgdelta1:{}", "0f".repeat(32)),
        "size": i64::MAX,
        "name": "x".repeat(128),
        "parent": "p".repeat(128),
        "tags": (0..16).map(|n| format!("{n:020}")).collect::<Vec<_>>(),
    })
}

fn inventory(images: &Value) -> Value {
    json!({
        "schema": "imgdelta/inventory/1",
        "repository": "6d1f1a9e-7a0e-4f52-9f5e-6f0d9a1b2c3d",
        "default_format": "vhd",
        "images": images,
    })
}

fn parse(value: &Value) -> Result<Inventory> {
    Inventory::from_json(value.to_string().as_bytes())
}

#[test]
fn the_longest_image_takes_less_than_a_kibibyte() -> Result<()> {
    let one = parse(&inventory(&json!([item(&"i".repeat(128))])))?;
    let none = parse(&inventory(&json!([])))?;
    let taken = one.to_json()?.len() - none.to_json()?.len();
    assert!(taken <= 1024, "{taken}");
    Ok(())
}

#[test]
fn an_inventory_that_lies_is_refused() {
    let with = |field: &str, value: Value| {
        let mut one = item("a");
        one[field] = value;
        inventory(&json!([one]))
    };
    for wrong in [
        with("id", json!("../x")),
        with("id", json!("x".repeat(129))),
        with("name", json!("/etc/passwd")),
        with("name", json!("\u{1b}]0;x\u{7}")),
        with("parent", json!("a b")),
        with("size", json!(-1)),
        with("content_id", json!("imgdelta1:xx")),
        with(
            "tags",
            json!((0..17).map(|n| n.to_string()).collect::<Vec<_>>()),
        ),
        with("tags", json!(["x".repeat(65)])),
        inventory(&json!([item("a"), item("A")])),
        inventory(&json!({})),
        json!({"schema": "imgdelta/inventory/1"}),
        json!([]),
    ] {
        let error = parse(&wrong).expect_err("it lies");
        assert_eq!(error.kind(), Kind::Corrupt, "{error}");
        assert!(!error.to_string().contains('\u{1b}'));
        assert!(error.to_string().len() < 500, "{error}");
    }
    let mut other = inventory(&json!([]));
    other["schema"] = json!("imgdelta/inventory/2");
    assert_eq!(
        parse(&other).expect_err("of another version").kind(),
        Kind::Unsupported
    );
    let mut deep = vec![b'['; 1 << 20];
    deep.extend(vec![b']'; 1 << 20]);
    assert_eq!(
        Inventory::from_json(&deep).expect_err("deep").kind(),
        Kind::Corrupt
    );
}

#[test]
fn an_endless_inventory_is_not_read() -> Result<()> {
    let place = Place::new();
    let path = place.at("endless.inv");
    let file = std::fs::File::create(&path).expect("room");
    file.set_len(1 << 40).expect("holes");
    let error = Inventory::read(&path).expect_err("too long");
    assert_eq!(
        (error.kind(), error.code()),
        (Kind::Unsupported, "inventory")
    );
    let error = Inventory::read(&place.at("none.inv")).expect_err("no such file");
    assert_eq!(error.kind(), Kind::Host);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_bytes_are_an_inventory_or_refused(at in 0..3000_usize, bytes in prop::collection::vec(any::<u8>(), 0..8), cut in 0..3000_usize) {
        let mut json = inventory(&json!([item("a"), item("b")])).to_string().into_bytes();
        let at = at.min(json.len());
        json.splice(at..at, bytes);
        json.truncate(json.len().saturating_sub(cut % (json.len() + 1)));
        if let Ok(read) = Inventory::from_json(&json) {
            let again = Inventory::from_json(&read.to_json().expect("it was read")).expect("it was read");
            prop_assert_eq!(again, read);
        }
    }
}
