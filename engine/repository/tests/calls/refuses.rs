//! What calls refuse, an error of each kind; and that one image which fails does not stop the others.

use std::fs;

use imgdelta_core::{Existing, Kind, Result};
use imgdelta_operations::Digest;
use imgdelta_registry::OpenSpec;
use imgdelta_repository::calls::{
    Add, AddSpec, AddTags, Gc, Init, List, Plan, Remove, Rename, Scan, SetId, Show, Verify,
    WriteInventory,
};
use serde_json::json;

use crate::place::{Place, context, spec};

/// What an error is: its kind and its code.
fn fault<T: std::fmt::Debug>(result: Result<T>) -> (Kind, String) {
    let error = result.expect_err("it is refused");
    (error.kind(), error.code().to_owned())
}

fn usage(code: &str) -> (Kind, String) {
    (Kind::Usage, code.to_owned())
}

#[test]
fn wrong_use_is_refused() -> Result<()> {
    let place = Place::with_repository()?;
    let (hq, context) = (place.hq(), context());
    let golden = place.image("golden.raw", [1, 2, 3, 4]);
    let other = place.image("other.raw", [5, 6, 7, 8]);
    place.add(&[&golden, &other])?;

    assert_eq!(fault(Init::new(&hq).run(&context)), usage("exists"));
    let nowhere = List::new(place.at("nowhere")).run(&context);
    assert_eq!(fault(nowhere), usage("no_repository"));
    let missing = Show::new(&hq, "december").run(&context);
    assert_eq!(fault(missing).0, Kind::Usage);
    let taken = AddSpec {
        name: Some("golden".parse()?),
        ..spec(&place.image("third.raw", [1, 1, 1, 1]))
    };
    let taken = Add::new(&hq, [taken]).run(&context);
    assert_eq!(fault(taken), usage("name_taken"));
    let taken = Rename::new(&hq, "other", "golden".parse()?).run(&context);
    assert_eq!(fault(taken), usage("name_taken"));
    let id = SetId::new(&hq, "other", "X-1".parse()?);
    id.run(&context)?;
    let taken = SetId::new(&hq, "golden", "x-1".parse()?).run(&context);
    assert_eq!(fault(taken), usage("id_taken"));
    let many = (0..17).map(|number| format!("tag-{number}").parse());
    let many = AddTags::new(&hq, "golden", many.collect::<Result<Vec<_>>>()?);
    assert_eq!(fault(many.run(&context)), usage("tags"));
    let unknown = Verify::new(&hq).images(["december".to_owned()]);
    assert_eq!(fault(unknown.run(&context)).0, Kind::Usage);
    let inventory = WriteInventory::new(&hq, &golden);
    assert_eq!(fault(inventory.run(&context)).0, Kind::Usage);
    inventory.existing(Existing::Replace).run(&context)?;
    let twice = Plan::new(&hq, ["golden".to_owned()]);
    let twice = twice.site(&hq).site(&hq).run(&context);
    assert_eq!(fault(twice).0, Kind::Usage);
    Ok(())
}

#[test]
fn an_image_that_others_cannot_be_read_without_stays() -> Result<()> {
    let place = Place::with_repository()?;
    let base = place.image("hq/golden.raw", [1, 2, 3, 4]);
    let target = place.image("target.raw", [1, 2, 3, 5]);
    place.child(&base, &target, "hq/child.qcow2")?;
    let scanned = Scan::new(place.hq()).run(&context())?;
    assert_eq!(scanned.added.len(), 2);
    let needed = Remove::new(place.hq(), "golden");
    for call in [needed.clone(), needed.dry_run(true)] {
        assert_eq!(fault(call.run(&context())), usage("has_children"));
    }
    Ok(())
}

