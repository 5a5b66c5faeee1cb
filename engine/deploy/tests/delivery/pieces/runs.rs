//! What a second run keeps and what it writes, what goes, what is refilled.

use std::{
    fs,
    path::{Path, PathBuf},
};

use imgdelta_core::Result;
use imgdelta_deploy::{
    bundle::Bundle,
    calls::{Receive, Refill},
};
use imgdelta_operations::Context;

use super::world::{PIECE, World};
use crate::{place::files_below, scene::edit};

#[test]
fn a_second_run_keeps_the_pieces_whose_bytes_are_right_and_no_others() -> Result<()> {
    use std::os::unix::fs::MetadataExt;
    let world = World::new(false, 2)?;
    let (stick, list) = (world.stick(), world.list()?);
    let places: Vec<PathBuf> = list
        .files
        .iter()
        .map(|file| stick.join(file.name.as_str()))
        .collect();
    let inode = |place: &Path| fs::metadata(place).expect("there").ino();
    let before: Vec<u64> = places.iter().map(|place| inode(place)).collect();
    let all = files_below(&stick);
    // The run was interrupted: nothing is listed. One piece has the right length and other bytes, one is not there.
    for own in ["delivery.json", "HOWTO.txt", "SHA256SUMS"] {
        fs::remove_file(stick.join(own)).expect("there");
    }
    edit(&places[1], |bytes| bytes[77] ^= 1);
    fs::remove_file(&places[2]).expect("there");
    let deployed = world.deploy(Some(PIECE))?;
    assert!(deployed.sites[0].sent[0].is_new);
    assert_eq!(files_below(&stick), all, "byte for byte");
    assert_eq!(inode(&places[0]), before[0], "it was kept");
    assert_ne!(inode(&places[1]), before[1], "its bytes were wrong");
    // With a list: what is damaged is written, the others are kept.
    let before: Vec<u64> = places.iter().map(|place| inode(place)).collect();
    edit(&places[2], |bytes| bytes[0] ^= 1);
    // What lies there in pieces of some length is mended in such pieces.
    world.deploy(None)?;
    assert_eq!(inode(&places[1]), before[1]);
    assert_ne!(inode(&places[2]), before[2]);
    assert_eq!(files_below(&stick), all);
    assert_eq!(world.look()?.faults().count(), 0);
    world.must_come()
}

#[test]
fn pieces_of_another_run_that_nothing_lists_go_in_the_end() -> Result<()> {
    let world = World::new(false, 2)?;
    let (stick, list) = (world.stick(), world.list()?);
    let foreign = World::new(false, 3)?;
    let other = foreign.list()?.files[0].name.clone();
    fs::copy(
        foreign.stick().join(other.as_str()),
        stick.join(other.as_str()),
    )
    .expect("room");
    fs::write(stick.join("letter.001"), "somebody's").expect("room");
    let found = world.look()?;
    assert_eq!(found.faults().count(), 1);
    let deployed = world.deploy(Some(PIECE))?;
    let notes = &deployed.sites[0].notes;
    assert!(
        notes.iter().any(|note| note.contains(other.as_str())),
        "{notes:?}"
    );
    assert!(!stick.join(other.as_str()).exists());
    assert!(stick.join("letter.001").exists(), "somebody else's stays");
    assert!(stick.join(list.files[0].name.as_str()).exists());
    world.must_come()
}

#[test]
fn what_is_half_written_is_called_part_and_goes_with_its_process() -> Result<()> {
    let world = World::new(false, 2)?;
    let (stick, list) = (world.stick(), world.list()?);
    let part = |number: usize| stick.join(format!("{}.part", list.files[number].name));
    let [dead, living, folder] = [0, 1, 2].map(part);
    let letter = stick.join("letter.001.part");
    for half in [&dead, &living, &letter] {
        fs::write(half, "half").expect("room");
    }
    fs::create_dir(&folder).expect("room");
    let held = fs::File::open(&living).expect("there");
    held.try_lock().expect("nobody has it");
    // The piece that another process writes, and the one whose name a folder has, are written all the same.
    for file in &list.files {
        edit(&stick.join(file.name.as_str()), |bytes| bytes[9] ^= 1);
    }
    let deployed = world.deploy(Some(PIECE))?;
    let notes = &deployed.sites[0].notes;
    let says = |note: &&String| note.contains("half written; deleted");
    assert_eq!(notes.iter().filter(says).count(), 1, "{notes:?}");
    assert!(!dead.exists());
    assert!(living.exists() && folder.exists() && letter.exists());
    drop(held);
    fs::remove_dir(&folder).expect("it is empty");
    assert_eq!(world.look()?.faults().count(), 0);
    let names = || -> Vec<String> {
        let entries = fs::read_dir(&stick).expect("readable").flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter(|name| name.ends_with(".part")).collect()
    };
    assert_eq!(names().len(), 2, "the dead one's, and a letter");
    // Whoever looks at the stick meanwhile sees which one is written.
    let name = list.files[0].name.as_str();
    let is_seen = (0..20).any(|_| {
        edit(&stick.join(name), |bytes| bytes[9] ^= 1);
        std::thread::scope(|scope| {
            let deploying = scope.spawn(|| world.deploy(Some(PIECE)).expect("it is mended"));
            let mut is_seen = false;
            while !deploying.is_finished() {
                is_seen |= names().contains(&format!("{name}.part"));
            }
            is_seen
        })
    });
    assert!(is_seen);
    assert_eq!(names(), ["letter.001.part"]);
    world.must_come()
}

#[test]
fn damaged_and_lost_pieces_are_refilled_by_their_windows() -> Result<()> {
    for is_lost in [false, true] {
        let world = World::new(false, 2)?;
        let (stick, list) = (world.stick(), world.list()?);
        let middle = stick.join(list.files[1].name.as_str());
        match is_lost {
            true => fs::remove_file(&middle).expect("there"),
            false => edit(&middle, |bytes| bytes[1000] ^= 1),
        }
        let (request, refill) = (world.place.at("request"), world.place.at("refill"));
        let receive = |folders: &[&Path]| {
            Receive::new(folders[0], world.site.folder())
                .others(folders[1..].iter().copied())
                .request(Some(request.clone()))
                .run(&Context::new())
        };
        let error = receive(&[&stick]).expect_err("it is damaged");
        assert_eq!(error.code(), "delivery_damaged");
        assert!(fs::metadata(&request).expect("there").len() < 4096);
        let report = Refill::new(world.hq.folder(), &request, &refill)
            .packing_folder(world.place.at("packing"))
            .run(&Context::new())?;
        let windows = report.images[0].windows.expect("windows alone");
        // Of 256 KiB each: a piece has twenty, and one more at each end.
        assert!(
            if is_lost {
                (18..=22).contains(&windows)
            } else {
                windows == 1
            },
            "{windows}"
        );
        receive(&[&refill, &stick])?;
        world.must_have_come()?;
    }
    Ok(())
}

#[test]
fn pieces_are_dropped_with_their_image() -> Result<()> {
    let world = World::new(false, 2)?;
    let mut bundle = Bundle::change(&world.stick(), std::time::Duration::ZERO)?;
    bundle.remove(&["new".to_owned()])?;
    let names: Vec<String> = files_below(&world.stick())
        .into_iter()
        .map(|file| file.0)
        .collect();
    assert_eq!(names, ["HOWTO.txt", "SHA256SUMS", "delivery.json"]);
    Ok(())
}
