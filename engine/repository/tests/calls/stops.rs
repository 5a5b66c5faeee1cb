//! Calls are watched and stopped through their context.

use std::sync::{Arc, Mutex};

use imgdelta_core::{Bytes, Error, Kind, Result};
use imgdelta_delta::RunProgress;
use imgdelta_operations::{Context, Stage};
use imgdelta_repository::calls::{
    Add, AddTags, Gc, Init, List, Plan, Remove, RemoveTags, Rename, Scan, SetGolden, SetId, Show,
    Tree, Verify, WriteInventory,
};

use crate::place::{Place, context, spec};

#[test]
fn no_call_begins_in_a_context_that_was_stopped() -> Result<()> {
    let place = Place::with_repository()?;
    let golden = place.image("golden.raw", [1, 2, 3, 4]);
    place.add(&[&golden])?;
    let before = place.files();
    let (hq, context) = (place.hq(), context());
    context.progress().stop();
    let new = place.image("golden.raw", [1, 2, 3, 4]);
    let kinds = [
        kind(Init::new(place.at("other")).run(&context)),
        kind(Add::new(&hq, [spec(&new)]).run(&context)),
        kind(Scan::new(&hq).run(&context)),
        kind(List::new(&hq).run(&context)),
        kind(Tree::new(&hq).run(&context)),
        kind(Show::new(&hq, "golden").run(&context)),
        kind(AddTags::new(&hq, "golden", ["a".parse()?]).run(&context)),
        kind(RemoveTags::new(&hq, "golden", ["a".parse()?]).run(&context)),
        kind(SetGolden::new(&hq, "golden", true).run(&context)),
        kind(SetId::new(&hq, "golden", "X-1".parse()?).run(&context)),
        kind(Rename::new(&hq, "golden", "november".parse()?).run(&context)),
        kind(Verify::new(&hq).run(&context)),
        kind(Remove::new(&hq, "golden").run(&context)),
        kind(Gc::new(&hq).run(&context)),
        kind(WriteInventory::new(&hq, place.at("hq.inv")).run(&context)),
        kind(
            Plan::new(&hq, ["golden".to_owned()])
                .site(&hq)
                .run(&context),
        ),
    ];
    assert_eq!(kinds, [Some(Kind::Interrupted); 16]);
    assert_eq!(place.files(), before);
    Ok(())
}

fn kind<T>(result: Result<T>) -> Option<Kind> {
    result.err().map(|error: Error| error.kind())
}

/// A context that is stopped when a stage begins.
fn stopped_at(stage: impl Fn(Stage<'_>) -> bool + Send + Sync + 'static) -> Context {
    let progress = Arc::new(RunProgress::default());
    let stop = Arc::clone(&progress);
    context().with_progress(progress).on_stage(move |begins| {
        if stage(begins) {
            stop.stop();
        }
    })
}

#[test]
fn images_that_came_in_before_the_stop_are_reported_and_stay() -> Result<()> {
    let place = Place::with_repository()?;
    let images = [
        place.image("one.raw", [1, 1, 1, 1]),
        place.image("two.raw", [2, 2, 2, 2]),
        place.image("three.raw", [3, 3, 3, 3]),
    ];
    let two = images[1].clone();
    let stopped = stopped_at(move |stage| stage == Stage::Add(&two));
    let add = Add::new(place.hq(), images.iter().map(|image| spec(image)));
    let report = add.run(&stopped)?;
    assert_eq!(report.images.len(), 2, "the third was not begun");
    assert!(report.images[0].is_new);
    let failed = report.images[1].error.as_ref().expect("it was stopped");
    assert_eq!((failed.kind, failed.exit), (Kind::Interrupted, 130));
    assert_eq!(List::new(place.hq()).run(&context())?.summary.count, 1);

    let left = Add::new(place.hq(), images.iter().map(|image| spec(image)));
    let is_new = left.run(&context())?.images;
    let is_new: Vec<bool> = is_new.iter().map(|one| one.is_new).collect();
    assert_eq!(is_new, [false, true, true], "the same call goes on");
    Ok(())
}

#[test]
fn a_scan_that_is_stopped_enters_nothing() -> Result<()> {
    let place = Place::with_repository()?;
    place.image("hq/one.raw", [1, 1, 1, 1]);
    let stopped = stopped_at(|stage| matches!(stage, Stage::Scan(_)));
    let error = kind(Scan::new(place.hq()).run(&stopped));
    assert_eq!(error, Some(Kind::Interrupted));
    assert_eq!(List::new(place.hq()).run(&context())?.summary.count, 0);
    Ok(())
}

#[test]
fn a_verification_is_stopped_between_two_images() -> Result<()> {
    let place = Place::with_repository()?;
    let one = place.image("one.raw", [1, 1, 1, 1]);
    let two = place.image("two.raw", [2, 2, 2, 2]);
    place.add(&[&one, &two])?;
    let (context, mut seen) = (context(), Vec::new());
    let stopped = Verify::new(place.hq()).run_each(&context, &mut |image| {
        seen.push(image.name);
        context.progress().stop();
        Ok(())
    });
    assert_eq!(
        (kind(stopped), seen),
        (Some(Kind::Interrupted), vec!["one".to_owned()])
    );
    Ok(())
}

#[test]
fn what_begins_is_told_and_the_disk_is_counted() -> Result<()> {
    let place = Place::with_repository()?;
    let golden = place.image("golden.raw", [1, 2, 3, 4]);
    let stages = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&stages);
    let context = context().on_stage(move |stage| {
        heard.lock().expect("nobody fails").push(stage.to_string());
    });
    Add::new(place.hq(), [spec(&golden)]).run(&context)?;
    assert_eq!(context.progress().done(), Bytes(256 << 10));
    place.image("hq/stray.raw", [5, 5, 5, 5]);
    Scan::new(place.hq()).run(&context)?;
    Verify::new(place.hq()).run(&context)?;
    let (golden, hq) = (golden.display(), place.hq());
    let hq = hq.display();
    assert_eq!(
        *stages.lock().expect("nobody fails"),
        [
            format!("add {golden}"),
            format!("scan {hq}"),
            format!("enter in {hq}"),
            format!("verify {hq}"),
        ]
    );
    Ok(())
}
