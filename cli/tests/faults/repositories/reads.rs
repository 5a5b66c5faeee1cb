//! Somebody writes to an image while it is added or deployed: it is refused, and nothing of it is entered or carried. Who writes to it when
//! it has been read comes too late: then what travels is the image as it was, to the bit.

use std::{
    fs::File,
    io::{self, Write},
    os::unix::fs::FileExt,
    path::Path,
};

use super::{
    carried::{OUT, both},
    world::World,
};
use crate::{Outcome, shim::Shim, signals::arrive, watched};

/// At which calls the run is overtaken: before it writes anything, and when it may have read all that it needs.
const AT: [usize; 2] = [2, 5];

/// Writes to an image: a byte of it, or behind its end.
fn write_to(image: &Path, grows: bool) -> io::Result<()> {
    let mut file = File::options()
        .read(true)
        .append(grows)
        .write(true)
        .open(image)?;
    if grows {
        return file.write_all(&[1; 512]);
    }
    let mut byte = [0];
    file.read_exact_at(&mut byte, 1 << 20)?;
    file.write_all_at(&[byte[0] ^ 1], 1 << 20)
}

/// Changes `image` while the world's line writes below `folder`, which then ends with `exit`.
fn change(world: &World, image: &Path, folder: &str, exit: i32) -> Outcome {
    let Some(shim) = Shim::find() else {
        return Ok(());
    };
    let kept = std::fs::read(image)?;
    for (at, grows) in AT.into_iter().flat_map(|at| [(at, false), (at, true)]) {
        world.reset()?;
        let aside = tempfile::tempdir()?;
        let mut command = world.command();
        let part = world.at(folder).display().to_string();
        let gate = shim.waits(&mut command, &part, at, aside.path());
        let mut running = watched::start(command)?;
        arrive(&gate, &mut running)?;
        write_to(image, grows)?;
        gate.open()?;
        let ended = running.wait()?;
        std::fs::write(image, &kept)?;
        let found = world.now()?;
        let why = format!("{}: at call {at}, grows: {grows}", world.line);
        let told = format!("{why}: {}", world.told(&found, &ended));
        if ended.code == Some(0) && at > AT[0] {
            assert!(found.is_as(&world.after), "not what was read: {told}");
            continue;
        }
        assert_eq!(ended.code, Some(exit), "{told}");
        assert!(ended.said.contains("changed"), "{told}");
        assert!(found.is_as(&world.before), "{told}");
    }
    Ok(())
}

#[test]
fn an_image_that_changes_while_it_is_added_is_not_entered() -> Outcome {
    for more in ["", "--parent base", "--dedup"] {
        let remove = "repo remove patched --yes --repo W/hq";
        let line = format!("repo add IN/target.qcow2 --name new --repo W/hq {more}");
        let world = both(&[remove])?.doing(&line, &[])?;
        change(&world, &world.input("target.qcow2"), "hq", 8)?;
    }
    Ok(())
}

#[test]
fn an_image_that_changes_while_it_is_taken_in_where_it_stands_is_not_entered() -> Outcome {
    let world = both(&["repo remove patched --yes --repo W/hq"])?;
    std::fs::copy(world.input("target.raw"), world.at("hq/new.raw"))?;
    let world = world.doing("repo add W/hq/new.raw --in-place --repo W/hq", &[])?;
    change(&world, &world.at("hq/new.raw"), "hq/.imgdelta", 8)
}

#[test]
fn an_image_or_a_base_that_changes_while_it_is_deployed_goes_nowhere() -> Outcome {
    for (line, folder) in [
        (OUT, "stick"),
        ("deploy patched --repo W/hq --to W/site", "site"),
    ] {
        for image in ["hq/patched.qcow2", "hq/base.raw"] {
            let world = both(&[])?.doing(line, &[])?;
            change(&world, &world.at(image), folder, 8)?;
        }
    }
    Ok(())
}

#[test]
fn a_base_that_changes_while_an_image_is_received_is_none() -> Outcome {
    let world = both(&[OUT])?.doing("receive W/stick --repo W/site", &[])?;
    change(&world, &world.at("site/golden.qcow2"), "site", 5)
}
