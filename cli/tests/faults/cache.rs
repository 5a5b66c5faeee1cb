//! The cache of remembered digests under faults: whatever becomes of it, no run fails for it, and none believes what is torn.

use std::{fs, io, path::Path, thread, time::Duration};

use crate::{
    Outcome,
    scene::{Files, Scene},
    shim::{Fault, Shim},
    watched::{self, Ended},
};

/// Runs a scene with this cache.
fn run(scene: &Scene, cache: &Path, fault: Option<(Shim, usize, Fault)>) -> io::Result<Ended> {
    scene.reset()?;
    let mut command = scene.command();
    command.env("IMGDELTA_CACHE", cache);
    if let Some((shim, at, fault)) = fault {
        shim.fails(&mut command, &cache.display().to_string(), at, fault);
    }
    watched::run(command)
}

#[test]
fn a_cache_that_cannot_be_written_spoils_no_run_and_a_torn_one_is_not_believed() -> Outcome {
    let Some(shim) = Shim::find() else {
        return Ok(());
    };
    let args = "make -b IN/base.raw -t IN/target.raw -o OUT/child.qcow2";
    let scene = Scene::of("make", &format!("{args} --no-cache"), Files::new())?.rehearse()?;
    let right = scene.after.clone();
    let scene = scene.again_as(args);
    let cache = scene.aside().join("remembered");
    if !imgdelta_fixtures::peers::remembers(scene.aside()) {
        return Ok(());
    }
    // Digests are kept of files that have been at rest for two seconds.
    thread::sleep(Duration::from_millis(2200));
    let log = scene.aside().join("calls");
    let mut command = scene.command();
    command.env("IMGDELTA_CACHE", &cache);
    shim.counts(&mut command, &cache.display().to_string(), &log);
    scene.reset()?;
    watched::run(command)?;
    let calls = fs::read_to_string(log)?.lines().count();
    assert!(calls > 2, "only {calls} calls: nothing is remembered");
    let points = (1..=calls).flat_map(|at| Fault::all_at(at, calls).map(move |fault| (at, fault)));
    for (at, fault) in points {
        fs::remove_dir_all(&cache)?;
        let why = format!("{fault:?} at call {at} of {calls}");
        let ended = run(&scene, &cache, Some((shim, at, fault)))?;
        assert_eq!(ended.code.is_none(), fault.is_death(), "{why}: {ended}");
        if !fault.is_death() {
            assert_eq!(ended.code, Some(0), "{why}: {ended}");
            scene.must_be(&right, &why, &ended)?;
        }
        let ended = run(&scene, &cache, None)?;
        assert_eq!(ended.code, Some(0), "{why}: again: {ended}");
        scene.must_be(&right, &why, &ended)?;
        // What a killed run left is gone as soon as another one keeps something.
        let kept = fs::read_dir(&cache)?.collect::<Result<Vec<_>, _>>()?;
        let drafts = kept.iter().filter(|entry| {
            let name = entry.file_name();
            name.as_encoded_bytes().starts_with(b".")
        });
        assert_eq!(drafts.count(), 0, "{why}: {kept:?}");
    }
    Ok(())
}
