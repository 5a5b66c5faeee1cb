//! A line swept: each call that changes a file goes wrong once, in every way. What stands there then is what stood there before or what
//! was to come, the repositories are sound, and the same line once more finishes the job.

use std::{fs, io, path::Path, process::Command};

use super::{
    tree::{Held, Tree},
    world::World,
};
use crate::{
    Outcome,
    shim::{Fault, Shim},
    watched::{self, Ended},
};

/// Calls whose failure no run may pass over.
const MUST_BE_FELT: [&str; 5] = ["create", "write", "length", "sync", "rename"];

/// More calls than are tried in every way.
const MANY: usize = 120;

/// A call that changes a file.
#[derive(Debug)]
struct Call {
    name: String,
    path: String,
}

/// What a line may say when it is repeated after it was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// That all is well.
    Succeeds,
    /// That there is nothing to do it to any more, or that its output stands there already: 2.
    Refuses,
}

/// Sweeps a world's line.
pub(crate) fn sweep(world: &World, again: Again) -> Outcome {
    let Some(shim) = Shim::find() else {
        return Ok(());
    };
    world.reset()?;
    let (_, calls) = counted(world, shim, world.command())?;
    let mut felt = 0;
    let mut points = 0;
    for (at, call) in (1..).zip(&calls) {
        let is_edge = at == 1 || at == calls.len();
        let is_step = ["rename", "sync", "unlink"].contains(&call.name.as_str());
        // Calls that only lead to the next step go wrong in two ways in turn; of a long list each step does in one way, of the rest every
        // third call.
        let share = match (is_edge, is_step, calls.len() > MANY) {
            (true, _, _) | (_, true, false) => 1,
            (_, false, false) => 3,
            (_, true, true) => 6,
            (_, false, true) => 18,
        };
        for (number, fault) in Fault::ALL.into_iter().enumerate() {
            let is_in_turn = (at * 7 + number) % share == 0;
            // A file system has locks or has none. Where one alone fails, two drafts that live at once may be one.
            let is_odd = call.name == "lock" && !fault.lasts() && world.comes_in_parts();
            if is_in_turn && !is_odd {
                points += 1;
                felt += usize::from(point(world, shim, at, fault, again)?);
            }
        }
    }
    assert!(
        felt > points / 3,
        "{}: only {felt} of {points} points had an effect",
        world.line
    );
    world.must_have_kept_inputs()
}

/// One run with one fault, and one more without. Says whether the fault was felt.
fn point(world: &World, shim: Shim, at: usize, fault: Fault, again: Again) -> io::Result<bool> {
    let run = Faulted::run(world, shim, at, fault)?;
    world.must_have_read_only(&run.found, &run.told());
    run.must_end_as_it_did()?;
    must_be_whole(world, &run.found, &|| run.told())?;
    // Where all is as it was before, the run that follows is the one that was rehearsed.
    if fault.is_death() || !run.found.is_as(&world.before) {
        repeat(world, again, &run.found, &|| run.told())?;
    }
    Ok(run.ended.code != Some(0))
}

/// A run with one fault.
struct Faulted<'a> {
    world: &'a World,
    at: usize,
    fault: Fault,
    called: Vec<Call>,
    ended: Ended,
    found: Tree,
}

