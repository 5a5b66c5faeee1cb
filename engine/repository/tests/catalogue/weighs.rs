//! A repository as the choice of a base sees it.

use imgdelta_core::{Bytes, Result, VirtOffset};
use imgdelta_fixtures::golden;
use imgdelta_registry::OpenSpec;
use imgdelta_repository::{
    catalogue::{
        Add,
        facts::{Holdings, node},
    },
    planning::{LeafStream, Measurements, overlap},
};

use crate::place::{Place, bytes_of};

#[test]
fn what_the_choice_is_told_is_what_the_bytes_say() -> Result<()> {
    const WINDOW: usize = 65_536;
    let place = Place::new();
    let repository = place.repository("hq")?;
    let base = place.golden("golden.qcow2");
    let child = place.child(&base, &place.golden("patched.raw"), "patched.qcow2")?;
    place.add(&repository, &base)?;
    place.add(&repository, &child)?;
    let listing = repository.list()?;
    let known = Holdings::of(&repository, &listing);
    let nodes = known.nodes();
    let items = repository.inventory()?.images;
    assert_eq!(nodes, items.iter().map(node).collect::<Vec<_>>());
    assert_eq!(nodes[1].parent.as_ref(), Some(&nodes[0].id));
    let row = |at: usize| -> Result<LeafStream<'_>> {
        let leaves = known.leaves(&nodes[at].id)?.expect("they were kept");
        Ok(LeafStream::new(Bytes(golden::SIZE), leaves))
    };
    let found = overlap(row(1)?, row(0)?)?;
    let (before, after) = (bytes_of(&base)?, golden::patched_bytes());
    let windows = before.chunks(WINDOW).zip(after.chunks(WINDOW));
    let data = windows
        .clone()
        .filter(|(_, after)| after.iter().any(|byte| *byte != 0));
    assert_eq!(found.data, data.clone().count() as u64);
    assert_eq!(
        found.held,
        data.filter(|(before, after)| before == after).count() as u64
    );
    // What the child says itself: nowhere else do the two differ.
    let spans = known.allocation(&nodes[1].id)?.expect("it is a child");
    let is_said = |at: usize| {
        let at = VirtOffset(at as u64);
        spans
            .iter()
            .any(|span| span.at <= at && at < span.at.saturating_add(span.len))
    };
    let differing = before
        .iter()
        .zip(&after)
        .enumerate()
        .filter(|(_, (one, other))| one != other);
    let differing: Vec<usize> = differing.map(|(at, _)| at).step_by(97).collect();
    assert!(!differing.is_empty() && differing.into_iter().all(is_said));
    let said: u64 = spans.iter().map(|span| span.len.0).sum();
    assert!(said < golden::SIZE / 2, "{said}");
    assert_eq!(known.allocation(&nodes[0].id)?, None);
    assert!(known.leaves("nobody")?.is_none() && known.allocation("../x")?.is_none());
    Ok(())
}

#[test]
fn damaged_leaves_are_as_if_they_were_not_there() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("hq")?;
    let add = Add {
        image: OpenSpec::of(place.golden("golden.vhd")),
        ..Add::default()
    };
    let record = repository.add(&add, &place.run())?.record;
    place.write(
        &format!("hq/.imgdelta/leaves/{}.leaves", record.content_id.0),
        b"torn",
    );
    let listing = repository.list()?;
    let known = Holdings::of(&repository, &listing);
    assert!(known.leaves(record.id.as_str())?.is_none());
    Ok(())
}
