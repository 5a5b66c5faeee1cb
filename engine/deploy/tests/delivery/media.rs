//! A delivery on several media: taken in any order, resumed, never believed beyond what is listed.

mod alone;

use std::{
    fs,
    ops::Deref,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use imgdelta_core::{Bytes, Error, Format, Kind, Result};
use imgdelta_deploy::{
    bundle::{Index, media::Medium, verify},
    calls::{
        AskForMedium, Deploy, DeployReport, Destination, DropImages, ImageOutcome, Receive,
        ReceiveReport,
    },
};
use imgdelta_operations::Context;

use crate::{
    place::{files_below, names, stored},
    scene::{Scene, disks, edit, sha256sum},
};

/// Each takes two pieces of 1 MiB, beside the list.
const SIZE: Bytes = Bytes::mib(4);

/// The scene, and 5 MiB for the site on three media.
struct World(Scene);

impl Deref for World {
    type Target = Scene;

    fn deref(&self) -> &Scene {
        &self.0
    }
}

impl World {
    fn new(format: Format) -> Result<Self> {
        Scene::new(format, disks()).map(Self)
    }

    fn folder(&self, number: u32) -> PathBuf {
        self.place.at(&format!("medium-{number}"))
    }

    fn media(&self) -> Vec<Medium> {
        let medium = |number| Medium {
            folder: self.folder(number),
            size: Some(SIZE),
        };
        (1..=4).map(medium).collect()
    }

    fn call(&self, is_native: bool) -> Deploy {
        self.carrying().native(is_native)
    }

    fn deploy(&self, is_native: bool) -> Result<DeployReport> {
        let call = self.call(is_native);
        let report = call
            .media(self.media(), AskForMedium::default())
            .run(&Context::new());
        assert_eq!(self.packing(), 0, "nothing is left where it was packed");
        report
    }

    fn receive(&self, numbers: &[u32]) -> Result<ReceiveReport> {
        let mut folders = numbers.iter().map(|number| self.folder(*number));
        let first = folders.next().expect("one");
        Receive::new(first, self.site.folder())
            .others(folders)
            .run(&Context::new())
    }

    fn index(&self, number: u32) -> Result<Index> {
        self.place.index(&format!("medium-{number}"))
    }

    /// The pieces on a medium.
    fn pieces(&self, number: u32) -> Vec<PathBuf> {
        let mut pieces: Vec<PathBuf> = fs::read_dir(self.folder(number))
            .expect("there")
            .map(|entry| entry.expect("readable").path())
            .filter(|path| {
                path.extension()
                    .is_some_and(|end| end.to_string_lossy().parse::<u32>().is_ok())
            })
            .collect();
        pieces.sort();
        pieces
    }

    fn must_be_entered(&self) -> Result<()> {
        assert_eq!(names(&self.site)?, ["new", "old"]);
        self.must_have_come()
    }
}

#[test]
fn media_are_taken_in_any_order_one_by_one_or_at_once() -> Result<()> {
    for (is_native, order) in [
        (false, vec![vec![1], vec![2], vec![3]]),
        (false, vec![vec![3], vec![2], vec![1]]),
        (false, vec![vec![2], vec![3, 1]]),
        (true, vec![vec![3], vec![1], vec![2]]),
        (false, vec![vec![3, 1, 2]]),
    ] {
        let world = World::new(Format::Raw)?;
        let report = world.deploy(is_native)?;
        let laid: Vec<u32> = report.media.iter().map(|medium| medium.number).collect();
        assert_eq!(laid, [1, 2, 3], "the fourth is not needed");
        assert!(!world.folder(4).exists());
        for number in laid {
            let folder = world.folder(number);
            let index = world.index(number)?;
            let medium = index.medium.expect("it says so");
            assert_eq!((medium.number, medium.of), (number, 3));
            assert!(index.requires.contains(&"media".to_owned()));
            assert!(sha256sum(&folder));
            let found = verify(&folder, None, &world.place.context())?;
            assert_eq!(found.faults().count(), 0);
            let length: u64 = files_below(&folder)
                .iter()
                .map(|(_, bytes)| bytes.len() as u64)
                .sum();
            assert!(length <= SIZE.0, "{length} bytes on a medium of {SIZE}");
            let howto = fs::read_to_string(folder.join("HOWTO.txt")).expect("there");
            assert!(
                howto.contains(&format!("This is medium {number} of 3")),
                "{howto}"
            );
        }
        let mut seen: Vec<u32> = Vec::new();
        for (run, numbers) in order.iter().enumerate() {
            seen.extend(numbers);
            let report = world.receive(numbers)?;
            if run + 1 == order.len() {
                assert_eq!(report.images[0].fate, ImageOutcome::Entered, "{order:?}");
                assert_eq!(report.media, None);
                continue;
            }
            let state = report.media.expect("not all are here");
            let missing: Vec<u32> = (1..=3).filter(|number| !seen.contains(number)).collect();
            let mut here = numbers.clone();
            here.sort_unstable();
            assert_eq!(
                (state.of, state.here, state.missing),
                (3, here, missing),
                "{order:?}"
            );
            assert_eq!(names(&world.site)?, ["old"], "nothing before the last");
        }
        world.must_be_entered()?;
        // All is there: any one of them says so.
        let report = world.receive(&[2])?;
        assert_eq!(report.images[0].fate, ImageOutcome::There);
    }
    Ok(())
}

#[test]
fn what_is_damaged_on_a_medium_is_named_and_the_rest_is_kept() -> Result<()> {
    let world = World::new(Format::Qcow2)?;
    world.deploy(false)?;
    world.receive(&[3])?;
    let piece = world.pieces(1).remove(1);
    let name = piece
        .file_name()
        .expect("a name")
        .to_string_lossy()
        .into_owned();
    let named = |error: &Error, kind| {
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(&name), "{error}");
    };
    edit(&piece, |bytes| bytes[7] ^= 1);
    let error = world.receive(&[1]).expect_err("it is damaged");
    named(&error, Kind::Digest);
    assert!(error.to_string().contains("block 1 of 1"), "{error}");
    let whole = fs::read(&piece).expect("there");
    fs::remove_file(&piece).expect("there");
    named(&world.receive(&[1]).expect_err("it is lost"), Kind::Corrupt);
    named(
        &world.receive(&[1, 2, 3]).expect_err("it is lost"),
        Kind::Corrupt,
    );
    // A dry run keeps nothing, and says the same of media.
    let before = files_below(world.site.folder());
    let dry = Receive::new(world.folder(2), world.site.folder())
        .dry_run(true)
        .run(&Context::new())?;
    assert_eq!(dry.media.expect("not all").missing, [1]);
    assert_eq!(files_below(world.site.folder()), before);
    // It is mended; the other pieces of that medium, which were sound, need not come again.
    fs::write(&piece, whole).expect("room");
    edit(&piece, |bytes| bytes[7] ^= 1);
    let others = world.pieces(1).into_iter();
    for other in others.filter(|other| *other != piece) {
        fs::remove_file(other).expect("there");
    }
    assert_eq!(world.receive(&[1])?.media.expect("not all").missing, [2]);
    assert_eq!(
        world.receive(&[2])?.media,
        None,
        "it has the last that was missing"
    );
    world.must_be_entered()
}

