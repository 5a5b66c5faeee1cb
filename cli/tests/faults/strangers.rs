//! Others who write where the command writes, at the worst moment: their files stay. And two runs that commit under one name.

use std::{fs, io, path::Path, process::Command, thread, time::Duration};

use imgdelta_fixtures::vhdx::{LogSpec, Part, VhdxSpec};

use crate::{
    Outcome,
    scene::{Files, Scene, base, shown},
    shim::{Fault, Shim},
    signals::arrive,
    sweep::{calls, must_be_old_or_new},
    watched,
};

/// What somebody else writes.
const PRECIOUS: &[u8] = b"somebody else's work";

/// At which calls of these names a scene gives names.
fn naming(scene: &Scene, shim: Shim, names: &[&str], without: &[&str]) -> io::Result<Vec<usize>> {
    scene.reset()?;
    let log = scene.aside().join("calls");
    let mut command = scene.command();
    shim.counts(&mut command, &scene.listened(), &log);
    take_away(&mut command, without);
    let ended = watched::run(command)?;
    assert_eq!(ended.code, Some(0), "{ended}");
    let called = crate::sweep::names_in(&log)?;
    let at = called.iter().enumerate();
    Ok(at
        .filter(|(_, call)| names.contains(&call.as_str()))
        .map(|(at, _)| at + 1)
        .collect())
}

/// Takes abilities of the file system away.
fn take_away(command: &mut Command, without: &[&str]) {
    for setting in without {
        command.env(setting, "1");
    }
}

/// A file appears under the output's name while the run stands right before a call that gives a name.
fn appears(args: &str, name: &str, without: &[&str]) -> Outcome {
    let Some(shim) = Shim::find() else {
        return Ok(());
    };
    let scene = Scene::of("a file appears", args, Files::new())?.rehearse()?;
    let calls = naming(&scene, shim, &["rename", "link"], without)?;
    assert!(!calls.is_empty());
    for at in calls {
        scene.reset()?;
        let _ = fs::remove_file(scene.aside().join("gate"));
        let _ = fs::remove_file(scene.aside().join("reached"));
        let mut command = scene.command();
        let gate = shim.waits(&mut command, &scene.listened(), at, scene.aside());
        take_away(&mut command, without);
        let mut running = watched::start(command)?;
        arrive(&gate, &mut running)?;
        let place = scene.out().join(name);
        if place.exists() {
            // Another call, after it had its name.
            gate.open()?;
            running.wait()?;
            continue;
        }
        fs::write(&place, PRECIOUS)?;
        gate.open()?;
        let ended = running.wait()?;
        let why = format!("{args} {without:?}: {name} at call {at}");
        assert_eq!(ended.code, Some(2), "{why}: {ended}");
        let left = Files::from([(name.to_owned(), PRECIOUS.to_vec())]);
        scene.must_be(&left, &why, &ended)?;
    }
    Ok(())
}

#[test]
fn a_file_that_appears_right_before_the_rename_stays() -> Outcome {
    let args = "convert IN/target.raw -o OUT/disk.qcow2";
    appears(args, "disk.qcow2", &[])?;
    appears(args, "disk.qcow2", &["SHIM_NO_NOREPLACE"])
}

#[test]
fn a_file_that_appears_keeps_the_whole_pair_away() -> Outcome {
    let args = "make --no-cache -b IN/base.raw -t IN/target.raw -o OUT/child.qcow2";
    for name in ["child.qcow2", "child.qcow2.manifest.json"] {
        appears(args, name, &[])?;
        appears(args, name, &["SHIM_NO_NOREPLACE"])?;
    }
    Ok(())
}

#[test]
fn where_there_are_neither_flags_nor_links_outputs_get_their_names_all_the_same() -> Outcome {
    let Some(shim) = Shim::find() else {
        return Ok(());
    };
    for args in [
        "convert IN/target.raw -o OUT/disk.qcow2",
        "make --no-cache -b IN/base.raw -t IN/target.raw -o OUT/child.qcow2",
    ] {
        let scene = Scene::of("no flags, no links", args, Files::new())?.rehearse()?;
        for force in [false, true] {
            if !force {
                scene.reset()?;
            }
            let mut command = scene.command();
            if force {
                command.arg("--force");
            }
            let log = scene.aside().join("calls");
            shim.counts(&mut command, &scene.listened(), &log);
            take_away(&mut command, &["SHIM_NO_NOREPLACE", "SHIM_NO_LINKS"]);
            let ended = watched::run(command)?;
            assert_eq!(ended.code, Some(0), "{args}: {ended}");
            scene.must_be(&scene.after, args, &ended)?;
        }
    }
    Ok(())
}

