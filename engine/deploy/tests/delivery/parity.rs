//! Parity beside the files of a delivery: what is damaged on the way is healed at the site, and nothing of it is believed.

mod world;

use std::{fs, path::PathBuf};

use imgdelta_core::{Bytes, Format, Kind, Result};
use imgdelta_deploy::{
    bundle::{StoredFile, media::Medium},
    calls::{AskForMedium, Deploy, Destination, DropImages, ImageOutcome, Receive},
    parity::Percent,
};
use imgdelta_operations::Context;

use self::world::{World, parity_of};
use crate::{
    place::files_below,
    scene::{edit, sha256sum},
};

#[test]
fn pieces_whole_files_and_manifests_are_healed() -> Result<()> {
    for (percent, piece, native) in [
        (2, Some(Bytes::mib(1)), false),
        (5, None, true),
        (10, None, false),
        (10, Some(Bytes::mib(1)), true),
    ] {
        let world = World::new(Format::Raw)?;
        world.put(percent, piece, native)?;
        let data = world.data()?;
        let pieces = if piece.is_some() { 6 } else { 1 };
        assert_eq!(data.len(), pieces + usize::from(native));
        assert!(sha256sum(&world.stick()));
        for file in &data {
            let parity = parity_of(&world.path(file));
            let length = fs::metadata(&parity).expect("it is there").len();
            assert_eq!(length, file.parity.expect("listed").length);
        }
        let looked = world.look()?;
        assert!(looked.sound && looked.others == 0, "{looked:?}");
        if piece.is_some() {
            world.must_be_put_together_by_hand()?;
        }
        // A percent of each file zeroed, at another place in each.
        for (number, file) in data.iter().enumerate() {
            edit(&world.path(file), |bytes| {
                let run = (bytes.len() / 100).max(1);
                let at = (bytes.len() - run) * number / data.len();
                for byte in &mut bytes[at..at + run] {
                    *byte ^= 0x5a;
                }
            });
        }
        world.must_heal(data.len())?;
    }
    Ok(())
}

#[test]
fn a_cut_tail_and_damage_in_the_parity_too_are_healed() -> Result<()> {
    let world = World::new(Format::Qcow2)?;
    world.put(5, Some(Bytes::mib(1)), false)?;
    let data = world.data()?;
    edit(&world.path(&data[0]), |bytes| {
        bytes.truncate(bytes.len() - 20_000)
    });
    edit(&world.path(&data[1]), |bytes| bytes[700_000] ^= 1);
    edit(&world.path(&data[2]), |bytes| bytes[1] ^= 1);
    edit(&parity_of(&world.path(&data[1])), |bytes| {
        bytes[..2000].fill(0)
    });
    edit(&parity_of(&world.path(&data[2])), |bytes| {
        bytes.pop();
    });
    // Its parity is lost, and it needs none.
    fs::remove_file(parity_of(&world.path(&data[3]))).expect("there");
    let faults: Vec<String> = world
        .look()?
        .files
        .into_iter()
        .filter(|file| !file.sound)
        .map(|file| file.name)
        .collect();
    assert_eq!(faults.len(), 6, "{faults:?}");
    world.must_heal(3)
}

#[test]
fn too_much_damage_is_refused_by_name_and_asked_for_once_more() -> Result<()> {
    let world = World::new(Format::Raw)?;
    world.put(2, Some(Bytes::mib(1)), false)?;
    let piece = world.data()?.remove(1);
    let (path, whole) = (
        world.path(&piece),
        fs::read(world.path(&piece)).expect("it reads"),
    );
    let parity = fs::read(parity_of(&path)).expect("it reads");
    let too_much = |bytes: &mut Vec<u8>| bytes[100_000..200_000].fill(0);
    edit(&path, too_much);
    let looked = world.look()?;
    let says = |note: &String| note.contains("cannot heal it: more than 2 of 64 shards");
    assert!(looked.notes.iter().any(says), "{looked:?}");
    let error = world.refused();
    assert!(error.to_string().contains(piece.name.as_str()), "{error}");
    assert!(error.to_string().contains("block 1 of 1"), "{error}");
    let details = error.details().join("\n");
    assert!(
        details.contains("its parity cannot heal it: more than 2 of 64 shards are lost"),
        "{details}"
    );
    assert!(
        details.contains("receive STICK --request FILE"),
        "{details}"
    );
    let request = world.place.at("request");
    let asked = Receive::new(world.stick(), world.place.at("site")).request(Some(request.clone()));
    asked.run(&Context::default()).expect_err("refused");
    assert!(request.exists());
    // Little damage, and no parity that can be read.
    fs::write(&path, &whole).expect("room");
    edit(&path, |bytes| bytes[5] ^= 1);
    edit(&parity_of(&path), |bytes| bytes.fill(0));
    let details = world.refused().details().join("\n");
    assert!(
        details.contains("cannot heal it: ") && details.contains("parity"),
        "{details}"
    );
    fs::remove_file(parity_of(&path)).expect("there");
    let details = world.refused().details().join("\n");
    assert!(details.contains("is listed, but not there"), "{details}");
    // Of a lost piece nothing can be worked out.
    fs::remove_file(&path).expect("there");
    assert!(
        world
            .refused()
            .to_string()
            .contains("is listed, but not there")
    );
    fs::write(&path, &whole).expect("room");
    fs::write(parity_of(&path), &parity).expect("room");
    world.must_heal(0)
}

