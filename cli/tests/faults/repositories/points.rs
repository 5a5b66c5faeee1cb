//! A line swept: each call that changes a file goes wrong, in two ways in turn, or in every way where the run soaks. What stands there then is what stood there before or what
//! was to come, the repositories are sound, and the same line once more finishes the job.

use std::io;

use super::{
    faulted::{Call, Faulted, counted},
    tree::{Held, Tree},
    world::World,
};
use crate::{
    Outcome,
    shim::{Fault, Shim, soaks},
    watched,
};

/// More calls than are tried in several ways each.
const MANY: usize = 120;

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
    let points = points(world, &calls);
    let mut felt = 0;
    for (at, fault) in &points {
        felt += usize::from(point(world, shim, *at, *fault, again)?);
    }
    assert!(
        felt > points.len() / 3,
        "{}: only {felt} of {} points had an effect",
        world.line,
        points.len()
    );
    world.must_have_kept_inputs()
}

/// Which calls go wrong in which ways.
fn points(world: &World, calls: &[Call]) -> Vec<(usize, Fault)> {
    let mut points = Vec::new();
    for (at, call) in (1..).zip(calls) {
        let is_edge = at == 1 || at == calls.len();
        // Calls that only lead to the next step go wrong in two ways in turn, and so do steps unless the run soaks; of a long list each step
        // does in one way, of the rest every third call.
        let share = match (is_edge, call.is_step(), calls.len() > MANY) {
            (true, _, _) => 1,
            (_, true, false) if soaks() => 1,
            (_, _, false) => 3,
            (_, true, true) => 6,
            (_, false, true) => 18,
        };
        for (number, fault) in Fault::ALL.into_iter().enumerate() {
            let is_in_turn = (at * 7 + number).is_multiple_of(share);
            // Without locks the dead are what matters, and the file that is the lock.
            let is_asked = !world.has_no_locks() || fault == Fault::Kill || call.is_on_lock();
            if is_in_turn && is_asked {
                points.push((at, fault));
            }
        }
    }
    points
}

/// One run with one fault, and one more without. Says whether the fault was felt.
fn point(world: &World, shim: Shim, at: usize, fault: Fault, again: Again) -> io::Result<bool> {
    let run = Faulted::run(world, shim, at, fault)?;
    if fault.is_death() {
        world.age_lock()?;
    }
    world.must_have_read_only(&run.found, &run.told());
    run.must_end_as_it_did();
    must_be_whole(world, &run.found, &|| run.told())?;
    // Where all is as it was before, the run that follows is the one that was rehearsed.
    if fault.is_death() || !world.is_before(&run.found) {
        repeat(world, again, &run.found, &|| run.told())?;
    }
    Ok(run.ended.code != Some(0))
}

/// Requires that nothing is torn, and that what is half done is finished or swept away by whoever changes the repository next.
fn must_be_whole(world: &World, found: &Tree, told: &dyn Fn() -> String) -> io::Result<()> {
    let (before, after) = (world.before.settled(), world.after.settled());
    let settled = found.settled();
    for (name, bytes) in &settled {
        // Where one of several images fails, another may come on another way: as itself it is sound, which is asked below.
        let by_another_way = world.comes_in_parts() && after.contains_key(name);
        let is_known =
            before.get(name) == Some(bytes) || after.get(name) == Some(bytes) || by_another_way;
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
    found.put_back(&world.root())?;
    world.age_lock()
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
    if world.comes_in_parts() && repeated.settled() != world.after.settled() {
        // What had come on another way stays as it came.
        let names = |tree: &Tree| tree.settled().into_keys().collect::<Vec<_>>();
        assert_eq!(names(&repeated), names(&world.after), "{}", told());
        return world.must_be_sound(&world.changed(&repeated), &told());
    }
    assert!(repeated.settled() == world.after.settled(), "{}", told());
    if !repeated.is_as(&world.after) {
        for repository in world.changed(&repeated) {
            world.must_do(&format!("repo gc --repo {repository}"))?;
        }
        let swept = world.now()?;
        assert!(
            world.is_done_as(&swept, &world.after),
            "gc left it: {}",
            told()
        );
    }
    Ok(())
}
