//! Long files in pieces: what lies on the medium, who gets it, what is refused.

mod damage;
mod runs;
mod uncut;
pub(crate) mod world;

use std::{fs, process::Command};

use imgdelta_core::{Bytes, Kind, Result};
use imgdelta_deploy::{
    bundle::Index,
    calls::{Deploy as Deployment, Destination as To},
    deployment::{Deploy, Destination, deploy_many},
};
use imgdelta_operations::Context;

use self::world::{PIECE, World};
use crate::{place::deploy, scene::sha256sum};

#[test]
fn a_long_file_lies_in_pieces_that_anybody_puts_together() -> Result<()> {
    for native in [false, true] {
        let world = World::new(native, 2)?;
        let (stick, entry, list) = (world.stick(), world.entry()?, world.list()?);
        let name = entry.file.name.as_str();
        assert_eq!(list.files.len(), 3);
        let names: Vec<&str> = list.files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, [1, 2, 3].map(|number| format!("{name}.00{number}")));
        assert!(!stick.join(name).exists(), "the whole one is not there");
        assert_eq!(entry.requires.last().map(String::as_str), Some("pieces"));
        let index = world.place.index("stick")?;
        assert!(index.requires.contains(&"pieces".to_owned()));
        // Put together by hand they are the file; the digests of blocks are those that sha256sum makes.
        let shell = format!(
            "cat '{name}'.0* > ../whole && sha256sum ../whole && for piece in '{name}'.0*; do split -b {} --filter=sha256sum \"$piece\"; done | cmp - '{}'",
            list.block, list.blocks.name
        );
        let said = Command::new("sh")
            .args(["-ec", &shell])
            .current_dir(&stick)
            .output();
        let said = said.expect("a shell");
        let out = String::from_utf8_lossy(&said.stdout);
        assert!(
            said.status.success(),
            "{out}{}",
            String::from_utf8_lossy(&said.stderr)
        );
        assert!(out.starts_with(&entry.file.sha256.to_string()), "{out}");
        assert!(sha256sum(&stick));
        let howto = fs::read_to_string(stick.join("HOWTO.txt")).expect("there");
        assert!(
            howto.contains(&format!("cat \"{name}\".0* > \"{name}\"")),
            "{howto}"
        );
        assert!(howto.contains("copy /b"), "{howto}");
        world.must_come()?;
        // And again: it is there.
        assert!(
            world
                .place
                .receive("stick", &world.site)?
                .failure()
                .is_none()
        );
    }
    Ok(())
}

#[test]
fn who_knows_no_pieces_refuses_them_and_gets_none() -> Result<()> {
    let world = World::new(false, 2)?;
    let json = fs::read(world.stick().join("delivery.json")).expect("there");
    let index = Index::from_json(&json)?;
    assert_eq!(Index::from_json(&index.to_json()?)?, index);
    // An entry that does not say it, or says it of none, is refused.
    for (from, to) in [
        ("the entry's word", ""),
        (".001\"", ".002\""),
        ("\"size\": 5242880", "\"size\": 5242881"),
        ("\"block\": 4194304", "\"block\": 1"),
        (".blocks\"", ".block\""),
    ] {
        let text = String::from_utf8_lossy(&json);
        let forged = match to.is_empty() {
            true => text.replace("\"transport\",\n        \"pieces\"", "\"transport\""),
            false => text.replacen(from, to, 1),
        };
        assert_ne!(forged, text, "{from}");
        let refused = Index::from_json(forged.as_bytes());
        assert_eq!(
            refused.map_err(|error| error.kind()),
            Err(Kind::Corrupt),
            "{from}"
        );
    }
    // A site whose program does not say that it takes pieces.
    let mut inventory = world.site.inventory()?;
    inventory.takes.retain(|word| word != "pieces");
    let deploy = |piece, stick: &str| {
        let deploy = Deploy {
            piece,
            packing: world.place.at("packing"),
            bundle: Some(world.place.at(stick)),
            sites: vec![Destination::Carried(inventory.clone())],
            ..deploy(&world.hq, &["new"])
        };
        deploy_many(&deploy, &world.place.context())
    };
    for (piece, stick) in [(Some(PIECE), "other"), (None, "stick")] {
        let error = deploy(piece, stick).expect_err("it reads none");
        assert_eq!((error.kind(), error.code()), (Kind::Usage, "delivery_form"));
    }
    deploy(None, "other")?;
    assert_eq!(world.place.index("other")?.items[0].file.pieces, None);
    // Lengths that no medium takes, and pieces without a medium.
    for (size, to) in [
        (Bytes(1 << 19), true),
        (Bytes::gib(4), true),
        (PIECE, false),
    ] {
        let to = match to {
            true => To::Inventory(world.site.folder().to_owned()),
            false => To::Folder(world.site.folder().to_owned()),
        };
        let deployment = Deployment::new(world.hq.folder(), ["new"]).to(to);
        let refused = deployment
            .medium(world.place.at("none"))
            .piece(Some(size))
            .run(&Context::new());
        assert_eq!(refused.expect_err("it cannot be").kind(), Kind::Usage);
    }
    Ok(())
}
