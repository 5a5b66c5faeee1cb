//! What `attach` makes sure of: not only the base and the child, but the disk that a hypervisor then reads.

use std::{fs, path::Path};

use imgdelta_core::{Error, Kind, Result};
use imgdelta_operations::{Attach, Context, Make};
use imgdelta_registry::{OpenSpec, OutputSpec};
use serde_json::Value;
use tempfile::TempDir;

const FORMATS: [&str; 2] = ["qcow2", "vhdx"];

/// A base, two targets of it, and a child of each.
fn children(format: &str, place: &Path, context: &Context) -> Result<()> {
    let base = vec![7_u8; 3 << 20];
    fs::write(place.join("base.raw"), &base).expect("room");
    let convert = imgdelta_operations::Convert::new(
        OpenSpec::of(place.join("base.raw")),
        OutputSpec::of(place.join(format!("base.{format}"))),
    );
    convert.run(context)?;
    for name in ["good", "evil"] {
        let mut target = base.clone();
        target.splice(70_000..70_004, name.bytes());
        fs::write(place.join(format!("{name}.raw")), target).expect("room");
        Make::new(
            OpenSpec::of(place.join(format!("base.{format}"))),
            OpenSpec::of(place.join(format!("{name}.raw"))),
            OutputSpec::of(place.join(format!("{name}.{format}"))),
        )
        .run(context)?;
    }
    Ok(())
}

/// Changes the manifest beside a child.
fn edit(child: &Path, change: impl FnOnce(&mut Value)) {
    let place = format!("{}.manifest.json", child.display());
    let mut manifest: Value =
        serde_json::from_slice(&fs::read(&place).expect("it is there")).expect("it is JSON");
    change(&mut manifest);
    fs::write(&place, manifest.to_string()).expect("room");
}

/// Tries it with nothing remembered, and with the base remembered.
fn refused(format: &str, change: impl Fn(&mut Value, &Value)) -> Result<Vec<Error>> {
    let mut errors = Vec::new();
    for is_warm in [false, true] {
        let place = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a place");
        let place = place.path();
        let cache = Context::new().threads(2).cache_in(place.join("cache"));
        let context = if is_warm { cache } else { Context::new() };
        children(format, place, &context)?;
        let good = fs::read(place.join(format!("good.{format}.manifest.json")));
        let good: Value = serde_json::from_slice(&good.expect("it is there")).expect("JSON");
        let child = place.join(format!("evil.{format}"));
        edit(&child, |manifest| change(manifest, &good));
        let before = fs::read(&child).expect("it is there");
        let base = OpenSpec::of(place.join(format!("base.{format}")));
        let attach = Attach::new(OpenSpec::of(&child), base);
        errors.push(attach.run(&context).expect_err("another disk"));
        assert_eq!(fs::read(&child).expect("it is there"), before);
    }
    Ok(errors)
}

#[test]
fn a_child_that_makes_another_disk_than_promised_is_not_attached() -> Result<()> {
    for format in FORMATS {
        let errors = refused(format, |manifest, good| {
            manifest["result"] = good["result"].clone();
        })?;
        for error in errors {
            assert_eq!(
                (error.kind(), error.code()),
                (Kind::Digest, "result_mismatch"),
                "{format}: {error}"
            );
        }
    }
    Ok(())
}

#[test]
fn a_size_on_which_child_and_manifest_do_not_agree_is_damage() -> Result<()> {
    let changes: [fn(&mut Value); 4] = [
        |manifest| manifest["result"]["size"] = Value::from(2 << 20),
        |manifest| manifest["result"]["size"] = Value::from(4 << 20),
        |manifest| manifest["child"]["size"] = Value::from(4 << 20),
        |manifest| manifest["result"]["size"] = Value::from(0),
    ];
    for change in changes {
        for error in refused("qcow2", |manifest, _| change(manifest))? {
            assert_eq!(
                (error.kind(), error.code()),
                (Kind::Corrupt, "size_mismatch"),
                "{error}"
            );
        }
    }
    Ok(())
}

#[test]
fn a_child_that_makes_the_promised_disk_is_attached_cold_and_warm() -> Result<()> {
    for format in FORMATS {
        let place = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a place");
        let place = place.path();
        let context = Context::new().threads(2).cache_in(place.join("cache"));
        children(format, place, &context)?;
        for context in [Context::new(), context] {
            let attached = Attach::new(
                OpenSpec::of(place.join(format!("good.{format}"))),
                OpenSpec::of(place.join(format!("base.{format}"))),
            )
            .run(&context)?;
            assert!(attached.layer_digest.is_some(), "{format}");
        }
    }
    Ok(())
}
