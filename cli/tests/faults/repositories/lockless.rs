//! Repositories on file systems that have no locks: a file takes their place, and nothing but its process's death sets it free. Whoever comes
//! next takes it over, and finishes the job.

use std::fs;

use super::{
    carried::{OUT, both},
    points::{Again, sweep},
};
use crate::{Outcome, shim::Shim, watched};

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
    fs::write(world.at("hq/.imgdelta/leaves/00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff.leaves"), "imgdelta leaves2")?;
    let world = world.doing("repo gc --repo W/hq", &["hq/base.raw", "site/"])?;
    sweep(&world.without_locks(), Again::Succeeds)
}

#[test]
fn without_locks_many_that_find_a_dead_lock_change_one_after_the_other_and_none_is_lost() -> Outcome
{
    const MANY: usize = 8;
    if Shim::find().is_none() {
        return Ok(());
    }
    let world = both(&[])?.without_locks();
    let line_of = |file: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        text.trim().to_owned()
    };
    let [pids, times] = ["pid", "time"].map(|name| {
        let link = fs::read_link(format!("/proc/self/ns/{name}")).unwrap_or_default();
        link.display().to_string()
    });
    // Of this host and this run of its system, but Linux gives no process such a number.
    let holder = serde_json::json!({
        "schema": "imgdelta/lock/1", "host": line_of("/proc/sys/kernel/hostname"),
        "machine": line_of("/etc/machine-id"), "boot": line_of("/proc/sys/kernel/random/boot_id"),
        "pid": i32::MAX, "namespace": format!("{pids} {times}").trim(), "token": "dead",
        "since": "2026-11-24T14:02:00Z", "what": "add",
    });
    fs::write(world.at("hq/.imgdelta/lock.held"), holder.to_string())?;
    let line = |number| format!("repo tag base tag{number} --wait 60s --repo W/hq");
    let mut running = Vec::new();
    for number in 0..MANY {
        running.push(watched::start(world.command_of(&line(number)))?);
    }
    for one in running {
        let ended = one.wait()?;
        assert_eq!(ended.code, Some(0), "{ended}");
    }
    let shown = world.must_do("repo show base --json --repo W/hq")?;
    for number in 0..MANY {
        assert!(shown.said.contains(&format!("\"tag{number}\"")), "{shown}");
    }
    let left = fs::read_dir(world.at("hq/.imgdelta"))?.flatten();
    let left = left.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b"lock."));
    assert_eq!(left.count(), 0);
    Ok(())
}
