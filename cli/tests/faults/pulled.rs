//! A stick that is pulled out while a delivery is put on it in pieces, at a hundred points: what is on it by then is received rightly or refused by name,
//! and the same line run again makes it whole. What whole is, sha256sum says.

use std::{fs, io, path::Path, process::Command};

use imgdelta_fixtures::{Fill, Recipe};
use tempfile::TempDir;

use crate::{
    Outcome,
    shim::{Fault, Shim},
    watched::{self, Ended},
};

/// How many points.
const POINTS: usize = 100;

/// A disk, and where it is patched: what travels is five pieces of 1 MiB.
const SIZE: u64 = 8 << 20;
const PATCH: (u64, u64) = (2 << 20, 9 << 19);

const DEPLOY: &str = "deploy patched --repo hq --for site.inv -o stick --piece 1MiB";

pub(crate) struct Scene {
    place: TempDir,
    pub(crate) patched: Vec<u8>,
}

impl Scene {
    pub(crate) fn new() -> io::Result<Self> {
        let (at, len) = PATCH;
        let golden = Recipe::of(SIZE, [(0, SIZE, Fill::Pattern(1))]);
        let patched = [
            (0, at, Fill::Pattern(1)),
            (at, len, Fill::Pattern(2)),
            (at + len, SIZE - at - len, Fill::Pattern(1)),
        ];
        let patched = Recipe::of(SIZE, patched);
        let scene = Self {
            place: tempfile::tempdir()?,
            patched: patched.expected(None),
        };
        fs::write(scene.at("golden.raw"), golden.expected(None))?;
        fs::write(scene.at("patched.raw"), &scene.patched)?;
        for line in [
            "repo init hq",
            "repo add golden.raw --repo hq",
            "repo add patched.raw --repo hq",
            "repo init site --format raw",
            "repo add golden.raw --repo site",
            "inventory --repo site -o site.inv",
        ] {
            scene.ok(line)?;
        }
        Ok(scene)
    }

    pub(crate) fn at(&self, name: &str) -> std::path::PathBuf {
        self.place.path().join(name)
    }

    pub(crate) fn command(&self, line: &str) -> Command {
        let words: Vec<&str> = line.split_whitespace().collect();
        let mut command = watched::imgdelta(&words);
        command
            .current_dir(self.place.path())
            .env("IMGDELTA_CACHE", self.at("cache"));
        command
    }

    pub(crate) fn ok(&self, line: &str) -> io::Result<Ended> {
        let ended = watched::run(self.command(line))?;
        assert_eq!(ended.code, Some(0), "{line}: {ended}");
        Ok(ended)
    }

    /// Receives into a copy of the site; whether the image came, and if it did, it is the right one.
    fn receive(&self, why: &str) -> Result<bool, Box<dyn std::error::Error>> {
        let copy = self.at("copy");
        if copy.exists() {
            fs::remove_dir_all(&copy)?;
        }
        let copied = Command::new("cp")
            .args(["-a", "site", "copy"])
            .current_dir(self.place.path())
            .status()?;
        assert!(copied.success());
        let ended = watched::run(self.command("receive stick --repo copy"))?;
        let image = copy.join("patched.raw");
        match ended.code {
            Some(0) => assert!(fs::read(image)? == self.patched, "{why}: {ended}"),
            Some(2 | 3 | 6) => {
                assert!(
                    ended.said.contains("stick"),
                    "{why}: nothing is named: {ended}"
                );
                assert!(!image.exists(), "{why}: {ended}");
            }
            _ => panic!("{why}: {ended}"),
        }
        Ok(ended.code == Some(0))
    }

    /// The stick is whole, as a stranger finds.
    fn must_be_whole(&self, why: &str) -> Outcome {
        let said = Command::new("sha256sum")
            .args(["--strict", "--quiet", "-c", "SHA256SUMS"])
            .current_dir(self.at("stick"))
            .output()?;
        assert!(said.status.success(), "{why}: {said:?}");
        let left = fs::read_dir(self.at("stick"))?.flatten();
        let is_half = |name: &str| name.ends_with(".part");
        let left = left.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let left: Vec<String> = left.filter(|name| is_half(name)).collect();
        assert!(left.is_empty(), "{why}: {left:?}");
        self.ok("verify stick")?;
        Ok(())
    }
}

fn calls(log: &Path) -> io::Result<usize> {
    Ok(fs::read_to_string(log)?.lines().count())
}

#[test]
fn a_stick_that_is_pulled_at_a_hundred_points_is_resumed_or_refused_and_never_received_wrong()
-> Outcome {
    let Some(shim) = Shim::find() else {
        return Ok(());
    };
    let scene = Scene::new()?;
    let (stick, log) = (scene.at("stick"), scene.at("calls"));
    let listened = format!("{}/", stick.display());
    let mut command = scene.command(DEPLOY);
    shim.counts(&mut command, &listened, &log);
    let ended = watched::run(command)?;
    assert_eq!(ended.code, Some(0), "{ended}");
    scene.must_be_whole("undisturbed")?;
    assert!(scene.receive("undisturbed")?);
    let pieces = fs::read_dir(&stick)?.flatten();
    let pieces = pieces.filter(|entry| {
        entry
            .path()
            .extension()
            .is_some_and(|end| end.to_string_lossy().starts_with("00"))
    });
    assert_eq!(pieces.count(), 5);
    let calls = calls(&log)?;
    let (mut felt, mut refused) = (0, 0);
    for point in 0..POINTS {
        fs::remove_dir_all(&stick)?;
        let at = 1 + point * calls / POINTS;
        let fault = Fault::ALL[point % Fault::ALL.len()];
        let why = format!("{fault:?} at call {at} of {calls}");
        let mut command = scene.command(DEPLOY);
        shim.fails(&mut command, &listened, at, fault);
        let ended = watched::run(command)?;
        felt += usize::from(ended.code != Some(0));
        if ended.code == Some(0) {
            scene.must_be_whole(&why)?;
        }
        refused += usize::from(!scene.receive(&why)?);
        scene.ok(DEPLOY)?;
        scene.must_be_whole(&why)?;
        assert!(scene.receive(&why)?, "{why}");
    }
    assert!(felt > POINTS / 3, "only {felt} faults were felt");
    assert!(refused > POINTS / 3, "only {refused} were refused");
    Ok(())
}
