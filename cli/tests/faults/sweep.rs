//! Every call that changes a file goes wrong, in two ways in turn, or in every way where the run soaks: the output is whole, or all is as it was before.
//!
//! Where an output is two files, a process that dies between two renames, and a device that fails for good there, leave a record that says
//! where the new ones are: whoever reads finds the old pair or the new one, never one of each.

use std::{fs, io, path::Path};

use imgdelta_fixtures::vhdx::{LogSpec, Part, VhdxSpec};

use crate::{
    Outcome,
    medium::Medium,
    scene::{Files, Scene, base, image, shown, target, without_drafts},
    shim::{Fault, Shim},
    watched::{self, Ended},
};

/// Calls whose failure no run may pass over. Room that cannot be reserved is found out when it is needed, what cannot be shared or
/// linked is copied or left out, and what cannot be deleted stays.
const MUST_BE_FELT: [&str; 6] = ["create", "write", "length", "sync", "rename", "attribute"];

/// Files of these names and contents.
fn files<const N: usize>(all: [(&str, Vec<u8>); N]) -> Files {
    all.map(|(name, bytes)| (name.to_owned(), bytes)).into()
}

/// Sweeps one scene.
fn sweep(scene: io::Result<Scene>) -> Outcome {
    let Some(shim) = Shim::find() else {
        return Ok(());
    };
    let scene = scene?.rehearse()?;
    let calls = calls(&scene, shim)?;
    // What is shared with an input is not written.
    for (call, or) in [
        ("create", ""),
        ("write", "clone"),
        ("sync", ""),
        ("rename", ""),
    ] {
        let is_seen = calls.iter().any(|seen| seen == call || seen == or);
        assert!(is_seen, "{}: no {call} in {calls:?}", scene.name);
    }
    let points: Vec<(usize, Fault)> = (1..=calls.len())
        .flat_map(|at| Fault::all_at(at, calls.len()).map(move |fault| (at, fault)))
        .collect();
    let mut failed = 0;
    for (at, fault) in &points {
        failed += usize::from(point(&scene, shim, *at, *fault)?);
    }
    assert!(
        failed > points.len() / 4,
        "{}: only {failed} of {} points had an effect",
        scene.name,
        points.len()
    );
    Ok(())
}

/// The names of the calls that an undisturbed run makes.
pub(crate) fn calls(scene: &Scene, shim: Shim) -> io::Result<Vec<String>> {
    scene.reset()?;
    let log = scene.aside().join("calls");
    let mut command = scene.command();
    shim.counts(&mut command, &scene.listened(), &log);
    let ended = watched::run(command)?;
    assert_eq!(ended.code, Some(0), "{}: {ended}", scene.name);
    names_in(&log)
}

/// One run with one fault, and one more without where the first one left something. Says whether the fault was felt.
fn point(scene: &Scene, shim: Shim, at: usize, fault: Fault) -> io::Result<bool> {
    scene.reset()?;
    let mut command = scene.command();
    let log = scene.aside().join("calls");
    shim.counts(&mut command, &scene.listened(), &log);
    shim.fails(&mut command, &scene.listened(), at, fault);
    let ended = watched::run(command)?;
    // Threads may make their calls in another order than before.
    let called = names_in(&log)?;
    let call = called.get(at - 1).map_or("nothing", String::as_str);
    let why = format!("{}: {fault:?} at call {at}, {call}", scene.name);
    if MUST_BE_FELT.contains(&call) {
        assert_ne!(ended.code, Some(0), "{why}: not noticed");
    }
    judge(scene, &ended, &why, call, fault)?;
    // Where all is as it was before, the run that follows is the one that was rehearsed.
    if fault.is_death() || scene.files()? != scene.before {
        scene.must_succeed_now(&why)?;
    }
    Ok(ended.code != Some(0))
}

/// Holds what a run left against how it ended.
fn judge(scene: &Scene, ended: &Ended, why: &str, call: &str, fault: Fault) -> io::Result<()> {
    let found = scene.files()?;
    // Who is not let delete a draft has to leave it.
    let whole = match call {
        "unlink" => without_drafts(found.clone()),
        _ => found.clone(),
    };
    let must_be = |wanted: &Files| {
        let (wanted_files, found_files) = (shown(wanted), shown(&found));
        assert!(
            whole == *wanted,
            "{why}: {wanted_files} wanted, {found_files} found: {ended}"
        );
    };
    match ended.code {
        Some(0) => must_be(&scene.after),
        Some(8) => {
            assert!(!fault.is_death(), "{why}: {ended}");
            if ended.said.contains("what was written is whole") {
                assert!(fault.lasts(), "{why}: {ended}");
                let read = scene.files_as_read()?;
                assert!(read == scene.after, "{why}: {} read: {ended}", shown(&read));
                return Ok(());
            }
            assert!(ended.said.contains("nothing was changed"), "{why}: {ended}");
            must_be(&scene.before);
        }
        None if fault.is_death() => must_be_old_or_new(scene, why, ended)?,
        _ => panic!("{why}: {ended}"),
    }
    Ok(())
}

