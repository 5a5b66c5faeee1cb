//! Repositories on file systems that have no locks: a file takes their place, and nothing but its process's death sets it free. Whoever comes
//! next takes it over, and finishes the job.

use std::fs;

use super::{
    carried::{OUT, both},
    points::{Again, sweep},
};
use crate::Outcome;

#[test]
fn without_locks_an_image_is_added_or_is_not_there() -> Outcome {
    let remove = "repo remove patched --yes --repo W/hq";
    let line = "repo add IN/target.raw --name new --parent base --repo W/hq";
    let world = both(&[remove])?.doing(line, &["hq/base.raw", "site/"])?;
    sweep(&world.without_locks(), Again::Succeeds)
}

#[test]
fn without_locks_an_image_is_removed_or_there() -> Outcome {
    let line = "repo remove patched --yes --repo W/hq";
    let world = both(&[])?.doing(line, &["hq/base.raw", "site/"])?;
    sweep(&world.without_locks(), Again::Refuses)
}

#[test]
fn without_locks_an_image_is_received_or_is_not_there() -> Outcome {
    let line = "receive W/stick --repo W/site";
    let world = both(&[OUT])?.doing(line, &["hq/", "stick/", "site/golden.qcow2"])?;
    sweep(&world.without_locks(), Again::Succeeds)
}

#[test]
fn without_locks_a_record_is_changed_or_is_not() -> Outcome {
    for line in [
        "repo tag patched november --repo W/hq",
        "repo rename patched golden --repo W/hq",
        "repo set-id base win11 --repo W/hq",
    ] {
        let world = both(&[])?.doing(line, &["hq/base.raw", "hq/patched.qcow2", "site/"])?;
        // The word that was said is nobody's any more, once it is renamed.
        let again = match line.contains("rename") {
            true => Again::Refuses,
            false => Again::Succeeds,
        };
        sweep(&world.without_locks(), again)?;
    }
    Ok(())
}

#[test]
fn without_locks_what_is_swept_away_takes_nothing_with_it() -> Outcome {
    let world = both(&[])?;
    fs::write(world.at("hq/.imgdelta/leaves/00ff.leaves"), "12345678")?;
    let world = world.doing("repo gc --repo W/hq", &["hq/base.raw", "site/"])?;
    sweep(&world.without_locks(), Again::Succeeds)
}
