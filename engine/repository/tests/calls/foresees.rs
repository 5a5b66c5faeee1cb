//! A dry run says what would be, refuses what would be refused, and leaves every byte as it is.

use std::fs;

use imgdelta_core::{Kind, Result};
use imgdelta_repository::calls::{
    Add, AddSpec, AddTags, EditReport, Gc, Init, Remove, RemoveTags, Rename, Scan, SetGolden,
    SetId, WriteInventory,
};

use crate::place::{Place, context, json, spec};

#[test]
fn a_dry_run_of_any_call_changes_nothing() -> Result<()> {
    let place = Place::with_repository()?;
    let (hq, context) = (place.hq(), context());
    place.add(&[&place.image("golden.raw", [1, 2, 3, 4])])?;
    let new = place.image("new.raw", [5, 6, 7, 8]);
    place.image("hq/stray.raw", [1, 1, 1, 1]);
    let draft = hq.join(".imgdelta/leaves/.x.leaves.imgdelta-tmp");
    fs::write(draft, b"left behind").expect("room");
    let before = place.files();

    let other = place.at("other");
    let init = Init::new(&other).dry_run(true).run(&context)?;
    assert_eq!((init.id, init.dry_run), (None, true));
    let add = Add::new(&hq, [spec(&new)]).dry_run(true).run(&context)?;
    assert!(add.dry_run && add.images[0].is_new);
    let scan = Scan::new(&hq).dry_run(true).run(&context)?;
    assert_eq!(scan.found, [place.at("hq/stray.raw").display().to_string()]);
    let edits = [
        AddTags::new(&hq, "golden", ["a".parse()?])
            .dry_run(true)
            .run(&context)?,
        RemoveTags::new(&hq, "golden", ["a".parse()?])
            .dry_run(true)
            .run(&context)?,
        SetGolden::new(&hq, "golden", true)
            .dry_run(true)
            .run(&context)?,
        SetId::new(&hq, "golden", "X-1".parse()?)
            .dry_run(true)
            .run(&context)?,
        Rename::new(&hq, "golden", "november".parse()?)
            .dry_run(true)
            .run(&context)?,
    ];
    assert!(
        edits
            .iter()
            .all(|edit| edit.dry_run && edit.before == "golden")
    );
    let [tagged, untagged, golden, id, renamed] = edits.map(|edit: EditReport| edit.image);
    assert_eq!((tagged.tags, untagged.tags), (vec!["a".to_owned()], vec![]));
    assert_eq!(
        (golden.golden, id.id.as_str(), renamed.name.as_str()),
        (true, "X-1", "november")
    );
    let remove = Remove::new(&hq, "golden").dry_run(true).run(&context)?;
    assert_eq!(remove.deleted.len(), 1);
    let gc = Gc::new(&hq).dry_run(true).run(&context)?;
    assert_eq!((gc.removed.len(), gc.bytes), (1, 11));
    let inventory = WriteInventory::new(&hq, place.at("hq.inv")).dry_run(true);
    assert_eq!(inventory.run(&context)?.images, 1);

    assert_eq!(place.files(), before);
    assert!(!other.exists());
    Ok(())
}

#[test]
fn what_a_dry_run_says_is_what_the_call_does() -> Result<()> {
    let place = Place::with_repository()?;
    let golden = place.image("golden.raw", [1, 2, 3, 4]);
    let same = place.image("same.raw", [1, 2, 3, 4]);
    place.add(&[&golden])?;
    let adds = [spec(&same), spec(&place.image("new.raw", [5, 6, 7, 8]))];
    let add = Add::new(place.hq(), adds);
    let rename = Rename::new(place.hq(), "new", "november".parse()?);
    let remove = Remove::new(place.hq(), "november");

    let foreseen = json(&add.clone().dry_run(true).run(&context())?.images);
    assert_eq!(json(&add.run(&context())?.images), foreseen);
    let foreseen = rename.clone().dry_run(true).run(&context())?;
    assert_eq!(rename.run(&context())?.image, foreseen.image);
    let foreseen = remove.clone().dry_run(true).run(&context())?;
    let removed = remove.run(&context())?;
    assert_eq!(
        (removed.deleted, removed.bytes, removed.kept),
        (foreseen.deleted, foreseen.bytes, foreseen.kept)
    );
    Ok(())
}

#[test]
fn a_dry_run_refuses_what_the_call_refuses_in_the_same_words() -> Result<()> {
    let place = Place::with_repository()?;
    let golden = place.image("golden.raw", [1, 2, 3, 4]);
    let other = place.image("other.raw", [5, 6, 7, 8]);
    place.add(&[&golden, &other])?;
    SetId::new(place.hq(), "golden", "Win11".parse()?).run(&context())?;
    let third = place.image("third.raw", [9, 9, 9, 9]);

    let named = AddSpec {
        name: Some("GOLDEN".parse()?),
        ..spec(&third)
    };
    let claimed = AddSpec {
        id: Some("WIN11".parse()?),
        ..spec(&third)
    };
    let outside = AddSpec {
        in_place: true,
        ..spec(&third)
    };
    for add in [named, claimed, outside] {
        let add = Add::new(place.hq(), [add]);
        same_words(
            add.clone().dry_run(true).run(&context()),
            add.run(&context()),
        );
    }
    let rename = Rename::new(place.hq(), "other", "golden".parse()?);
    same_words(
        rename.clone().dry_run(true).run(&context()),
        rename.run(&context()),
    );
    for image in ["other", "golden"] {
        let id = SetId::new(place.hq(), image, "WIN11".parse()?);
        same_words(id.clone().dry_run(true).run(&context()), id.run(&context()));
    }
    let many = (0..17).map(|number| format!("tag-{number}").parse());
    let many = AddTags::new(place.hq(), "golden", many.collect::<Result<Vec<_>>>()?);
    same_words(
        many.clone().dry_run(true).run(&context()),
        many.run(&context()),
    );
    let init = Init::new(place.hq());
    same_words(
        init.clone().dry_run(true).run(&context()),
        init.run(&context()),
    );
    Ok(())
}

/// Both are refused, for one reason.
fn same_words<T: std::fmt::Debug>(foreseen: Result<T>, done: Result<T>) {
    let [foreseen, done] = [foreseen, done].map(|result| result.expect_err("it is refused"));
    assert_eq!(foreseen.kind(), Kind::Usage);
    assert_eq!(
        (foreseen.code(), foreseen.to_string(), foreseen.hint()),
        (done.code(), done.to_string(), done.hint())
    );
}
