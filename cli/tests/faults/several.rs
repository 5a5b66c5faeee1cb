//! Images of several files while the host fails: descriptor and extents are all old or all new, for whoever reads them, and the next run
//! that writes there finishes what a killed one had committed.

use std::{fs, io};

use crate::{
    Outcome,
    scene::{Files, Scene, base, shown, target},
    shim::{Fault, Shim},
    sweep::{calls, names_in},
    watched::{self, Ended},
};

/// What the image is called.
const MAIN: &str = "disk.vmdk";

/// Every call that changes a file goes wrong, in some ways or in all.
fn sweep(scene: io::Result<Scene>) -> Outcome {
    let Some(shim) = Shim::find() else {
        return Ok(());
    };
    let scene = scene?.rehearse()?;
    assert!(scene.after.len() > scene.before.len(), "{}", scene.name);
    let calls = calls(&scene, shim)?;
    let mut failed = 0;
    for at in 1..=calls.len() {
        for fault in Fault::all_at(at, calls.len()) {
            failed += usize::from(point(&scene, shim, at, fault)?);
        }
    }
    assert!(
        failed > calls.len() / 2,
        "{}: {failed} points had an effect",
        scene.name
    );
    Ok(())
}

/// One run with one fault, and one more without. Says whether the fault was felt.
fn point(scene: &Scene, shim: Shim, at: usize, fault: Fault) -> io::Result<bool> {
    scene.reset()?;
    let mut command = scene.command();
    let log = scene.aside().join("calls");
    shim.counts(&mut command, &scene.listened(), &log);
    shim.fails(&mut command, &scene.listened(), at, fault);
    let ended = watched::run(command)?;
    let called = names_in(&log)?;
    let call = called.get(at - 1).map_or("nothing", String::as_str);
    let why = format!("{}: {fault:?} at call {at}, {call}", scene.name);
    judge(scene, &ended, &why, fault)?;
    let mut again = scene.command();
    let is_forced = scene.before.contains_key(MAIN);
    if !is_forced && !scene.files_as_read()?.is_empty() {
        again.arg("--force");
    }
    let repeated = watched::run(again)?;
    assert_eq!(repeated.code, Some(0), "{why}: again: {repeated}");
    assert!(
        disk(scene)? == Some(target().expected(None)),
        "{why}: again"
    );
    Ok(ended.code != Some(0))
}

/// Holds what a run left against how it ended.
fn judge(scene: &Scene, ended: &Ended, why: &str, fault: Fault) -> io::Result<()> {
    let found = scene.files_as_read()?;
    let told = || format!("{why}: {} read: {ended}", shown(&found));
    let is_new = found == scene.after;
    assert!(is_new || found == scene.before, "{}: mixed", told());
    let wanted = match (is_new, scene.before.contains_key(MAIN)) {
        (true, _) => Some(target().expected(None)),
        (false, true) => Some(base().expected(None)),
        (false, false) => None,
    };
    assert!(disk(scene)? == wanted, "{}: another disk", told());
    match ended.code {
        Some(0) => assert!(is_new, "{}", told()),
        Some(8) if ended.said.contains("what was written is whole") => {
            assert!(fault.lasts() && is_new, "{}", told());
        }
        Some(8) => assert!(found == scene.before, "{}", told()),
        None => assert!(fault.is_death(), "{}", told()),
        _ => panic!("{}", told()),
    }
    Ok(())
}

/// The disk of the image that stands there; `None` if there is none. One that does not open is a failure.
fn disk(scene: &Scene) -> io::Result<Option<Vec<u8>>> {
    let image = scene.out().join(MAIN);
    if !scene.files_as_read()?.contains_key(MAIN) {
        return Ok(None);
    }
    let raw = scene.aside().join("whole.raw");
    let mut command = watched::imgdelta(&["convert", "--force", "-o"]);
    command.arg(&raw).arg(&image);
    let ended = watched::run(command)?;
    assert_eq!(
        ended.code,
        Some(0),
        "{}: it does not open: {ended}",
        scene.name
    );
    Ok(Some(fs::read(raw)?))
}

fn of_kind(kind: &str) -> Outcome {
    let args = format!("convert IN/target.raw -o OUT/{MAIN} --option subformat={kind}");
    sweep(Scene::of("convert to several files", &args, Files::new()))
}

#[test]
fn a_flat_image_opens_whole_or_is_not_there() -> Outcome {
    of_kind("monolithicFlat")
}

#[test]
fn a_split_image_opens_whole_or_is_not_there() -> Outcome {
    of_kind("twoGbMaxExtentSparse")
}

#[test]
fn a_split_image_over_another_is_the_old_one_or_the_new_one() -> Outcome {
    let option = "--option subformat=twoGbMaxExtentSparse";
    let old = format!("convert IN/base.raw -o OUT/{MAIN} {option}");
    let old = Scene::of("make the old split image", &old, Files::new())?.rehearse()?;
    let args = format!("convert IN/target.raw --force -o OUT/{MAIN} {option}");
    sweep(Scene::of("convert over a split image", &args, old.after))
}

#[test]
fn an_image_of_several_files_over_another_is_the_old_one_or_the_new_one() -> Outcome {
    let option = "--option subformat=monolithicFlat";
    let old = format!("convert IN/base.raw -o OUT/{MAIN} {option}");
    let old = Scene::of("make the old image", &old, Files::new())?.rehearse()?;
    let args = format!("convert IN/target.raw --force -o OUT/{MAIN} {option}");
    sweep(Scene::of("convert over several files", &args, old.after))
}
