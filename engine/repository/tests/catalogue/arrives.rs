//! What a deployment enters: an image made from its base and a difference, proven on the way.

use imgdelta_core::{Format, Kind, Result};
use imgdelta_delta::{Apply, DigestCache, Proof, prove};
use imgdelta_fixtures::golden;
use imgdelta_registry::{Output, OutputSpec, create};
use imgdelta_repository::catalogue::{
    ImageFiles, Name, NewImage, Parent, ParentEvidence, ProvenanceKind, Record, Repository,
};

use crate::place::{Place, bytes_of, file_of, files_below, open};

/// Applies the child to the base as an image of the repository, up to the moment before it is entered.
fn arrival(place: &Place, repository: &Repository, parent: &Record) -> Result<NewImage> {
    let base = place.golden("golden.qcow2");
    let child = place.at("child.qcow2");
    if !child.exists() {
        place.child(&base, &place.golden("patched.raw"), "child.qcow2")?;
    }
    let (base, disk) = (open(&base)?.chain, open(&child)?.chain);
    let name: Name = "patched".parse()?;
    let (path, file) = repository.free_place(&name, "vhd")?;
    let spec = OutputSpec {
        ..OutputSpec::of(file)
    };
    let Output { writer, drafts } = create(&spec, disk.disk(), None)?;
    let apply = Apply {
        base: &base,
        disk: &disk,
        manifest: None,
        memory: &DigestCache::none(),
        work: place.work(),
    };
    let (copied, leaves) = apply.run_keeping(writer, repository.new_leaves()?)?;
    let proof: Proof = copied.proof.expect("leaves are not kept without");
    Ok(NewImage {
        files: ImageFiles::AtomicFileSet(path, drafts),
        format: Format::Vhd,
        proof,
        leaves: Some(leaves),
        id: None,
        name,
        tags: ["deployed".parse()?].into(),
        golden: false,
        parent: Some(Parent {
            id: parent.id.clone(),
            known: ParentEvidence::Measured,
        }),
        linked_file: None,
        how: ProvenanceKind::Received,
    })
}

#[test]
fn until_it_is_entered_nothing_of_it_is_there_and_then_all_of_it() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("site")?;
    let parent = place.add(&repository, &place.golden("golden.vhd"))?.record;
    let before = files_below(&place.at("site"));
    let dropped = arrival(&place, &repository, &parent)?;
    assert!(repository.show("patched").is_err());
    drop(dropped);
    assert_eq!(files_below(&place.at("site")), before);
    let added = repository.enter(arrival(&place, &repository, &parent)?, &place.run())?;
    assert!(added.is_new);
    let record = repository.show("patched")?;
    assert_eq!(record, added.record);
    assert_eq!(record.provenance.how, ProvenanceKind::Received);
    assert_eq!(
        bytes_of(&file_of(&repository, &record))?,
        golden::patched_bytes()
    );
    let proof = prove(
        &open(&place.golden("patched.raw"))?.chain,
        &DigestCache::none(),
        place.work(),
    )?;
    assert_eq!(record.content_id, proof.id);
    assert!(
        repository
            .verify(&[], &place.run(), |_| ())?
            .iter()
            .all(|one| one.is_sound())
    );
    Ok(())
}

#[test]
fn a_parent_that_went_meanwhile_is_an_error_and_nothing_is_entered() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("site")?;
    let parent = place.add(&repository, &place.golden("golden.vhd"))?.record;
    let arrival = arrival(&place, &repository, &parent)?;
    repository.remove("golden", &place.run())?;
    let error = repository
        .enter(arrival, &place.run())
        .expect_err("its parent is gone");
    assert_eq!(
        (error.kind(), error.code()),
        (Kind::Chain, "parent_unknown")
    );
    assert_eq!(
        files_below(&place.at("site")),
        [".imgdelta/lock", ".imgdelta/repository.json"]
    );
    Ok(())
}

#[test]
fn what_stays_where_it_stands_must_stand_there_still() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("site")?;
    let there = place.add(&repository, &place.golden("golden.vhd"))?.record;
    let arrival = NewImage {
        files: ImageFiles::There(there.files.clone()),
        parent: None,
        ..arrival(&place, &repository, &there)?
    };
    // As a scan that read it while another process added it and took it away again.
    repository.remove("golden", &place.run())?;
    let error = repository
        .enter(arrival, &place.run())
        .expect_err("its file is gone");
    assert_eq!((error.kind(), error.code()), (Kind::Host, "image_changed"));
    assert_eq!(repository.list()?.len(), 0);
    Ok(())
}

#[test]
fn a_child_is_not_entered_whose_parent_went_and_came_back_under_another_name() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("site")?;
    let parent = place.add(&repository, &place.golden("golden.vhd"))?.record;
    let file = |record: &Record| record.files.first().map(|file| file.path.clone());
    let child = NewImage {
        linked_file: file(&parent),
        ..arrival(&place, &repository, &parent)?
    };
    repository.remove("golden", &place.run())?;
    let back = place
        .add(&repository, &place.golden("golden.qcow2"))?
        .record;
    assert_eq!(back.id, parent.id);
    assert_ne!(file(&back), file(&parent));
    let error = repository
        .enter(child, &place.run())
        .expect_err("its link leads nowhere");
    assert_eq!(
        (error.kind(), error.code()),
        (Kind::Chain, "parent_unknown")
    );
    assert_eq!(repository.list()?.len(), 1);
    Ok(())
}