#[test]
fn every_other_kind_of_error_comes_through() -> Result<()> {
    let place = Place::with_repository()?;
    let (hq, context) = (place.hq(), context());
    let golden = place.image("golden.raw", [1, 2, 3, 4]);
    let target = place.image("target.raw", [1, 2, 3, 5]);
    let child = place.child(&golden, &target, "child.qcow2")?;

    fs::write(place.at("bad.inv"), b"{}").expect("room");
    place.add(&[&golden])?;
    let plan = Plan::new(&hq, ["golden".to_owned()]).site(place.at("bad.inv"));
    assert_eq!(fault(plan.run(&context)).0, Kind::Corrupt);

    let promised = Digest::new(OpenSpec::of(&target)).run(&context)?.digest;
    let wrong = AddSpec {
        content_id: Some(promised.parse()?),
        name: Some("wrong".parse()?),
        ..spec(&place.image("wrong.raw", [6; 4]))
    };
    let broken = (Kind::Digest, "content_mismatch".to_owned());
    assert_eq!(fault(Add::new(&hq, [wrong]).run(&context)), broken);

    fs::remove_file(&golden).expect("it is there");
    // With it, the child's base would be known by its content.
    fs::remove_file(place.at("child.qcow2.manifest.json")).expect("it is there");
    let orphan = Add::new(&hq, [spec(&child)]).run(&context);
    assert_eq!(fault(orphan).0, Kind::Chain);
    let lost = Add::new(&hq, [spec(&golden)]).run(&context);
    assert_eq!(fault(lost).0, Kind::Host);

    let about = hq.join(".imgdelta/repository.json");
    let newer = json!({"schema": "imgdelta/repository/9"});
    fs::write(about, newer.to_string()).expect("room");
    let newer = (Kind::Unsupported, "schema".to_owned());
    assert_eq!(fault(List::new(&hq).run(&context)), newer);
    Ok(())
}

#[cfg(unix)]
#[test]
fn an_image_that_leads_out_of_the_folder_is_a_finding() -> Result<()> {
    let place = Place::with_repository()?;
    let golden = place.image("golden.raw", [1, 2, 3, 4]);
    place.add(&[&golden])?;
    let stored = place.at("hq/golden.raw");
    fs::remove_file(&stored).expect("it is there");
    std::os::unix::fs::symlink(&golden, &stored).expect("room");
    let found = Verify::new(place.hq()).run(&context())?;
    let error = found.images[0].error.as_ref().expect("it is refused");
    assert_eq!((error.kind, error.exit), (Kind::Reference, 7));
    assert_eq!(found.images[0].verdict, "unreadable");
    Ok(())
}

#[test]
fn who_holds_the_repository_is_told_and_a_dry_run_does_not_mind() -> Result<()> {
    let place = Place::with_repository()?;
    place.add(&[&place.image("golden.raw", [1, 2, 3, 4])])?;
    let path = place.at("hq/.imgdelta/lock");
    let lock = fs::File::options().read(true).write(true).open(&path);
    let lock = lock.expect("it is there");
    lock.lock().expect("nobody holds it");
    let holder = json!({
        "schema": "imgdelta/lock/1", "host": "nas01", "boot": "x", "pid": 4121, "token": "t",
        "since": "2026-11-24T14:02:00Z", "what": "deploy win11-2611",
    });
    fs::write(&path, holder.to_string()).expect("room");
    let busy = (Kind::Busy, "locked".to_owned());
    let (hq, context) = (place.hq(), context());
    assert_eq!(fault(Gc::new(&hq).run(&context)), busy);
    let remove = Remove::new(&hq, "golden");
    assert_eq!(fault(remove.clone().run(&context)), busy);
    let rename = Rename::new(&hq, "golden", "november".parse()?);
    assert_eq!(fault(rename.clone().run(&context)), busy);
    remove.dry_run(true).run(&context)?;
    rename.dry_run(true).run(&context)?;
    assert_eq!(List::new(&hq).run(&context)?.images[0].name, "golden");
    Ok(())
}

#[test]
fn one_image_that_fails_does_not_stop_the_others() -> Result<()> {
    let place = Place::with_repository()?;
    let one = place.image("one.raw", [1, 1, 1, 1]);
    let two = place.image("two.raw", [2, 2, 2, 2]);
    let report = place.add(&[&one, &place.at("missing.raw"), &two])?;
    let is_new: Vec<bool> = report.images.iter().map(|one| one.is_new).collect();
    assert_eq!(is_new, [true, false, true]);
    let failed = report.images[1].error.as_ref().expect("it is not there");
    assert_eq!((failed.kind, failed.exit), (Kind::Host, 8));
    assert_eq!(List::new(place.hq()).run(&context())?.summary.count, 2);
    Ok(())
}