/// The names of the calls in a log, which is then taken away.
pub(crate) fn names_in(log: &Path) -> io::Result<Vec<String>> {
    let text = fs::read_to_string(log)?;
    fs::remove_file(log)?;
    let name = |line: &str| line.split('\t').next().unwrap_or(line).to_owned();
    Ok(text.lines().map(name).collect())
}

/// Requires that a reader finds old files, or new ones; and that `apply` does, too.
pub(crate) fn must_be_old_or_new(scene: &Scene, why: &str, ended: &Ended) -> io::Result<()> {
    let found = scene.files_as_read()?;
    assert!(
        found == scene.before || found == scene.after,
        "{why}: {} read: {ended}",
        shown(&found)
    );
    let is_pair = found.keys().any(|name| name.ends_with(".manifest.json"));
    let Some(child) = found
        .keys()
        .find(|name| is_pair && !name.ends_with(".json"))
    else {
        return Ok(());
    };
    let under = match child.rsplit('.').next() {
        Some(format @ ("vhd" | "vhdx" | "vmdk" | "vdi")) => scene.input(&format!("base.{format}")),
        _ => scene.input("base.raw"),
    };
    let applied = scene.aside().join("applied.raw");
    let mut command = watched::imgdelta(&["apply", "--no-cache", "--force", "-b"]);
    command
        .arg(under)
        .arg("-o")
        .arg(&applied)
        .arg(scene.out().join(child));
    let whole = watched::run(command)?;
    assert_eq!(whole.code, Some(0), "{why}: no pair: {whole}");
    let bytes = fs::read(applied)?;
    let is_known = [base().expected(None), target().expected(None)].contains(&bytes);
    assert!(is_known, "{why}: neither disk");
    Ok(())
}

#[test]
fn a_conversion_to_qcow2_is_whole_or_not_there() -> Outcome {
    let args = "convert IN/target.raw -o OUT/disk.qcow2";
    sweep(Scene::of("convert to qcow2", args, Files::new()))
}

#[test]
fn a_conversion_to_vhd_is_whole_or_not_there() -> Outcome {
    let args = "convert IN/target.raw -o OUT/disk.vhd";
    sweep(Scene::of("convert to vhd", args, Files::new()))
}

#[test]
fn a_conversion_to_raw_is_whole_or_not_there() -> Outcome {
    let args = "convert IN/target.qcow2 -o OUT/disk.raw";
    sweep(Scene::of("convert to raw", args, Files::new()))
}

#[test]
fn a_conversion_to_vmdk_is_whole_or_not_there() -> Outcome {
    for option in ["monolithicSparse", "streamOptimized"] {
        let args = format!("convert IN/target.raw -o OUT/disk.vmdk --option subformat={option}");
        sweep(Scene::of("convert to vmdk", &args, Files::new()))?;
    }
    Ok(())
}

#[test]
fn a_conversion_to_vdi_is_whole_or_not_there() -> Outcome {
    let args = "convert IN/target.raw -o OUT/disk.vdi";
    sweep(Scene::of("convert to vdi", args, Files::new()))
}

#[test]
fn a_conversion_to_vhdx_is_whole_or_not_there() -> Outcome {
    let args = "convert IN/target.raw -o OUT/disk.vhdx";
    sweep(Scene::of("convert to vhdx", args, Files::new()))
}

#[test]
fn a_vhdx_child_and_its_manifest_are_both_whole_or_both_not_there() -> Outcome {
    let args = "make --no-cache -b IN/base.vhdx -t IN/target.raw -o OUT/child.vhdx";
    sweep(Scene::of("make vhdx", args, Files::new()))
}

#[test]
fn an_attached_vhdx_is_the_old_child_or_the_attached_one() -> Outcome {
    attach("attach vhdx", "child.vhdx", "base.vhdx")
}

#[test]
fn a_mended_image_is_the_damaged_one_or_the_mended_one() -> Outcome {
    let spec = VhdxSpec {
        log: Some(LogSpec::of(&[Part::Bat, Part::Start(0)])),
        ..VhdxSpec::dynamic(base(), 1 << 20)
    };
    let before = files([("open.vhdx", spec.build())]);
    let args = "check --repair --in-place OUT/open.vhdx";
    sweep(Scene::of("repair in place", args, before.clone()))?;
    let args = "check --repair OUT/open.vhdx -o OUT/mended.vhdx";
    sweep(Scene::of("repair", args, before))
}

#[test]
fn a_vmdk_and_a_vdi_child_and_their_manifests_are_whole_or_not_there() -> Outcome {
    for format in ["vmdk", "vdi"] {
        let args =
            format!("make --no-cache -b IN/base.{format} -t IN/target.raw -o OUT/child.{format}");
        sweep(Scene::of("make", &args, Files::new()))?;
    }
    Ok(())
}

