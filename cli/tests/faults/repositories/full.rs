//! A stick, a site, a repository that is full, or whose host lets no file grow so long: exit status 8, a message that says so, nothing left, and
//! once there is room the same command does it.

use std::{fs, io};

use super::{
    carried::{OUT, both},
    world::World,
};
use crate::{
    Outcome,
    limits::{Small, limited},
    watched::{self, Ended},
};

/// What fills up, and what fills it.
const FILLED: [(&str, &str, &[&str]); 3] = [
    ("stick", OUT, &[]),
    ("site", "receive W/stick --repo W/site", &[OUT]),
    (
        "hq",
        "repo add IN/target.raw --name more --repo W/hq",
        &["repo remove patched --yes --repo W/hq"],
    ),
];

/// The world in which this is done; the folder that fills up is there before.
fn world((folder, line, more): (&str, &str, &[&str])) -> io::Result<World> {
    let world = both(more)?;
    fs::create_dir_all(world.at(folder))?;
    world.doing(line, &[])
}

/// Judges a run that had little room; says whether it was too little.
fn judge(world: &World, ended: &Ended, why: &str, cause: &str) -> io::Result<bool> {
    let found = world.now()?;
    let told = || format!("{why}: {}", world.told(&found, ended));
    match ended.code {
        Some(0) => assert!(found.is_as(&world.after), "{}", told()),
        Some(8) => {
            assert!(ended.said.contains(cause), "{}", told());
            assert!(found.is_as(&world.before), "{}", told());
        }
        _ => panic!("{}", told()),
    }
    Ok(ended.code == Some(8))
}

#[test]
fn on_a_full_medium_nothing_is_left_and_with_room_the_same_command_does_it() -> Outcome {
    for filled in FILLED {
        let world = world(filled)?;
        let (folder, line, _) = filled;
        let held = world.before.bytes_below(&format!("{folder}/"));
        let mut refused = 0;
        for step in 0..10 {
            world.reset()?;
            let kib = u32::try_from(held >> 10)? + 64 + 256 * step;
            let Some(small) = Small::mount(&world.at(folder), kib)? else {
                return Ok(());
            };
            world.reset()?;
            let why = format!("{line}: {kib} KiB");
            let ended = watched::run(world.command())?;
            refused += u32::from(judge(&world, &ended, &why, "are free")?);
            small.grow()?;
            world.must_do(line)?;
            assert!(world.now()?.is_as(&world.after), "{why}: with room");
            drop(small);
        }
        assert!(
            (1..10).contains(&refused),
            "{line}: {refused} of 10 refused"
        );
    }
    Ok(())
}

#[test]
fn beyond_the_hosts_limit_for_files_nothing_is_left_and_without_it_the_same_command_does_it()
-> Outcome {
    for filled in FILLED {
        let world = world(filled)?;
        let line = filled.1;
        let mut refused = 0;
        for blocks in [1, 60, 250, 700, 1200, 2000, 9000] {
            world.reset()?;
            let why = format!("{line}: at most {blocks} blocks");
            let ended = watched::run(limited(&world.command(), blocks))?;
            refused += u32::from(judge(&world, &ended, &why, "File too large")?);
            world.must_do(line)?;
            assert!(world.now()?.is_as(&world.after), "{why}: without it");
        }
        assert!((2..7).contains(&refused), "{line}: {refused} of 7 refused");
    }
    Ok(())
}
