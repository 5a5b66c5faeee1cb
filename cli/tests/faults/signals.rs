//! Ctrl-C and its kin in the middle of a run: the exit status says which signal it was, and nothing is left.

use std::{
    fs, io,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    Outcome,
    scene::{Files, Scene, without_drafts},
    shim::{Gate, Shim},
    watched::{self, Ended, Running},
};

/// A disk that is not copied in one go: a run that has all its work behind it when it is stopped may end it.
const LARGE: usize = 48 << 20;

/// Waits until a run stands at its gate.
pub(crate) fn arrive(gate: &Gate, running: &mut Running) -> io::Result<()> {
    let started = Instant::now();
    while !gate.is_reached() {
        let ended = running.child.try_wait()?;
        assert!(ended.is_none(), "the run never came to its gate: {ended:?}");
        assert!(
            started.elapsed() < Duration::from_secs(30),
            "no run at the gate"
        );
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Sends a signal.
fn send(running: &Running, signal: Signal) -> Outcome {
    let id = Pid::from_raw(running.child.id().try_into()?).ok_or("no process")?;
    Ok(kill_process(id, signal)?)
}

/// Stops a command by `signal` at its call on paths that contain this, with this number; `aside` is for the gate's files.
pub(crate) fn interrupt_at(
    shim: Shim,
    mut command: Command,
    (part, at): (&str, usize),
    signal: Signal,
    aside: &Path,
) -> Result<Ended, Box<dyn std::error::Error>> {
    let gate = shim.waits(&mut command, part, at, aside);
    let mut running = watched::start(command)?;
    arrive(&gate, &mut running)?;
    send(&running, signal)?;
    // The run hears it on a thread of its own.
    thread::sleep(Duration::from_millis(200));
    gate.open()?;
    Ok(running.wait()?)
}

/// Stops a scene by `signal` while it writes for the third time.
fn interrupt(name: &'static str, args: &str, before: Files, signal: Signal, exit: i32) -> Outcome {
    let Some(shim) = Shim::find() else {
        return Ok(());
    };
    let scene = Scene::of(name, args, before)?;
    fs::write(scene.input("large.raw"), vec![1; LARGE])?;
    scene.reset()?;
    let listened = scene.listened();
    let ended = interrupt_at(shim, scene.command(), (&listened, 3), signal, scene.aside())?;
    assert_eq!(ended.code, Some(exit), "{name}: {ended}");
    assert!(
        ended.said.contains("nothing was changed"),
        "{name}: {ended}"
    );
    scene.must_be(&scene.before, name, &ended)?;
    Ok(())
}

#[test]
fn an_interrupted_conversion_leaves_nothing_and_says_130() -> Outcome {
    let args = "convert IN/large.raw -o OUT/disk.qcow2";
    interrupt("convert", args, Files::new(), Signal::INT, 130)
}

#[test]
fn a_terminated_make_leaves_nothing_and_says_143() -> Outcome {
    let args = "make --no-cache -b IN/base.raw -t IN/large.raw -o OUT/child.qcow2";
    interrupt("make", args, Files::new(), Signal::TERM, 143)
}

#[test]
fn an_interrupted_conversion_over_a_good_image_leaves_that() -> Outcome {
    let args = "convert IN/large.raw --force -o OUT/disk.raw";
    let before = Files::from([("disk.raw".to_owned(), vec![7; 12345])]);
    interrupt("convert over raw", args, before, Signal::HUP, 143)
}

#[test]
fn who_interrupts_twice_does_not_wait_and_the_next_run_takes_the_draft_over() -> Outcome {
    let Some(shim) = Shim::find() else {
        return Ok(());
    };
    let args = "convert IN/target.raw -o OUT/disk.qcow2";
    let scene = Scene::of("convert", args, Files::new())?.rehearse()?;
    scene.reset()?;
    let mut command = scene.command();
    let gate = shim.waits(&mut command, &scene.listened(), 3, scene.aside());
    let mut running = watched::start(command)?;
    arrive(&gate, &mut running)?;
    for _ in 0..2 {
        send(&running, Signal::INT)?;
        thread::sleep(Duration::from_millis(200));
    }
    let ended = running.wait()?;
    assert_eq!(ended.code, Some(130), "{ended}");
    assert!(without_drafts(scene.files()?).is_empty(), "{ended}");
    scene.must_succeed_now("after two interruptions")?;
    Ok(())
}
