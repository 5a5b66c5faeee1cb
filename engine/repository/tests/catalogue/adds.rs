//! `init`, `open`, `add`.

use std::fs;

use imgdelta_core::{Format, Kind, Result};
use imgdelta_delta::{DigestCache, prove};
use imgdelta_fixtures::golden;
use imgdelta_registry::OpenSpec;
use imgdelta_repository::catalogue::{Add, ParentEvidence, ProvenanceKind, Repository};

use crate::place::{Place, bytes_of, file_of, files_below, open};

#[test]
fn a_folder_becomes_a_repository_once() -> Result<()> {
    let place = Place::new();
    place.write("hq/notes.txt", b"mine");
    let repository = place.repository("hq")?;
    let again = Repository::open(&place.at("hq"))?;
    assert_eq!(repository.about(), again.about());
    assert_eq!(again.about().default_format, Format::Qcow2);
    let error = place.repository("hq").expect_err("it is one already");
    assert_eq!((error.kind(), error.code()), (Kind::Usage, "exists"));
    let error = Repository::open(&place.at("")).expect_err("it is none");
    assert_eq!((error.kind(), error.code()), (Kind::Usage, "no_repository"));
    assert!(error.hint().is_some_and(|hint| hint.contains("repo init")));
    assert_eq!(
        fs::read(place.at("hq/notes.txt")).expect("it stays"),
        b"mine"
    );
    Ok(())
}

#[test]
fn a_copy_is_the_same_file_and_its_record_says_what_is_true() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("hq")?;
    for name in ["golden.vhd", "patched.qcow2"] {
        let image = place.golden(name);
        let added = place.add(&repository, &image)?;
        assert!(added.is_new);
        let record = &added.record;
        let copy = file_of(&repository, record);
        assert_eq!(
            fs::read(&copy).expect("a copy"),
            fs::read(&image).expect("it")
        );
        let proof = prove(&open(&image)?.chain, &DigestCache::none(), place.work())?;
        assert_eq!(record.content_id, proof.id);
        assert_eq!(record.id.as_str(), proof.id.to_string());
        assert_eq!(record.size, golden::SIZE);
        assert_eq!(record.provenance.how, ProvenanceKind::Copied);
        assert_eq!(record.provenance.when, "2023-11-14T22:13:20Z");
        assert!(record.owned && !record.golden && record.parent.is_none());
        assert_eq!(repository.show(record.name.as_str())?, *record);
        let leaves = repository.leaves(record)?.expect("they were kept");
        assert_eq!((leaves.id(), leaves.size().0), (proof.id, golden::SIZE));
    }
    let names: Vec<String> = repository
        .list()?
        .records()
        .iter()
        .map(|record| record.name.to_string())
        .collect();
    assert_eq!(names, ["golden", "patched"]);
    Ok(())
}

#[test]
fn nothing_but_the_image_its_record_and_its_leaves_is_left() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("hq")?;
    let image = place.golden("golden.vhd");
    let id = place.add(&repository, &image)?.record.id;
    let hex = id.as_str().trim_start_matches("imgdelta1:").to_owned();
    assert_eq!(
        files_below(&place.at("hq")),
        [
            format!(".imgdelta/images/imgdelta1~{hex}.json"),
            format!(".imgdelta/leaves/{hex}.leaves"),
            ".imgdelta/lock".to_owned(),
            ".imgdelta/repository.json".to_owned(),
            "golden.vhd".to_owned(),
        ]
    );
    Ok(())
}

#[test]
fn a_content_that_is_there_is_said_under_its_name_and_is_no_error() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("hq")?;
    let vhd = place.golden("golden.vhd");
    let first = place.add(&repository, &vhd)?;
    // The same disk as another format and under another name; then under the same name.
    let qcow2 = place.golden("golden.qcow2");
    let other = Add {
        image: OpenSpec::of(&qcow2),
        name: Some("other".parse()?),
        ..Add::default()
    };
    for add in [
        other.clone(),
        Add {
            name: None,
            ..other
        },
    ] {
        let again = repository.add(&add, &place.run())?;
        assert!(!again.is_new);
        assert_eq!(again.record, first.record);
    }
    assert_eq!(repository.list()?.len(), 1);
    assert!(!place.at("hq/other.qcow2").exists() && !place.at("hq/golden.qcow2").exists());
    Ok(())
}