#[test]
fn what_was_kept_of_a_medium_is_looked_at_again_before_it_is_used() -> Result<()> {
    let world = World::new(Format::Raw)?;
    world.deploy(false)?;
    world.receive(&[1])?;
    world.receive(&[2])?;
    let kept: Vec<(String, Vec<u8>)> = files_below(&world.site.incoming());
    let (name, _) = kept
        .iter()
        .find(|(name, _)| name.ends_with(".002"))
        .expect("kept");
    // Of the right length, and other bytes.
    edit(&world.site.incoming().join(name), |bytes| bytes[99] ^= 1);
    let error = world.receive(&[3]).expect_err("it is damaged");
    assert_eq!(error.kind(), Kind::Digest, "{error}");
    assert!(
        error.to_string().contains(".imgdelta/incoming/media-"),
        "{error}"
    );
    assert_eq!(names(&world.site)?, ["old"]);
    // The medium comes once more: its bytes are those that count.
    assert_eq!(world.receive(&[3, 1])?.media, None);
    world.must_be_entered()
}

#[test]
fn media_of_another_delivery_are_another_delivery() -> Result<()> {
    let world = World::new(Format::Raw)?;
    world.deploy(false)?;
    let other = World::new(Format::Raw)?;
    other.deploy(true)?;
    world.receive(&[1])?;
    let report = Receive::new(other.folder(2), world.site.folder()).run(&Context::new())?;
    assert_eq!(
        report.media.expect("not all").missing,
        [1, 3],
        "nothing of the first counts for it"
    );
    world.receive(&[2])?;
    world.receive(&[3])?;
    assert_eq!(stored(&world.site, "new")?, disks().1.bytes());
    // A medium that holds something else is not written to.
    let call = world.call(false);
    let mut media = world.media();
    media[1].folder = other.folder(2);
    let fresh = world.place.repository("fresh", Format::Raw)?;
    world
        .place
        .add(&fresh, "old", &disks().0, Format::Raw, None)?;
    let before = files_below(&other.folder(2));
    media[0].folder = world.place.at("clean");
    let error = call
        .to(Destination::Inventory(fresh.folder().to_owned()))
        .media(media, AskForMedium::default())
        .run(&Context::new())
        .expect_err("it is taken");
    assert_eq!(
        (error.kind(), error.code()),
        (Kind::Usage, "other_delivery")
    );
    assert_eq!(files_below(&other.folder(2)), before);
    // To one of several nothing is added, and nothing is taken off it: the others would not know.
    let call = other.call(true).medium(other.folder(2));
    let dropped = DropImages::new(other.folder(2), ["new"]).run(&Context::new());
    let refused = [call.run(&Context::new()).map(drop), dropped.map(drop)];
    for error in refused.map(|refused| refused.expect_err("it is one of several")) {
        assert_eq!(
            (error.kind(), error.code()),
            (Kind::Usage, "other_delivery")
        );
    }
    assert_eq!(files_below(&other.folder(2)), before);
    Ok(())
}