#[test]
fn a_conversion_over_a_good_image_leaves_the_old_one_or_the_new_one() -> Outcome {
    let args = "convert IN/target.raw --force -o OUT/disk.qcow2";
    let before = files([("disk.qcow2", image("disk.qcow2", base()))]);
    sweep(Scene::of("convert over qcow2", args, before))
}

#[test]
fn a_qcow2_child_and_its_manifest_are_both_whole_or_both_not_there() -> Outcome {
    let args = "make --no-cache -b IN/base.raw -t IN/target.raw -o OUT/child.qcow2";
    sweep(Scene::of("make qcow2", args, Files::new()))
}

#[test]
fn a_vhd_child_and_its_manifest_are_both_whole_or_both_not_there() -> Outcome {
    let args = "make --no-cache -b IN/base.vhd -t IN/target.qcow2 -o OUT/child.vhd";
    sweep(Scene::of("make vhd", args, Files::new()))
}

#[test]
fn a_child_made_over_another_leaves_the_old_pair_or_the_new_pair() -> Outcome {
    let old = "make --no-cache -b IN/base.vhd -t IN/base.raw -o OUT/child.vhd";
    let old = Scene::of("make the old pair", old, Files::new())?.rehearse()?;
    let args = "make --no-cache --force -b IN/base.vhd -t IN/target.raw -o OUT/child.vhd";
    sweep(Scene::of("make over vhd", args, old.after))
}

#[test]
fn an_applied_child_is_whole_or_not_there() -> Outcome {
    let args = "apply --no-cache IN/child.vhd -b IN/base.vhd -o OUT/disk.qcow2";
    let scene = Scene::of("apply", args, Files::new())?;
    scene.prepare("make --no-cache -b IN/base.vhd -t IN/target.vhd -o IN/child.vhd")?;
    sweep(Ok(scene))
}

#[test]
fn an_applied_image_that_shares_blocks_with_its_base_is_whole_or_not_there() -> Outcome {
    let (Some(medium), Some(shim)) = (Medium::xfs(320 << 20), Shim::find()) else {
        return Ok(());
    };
    let args = "apply --no-cache IN/child.qcow2 -b IN/base.raw -o OUT/disk.raw";
    let scene = || -> io::Result<Scene> {
        let scene = Scene::within(&medium.root(), "apply onto a clone", args, Files::new())?;
        scene.prepare("make --no-cache -b IN/base.raw -t IN/target.raw -o IN/child.qcow2")?;
        Ok(scene)
    };
    let calls = calls(&scene()?.rehearse()?, shim)?;
    assert!(calls.iter().any(|call| call == "clone"), "{calls:?}");
    sweep(scene())
}

/// Sweeps `attach` for a child of this name over a base of that one.
fn attach(name: &'static str, child: &str, base: &str) -> Outcome {
    let made = format!("make --no-cache -b IN/{base} -t IN/target.raw -o OUT/{child}");
    let made = Scene::of("make the child", &made, Files::new())?.rehearse()?;
    let args = format!("attach --no-cache OUT/{child} -b IN/moved-{base}");
    let scene = Scene::of(name, &args, made.after)?;
    if base.ends_with("vdi") {
        // A VDI child records no path: only a base with other UUIDs is another one to it.
        scene.prepare(&format!("convert --new-ids IN/{base} -o IN/moved-{base}"))?;
    } else {
        fs::copy(scene.input(base), scene.input(&format!("moved-{base}")))?;
    }
    sweep(Ok(scene))
}

#[test]
fn an_attached_vhd_is_the_old_child_or_the_attached_one() -> Outcome {
    attach("attach vhd", "child.vhd", "base.vhd")
}

#[test]
fn an_attached_qcow2_is_the_old_child_or_the_attached_one() -> Outcome {
    attach("attach qcow2", "child.qcow2", "base.qcow2")
}

#[test]
fn an_attached_vmdk_and_vdi_is_the_old_child_or_the_attached_one() -> Outcome {
    attach("attach vmdk", "child.vmdk", "base.vmdk")?;
    attach("attach vdi", "child.vdi", "base.vdi")
}

#[test]
fn what_is_swept_is_right_when_nothing_fails() -> Outcome {
    for name in [
        "disk.qcow2",
        "disk.vhd",
        "disk.raw",
        "disk.vmdk",
        "disk.vdi",
        "disk.vhdx",
    ] {
        let args = format!("convert IN/target.vhd -o OUT/{name}");
        let scene = Scene::of("convert", &args, Files::new())?.rehearse()?;
        let back = scene.aside().join("back.raw");
        let mut command = watched::imgdelta(&["convert"]);
        command.arg(scene.out().join(name)).arg("-o").arg(&back);
        let ended = watched::run(command)?;
        assert_eq!(ended.code, Some(0), "{name}: {ended}");
        assert!(fs::read(back)? == target().expected(None), "{name}");
    }
    Ok(())
}
