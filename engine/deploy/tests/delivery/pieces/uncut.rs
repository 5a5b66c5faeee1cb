//! Files that lie there whole and are longer than a block: the digests of their blocks beside them.

use std::{fs, path::Path, process::Command};

use imgdelta_core::{Bytes, Kind, Result};
use imgdelta_deploy::{
    bundle::{Index, media::Medium, verify},
    calls::{AskForMedium, Deploy as Deployment, Destination as To, Receive, Refill},
};
use imgdelta_operations::Context;

use super::world::{World, disks};
use crate::{
    place::{assert_sound, files_below, stored},
    scene::{edit, sha256sum},
};

#[test]
fn the_digests_of_blocks_are_those_that_sha256sum_makes() -> Result<()> {
    for native in [false, true] {
        let world = World::uncut(native, 2)?;
        let (stick, file) = (world.stick(), world.entry()?.file);
        let list = file.blocks.expect("it is longer than a block");
        assert_eq!((list.block, list.length), (4 << 20, 3 * 68));
        let shell = format!(
            "split -b 4M --filter=sha256sum '{0}' | cmp - '{0}.blocks'",
            file.name
        );
        let said = Command::new("sh")
            .args(["-ec", &shell])
            .current_dir(&stick)
            .status();
        assert!(said.expect("a shell").success());
        assert!(sha256sum(&stick));
        let sums = fs::read_to_string(stick.join("SHA256SUMS")).expect("there");
        assert!(sums.contains(&format!("{}.blocks", file.name)), "{sums}");
        let howto = fs::read_to_string(stick.join("HOWTO.txt")).expect("there");
        let line = format!("{}.blocks has the SHA-256 of every 4 MiB of it", file.name);
        assert!(howto.contains(&line), "{howto}");
        // The same line once more changes nothing; with the image they go.
        let all = files_below(&stick);
        world.deploy(None)?;
        assert_eq!(files_below(&stick), all);
        world.must_come()?;
        let mut bundle =
            imgdelta_deploy::bundle::Bundle::change(&stick, std::time::Duration::ZERO)?;
        bundle.remove(&["new".to_owned()])?;
        assert_eq!(files_below(&stick).len(), 3);
    }
    Ok(())
}

#[test]
fn a_delivery_without_them_is_received_and_the_next_run_adds_them() -> Result<()> {
    let world = World::uncut(false, 2)?;
    let (stick, file) = (world.stick(), world.entry()?.file);
    let all = files_below(&stick);
    // As a release wrote it that knew none.
    let mut index = world.place.index("stick")?;
    index.items[0].file.blocks = None;
    fs::write(stick.join("delivery.json"), index.to_json()?).expect("room");
    for other in ["SHA256SUMS", &format!("{}.blocks", file.name)] {
        fs::remove_file(stick.join(other)).expect("there");
    }
    let data = stick.join(file.name.as_str());
    edit(&data, |bytes| bytes[5 << 20] ^= 1);
    let error = world.refused();
    assert_eq!(error.kind(), Kind::Digest);
    assert!(!error.to_string().contains("block"), "{error}");
    assert!(error.to_string().contains("is not what was put there"));
    edit(&data, |bytes| bytes[5 << 20] ^= 1);
    let dry = Receive::new(&stick, world.site.folder()).dry_run(true);
    assert!(dry.run(&Context::new())?.failure().is_none());
    world.deploy(None)?;
    assert!(files_below(&stick) == all, "byte for byte");
    world.must_come()
}

#[test]
fn a_list_that_cannot_be_of_the_file_is_refused() -> Result<()> {
    let (uncut, cut) = (World::uncut(false, 2)?, World::new(false, 2)?);
    let list = uncut.entry()?.file.blocks.expect("it has some");
    let json = uncut.place.index("stick")?.to_json()?;
    assert_eq!(
        Index::from_json(&json)?.items[0].file.blocks,
        Some(list),
        "as it was written"
    );
    let refused = |world: &World, block: u64, length: u64| -> Result<bool> {
        let mut index = world.place.index("stick")?;
        let forged = imgdelta_deploy::bundle::BlockList {
            block,
            length,
            ..list
        };
        index.items[0].file.blocks = Some(forged);
        let read = Index::from_json(&index.to_json()?);
        Ok(read.is_err_and(|error| error.kind() == Kind::Corrupt))
    };
    assert!(!refused(&uncut, list.block, list.length)?);
    for (block, length) in [
        (list.block, list.length + 1),
        (list.block, list.length - 68),
        (0, list.length),
        (1 << 15, uncut.entry()?.file.length.div_ceil(1 << 15) * 68),
    ] {
        assert!(refused(&uncut, block, length)?, "{block} {length}");
    }
    // Pieces have their own.
    assert!(refused(&cut, list.block, list.length)?);
    Ok(())
}