/// Another file takes the name of the one that gets a new version, before each call up to the one that keeps the old one.
fn exchanged(scene: io::Result<Scene>, name: &str) -> Outcome {
    let Some(shim) = Shim::find() else {
        return Ok(());
    };
    let scene = scene?.rehearse()?;
    let called = calls(&scene, shim)?;
    let last = called.iter().position(|call| call == "link").unwrap();
    let newcomer = scene.aside().join("newcomer");
    for at in 1..=last {
        scene.reset()?;
        let _ = fs::remove_file(scene.aside().join("gate"));
        let _ = fs::remove_file(scene.aside().join("reached"));
        let mut command = scene.command();
        let gate = shim.waits(&mut command, &scene.listened(), at, scene.aside());
        let mut running = watched::start(command)?;
        arrive(&gate, &mut running)?;
        fs::write(&newcomer, PRECIOUS)?;
        fs::rename(&newcomer, scene.out().join(name))?;
        gate.open()?;
        let ended = running.wait()?;
        let why = format!("{}: exchanged at call {at}", scene.name);
        assert_eq!(ended.code, Some(8), "{why}: {ended}");
        let mut left = scene.before.clone();
        left.insert(name.to_owned(), PRECIOUS.to_vec());
        scene.must_be(&left, &why, &ended)?;
    }
    Ok(())
}

#[test]
fn a_child_that_takes_the_name_while_the_old_one_is_attached_stays() -> Outcome {
    let made = "make --no-cache -b IN/base.qcow2 -t IN/target.raw -o OUT/child.qcow2";
    let made = Scene::of("make the child", made, Files::new())?.rehearse()?;
    let args = "attach --no-cache OUT/child.qcow2 -b IN/moved.qcow2";
    let scene = Scene::of("attach", args, made.after)?;
    fs::copy(scene.input("base.qcow2"), scene.input("moved.qcow2"))?;
    exchanged(Ok(scene), "child.qcow2")
}

#[test]
fn an_image_that_takes_the_name_while_the_old_one_is_mended_stays() -> Outcome {
    let spec = VhdxSpec {
        log: Some(LogSpec::of(&[Part::Bat, Part::Start(0)])),
        ..VhdxSpec::dynamic(base(), 1 << 20)
    };
    let before = Files::from([("open.vhdx".to_owned(), spec.build())]);
    let args = "check --repair --in-place OUT/open.vhdx";
    exchanged(Scene::of("repair in place", args, before), "open.vhdx")
}

#[test]
fn an_attribute_that_cannot_be_kept_stops_the_run_unless_it_is_forced() -> Outcome {
    use rustix::fs::{XattrFlags, getxattr, setxattr};
    let Some(shim) = Shim::find() else {
        return Ok(());
    };
    let made = "make --no-cache -b IN/base.qcow2 -t IN/target.raw -o OUT/child.qcow2";
    let made = Scene::of("make the child", made, Files::new())?.rehearse()?;
    let args = "attach --no-cache OUT/child.qcow2 -b IN/moved.qcow2";
    let scene = Scene::of("attach", args, made.after)?;
    fs::copy(scene.input("base.qcow2"), scene.input("moved.qcow2"))?;
    let scene = scene.rehearse()?;
    let child = scene.out().join("child.qcow2");
    let label = |value: &mut [u8]| getxattr(&child, "user.label", value).is_ok();
    let reset = || -> io::Result<bool> {
        scene.reset()?;
        Ok(setxattr(&child, "user.label", b"svirt", XattrFlags::empty()).is_ok())
    };
    if !reset()? {
        eprintln!("skipped: the file system keeps no extended attributes");
        return Ok(());
    }
    let log = scene.aside().join("calls");
    let mut command = scene.command();
    shim.counts(&mut command, &scene.listened(), &log);
    assert_eq!(watched::run(command)?.code, Some(0));
    assert!(label(&mut [0; 5]));
    let called = crate::sweep::names_in(&log)?;
    let called = called.iter().enumerate();
    let attributes: Vec<usize> = called
        .filter(|(_, call)| *call == "attribute")
        .map(|(at, _)| at + 1)
        .collect();
    assert!(attributes.len() >= 2, "label and permissions");
    for at in attributes {
        for (fault, is_forced) in [(Fault::Io, false), (Fault::Io, true), (Fault::Kill, false)] {
            reset()?;
            let mut command = scene.command();
            if is_forced {
                command.arg("--force");
            }
            shim.fails(&mut command, &scene.listened(), at, fault);
            let ended = watched::run(command)?;
            let why = format!("{fault:?} at call {at}");
            match (ended.code, is_forced) {
                (Some(0), true) => {
                    assert!(ended.said.contains("could not keep"), "{why}: {ended}");
                    scene.must_be(&scene.after, &why, &ended)?;
                }
                (Some(8), false) => {
                    assert!(ended.said.contains("would lose"), "{why}: {ended}");
                    scene.must_be(&scene.before, &why, &ended)?;
                    assert!(label(&mut [0; 5]), "{why}");
                }
                (None, false) => {
                    assert!(scene.files_as_read()? == scene.before, "{why}");
                    assert!(label(&mut [0; 5]), "{why}");
                }
                _ => panic!("{why}: {ended}"),
            }
        }
    }
    Ok(())
}

