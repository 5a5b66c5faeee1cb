//! Eight processes on one repository, some of them killed: what was said to be added stands with its content, what was removed is gone, nothing
//! is left over, nobody is told that a sound image is damaged, and nobody hangs.
//!
//! `IMGDELTA_SOAK_SECONDS` says how long (20), `IMGDELTA_SOAK_SEED` what is drawn (1): `cargo xtask soak repository --seconds 600 --seed 7`. What
//! one process meets of another is chance: a seed gives the same lines, not the same meetings.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a wrong scene should stop the test where it is made"
)]

mod chance;
mod disks;
mod judge;
mod ledger;
mod line;
mod turn;
mod worker;
mod world;

use std::{thread, time::Duration};

use imgdelta_fixtures::peers::{self, Peer};

use self::{judge::judge, worker::Worker, world::World};

/// How many work at once.
const WORKERS: u64 = 8;

#[test]
fn eight_processes_on_one_repository_lose_nothing_and_leave_nothing() {
    // The oracle of what images hold.
    if peers::find(Peer::QemuImg).is_none() {
        return;
    }
    let span = Duration::from_secs(setting("IMGDELTA_SOAK_SECONDS", 20));
    let seed = setting("IMGDELTA_SOAK_SEED", 1);
    let world = World::new(seed);
    let until = std::time::Instant::now() + span;
    let told: Vec<String> = thread::scope(|scope| {
        let at_work: Vec<_> = (0..WORKERS)
            .map(|number| {
                let world = &world;
                scope.spawn(move || Worker::new(world, number, seed).work(until))
            })
            .collect();
        let ended = at_work.into_iter().map(|worker| worker.join());
        ended
            .map(|told| told.expect("a worker failed: see above"))
            .collect()
    });
    for told in told {
        eprintln!("{told}");
    }
    let seen = judge(&world);
    eprintln!("seed {seed}, {} s: {seen}", span.as_secs());
}

/// A number from the environment.
fn setting(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |value| value.parse().expect("a number"))
}
