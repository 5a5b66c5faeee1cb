//! Real images that others made, taken in and copied: what is recorded is what other readers saw.

use std::{collections::HashMap, process::Command};

use imgdelta_core::Result;
use imgdelta_delta::plain_sha256;
use imgdelta_fixtures::peers::{self, Row};
use imgdelta_registry::OpenSpec;
use imgdelta_repository::catalogue::{Add, Record, Repository};

use crate::place::Place;

/// Largest disk whose every byte is read here.
const LARGEST: u64 = 256 << 20;

/// Whether the disk of a record is what other readers saw; `None` if that takes too long.
fn is_as_seen(
    place: &Place,
    repository: &Repository,
    record: &Record,
    row: &Row,
) -> Result<Option<bool>> {
    let Some(seen) = row
        .content_sha256
        .as_ref()
        .filter(|_| record.size <= LARGEST)
    else {
        return Ok(None);
    };
    let found = plain_sha256(&repository.open_disk(record)?.chain, place.work())?;
    Ok(Some(found.to_string() == *seen))
}

#[test]
fn a_folder_of_images_that_others_made_is_scanned_and_copied() -> Result<()> {
    let Some(corpus) = peers::corpus() else {
        return Ok(());
    };
    let place = Place::new();
    let site = place.repository("site")?;
    let copied = Command::new("cp")
        .args(["-r", "--sparse=always"])
        .arg(&corpus.folder)
        .arg(place.at("site/corpus"))
        .status();
    assert!(copied.expect("cp is there").success());
    let scanned = site.scan(&place.run())?;
    let rows: HashMap<&str, &Row> = corpus
        .rows
        .iter()
        .map(|row| (row.rel.as_str(), row))
        .collect();
    let mut seen = 0;
    let hq = place.repository("hq")?;
    for (number, record) in scanned.added.iter().enumerate() {
        let rel = record.files[0].path.as_str().trim_start_matches("corpus/");
        let row = rows.get(rel).copied().expect("it is of the corpus");
        let Some(is_as_seen_here) = is_as_seen(&place, &site, record, row)? else {
            continue;
        };
        assert!(is_as_seen_here, "{rel}");
        seen += 1;
        // A copy is the same disk, whether it became the same file, a child or another file.
        let add = Add {
            image: OpenSpec {
                format: Some(record.format),
                ..site.spec(record)?
            },
            name: Some(format!("copy {number}").parse()?),
            ..Add::default()
        };
        let copy = hq.add(&add, &place.run())?;
        assert_eq!(copy.record.content_id, record.content_id, "{rel}");
        assert_eq!(
            is_as_seen(&place, &hq, &copy.record, row)?,
            Some(true),
            "{rel}: {:?}",
            copy.record
        );
    }
    eprintln!(
        "{} taken in, {} of them read whole and copied, {} the same as others, {} refused",
        scanned.added.len(),
        seen,
        scanned.same.len(),
        scanned.faults.len()
    );
    assert!(seen > 20);
    let again = site.scan(&place.run())?;
    assert!(again.added.is_empty());
    assert_eq!(again.known.len(), scanned.added.len());
    assert!(scanned.faults.iter().all(|(path, _)| path.exists()));
    Ok(())
}