/// Stops one run before each of its calls that are about names, lets another one with the same output run beside it, and then both end.
fn together(first: &str, second: &str, before: Files, exits: &[i32]) -> Outcome {
    let Some(shim) = Shim::find() else {
        return Ok(());
    };
    let alone = |args: &str| Scene::of("alone", args, before.clone())?.rehearse();
    let (of_first, of_second) = (alone(first)?.after, alone(second)?.after);
    let scene = Scene::of("two runs", first, before)?.rehearse()?;
    for at in naming(&scene, shim, &["rename", "link", "unlink", "sync"], &[])? {
        scene.reset()?;
        let _ = fs::remove_file(scene.aside().join("gate"));
        let _ = fs::remove_file(scene.aside().join("reached"));
        let mut command = scene.command();
        let gate = shim.waits(&mut command, &scene.listened(), at, scene.aside());
        let mut one = watched::start(command)?;
        arrive(&gate, &mut one)?;
        let mut other = watched::start(scene.command_of(second))?;
        for _ in 0..60 {
            if other.child.try_wait()?.is_some() {
                break;
            }
            thread::sleep(Duration::from_millis(5));
        }
        gate.open()?;
        let (one, other) = (one.wait()?, other.wait()?);
        let why = format!("{first} at call {at}, and {second}: {one}, {other}");
        for ended in [&one, &other] {
            assert!(
                ended.code.is_some_and(|code| exits.contains(&code)),
                "{why}"
            );
        }
        assert!([one.code, other.code].contains(&Some(0)), "{why}");
        let found = scene.files()?;
        let is_first = found == of_first && one.code == Some(0);
        let is_second = found == of_second && other.code == Some(0);
        assert!(is_first || is_second, "{why}: {}", shown(&found));
    }
    Ok(())
}

#[test]
fn of_two_runs_that_make_one_pair_one_whole_pair_stands() -> Outcome {
    let line = |target: &str, force: &str| {
        format!("make --no-cache {force} -b IN/base.qcow2 -t IN/{target} -o OUT/child.qcow2")
    };
    let (first, second) = (line("target.raw", ""), line("base.raw", ""));
    together(&first, &second, Files::new(), &[0, 2])?;
    let old = Scene::of("the old pair", &line("base.vhd", ""), Files::new())?.rehearse()?;
    let (first, second) = (line("target.raw", "--force"), line("base.raw", "--force"));
    together(&first, &second, old.after, &[0])
}

#[test]
fn a_pair_whose_run_was_killed_is_not_finished_by_a_run_elsewhere() -> Outcome {
    let Some(shim) = Shim::find() else {
        return Ok(());
    };
    let args = "make --no-cache -b IN/base.raw -t IN/target.raw -o OUT/child.qcow2";
    let scene = Scene::of("make", args, Files::new())?.rehearse()?;
    let renames = naming(&scene, shim, &["rename"], &[])?;
    for at in &renames[1..] {
        scene.reset()?;
        let mut command = scene.command();
        shim.fails(&mut command, &scene.listened(), *at, Fault::Kill);
        let ended = watched::run(command)?;
        // Reading, and writing beside it, change nothing of it.
        let before = scene.files()?;
        must_be_old_or_new(&scene, "killed", &ended)?;
        let beside = watched::run(scene.command_of("convert IN/base.raw -o OUT/beside.raw"))?;
        assert_eq!(beside.code, Some(0), "{beside}");
        fs::remove_file(scene.out().join("beside.raw"))?;
        assert!(scene.files()? == before);
        for line in [
            "info OUT/child.qcow2",
            "compare OUT/child.qcow2 IN/target.raw --search IN/",
            "convert OUT/child.qcow2 --search IN/ -o OUT/flat.raw --force",
        ] {
            let read = watched::run(scene.command_of(line))?;
            assert_eq!(read.code, Some(0), "{line}: {read}");
        }
        let flat = fs::read(scene.out().join("flat.raw"))?;
        assert!(flat == crate::scene::target().expected(None));
        // An input is none the less one.
        let line = "convert OUT/child.qcow2 --search IN/ -o OUT/child.qcow2 --force";
        let refused = watched::run(scene.command_of(line))?;
        assert_eq!(refused.code, Some(2), "{refused}");
        let attached = watched::run(scene.command_of("attach OUT/child.qcow2 -b IN/base.raw"))?;
        assert_eq!(attached.code, Some(0), "{attached}");
        let hidden = scene.files()?;
        let hidden = hidden.keys().filter(|name| name.starts_with('.'));
        assert_eq!(hidden.count(), 0);
        assert!(Path::new(&scene.out().join("child.qcow2")).exists());
    }
    Ok(())
}
