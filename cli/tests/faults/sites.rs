//! Ctrl-C while an image goes into a repository or onto a stick: it is not there, what stays is told, and the same command goes on.
//!
//! Lines to other hosts have their own tests.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use imgdelta_fixtures::{Fill, Recipe};
use rustix::process::Signal;
use tempfile::TempDir;
use xxhash_rust::xxh3::xxh3_64;

use crate::{
    Outcome,
    shim::Shim,
    signals::{arrive, interrupt_at},
    watched::{self, Ended},
};

/// A disk that is not copied in one go.
const SIZE: u64 = 24 << 20;

/// Where the two disks differ.
const PATCH: (u64, u64) = (4 << 20, 12 << 20);

/// A folder with two images, and repositories.
struct Scene(TempDir);

impl Scene {
    /// Headquarters has both images, the site only the golden one; a stick lies ready, and an empty repository.
    fn new() -> std::io::Result<Self> {
        let scene = Self(tempfile::tempdir()?);
        let (at, len) = PATCH;
        let golden = Recipe::of(SIZE, [(0, SIZE, Fill::Pattern(1))]);
        let patched = [
            (0, at, Fill::Pattern(1)),
            (at, len, Fill::Pattern(2)),
            (at + len, SIZE - at - len, Fill::Pattern(1)),
        ];
        let patched = Recipe::of(SIZE, patched);
        for (name, disk) in [("golden", golden), ("patched", patched)] {
            let path = scene.0.path().join(format!("{name}.raw"));
            fs::write(path, disk.expected(None))?;
        }
        for line in [
            "repo init hq",
            "repo add golden.raw --repo hq",
            "repo add patched.raw --repo hq",
            "repo init site",
            "repo add golden.raw --repo site",
            "repo init other",
            "inventory --repo site -o site.inv",
            "deploy patched --repo hq --for site.inv -o stick",
        ] {
            scene.ok(line)?;
        }
        Ok(scene)
    }

    /// A line as a command.
    fn command(&self, line: &str) -> std::process::Command {
        let words: Vec<&str> = line.split_whitespace().collect();
        let mut command = watched::imgdelta(&words);
        command
            .current_dir(self.0.path())
            .env("IMGDELTA_CACHE", self.0.path().join("cache"));
        command
    }

    /// Runs a line that must succeed; how it ended.
    fn ok(&self, line: &str) -> std::io::Result<Ended> {
        let ended = watched::run(self.command(line))?;
        assert_eq!(ended.code, Some(0), "{line}: {ended}");
        Ok(ended)
    }

    /// The names of a folder's files, drafts and what the program keeps for itself aside.
    fn names(&self, folder: &str) -> std::io::Result<Vec<String>> {
        let folder = self.0.path().join(folder);
        if !folder.exists() {
            return Ok(Vec::new());
        }
        let mut names = Vec::new();
        for entry in fs::read_dir(folder)? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.retain(|name| !name.starts_with('.'));
        names.sort();
        Ok(names)
    }
}

/// Interrupts a line that fills `folder` at some of its calls there. What it says begins with "cancelled" and holds `left`; what stood there
/// stands there and nothing else; then the same line ends well, and so does `proof`.
fn interrupt(line: &str, (folder, calls): (&str, [usize; 2]), left: &str, proof: &str) -> Outcome {
    let Some(shim) = Shim::find() else {
        return Ok(());
    };
    for (at, signal, exit) in [(calls[0], Signal::INT, 130), (calls[1], Signal::TERM, 143)] {
        let scene = Scene::new()?;
        let before = scene.names(folder)?;
        let place = (folder, at);
        let ended = interrupt_at(shim, scene.command(line), place, signal, scene.0.path())?;
        assert_eq!(ended.code, Some(exit), "{line}: {ended}");
        assert!(ended.said.starts_with("cancelled"), "{line}: {ended}");
        assert!(ended.said.contains(left), "{line}: {ended}");
        assert_eq!(scene.names(folder)?, before, "{line}: {ended}");
        if folder != "new/" {
            let list = scene.ok(&format!("repo list --repo {folder}"))?;
            assert!(!list.said.contains("patched"), "{line}: {list}");
            scene.ok(&format!("repo verify --repo {folder}"))?;
        }
        scene.ok(line)?;
        let proven = scene.ok(proof)?;
        assert!(proven.said.contains("patched"), "{proof}: {proven}");
        scene.ok("repo verify --repo site")?;
    }
    Ok(())
}

#[test]
fn an_interrupted_addition_enters_nothing_and_is_done_by_the_same_command() -> Outcome {
    let line = "repo add patched.raw --repo other";
    let proof = "repo verify --repo other";
    interrupt(line, ("other/", [3, 12]), "nothing was changed", proof)
}

