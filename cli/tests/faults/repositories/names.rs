//! An image whose `add` is killed at any call: from the moment on at which its file stands in its place, it is there for whoever reads, and
//! nothing is written for that; and whoever changes it finds it by its name at once, with no other change in between.

use std::io;

use super::{carried::both, faulted::Faulted, tree::Tree, world::World};
use crate::{
    Outcome,
    shim::{Fault, Shim},
    watched,
};

/// What is done to the image by its name, and what is told of it then.
const CHANGES: [(&str, &str); 4] = [
    ("repo rename new november --repo W/hq", "november"),
    ("repo tag new checked --repo W/hq", "checked"),
    ("repo set-id new win11 --repo W/hq", "win11"),
    ("repo remove new --yes --repo W/hq", ""),
];

/// What a killed run left.
struct Left<'a> {
    world: &'a World,
    found: Tree,
    told: String,
    /// Whether the image's file stands in its place.
    is_placed: bool,
    /// Whether its record does.
    is_recorded: bool,
}

impl<'a> Left<'a> {
    /// Kills the line at this call; `None`, if it has no such call.
    fn by_kill(world: &'a World, shim: Shim, at: usize) -> io::Result<Option<Self>> {
        let run = Faulted::run(world, shim, at, Fault::Kill)?;
        if run.ended.code.is_some() {
            return Ok(None);
        }
        let told = run.told();
        Ok(Some(Self {
            world,
            is_placed: run.found.has("hq/new.raw"),
            is_recorded: run.found.records("hq") > world.before.records("hq"),
            found: run.found,
            told,
        }))
    }

    /// Whoever reads sees the image if it is there, and writes nothing.
    fn must_be_read(&self) -> io::Result<()> {
        let Self { world, told, .. } = self;
        for line in ["repo list", "repo tree", "inventory", "repo show new"] {
            let ended = watched::run(world.command_of(&format!("{line} --repo W/hq")))?;
            let is_asked_for = line.ends_with("new");
            let wanted = if self.is_placed || !is_asked_for {
                0
            } else {
                2
            };
            assert_eq!(ended.code, Some(wanted), "{line}: {ended}: {told}");
            let is_told = ended.said.split(['"', ' ', '\n']).any(|word| word == "new");
            assert!(
                is_told == self.is_placed || wanted == 2,
                "{line}: {ended}: {told}"
            );
            assert!(world.now()?.is_same(&self.found), "{line} writes: {told}");
        }
        Ok(())
    }

    /// Whoever changes it finds it if it is there.
    fn must_be_changed(&self, line: &str, name: &str) -> io::Result<()> {
        let Self { world, told, .. } = self;
        let wanted = if self.is_placed { 0 } else { 2 };
        let ended = watched::run(world.command_of(line))?;
        assert_eq!(ended.code, Some(wanted), "{line}: {ended}: {told}");
        let listed = watched::run(world.command_of("repo list --json --repo W/hq"))?;
        assert!(
            !self.is_placed || listed.said.contains(name),
            "{line}: {listed}: {told}"
        );
        let is_left = world.now()?.has("hq/new.raw");
        let goes = !self.is_placed || name.is_empty();
        assert_eq!(is_left, !goes, "{line}: {told}");
        let entries = world.now()?;
        assert!(entries.entries().is_empty(), "{line}: {told}");
        world.must_be_sound(&["W/hq".to_owned()], told)?;
        self.found.put_back(&world.root())
    }
}

/// Kills the line at each of its calls.
fn kill_everywhere(world: &World) -> Outcome {
    let Some(shim) = Shim::find() else {
        return Ok(());
    };
    let mut between = 0;
    let mut at = 1;
    while let Some(left) = Left::by_kill(world, shim, at)? {
        left.must_be_read()?;
        let is_between = left.is_placed && !left.is_recorded;
        between += u32::from(is_between);
        for (number, (line, name)) in CHANGES.into_iter().enumerate() {
            if is_between || at % CHANGES.len() == number {
                left.must_be_changed(line, name)?;
            }
        }
        at += 1;
    }
    assert!(
        between > 2,
        "{between} times between the file and its record"
    );
    Ok(())
}

/// The world in which an image is added.
fn adding() -> io::Result<World> {
    let line = "repo add IN/target.raw --name new --repo W/hq";
    both(&["repo remove patched --yes --repo W/hq"])?.doing(line, &["hq/base.raw"])
}

#[test]
fn an_image_whose_record_was_not_written_yet_is_told_and_changed_by_its_name() -> Outcome {
    kill_everywhere(&adding()?)
}

#[test]
fn without_locks_it_is_so_too() -> Outcome {
    kill_everywhere(&adding()?.without_locks())
}
