//! Others at work at the same time: a second run with the same output, somebody who writes to the source.

use std::{fs::File, io::Write, os::unix::fs::FileExt};

use crate::{
    Outcome,
    scene::{Files, Scene, shown},
    shim::Shim,
    signals::arrive,
    watched,
};

/// Calls before which a run is overtaken: making its draft, locking it, writing to it.
const AT: [usize; 3] = [1, 2, 5];

/// Stops one run before its call with this number, lets the other one finish, and then the first.
fn overtake(first: &str, second: &str, at: usize, exit: i32, first_stands: bool) -> Outcome {
    let Some(shim) = Shim::find() else {
        return Ok(());
    };
    let alone = |args: &str| Scene::of("alone", args, Files::new())?.rehearse();
    let (of_first, of_second) = (alone(first)?.after, alone(second)?.after);
    let scene = Scene::of("two runs", first, Files::new())?;
    let mut command = scene.command();
    let gate = shim.waits(&mut command, &scene.listened(), at, scene.aside());
    let mut running = watched::start(command)?;
    arrive(&gate, &mut running)?;
    scene.prepare(second)?;
    gate.open()?;
    let ended = running.wait()?;
    let why = format!("{first} at call {at}, then {second}");
    assert_eq!(ended.code, Some(exit), "{why}: {ended}");
    let wanted = if first_stands { of_first } else { of_second };
    scene.must_be(&wanted, &why, &ended)?;
    Ok(())
}

#[test]
fn a_run_that_is_overtaken_does_not_replace_the_others_output() -> Outcome {
    let (first, second) = (
        "convert IN/target.raw -o OUT/disk.qcow2",
        "convert IN/base.raw -o OUT/disk.qcow2",
    );
    for at in AT {
        overtake(first, second, at, 2, false)?;
    }
    Ok(())
}

#[test]
fn a_run_that_may_replace_does_so_even_when_it_was_overtaken() -> Outcome {
    let (first, second) = (
        "convert IN/target.raw --force -o OUT/disk.vhd",
        "convert IN/base.raw --force -o OUT/disk.vhd",
    );
    for at in AT {
        overtake(first, second, at, 0, true)?;
    }
    Ok(())
}

#[test]
fn of_two_runs_with_one_output_one_wins_and_nothing_is_torn() -> Outcome {
    let scene = |args| Scene::of("two runs", args, Files::new())?.rehearse();
    let one = scene("convert IN/target.raw -o OUT/disk.qcow2")?;
    let other = scene("convert IN/base.raw -o OUT/disk.qcow2")?;
    for round in 0..25 {
        one.reset()?;
        let mut second = watched::imgdelta(&["convert"]);
        second
            .arg(one.input("base.raw"))
            .arg("-o")
            .arg(one.out().join("disk.qcow2"));
        let running = watched::start(one.command())?;
        let second = watched::start(second)?.wait()?;
        let first = running.wait()?;
        let found = one.files()?;
        let why = format!(
            "round {round}: {} found: {first} and {second}",
            shown(&found)
        );
        for ended in [&first, &second] {
            assert!(matches!(ended.code, Some(0 | 2)), "{why}");
        }
        let first_won = first.code == Some(0) && found == one.after;
        let second_won = second.code == Some(0) && found == other.after;
        assert!(first_won || second_won, "{why}");
    }
    Ok(())
}

/// Writes to an input while the scene writes its output.
fn change(name: &'static str, args: &str, prepare: Option<&str>, input: &str) -> Outcome {
    let Some(shim) = Shim::find() else {
        return Ok(());
    };
    for grows in [false, true] {
        let scene = Scene::of(name, args, Files::new())?;
        if let Some(prepare) = prepare {
            scene.prepare(prepare)?;
        }
        let mut command = scene.command();
        let gate = shim.waits(&mut command, &scene.listened(), 2, scene.aside());
        let mut running = watched::start(command)?;
        arrive(&gate, &mut running)?;
        let mut source = File::options()
            .read(true)
            .append(grows)
            .write(true)
            .open(scene.input(input))?;
        if grows {
            source.write_all(&[1; 512])?;
        } else {
            let mut byte = [0];
            source.read_exact_at(&mut byte, 1 << 20)?;
            source.write_all_at(&[byte[0] ^ 1], 1 << 20)?;
        }
        gate.open()?;
        let ended = running.wait()?;
        assert_eq!(ended.code, Some(8), "{name}: {ended}");
        scene.must_be(&Files::new(), name, &ended)?;
    }
    Ok(())
}

#[test]
fn a_source_that_changes_while_it_is_converted_spoils_the_run() -> Outcome {
    let args = "convert IN/target.raw -o OUT/disk.qcow2";
    change("convert", args, None, "target.raw")
}

#[test]
fn a_base_or_target_that_changes_while_a_child_is_made_spoils_the_run() -> Outcome {
    let args = "make --no-cache -b IN/base.raw -t IN/target.raw -o OUT/child.qcow2";
    change("make, target changed", args, None, "target.raw")?;
    change("make, base changed", args, None, "base.raw")
}

#[test]
fn a_base_that_changes_after_it_was_proven_spoils_the_run() -> Outcome {
    let args = "apply --no-cache IN/child.qcow2 -b IN/base.raw -o OUT/disk.raw";
    let make = "make --no-cache -b IN/base.raw -t IN/target.raw -o IN/child.qcow2";
    change("apply", args, Some(make), "base.raw")
}