#[test]
fn of_several_images_what_came_in_before_the_signal_is_reported_and_the_exit_status_says_which_it_was()
-> Outcome {
    let Some(shim) = Shim::find() else {
        return Ok(());
    };
    let line = "repo add golden.raw patched.raw --repo other --json=lines";
    // What a draft is called is made of the name that it will have.
    let draft = format!("other/.imgdelta-{:016x}", xxh3_64(b"patched.raw"));
    for (signal, exit) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let scene = Scene::new()?;
        let place = (draft.as_str(), 2);
        let ended = interrupt_at(shim, scene.command(line), place, signal, scene.0.path())?;
        assert_eq!(ended.code, Some(exit), "{ended}");
        let reported = format!(r#""code":"interrupted","exit":{exit},"#);
        assert!(ended.said.contains(&reported), "{ended}");
        assert_eq!(scene.names("other")?, ["golden.raw"], "{ended}");
        scene.ok(line)?;
        scene.ok("repo verify --repo other")?;
    }
    Ok(())
}

#[test]
fn an_interrupted_deployment_lists_nothing_on_its_stick_and_is_done_by_the_same_command() -> Outcome
{
    let line = "deploy patched --repo hq --for site.inv -o new";
    let left = "what was sent by then is whole; the same command goes on";
    interrupt(line, ("new/", [3, 8]), left, "receive new --repo site")
}

#[test]
fn an_interrupted_deployment_by_path_enters_nothing_and_is_done_by_the_same_command() -> Outcome {
    let line = "deploy patched --repo hq --to site";
    let left = "what was sent by then is whole; the same command goes on";
    interrupt(
        line,
        ("site/", [3, 8]),
        left,
        "repo show patched --repo site",
    )
}

#[test]
fn an_interrupted_receipt_enters_nothing_and_is_done_by_the_same_command() -> Outcome {
    let line = "receive stick --repo site";
    let left = "what was entered by then is whole; the same command goes on";
    interrupt(
        line,
        ("site/", [1, 3]),
        left,
        "repo show patched --repo site",
    )
}

/// At which call a deployment holds the site's lock and has said who it is.
fn holding(shim: Shim, line: &str) -> Result<usize, Box<dyn std::error::Error>> {
    let scene = Scene::new()?;
    let log = scene.0.path().join("log");
    let mut command = scene.command(line);
    shim.counts(&mut command, "site/", &log);
    let ended = watched::run(command)?;
    assert_eq!(ended.code, Some(0), "{line}: {ended}");
    let calls = fs::read_to_string(log)?;
    let said = |call: &str| call.starts_with("write") && call.ends_with("site/.imgdelta/lock");
    let before = calls.lines().position(said).ok_or("it took no lock")?;
    // They count from 1, and the next one is meant.
    Ok(before + 2)
}

#[test]
fn a_site_that_is_busy_says_with_what_and_is_waited_for_if_asked() -> Outcome {
    let Some(shim) = Shim::find() else {
        return Ok(());
    };
    let line = "deploy patched --repo hq --to site";
    let at = holding(shim, line)?;
    let scene = Scene::new()?;
    let mut command = scene.command(line);
    let gate = shim.waits(&mut command, "site/", at, scene.0.path());
    let mut first = watched::start(command)?;
    arrive(&gate, &mut first)?;
    let refused = watched::run(scene.command("repo tag golden busy --repo site"))?;
    assert_eq!(refused.code, Some(9), "{refused}");
    let holder = format!("locked by imgdelta pid {} on", first.child.id());
    assert!(refused.said.contains(&holder), "{holder}: {refused}");
    let refused = watched::run(scene.command(line))?;
    assert_eq!(refused.code, Some(9), "{refused}");
    assert!(
        refused.said.contains("hint: wait with --wait 5m"),
        "{refused}"
    );
    let waiting = watched::start(scene.command(&format!("{line} --wait 50s")))?;
    let fds = format!("/proc/{}/fd", waiting.child.id());
    let until = Instant::now() + Duration::from_secs(30);
    while !holds_open(&fds, ".imgdelta/lock") {
        assert!(Instant::now() < until, "it never came to the lock");
        thread::sleep(Duration::from_millis(5));
    }
    gate.open()?;
    for running in [first, waiting] {
        let ended = running.wait()?;
        assert_eq!(ended.code, Some(0), "{ended}");
    }
    scene.ok("repo verify --repo site")?;
    Ok(())
}

/// Whether a process has a file of such a name open.
fn holds_open(fds: &str, name: &str) -> bool {
    let Ok(entries) = fs::read_dir(fds) else {
        return false;
    };
    entries
        .flatten()
        .filter_map(|entry| fs::read_link(entry.path()).ok())
        .any(|place| place.ends_with(name))
}