#[test]
fn a_forged_parity_brings_nothing_that_is_not_listed() -> Result<()> {
    let world = World::new(Format::Raw)?;
    world.put(5, None, false)?;
    let file = world.data()?.remove(0);
    let path = world.path(&file);
    // The parity of a file that differs in one shard, said to be of this one.
    let mut other = fs::read(&path).expect("it reads");
    other[50] ^= 0xff;
    let shape =
        imgdelta_deploy::parity::Shape::of(other.len() as u64, Percent::new(5).expect("there is"))?;
    let sink = imgdelta_core::MemSink::default();
    imgdelta_deploy::parity::write(
        &imgdelta_core::MemSource(other.clone()),
        &imgdelta_delta::Digest::plain(&other),
        &shape,
        &sink,
        &imgdelta_delta::RunProgress::default(),
    )?;
    let mut forged = sink.bytes();
    let end = forged.len() - 96;
    for at in [0, end] {
        let head = &mut forged[at..at + 96];
        head[32..64].copy_from_slice(&file.sha256.0);
        let digest = xxhash_rust::xxh3::xxh3_128(&head[..80]).to_le_bytes();
        head[80..].copy_from_slice(&digest);
    }
    fs::write(parity_of(&path), forged).expect("room");
    edit(&path, |bytes| bytes[1_000_000] ^= 1);
    let error = world.refused();
    assert_eq!(error.kind(), Kind::Digest);
    let details = error.details().join("\n");
    assert!(
        details.contains("what it works out is not the file that is listed"),
        "{details}"
    );
    Ok(())
}

#[test]
fn parity_stays_is_changed_and_goes_with_its_files() -> Result<()> {
    let world = World::new(Format::Raw)?;
    world.put(5, Some(Bytes::mib(1)), false)?;
    let first = files_below(&world.stick());
    world.put(5, Some(Bytes::mib(1)), false)?;
    // Nobody says how much: what there is stays.
    world.deploy().run(&Context::default())?;
    assert_eq!(files_below(&world.stick()), first);
    // A piece is written anew, and so is its parity.
    let path = world.path(&world.data()?[0]);
    edit(&path, |bytes| bytes[7] ^= 1);
    fs::remove_file(parity_of(&path)).expect("there");
    world.deploy().run(&Context::default())?;
    assert_eq!(files_below(&world.stick()), first);
    world.put(10, Some(Bytes::mib(1)), false)?;
    let lengths = |parity: &[StoredFile]| -> u64 {
        parity
            .iter()
            .filter_map(|file| file.parity)
            .map(|parity| parity.length)
            .sum()
    };
    assert!(lengths(&world.data()?) > 380_000);
    assert!(world.look()?.sound);
    // Damaged, and cut in other pieces: no parity of the old ones is left.
    edit(&path, |bytes| bytes[7] ^= 1);
    world.put(10, Some(Bytes::mib(2)), false)?;
    let looked = world.look()?;
    assert!(looked.sound, "{looked:?}");
    assert_eq!(world.data()?.len(), 3);
    DropImages::new(world.stick(), ["new"]).run(&Context::default())?;
    let left = files_below(&world.stick());
    let left: Vec<&str> = left.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(left, ["HOWTO.txt", "SHA256SUMS", "delivery.json"]);
    Ok(())
}

#[test]
fn what_is_damaged_on_one_of_several_media_is_kept_healed() -> Result<()> {
    let world = World::new(Format::Raw)?;
    let medium = |number: u32| Medium {
        folder: world.place.at(&format!("medium-{number}")),
        size: Some(Bytes::mib(4)),
    };
    let media: Vec<Medium> = (1..=4).map(medium).collect();
    let deploy = world.deploy().media(media, AskForMedium::default());
    let report = deploy.parity(Percent::new(5)).run(&Context::default())?;
    assert!(report.media.len() > 1, "{report:?}");
    let (mut healed, mut entered) = (0, false);
    for medium in report.media.iter().rev() {
        let folder = PathBuf::from(&medium.folder);
        assert!(sha256sum(&folder));
        for (name, _) in files_below(&folder) {
            if name.contains(".imgdelta.0") && !name.ends_with(".parity") {
                edit(&folder.join(&name), |bytes| {
                    let at = bytes.len() / 2;
                    bytes[at] ^= 8;
                });
            }
        }
        let receive = Receive::new(&folder, world.place.at("site"));
        let report = receive.run(&Context::default())?;
        assert!(!report.healed.is_empty(), "{report:?}");
        healed += report.healed.len();
        entered = report
            .images
            .iter()
            .any(|image| image.fate == ImageOutcome::Entered);
    }
    assert!(entered);
    assert_eq!(healed, 6);
    world.must_have_come()
}

#[test]
fn parity_without_a_medium_is_refused() -> Result<()> {
    let world = World::new(Format::Raw)?;
    let deploy = Deploy::new(world.place.at("hq"), ["new"])
        .to(Destination::Folder(world.place.at("site")))
        .parity(Percent::new(5));
    let error = deploy.run(&Context::default()).expect_err("refused");
    assert_eq!((error.kind(), error.code()), (Kind::Usage, "no_delivery"));
    Ok(())
}