#[test]
fn a_damaged_uncut_file_is_refilled_by_its_windows() -> Result<()> {
    let world = World::uncut(false, 2)?;
    let (stick, file) = (world.stick(), world.entry()?.file);
    edit(&stick.join(file.name.as_str()), |bytes| bytes[5 << 20] ^= 1);
    let (request, refill) = (world.place.at("request"), world.place.at("refill"));
    let receive = |folders: &[&Path]| {
        Receive::new(folders[0], world.site.folder())
            .others(folders[1..].iter().copied())
            .request(Some(request.clone()))
            .run(&Context::new())
    };
    let error = receive(&[&stick]).expect_err("it is damaged");
    assert!(error.to_string().contains("block 2 of 3"), "{error}");
    let asked = fs::read_to_string(&request).expect("there");
    assert!(!asked.contains("blocks"), "{asked}");
    let report = Refill::new(world.hq.folder(), &request, &refill)
        .packing_folder(world.place.at("packing"))
        .run(&Context::new())?;
    assert_eq!(report.images[0].windows, Some(1));
    // All of it is longer than a block, and has digests as any delivery has.
    let all = fs::read_to_string(&request).expect("there");
    let mut asked: serde_json::Value = serde_json::from_str(&all).expect("JSON");
    asked["items"][0]
        .as_object_mut()
        .expect("an entry")
        .remove("windows");
    fs::write(&request, asked.to_string()).expect("room");
    let whole = world.place.at("whole");
    Refill::new(world.hq.folder(), &request, &whole)
        .packing_folder(world.place.at("packing"))
        .run(&Context::new())?;
    assert!(world.place.index("whole")?.items[0].file.blocks.is_some());
    assert_eq!(
        verify(&whole, None, &world.place.context())?
            .faults()
            .count(),
        0
    );
    receive(&[&refill, &stick])?;
    world.must_have_come()
}

#[test]
fn on_several_media_they_lie_with_their_file() -> Result<()> {
    let world = World::uncut(false, 2)?;
    let medium = |number: u32| Medium {
        folder: world.place.at(&format!("medium-{number}")),
        size: Some(Bytes::mib(16)),
    };
    // Two images, each as long as most of a medium and in one piece of it.
    let third = disks(2).1.with(8..188, 4);
    world.place.add(
        &world.hq,
        "third",
        &third,
        imgdelta_core::Format::Raw,
        Some("old"),
    )?;
    Deployment::new(world.hq.folder(), ["new", "third"])
        .to(To::Inventory(world.site.folder().to_owned()))
        .packing_folder(world.place.at("packing"))
        .piece(Some(Bytes::mib(12)))
        .media([medium(1), medium(2)], AskForMedium::default())
        .run(&Context::new())?;
    for number in [1_u32, 2] {
        let folder = medium(number).folder;
        let names: Vec<String> = files_below(&folder)
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        let blocks = names.iter().filter(|name| name.ends_with(".blocks"));
        assert_eq!(blocks.count(), 1, "{names:?}");
        assert!(sha256sum(&folder));
        let data = names.iter().find(|name| name.ends_with(".imgdelta"));
        let data = folder.join(data.expect("a whole one"));
        let whole = fs::read(&data).expect("it reads");
        edit(&data, |bytes| bytes[9 << 20] ^= 1);
        let receive = || Receive::new(&folder, world.site.folder()).run(&Context::new());
        // Of several images one is told of in the report.
        let said = receive().map(|report| report.failure().expect("it fails").message.clone());
        let said = said.unwrap_or_else(|error| error.to_string());
        assert!(said.contains("block 3 of 3"), "{said}");
        fs::write(&data, whole).expect("room");
        receive()?;
    }
    assert_eq!(stored(&world.site, "third")?, third.bytes());
    assert_sound(&world.site, &world.place)
}
