//! `show`, `tree`, `tag`, `rename`, `set-id`, `remove`.

use imgdelta_core::{Kind, Result};
use imgdelta_registry::OpenSpec;
use imgdelta_repository::catalogue::{Add, Record, Repository};

use crate::place::{Place, file_of, files_below};

/// The golden image, and the patched one said to descend from it.
fn story(place: &Place) -> Result<(Repository, Record, Record)> {
    let repository = place.repository("hq")?;
    let golden = place.add(&repository, &place.golden("golden.vhd"))?.record;
    let add = Add {
        image: OpenSpec::of(place.golden("patched.vhd")),
        parent: Some("golden".to_owned()),
        ..Add::default()
    };
    let patched = repository.add(&add, &place.run())?.record;
    Ok((repository, golden, patched))
}

#[test]
fn an_image_is_found_by_id_content_name_and_first_digits() -> Result<()> {
    let place = Place::new();
    let (repository, golden, patched) = story(&place)?;
    repository.set_id("golden", &"win11".parse()?, &place.run())?;
    let content = golden.content_id.to_string();
    let digits = content.trim_start_matches("imgdelta1:");
    for word in [
        "golden",
        "Golden",
        "win11",
        "WIN11",
        "win1",
        content.as_str(),
        digits,
        &digits[..4],
        &content[..16],
    ] {
        assert_eq!(repository.show(word)?.name, golden.name, "{word}");
    }
    assert_eq!(
        repository.show(patched.id.as_str())?,
        Record {
            parent: repository.show("patched")?.parent,
            revision: patched.revision + 1,
            ..patched.clone()
        }
    );
    for (word, code) in [
        ("imgdelta1:", "image_unknown"),
        (&digits[..3], "image_unknown"),
        ("", "image_unknown"),
        ("fedora", "image_unknown"),
        ("\u{1b}[31m", "image_unknown"),
    ] {
        let error = repository.show(word).expect_err(word);
        assert_eq!((error.kind(), error.code()), (Kind::Usage, code), "{word}");
        assert!(!error.to_string().contains('\u{1b}'));
    }
    Ok(())
}

#[test]
fn a_prefix_that_fits_several_lists_them() -> Result<()> {
    let place = Place::new();
    let (repository, ..) = story(&place)?;
    repository.set_id("golden", &"win11-2610".parse()?, &place.run())?;
    repository.set_id("patched", &"win11-2611".parse()?, &place.run())?;
    let error = repository.show("win11-26").expect_err("it fits both");
    assert_eq!(
        (error.kind(), error.code()),
        (Kind::Usage, "image_ambiguous")
    );
    assert_eq!(
        error.details(),
        ["win11-2610  golden", "win11-2611  patched"]
    );
    let error = repository.show("win11-261O").expect_err("a slip");
    assert!(
        error
            .hint()
            .is_some_and(|hint| hint.starts_with("did you mean 'win11-2610'?"))
    );
    Ok(())
}

#[test]
fn tags_and_gold_come_and_go() -> Result<()> {
    let place = Place::new();
    let (repository, ..) = story(&place)?;
    let tags = ["win".parse()?, "2026".parse()?];
    repository.tag("golden", &tags, &place.run())?;
    let record = repository.tag("golden", &tags[..1], &place.run())?;
    assert_eq!(record.tags.len(), 2);
    let record = repository.untag("golden", &tags[1..], &place.run())?;
    assert_eq!(record.tags.len(), 1);
    assert!(repository.set_golden("golden", true, &place.run())?.golden);
    assert!(repository.show("golden")?.golden);
    let many: Vec<_> = (0..17)
        .map(|n| format!("tag{n}").parse())
        .collect::<Result<_>>()?;
    let error = repository
        .tag("golden", &many, &place.run())
        .expect_err("too many");
    assert_eq!((error.kind(), error.code()), (Kind::Usage, "tags"));
    assert_eq!(repository.show("golden")?.tags.len(), 1);
    Ok(())
}

#[test]
fn a_name_is_changed_and_the_file_keeps_its_own() -> Result<()> {
    let place = Place::new();
    let (repository, golden, _) = story(&place)?;
    let error = repository
        .rename("golden", &"Patched".parse()?, &place.run())
        .expect_err("it is taken");
    assert_eq!((error.kind(), error.code()), (Kind::Usage, "name_taken"));
    let record = repository.rename("golden", &"Golden".parse()?, &place.run())?;
    assert_eq!(record.name.as_str(), "Golden");
    let record = repository.rename("golden", &"root image".parse()?, &place.run())?;
    assert_eq!(repository.show("root image")?, record);
    assert_eq!(record.files, golden.files);
    repository.open_disk(&record)?;
    Ok(())
}

