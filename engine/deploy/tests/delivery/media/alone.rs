//! Media of which one came damaged, whatever else has come: what is whole is kept, what is not is asked for as soon as that can be said.

use std::path::Path;

use imgdelta_core::{Error, Format, Kind, Result};
use imgdelta_deploy::{
    bundle::Request,
    calls::{ImageOutcome, Receive, ReceiveReport, Refill, RefillReport},
};
use imgdelta_operations::Context;

use super::World;
use crate::{place::names, scene::edit};

impl World {
    /// Takes these folders, asking for what came damaged.
    fn ask(&self, folders: &[&Path]) -> Result<ReceiveReport> {
        Receive::new(folders[0], self.site.folder())
            .others(folders[1..].iter().copied())
            .request(Some(self.place.at("request")))
            .run(&Context::new())
    }

    /// Why that is refused; nothing is entered.
    fn refused(&self, folders: &[&Path]) -> Result<Error> {
        let error = self.ask(folders).expect_err("it is damaged");
        assert_eq!(
            (error.kind(), error.code()),
            (Kind::Digest, "delivery_damaged")
        );
        assert_eq!(names(&self.site)?, ["old"]);
        Ok(error)
    }

    /// How many windows the request asks for; `None`: all of the file.
    fn asked(&self) -> Result<Option<u64>> {
        let request = Request::read(&self.place.at("request"))?;
        assert_eq!(request.items.len(), 1);
        let windows = request.items[0].windows.as_ref();
        Ok(windows.map(|windows| windows.runs.iter().map(|run| run.1).sum()))
    }

    fn refill(&self) -> Result<RefillReport> {
        Refill::new(
            self.hq.folder(),
            self.place.at("request"),
            self.place.at("refill"),
        )
        .packing_folder(self.place.at("packing"))
        .run(&Context::new())
    }

    /// A bit in the middle of a piece of that medium.
    fn harm(&self, number: u32, piece: usize) {
        edit(&self.pieces(number).remove(piece), |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        });
    }
}

fn says(error: &Error, words: &str) -> bool {
    error.details().iter().any(|line| line.contains(words))
}

#[test]
fn what_can_be_told_of_a_damaged_medium_is_asked_for_before_the_others_come() -> Result<()> {
    let world = World::new(Format::Raw)?;
    world.deploy(false)?;
    let [one, two] = [1, 2].map(|number| world.folder(number));
    world.harm(1, 0);
    // The indexes of the file are on the third medium.
    let error = world.refused(&[&one])?;
    let first = "shows when medium 3 has come: take that first";
    assert!(says(&error, first), "{error:?}");
    assert!(says(&error, "must still come: 2, 3"), "{error:?}");
    assert!(!world.place.at("request").exists());
    assert_eq!(world.receive(&[3])?.media.expect("not all").missing, [1, 2]);
    let error = world.refused(&[&one])?;
    assert!(says(&error, "asks for what is damaged"), "{error:?}");
    assert!(says(&error, "must still come: 2"), "{error:?}");
    assert_eq!(world.asked()?, Some(1), "nothing of the second medium");
    assert_eq!(world.refill()?.images[0].windows, Some(1));
    // The refill and its medium before the last one: they are wanted once more with that.
    let refill = world.place.at("refill");
    let early = world.ask(&[&refill, &one])?;
    assert_eq!(early.media.expect("not all").missing, [2]);
    let once_more = "name both of them once more with the last medium";
    assert!(
        early.notes.iter().any(|note| note.contains(once_more)),
        "{:?}",
        early.notes
    );
    let report = world.ask(&[&refill, &one, &two])?;
    assert_eq!(report.images[0].fate, ImageOutcome::Entered, "{report:?}");
    assert_eq!(report.request, None);
    world.must_be_entered()
}

#[test]
fn several_damaged_pieces_are_all_named_and_refilled_with_the_last_medium() -> Result<()> {
    let world = World::new(Format::Qcow2)?;
    world.deploy(false)?;
    let two = world.folder(2);
    for piece in [0, 1] {
        world.harm(2, piece);
    }
    let error = world.refused(&[&two])?;
    // Both ends of the file are elsewhere.
    assert!(
        says(&error, "shows when medium 1 and 3 has come"),
        "{error:?}"
    );
    let said = format!("{error} {}", error.details().join(" "));
    for piece in world.pieces(2) {
        let name = piece.file_name().expect("a name").to_string_lossy();
        assert!(said.contains(&*name), "{said}");
    }
    world.receive(&[1])?;
    world.receive(&[3])?;
    // The others are here: the windows are known, and the image is made with them.
    let error = world.refused(&[&two])?;
    assert!(says(&error, "asks for what is damaged"), "{error:?}");
    assert_eq!(world.asked()?, Some(2));
    world.refill()?;
    let report = world.ask(&[&world.place.at("refill"), &two])?;
    assert_eq!(report.images[0].fate, ImageOutcome::Entered);
    world.must_be_entered()
}

#[test]
fn of_a_child_all_is_asked_for_at_once() -> Result<()> {
    let world = World::new(Format::Qcow2)?;
    world.deploy(true)?;
    world.harm(1, 0);
    world.refused(&[&world.folder(1)])?;
    assert_eq!(world.asked()?, None);
    world.refill()?;
    let report = world.ask(&[&world.place.at("refill")])?;
    assert_eq!(report.images[0].fate, ImageOutcome::Entered);
    assert_eq!(names(&world.site)?, ["new", "old"]);
    Ok(())
}

#[test]
fn a_window_that_reaches_over_the_end_of_a_damaged_medium_is_asked_for() -> Result<()> {
    let world = World::new(Format::Raw)?;
    world.deploy(false)?;
    world.receive(&[3])?;
    // The last byte of the last piece of the first medium: its window ends on the second one.
    let piece = world.pieces(1).pop().expect("some");
    edit(&piece, |bytes| *bytes.last_mut().expect("some") ^= 1);
    world.refused(&[&world.folder(1)])?;
    assert_eq!(world.asked()?, Some(1));
    world.refill()?;
    let [one, two] = [1, 2].map(|number| world.folder(number));
    world.ask(&[&world.place.at("refill"), &one, &two])?;
    world.must_be_entered()
}