impl<'a> Faulted<'a> {
    fn run(world: &'a World, shim: Shim, at: usize, fault: Fault) -> io::Result<Self> {
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

    fn told(&self) -> String {
        let (line, fault, at, call) = (&self.world.line, self.fault, self.at, self.call());
        let told = self.world.told(&self.found, &self.ended);
        format!("{line}: {fault:?} at call {at}, {call:?}: {told}")
    }

    /// Holds how it ended against what it met.
    fn must_end_as_it_did(&self) -> io::Result<()> {
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
                let is_left = self.found.drafts() != world.before.drafts();
                assert!(
                    !is_left || self.is_unlink(),
                    "a draft is left: {}",
                    self.told()
                );
            }
            None => assert!(dies, "{}", self.told()),
            _ => panic!("{}", self.told()),
        }
        Ok(())
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
fn counted(world: &World, shim: Shim, mut command: Command) -> io::Result<(Ended, Vec<Call>)> {
    let log = world.aside().join("calls");
    shim.counts(&mut command, &world.listened(), &log);
    if world.is_far() {
        shim.hand_on(&mut command);
    }
    let ended = watched::run(command)?;
    Ok((ended, calls(&log)?))
}

/// Requires that nothing is torn, and that what is half done is finished or swept away by whoever changes the repository next.
fn must_be_whole(world: &World, found: &Tree, told: &dyn Fn() -> String) -> io::Result<()> {
    let (before, after) = (world.before.settled(), world.after.settled());
    let settled = found.settled();
    for (name, bytes) in &settled {
        let is_known = before.get(name) == Some(bytes) || after.get(name) == Some(bytes);
        assert!(is_known, "{name} is neither old nor new: {}", told());
    }
    if found.is_as(&world.before) {
        return Ok(());
    }
    if is_half_removed(&settled, &before, &after) {
        return must_be_missing(world, told);
    }
    let changed = world.changed(found);
    world.must_be_sound(&changed, &told())?;
    if found.is_as(&world.after) {
        return Ok(());
    }
    for repository in &changed {
        world.must_do(&format!("repo gc --repo {repository}"))?;
    }
    world.must_be_sound(&changed, &told())?;
    let swept = in_repositories(world.now()?.settled());
    let is_one = world.comes_in_parts()
        || swept == in_repositories(before)
        || swept == in_repositories(after);
    assert!(is_one, "swept: {:?}: {}", swept.keys(), told());
    found.put_back(&world.root())
}

/// Whether an image goes whose files are gone and whose record is not: it goes last, so that the same command finds what to finish.
fn is_half_removed(found: &Held, before: &Held, after: &Held) -> bool {
    let goes = |name: &&String| before.contains_key(*name) && !after.contains_key(*name);
    let is_record = |name: &String| name.contains(".imgdelta/images/");
    let going: Vec<&String> = before.keys().filter(goes).collect();
    let left = going.iter().filter(|name| found.contains_key(**name));
    after.len() < before.len()
        && left.clone().count() < going.len()
        && left.clone().any(|name| is_record(name))
        && going.iter().any(|name| name.contains(".imgdelta/leaves/"))
}

/// Requires that the image that goes is told as missing, and nothing else.
fn must_be_missing(world: &World, told: &dyn Fn() -> String) -> io::Result<()> {
    let ended = watched::run(world.command_of("repo verify --json --repo W/hq"))?;
    let is_told = ended.code == Some(1) && ended.said.contains("\"code\":\"image_missing\"");
    let is_alone = ended.said.contains("\"faults\":1");
    assert!(is_told && is_alone, "verify: {ended}: {}", told());
    Ok(())
}

/// What belongs to repositories: of what lies on a stick, only the index says what is there.
fn in_repositories(mut files: Held) -> Held {
    files.retain(|name, _| !name.starts_with("stick/") || name.ends_with("/delivery.json"));
    files
}

/// Runs the line again, undisturbed: it finishes what was left.
fn repeat(world: &World, again: Again, found: &Tree, told: &dyn Fn() -> String) -> io::Result<()> {
    let is_done = found.settled() == world.after.settled();
    let ended = watched::run(world.command())?;
    let repeated = world.now()?;
    let told = || {
        format!(
            "again: {}\nfirst: {}",
            world.told(&repeated, &ended),
            told()
        )
    };
    let may_refuse = is_done && again == Again::Refuses;
    let is_right = ended.code == Some(0) || (may_refuse && ended.code == Some(2));
    assert!(is_right, "{}", told());
    assert!(repeated.settled() == world.after.settled(), "{}", told());
    if !repeated.is_as(&world.after) {
        for repository in world.changed(&repeated) {
            world.must_do(&format!("repo gc --repo {repository}"))?;
        }
        let swept = world.now()?;
        assert!(swept.is_as(&world.after), "gc left it: {}", told());
    }
    Ok(())
}

impl Call {
    /// Whether a message names its file: the one that is made, where the call is on its draft; of what is coming in, at least its folder.
    fn is_named_in(&self, said: &str) -> bool {
        let (folder, name) = self.path.rsplit_once('/').unwrap_or(("", &self.path));
        let made = name.split_once(".imgdelta-tmp");
        let name = made.map_or(name, |(made, _)| made.trim_start_matches('.'));
        let is_coming = folder.contains("/.imgdelta/incoming/");
        said.contains(name) || (is_coming && said.contains(folder))
    }

    /// Whether a run must not end well without it. Who holds a lock is said for those who wait; it holds without.
    fn must_be_felt(&self) -> bool {
        MUST_BE_FELT.contains(&self.name.as_str()) && !self.path.ends_with("/.imgdelta/lock")
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
            path: path.to_owned(),
        })
        .collect())
}
