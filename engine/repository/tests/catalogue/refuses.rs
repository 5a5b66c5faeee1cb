//! What `add` refuses, and that nothing is left of it then.

use std::fs;

use imgdelta_core::{Kind, Result};
use imgdelta_delta::{DigestCache, prove};
use imgdelta_fixtures::golden;
use imgdelta_registry::OpenSpec;
use imgdelta_repository::catalogue::Add;

use crate::place::{Place, files_below, open};

#[test]
fn a_name_or_an_id_that_another_disk_has_is_refused() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("hq")?;
    let golden = place.golden("golden.vhd");
    let patched = place.golden("patched.vhd");
    let add = Add {
        image: OpenSpec::of(&golden),
        id: Some("win11".parse()?),
        ..Add::default()
    };
    repository.add(&add, &place.run())?;
    let named = |name: &str, id: Option<&str>| -> Result<Add> {
        Ok(Add {
            image: OpenSpec::of(&patched),
            name: Some(name.parse()?),
            id: id.map(str::parse).transpose()?,
            ..Add::default()
        })
    };
    for (add, code) in [
        (named("golden", None)?, "name_taken"),
        (named("GOLDEN", None)?, "name_taken"),
        (named("patched", Some("win11"))?, "id_taken"),
        (named("patched", Some("WIN11"))?, "id_taken"),
    ] {
        let error = repository.add(&add, &place.run()).expect_err(code);
        assert_eq!((error.kind(), error.code()), (Kind::Usage, code));
    }
    assert_eq!(repository.list()?.len(), 1);
    assert!(
        !place.at("hq/patched.vhd").exists(),
        "nothing is half entered"
    );
    Ok(())
}

#[test]
fn a_file_in_the_way_that_nobody_recorded_is_left_alone() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("hq")?;
    place.write("hq/golden.vhd", b"somebody's");
    let error = place
        .add(&repository, &place.golden("golden.vhd"))
        .expect_err("its place is taken");
    assert_eq!((error.kind(), error.code()), (Kind::Usage, "exists"));
    assert_eq!(
        fs::read(place.at("hq/golden.vhd")).expect("there"),
        b"somebody's"
    );
    assert!(repository.list()?.is_empty());
    Ok(())
}

#[test]
fn a_damaged_image_is_not_entered() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("hq")?;
    let (_, mut bytes) = golden::files().remove(2);
    bytes.truncate(bytes.len() / 2);
    bytes[..8].fill(0);
    let image = place.write("torn.vhd", &bytes);
    let error = place.add(&repository, &image).expect_err("it is damaged");
    assert_eq!(error.kind(), Kind::Corrupt);
    assert!(repository.list()?.is_empty());
    assert_eq!(files_below(&place.at("hq")), [".imgdelta/repository.json"]);
    Ok(())
}

#[test]
fn who_is_interrupted_leaves_nothing() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("hq")?;
    let base = place.golden("golden.vhd");
    let child = place.child(&base, &place.golden("patched.raw"), "child.vhd")?;
    place.add(&repository, &base)?;
    let before = files_below(&place.at("hq"));
    let progress = imgdelta_delta::RunProgress::default();
    progress.stop();
    let stopped = imgdelta_repository::catalogue::Run {
        work: imgdelta_delta::ExecContext {
            progress: &progress,
            ..place.work()
        },
        ..place.run()
    };
    for image in [place.golden("patched.qcow2"), child] {
        let add = Add {
            image: OpenSpec::of(&image),
            ..Add::default()
        };
        let error = repository.add(&add, &stopped).expect_err("it was stopped");
        assert_eq!(error.kind(), Kind::Interrupted);
        assert_eq!(files_below(&place.at("hq")), before);
    }
    let error = repository
        .verify(&[], &stopped, |_| ())
        .expect_err("it was stopped");
    assert_eq!(error.kind(), Kind::Interrupted);
    Ok(())
}

#[test]
fn what_is_not_the_disk_that_was_promised_is_not_entered() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("hq")?;
    let golden = place.golden("golden.vhd");
    let promised = prove(&open(&golden)?.chain, &DigestCache::none(), place.work())?.id;
    let add = |image: &std::path::Path| Add {
        image: OpenSpec::of(image),
        content_id: Some(promised),
        ..Add::default()
    };
    let patched = place.golden("patched.vhd");
    let error = repository
        .add(&add(&patched), &place.run())
        .expect_err("another disk");
    assert_eq!(
        (error.kind(), error.code()),
        (Kind::Digest, "content_mismatch")
    );
    assert!(repository.list()?.is_empty() && !place.at("hq/patched.vhd").exists());
    assert!(repository.add(&add(&golden), &place.run())?.is_new);
    Ok(())
}

#[test]
fn an_image_that_was_taken_in_and_has_changed_since_is_not_taken_in_again() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("hq")?;
    let image = place.write("hq/disk.raw", &[1; 70_000]);
    let add = Add {
        image: OpenSpec::of(&image),
        in_place: true,
        ..Add::default()
    };
    repository.add(&add, &place.run())?;
    fs::write(&image, [2; 80_000]).expect("room");
    let error = repository
        .add(&add, &place.run())
        .expect_err("it has changed");
    assert_eq!(
        (error.kind(), error.code()),
        (Kind::Digest, "image_changed")
    );
    Ok(())
}
