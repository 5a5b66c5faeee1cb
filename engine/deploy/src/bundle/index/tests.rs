use proptest::prelude::*;

use std::collections::BTreeSet;

use imgdelta_core::Format;
use imgdelta_delta::{ContentId, Digest};

use super::{
    super::entry::{EntryForm, ImageRef, Recipient},
    super::file_entry::FileEntry,
    *,
};

fn entry() -> Result<BundleEntry> {
    let content = |letter: &str| ContentId(Digest::plain(letter.as_bytes()));
    let file = |name: &str| -> Result<FileEntry> {
        let digest = Digest::plain(name.as_bytes());
        Ok(FileEntry::whole(name.parse()?, 5, digest))
    };
    Ok(BundleEntry {
        base: Some(ImageRef {
            id: "golden".parse()?,
            content_id: content("golden"),
            name: "Golden Disk".parse()?,
        }),
        image: "patched".parse()?,
        content_id: content("patched"),
        size: 12 << 20,
        ancestors: Vec::new(),
        data: None,
        name: "patched".parse()?,
        tags: BTreeSet::from(["2026".parse()?]),
        golden: true,
        parent: None,
        form: EntryForm::Image,
        format: Format::Qcow2,
        file: file("patched.qcow2")?,
        manifest: Some(file("patched.qcow2.manifest.json")?),
        requires: Vec::new(),
        sites: Vec::new(),
    })
}

#[test]
fn an_index_is_read_as_it_was_written() -> Result<()> {
    let mut index = Index::new();
    index.items.push(entry()?);
    assert_eq!(Index::from_json(&index.to_json()?)?, index);
    Ok(())
}

#[test]
fn keys_that_are_not_known_are_passed_over_and_words_that_are_required_are_not() -> Result<()> {
    let mut index = Index::new();
    index.items.push(entry()?);
    let json = String::from_utf8(index.to_json()?).expect("it is text");
    let later = json.replacen("\"tool\"", "\"colour\": {\"of\": []}, \"tool\"", 1);
    assert_eq!(Index::from_json(later.as_bytes())?, index);
    let of_version_1 = json.replacen("delivery/2", "delivery/1", 1);
    assert_eq!(
        Index::from_json(of_version_1.as_bytes())?.items,
        index.items
    );

    let some = json.replacen("\"image\"", "\"requires\": [\"smoke\"], \"image\"", 1);
    let read = Index::from_json(some.as_bytes())?;
    let refused = read.items[0].require_known().expect_err("it is not known");
    assert_eq!(
        (refused.kind(), refused.code()),
        (Kind::Unsupported, "delivery_feature")
    );
    assert!(refused.message().contains("'smoke'"), "{refused}");
    let all = json.replacen("\"tool\"", "\"requires\": [\"smoke\"], \"tool\"", 1);
    let refused = Index::from_json(all.as_bytes()).expect_err("it is not known");
    assert_eq!(refused.code(), "delivery_feature");
    Ok(())
}

#[test]
fn a_site_that_keeps_an_image_is_not_told_that_it_is_a_step() -> Result<()> {
    let site = |last: u8, step: bool| -> Result<Recipient> {
        Ok(Recipient {
            repository: format!("00000000-0000-4000-8000-00000000000{last}").parse()?,
            step,
        })
    };
    let mut entry = entry()?;
    entry.add_recipients(&[site(2, true)?, site(1, true)?]);
    entry.add_recipients(&[site(2, false)?, site(2, true)?]);
    assert_eq!(entry.sites, [site(1, true)?, site(2, false)?]);
    Ok(())
}

#[test]
fn an_item_that_is_its_own_base_or_lacks_its_proof_is_refused() -> Result<()> {
    let mut own = entry()?;
    own.content_id = own
        .base
        .as_ref()
        .map_or(own.content_id, |base| base.content_id);
    let mut unproven = entry()?;
    unproven.manifest = None;
    for wrong in [own, unproven] {
        assert_eq!(
            wrong.validate().map_err(|error| error.kind()),
            Err(Kind::Corrupt)
        );
    }
    Ok(())
}

proptest! {
    #[test]
    fn whatever_stands_in_its_place_is_read_or_refused(
        at in 0..2000_usize, byte: u8, cut in 0..2000_usize,
    ) {
        let mut index = Index::new();
        index.items.push(entry().expect("it is one"));
        let mut json = index.to_json().expect("it can be written");
        let len = json.len();
        json[at % len] = byte;
        json.truncate(len - cut % len);
        if let Ok(read) = Index::from_json(&json) {
            prop_assert!(read.to_json().is_ok());
        }
    }
}