#[test]
fn an_id_that_is_set_takes_the_children_along() -> Result<()> {
    let place = Place::new();
    let (repository, golden, _) = story(&place)?;
    let record = repository.set_id("golden", &"win11:2610".parse()?, &place.run())?;
    assert_eq!(record.content_id, golden.content_id);
    let parent = repository.show("patched")?.parent.expect("it has one");
    assert_eq!(parent.id, record.id);
    let listing = repository.list()?;
    assert_eq!(listing.len(), 2);
    assert!(listing.by_id(&golden.id).is_none());
    assert!(repository.leaves(&record)?.is_some());
    for (word, id) in [("patched", "WIN11:2610"), ("golden", "Win11:2610")] {
        let error = repository
            .set_id(word, &id.parse()?, &place.run())
            .expect_err("it is taken");
        assert_eq!((error.kind(), error.code()), (Kind::Usage, "id_taken"));
    }
    // Its own content id again.
    let back = repository.set_id("golden", &golden.id, &place.run())?;
    let revision = golden.revision + 2;
    assert_eq!(back, Record { revision, ..golden });
    assert!(
        place
            .at("hq/.imgdelta/entering")
            .read_dir()
            .expect("it is there")
            .next()
            .is_none()
    );
    Ok(())
}

#[test]
fn the_tree_shows_each_image_once_below_its_parent() -> Result<()> {
    let place = Place::new();
    let (repository, ..) = story(&place)?;
    let other = place.write("alone.raw", &[3; 70_000]);
    place.add(&repository, &other)?;
    let listing = repository.list()?;
    let tree: Vec<(usize, &str, bool)> = listing
        .tree()
        .iter()
        .map(|branch| (branch.depth, branch.record.name.as_str(), branch.is_torn))
        .collect();
    assert_eq!(
        tree,
        [
            (0, "alone", false),
            (0, "golden", false),
            (1, "patched", false)
        ]
    );
    Ok(())
}

#[test]
fn what_goes_takes_its_own_files_and_its_children_go_to_its_parent() -> Result<()> {
    let place = Place::new();
    let (repository, golden, patched) = story(&place)?;
    let third = place.write("third.raw", &[3; 70_000]);
    let add = Add {
        image: OpenSpec::of(&third),
        parent: Some("patched".to_owned()),
        ..Add::default()
    };
    repository.add(&add, &place.run())?;
    let removed = repository.remove("patched", &place.run())?;
    assert_eq!(removed.deleted, [file_of(&repository, &patched)]);
    assert!(removed.kept.is_empty() && !removed.deleted[0].exists());
    let parent = repository.show("third")?.parent.expect("it was handed on");
    assert_eq!(parent.id, golden.id);
    repository.remove("golden", &place.run())?;
    assert!(repository.show("third")?.parent.is_none());
    repository.remove("third", &place.run())?;
    assert_eq!(
        files_below(&place.at("hq")),
        [".imgdelta/lock", ".imgdelta/repository.json"]
    );
    let error = repository
        .remove("golden", &place.run())
        .expect_err("it is gone");
    assert_eq!(error.code(), "image_unknown");
    Ok(())
}

#[test]
fn a_file_that_the_repository_did_not_make_is_never_deleted() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("hq")?;
    let image = place.golden("golden.vhd");
    let inside = place.at("hq/mine.vhd");
    std::fs::copy(&image, &inside).expect("room");
    let add = Add {
        image: OpenSpec::of(&inside),
        in_place: true,
        ..Add::default()
    };
    repository.add(&add, &place.run())?;
    let removed = repository.remove("mine", &place.run())?;
    assert_eq!((removed.deleted.len(), removed.kept.len()), (0, 1));
    assert!(inside.exists() && repository.list()?.is_empty());
    // One that it made, exchanged for something else since.
    let record = place.add(&repository, &image)?.record;
    std::fs::write(file_of(&repository, &record), "somebody's letters").expect("room");
    let removed = repository.remove("golden", &place.run())?;
    assert_eq!((removed.deleted.len(), removed.kept.len()), (0, 1));
    assert!(file_of(&repository, &record).exists());
    Ok(())
}