#[test]
fn an_image_that_is_taken_in_stays_where_it_stands_and_is_not_the_repositorys() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("hq")?;
    let (_, bytes) = golden::files().remove(2);
    let image = place.write("hq/deep/golden.vhd", &bytes);
    let add = Add {
        image: OpenSpec::of(&image),
        in_place: true,
        golden: true,
        tags: ["win".parse()?].into(),
        ..Add::default()
    };
    let added = repository.add(&add, &place.run())?;
    assert_eq!(added.record.files[0].path.as_str(), "deep/golden.vhd");
    assert!(!added.record.owned && added.record.golden);
    assert!(!repository.add(&add, &place.run())?.is_new, "twice is once");
    let outside = place.golden("patched.vhd");
    let add = Add {
        image: OpenSpec::of(&outside),
        in_place: true,
        ..Add::default()
    };
    let error = repository
        .add(&add, &place.run())
        .expect_err("it stands elsewhere");
    assert_eq!((error.kind(), error.code()), (Kind::Usage, "outside"));
    Ok(())
}

#[test]
fn an_image_of_several_files_is_written_anew_as_one() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("hq")?;
    let source = place.golden("golden.raw");
    let flat = place.at("flat.vmdk");
    let output = imgdelta_registry::create(
        &imgdelta_registry::OutputSpec {
            options: imgdelta_core::Options::parse(&["subformat=monolithicFlat"])?,
            ..imgdelta_registry::OutputSpec::of(flat.clone())
        },
        imgdelta_core::Bytes(golden::SIZE).into(),
        None,
    )?;
    imgdelta_delta::Convert {
        disk: &open(&source)?.chain,
        proves: false,
        memory: &DigestCache::none(),
        work: place.work(),
    }
    .run(output.writer)?;
    output.drafts.commit()?;
    let added = place.add(&repository, &flat)?;
    assert_eq!(added.record.provenance.how, ProvenanceKind::Rewritten);
    assert_eq!(added.record.format, Format::Vmdk);
    assert_eq!(added.record.files.len(), 1);
    assert_eq!(
        bytes_of(&file_of(&repository, &added.record))?,
        golden::base_bytes()
    );
    Ok(())
}

#[test]
fn a_parent_is_measured_and_one_that_has_nothing_in_common_is_only_declared() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("hq")?;
    place.add(&repository, &place.golden("golden.vhd"))?;
    let noise: Vec<u8> = (0..1_u32 << 20)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let other = place.write("other.raw", &noise);
    for (image, known) in [
        (place.golden("patched.vhd"), ParentEvidence::Measured),
        (other, ParentEvidence::Declared),
    ] {
        let add = Add {
            image: OpenSpec::of(&image),
            parent: Some("golden".to_owned()),
            ..Add::default()
        };
        let added = repository.add(&add, &place.run())?;
        let parent = added.record.parent.expect("it was said");
        assert_eq!(parent.known, known);
        assert_eq!(
            added.notes.len(),
            usize::from(known == ParentEvidence::Declared)
        );
    }
    let add = Add {
        image: OpenSpec::of(place.at("patched.vhd")),
        parent: Some("goldne".to_owned()),
        ..Add::default()
    };
    let error = repository
        .add(&add, &place.run())
        .expect_err("no such parent");
    assert_eq!(error.code(), "image_unknown");
    assert!(
        error
            .hint()
            .is_some_and(|hint| hint.contains("did you mean 'golden'"))
    );
    Ok(())
}

#[test]
fn an_image_whose_file_went_missing_comes_back_under_its_record() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("hq")?;
    let image = place.golden("golden.vhd");
    let add = Add {
        image: OpenSpec::of(&image),
        id: Some("win11".parse()?),
        golden: true,
        ..Add::default()
    };
    let first = repository.add(&add, &place.run())?.record;
    fs::remove_file(file_of(&repository, &first)).expect("it is there");
    let error = repository.open_disk(&first).expect_err("it is missing");
    assert_eq!((error.kind(), error.code()), (Kind::Chain, "image_missing"));
    let back = place.add(&repository, &image)?;
    assert!(back.is_new && back.record.golden);
    assert_eq!(back.record.id, first.id);
    assert_eq!(repository.list()?.len(), 1);
    repository.open_disk(&back.record)?;
    Ok(())
}