#[test]
fn the_same_line_once_more_keeps_what_is_right_on_each_medium() -> Result<()> {
    use std::os::unix::fs::MetadataExt;
    let world = World::new(Format::Raw)?;
    world.deploy(false)?;
    let all: Vec<_> = (1..=3)
        .map(|number| files_below(&world.folder(number)))
        .collect();
    let (kept, wrong) = (world.pieces(1).remove(0), world.pieces(2).remove(0));
    let inode = |path: &Path| fs::metadata(path).expect("there").ino();
    let before = (inode(&kept), inode(&wrong));
    edit(&wrong, |bytes| bytes[1] ^= 1);
    // The second medium was pulled: nothing lists what is on it.
    fs::remove_file(world.folder(2).join("delivery.json")).expect("there");
    fs::remove_dir_all(world.folder(3)).expect("there");
    world.deploy(false)?;
    assert_eq!(inode(&kept), before.0);
    assert_ne!(inode(&wrong), before.1);
    let again: Vec<_> = (1..=3)
        .map(|number| files_below(&world.folder(number)))
        .collect();
    assert!(again == all, "byte for byte");
    world.receive(&[1, 2, 3])?;
    world.must_be_entered()
}

#[test]
fn media_in_one_folder_are_asked_for_and_the_wrong_one_is_asked_for_again() -> Result<()> {
    let world = World::new(Format::Raw)?;
    let stick = world.place.at("stick");
    let media = || {
        let medium = Medium {
            folder: stick.clone(),
            size: Some(SIZE),
        };
        vec![medium; 3]
    };
    let call = world.call(false);
    let error = call
        .clone()
        .media(media(), AskForMedium::default())
        .run(&Context::new());
    let error = error.expect_err("nobody can be asked");
    assert_eq!((error.kind(), error.code()), (Kind::Usage, "no_terminal"));
    // At the first question the user forgets to change the medium.
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (heard, root) = (Arc::clone(&asked), world.place.at(""));
    let ask = AskForMedium::by(move |medium, folder| {
        let mut asked = heard.lock().expect("one thread");
        asked.push((medium.number, medium.of));
        if asked.len() > 1 {
            fs::rename(folder, root.join(format!("medium-{}", medium.number - 1))).expect("moved");
        }
        Ok(())
    });
    let report = call.clone().media(media(), ask).run(&Context::new())?;
    assert_eq!(report.media.len(), 3);
    assert_eq!(*asked.lock().expect("one thread"), [(2, 3), (2, 3), (3, 3)]);
    fs::rename(&stick, world.folder(3)).expect("moved");
    world.receive(&[2, 1, 3])?;
    world.must_be_entered()?;
    // Too few, and nothing is begun.
    let fresh = World::new(Format::Raw)?;
    let few: Vec<Medium> = fresh.media().into_iter().take(2).collect();
    let error = fresh
        .call(false)
        .media(few, AskForMedium::default())
        .run(&Context::new());
    let error = error.expect_err("it does not fit");
    assert_eq!((error.kind(), error.code()), (Kind::Host, "no_space"));
    assert!(!fresh.folder(1).exists());
    Ok(())
}
