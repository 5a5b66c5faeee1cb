//! One run of a line with one fault: what it called, how it ended, what it left. Whether that is whole is asked in `points`.

use std::{fs, io, path::Path, process::Command};

use imgdelta::core::fs::draft_kind;

use super::{tree::Tree, world::World};
use crate::{
    shim::{Fault, Shim},
    watched::{self, Ended},
};

/// Calls whose failure no run may pass over.
const MUST_BE_FELT: [&str; 6] = ["create", "write", "length", "sync", "rename", "lock"];

/// A call that changes a file.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) name: String,
    pub(super) path: String,
}

/// A run with one fault.
#[derive(Debug)]
pub(super) struct Faulted<'a> {
    world: &'a World,
    at: usize,
    fault: Fault,
    called: Vec<Call>,
    /// How it ended.
    pub(super) ended: Ended,
    /// What stood there then.
    pub(super) found: Tree,
}

impl<'a> Faulted<'a> {
    /// Lets it run.
    pub(super) fn run(world: &'a World, shim: Shim, at: usize, fault: Fault) -> io::Result<Self> {
        world.reset()?;
        let mut command = world.command();
        shim.fails(&mut command, &world.listened(), at, fault);
        let (ended, called) = counted(world, shim, command)?;
        Ok(Self {
            world,
            at,
            fault,
            called,
            ended,
            found: world.now()?,
        })
    }

    /// The call that went wrong.
    fn call(&self) -> Option<&Call> {
        self.called.get(self.at - 1)
    }

    /// What happened, for messages.
    pub(super) fn told(&self) -> String {
        let (line, fault, at, call) = (&self.world.line, self.fault, self.at, self.call());
        let told = self.world.told(&self.found, &self.ended);
        format!("{line}: {fault:?} at call {at}, {call:?}: {told}")
    }

    /// Holds how it ended against what it met.
    pub(super) fn must_end_as_it_did(&self) {
        let (world, fault) = (self.world, self.fault);
        let dies = fault.is_death() && !world.is_far();
        match self.ended.code {
            Some(0) => {
                let must_fail = self.call().is_some_and(Call::must_be_felt);
                assert!(!must_fail, "not noticed: {}", self.told());
                let is_done = self.found.settled() == world.after.settled();
                assert!(is_done, "{}", self.told());
            }
            Some(10) if world.is_far() && fault.is_death() => {
                let is_told = self.ended.said.contains("the same command run again");
                assert!(is_told, "{}", self.told());
            }
            Some(code) if !dies && code == if world.is_far() { 10 } else { 8 } => {
                assert!(self.is_file_named(), "which file: {}", self.told());
                let before = world.before.drafts();
                let is_left = self.found.drafts().iter().any(|one| !before.contains(one));
                assert!(
                    !is_left || self.is_unlink(),
                    "a draft is left: {}",
                    self.told()
                );
            }
            None => assert!(dies, "{}", self.told()),
            _ => panic!("{}", self.told()),
        }
    }

    /// Whether what was said names a file that it is about.
    fn is_file_named(&self) -> bool {
        let most = if self.fault.lasts() {
            self.called.len()
        } else {
            1
        };
        let mut failed = self.called.iter().skip(self.at - 1).take(most);
        failed.any(|one| one.is_named_in(&self.ended.said))
    }

    /// Whether something could not be deleted.
    fn is_unlink(&self) -> bool {
        self.call().is_some_and(|call| call.name == "unlink")
    }
}

/// Runs a command that says what it calls.
pub(super) fn counted(
    world: &World,
    shim: Shim,
    mut command: Command,
) -> io::Result<(Ended, Vec<Call>)> {
    let log = world.aside().join("calls");
    shim.counts(&mut command, &world.listened(), &log);
    if world.is_far() {
        shim.hand_on(&mut command);
    }
    let ended = watched::run(command)?;
    Ok((ended, calls(&log)?))
}

impl Call {
    /// Whether a message names its file: the one that is made, where the call is on its draft; of what is coming in, at least its folder.
    fn is_named_in(&self, said: &str) -> bool {
        let (folder, name) = self.path.rsplit_once('/').unwrap_or(("", &self.path));
        // A draft's name says nothing to people: that of the file must be said, in the same folder.
        let is_draft = draft_kind(name.as_ref()).is_some();
        let name = if is_draft { folder } else { name };
        // A lock file is written under a name of its own, and taken over by a claim: what is said names the lock.
        let is_lock = self.is_on_lock() && name.starts_with("lock.");
        let name = if is_lock { "lock.held" } else { name };
        let is_coming = folder.contains("/.imgdelta/incoming/");
        said.contains(name) || (is_coming && said.contains(folder))
    }

    /// Whether it is one of those of which a change is made.
    pub(super) fn is_step(&self) -> bool {
        ["rename", "sync", "unlink"].contains(&self.name.as_str())
    }

    /// Whether it is about who changes a repository.
    pub(super) fn is_on_lock(&self) -> bool {
        self.path.contains("/.imgdelta/lock")
    }

    /// Whether a run must not end well without it. Who holds a lock is said for those who wait; it holds without.
    fn must_be_felt(&self) -> bool {
        let is_said = self.path.ends_with("/.imgdelta/lock") && self.name != "lock";
        MUST_BE_FELT.contains(&self.name.as_str()) && !is_said
    }
}

/// The calls in a log, which is then taken away.
fn calls(log: &Path) -> io::Result<Vec<Call>> {
    let text = fs::read_to_string(log)?;
    fs::remove_file(log)?;
    let parted = text.lines().filter_map(|line| line.split_once('\t'));
    Ok(parted
        .map(|(name, path)| Call {
            name: name.to_owned(),
            path: path.split('\t').next().unwrap_or(path).to_owned(),
        })
        .collect())
}
