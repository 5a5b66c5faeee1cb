//! A stick on which sectors cannot be read any more: by its parity what is on it is received all the same, or refused by name.

use std::fs;

use crate::{Outcome, pulled::Scene, shim::Shim, watched};

#[test]
fn what_cannot_be_read_is_healed_by_its_parity_or_refused_by_name() -> Outcome {
    let Some(shim) = Shim::find() else {
        return Ok(());
    };
    let scene = Scene::new()?;
    scene.ok("deploy patched --repo hq --for site.inv -o stick --piece 1MiB --parity 5")?;
    let file = fs::read_dir(scene.at("stick"))?.flatten();
    let name = file
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .find(|name| name.ends_with(".002"));
    let name = name.ok_or("a second piece")?;
    // Of 64 shards of 16 KiB four are for recovery; a sector may lie in two of them.
    let within = 100 << 10..(100 << 10) + 512;
    let beyond = 100 << 10..200 << 10;
    for (bad, is_enough) in [(beyond, false), (within, true)] {
        for line in ["verify stick", "receive stick --repo site"] {
            let mut command = scene.command(line);
            shim.has_bad_sectors(&mut command, &format!("stick/{name}"), bad.clone());
            let ended = watched::run(command)?;
            let image = scene.at("site/patched.raw");
            assert!(ended.said.contains(&name), "{line}: {ended}");
            match (is_enough, line) {
                (true, "verify stick") => {
                    assert_eq!(ended.code, Some(8), "{line}: {ended}");
                    assert!(ended.said.contains("its parity heals them"), "{ended}");
                }
                (true, _) => {
                    assert_eq!(ended.code, Some(0), "{line}: {ended}");
                    assert!(ended.said.contains("1 of 64 shards of 16 KiB"), "{ended}");
                    assert!(fs::read(image)? == scene.patched);
                }
                (false, _) => {
                    assert_eq!(ended.code, Some(8), "{line}: {ended}");
                    assert!(ended.said.contains("its parity cannot heal it"), "{ended}");
                    assert!(!image.exists());
                }
            }
        }
    }
    scene.ok("repo verify --repo site")?;
    Ok(())
}
