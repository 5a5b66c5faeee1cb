//! The command killed at random times over something good: the old one stands there, or the new one.

use std::{
    io, thread,
    time::{Duration, Instant},
};

use crate::{
    Outcome,
    scene::{Files, Scene, base, image, shown},
    watched,
};

/// How often each scene is killed.
const ROUNDS: u32 = 50;

/// Kills a scene at random times between its start and a little after its end.
fn kill_often(scene: Scene, seed: u64) -> Outcome {
    let scene = scene.rehearse()?;
    let whole = [time(&scene)?, time(&scene)?, time(&scene)?]
        .into_iter()
        .fold(Duration::MAX, Duration::min);
    let mut state = seed;
    let mut killed = 0;
    for round in 0..ROUNDS {
        scene.reset()?;
        let mut running = watched::start(scene.command())?;
        thread::sleep(whole.mul_f64(1.1 * random(&mut state)));
        running.child.kill()?;
        let ended = running.wait()?;
        let why = format!("{}: round {round}", scene.name);
        let found = scene.files_as_read()?;
        killed += u32::from(ended.code.is_none());
        match ended.code {
            Some(code) => assert!(code == 0 && found == scene.after, "{why}: {ended}"),
            None => assert!(
                found == scene.before || found == scene.after,
                "{why}: {} found: {ended}",
                shown(&found)
            ),
        }
        if round % 5 == 0 {
            scene.must_succeed_now(&why)?;
        }
    }
    assert!(
        killed > ROUNDS / 5,
        "only {killed} runs were killed in time"
    );
    Ok(())
}

/// How long it takes undisturbed.
fn time(scene: &Scene) -> io::Result<Duration> {
    scene.reset()?;
    let started = Instant::now();
    watched::run(scene.command())?;
    Ok(started.elapsed())
}

/// From 0 up to 1.
fn random(state: &mut u64) -> f64 {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1);
    f64::from((*state >> 33) as u32) / f64::from(1_u32 << 31)
}

#[test]
fn a_conversion_that_is_killed_leaves_the_old_image_or_the_new_one() -> Outcome {
    let before = Files::from([("disk.vhd".to_owned(), image("disk.vhd", base()))]);
    let args = "convert IN/target.qcow2 --force -o OUT/disk.vhd";
    kill_often(Scene::of("convert over vhd", args, before)?, 1)
}

#[test]
fn an_attachment_that_is_killed_leaves_the_old_child_or_the_attached_one() -> Outcome {
    let made = "make --no-cache -b IN/base.qcow2 -t IN/target.raw -o OUT/child.qcow2";
    let made = Scene::of("make the child", made, Files::new())?.rehearse()?;
    let args = "attach --no-cache OUT/child.qcow2 -b IN/target.qcow2";
    let scene = Scene::of("attach", args, made.after)?;
    // The same disk under another name.
    std::fs::copy(scene.input("base.qcow2"), scene.input("target.qcow2"))?;
    kill_often(scene, 2)
}
