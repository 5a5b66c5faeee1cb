//! What a command says is deleted is gone for good: its folder is synced after the last deletion in it, before the command ends; and a power
//! cut right after the command brings nothing back.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use imgdelta::core::fs::draft_kind;

use super::{
    carried::both,
    faulted::{Call, counted},
    world::World,
};
use crate::{Outcome, shim::Shim, watched};

/// Lines that delete, each with what is done before.
const LINES: [(&str, &[&str]); 5] = [
    ("repo remove patched --yes --repo W/hq", &[]),
    ("repo gc --repo W/hq", &[]),
    ("repo set-id base win11 --repo W/hq", &[]),
    (
        "repo add IN/target.raw --name new --repo W/hq",
        &["repo remove patched --yes --repo W/hq"],
    ),
    ("receive W/stick --repo W/site", &[super::carried::OUT]),
];

/// A world in which something is to be swept away.
fn world(more: &[&str]) -> std::io::Result<World> {
    let world = both(more)?;
    fs::write(world.at("hq/.imgdelta/leaves/00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff.leaves"), "imgdelta leaves2")?;
    Ok(world)
}

/// Whether nobody is told that it is gone: drafts, what is coming in, a lock that ends with its process.
fn is_passing(call: &Call) -> bool {
    let name = call.path.rsplit('/').next().unwrap_or_default();
    draft_kind(name.as_ref()).is_some()
        || call.path.contains(".imgdelta/incoming/")
        || call.is_on_lock()
}

/// The folders whose last deletion no sync follows.
fn unsynced(calls: &[Call]) -> Vec<&Call> {
    let is_synced = |number: usize, folder: &str| {
        let mut behind = calls.iter().skip(number + 1);
        behind.any(|call| call.name == "sync" && call.path == folder)
    };
    let deletions = calls.iter().enumerate();
    let deletions = deletions.filter(|(_, call)| call.name == "unlink" && !is_passing(call));
    let left = deletions.filter(|(number, call)| {
        let folder = call.path.rsplit_once('/').map_or(".", |(folder, _)| folder);
        !is_synced(*number, folder)
    });
    left.map(|(_, call)| call).collect()
}

/// The number of the first call of that name on a path that contains `part`.
fn first(calls: &[Call], name: &str, part: &str) -> Option<usize> {
    let is_it = |call: &Call| call.name == name && call.path.contains(part);
    calls
        .iter()
        .position(|call| is_it(call) && !is_passing(call))
}

#[test]
fn each_deletion_is_followed_by_a_sync_of_its_folder() -> Outcome {
    let Some(shim) = Shim::find() else {
        return Ok(());
    };
    for (line, more) in LINES {
        let world = world(more)?.doing(line, &[])?;
        world.reset()?;
        let (ended, calls) = counted(&world, shim, world.command())?;
        assert_eq!(ended.code, Some(0), "{line}: {ended}");
        let deletes = |call: &Call| call.name == "unlink" && !is_passing(call);
        assert!(calls.iter().any(deletes), "{line}: deletes nothing");
        let left = unsynced(&calls);
        assert!(left.is_empty(), "{line}: {left:?}");
    }
    Ok(())
}

#[test]
fn the_files_of_an_image_are_gone_for_good_before_its_record_goes() -> Outcome {
    let Some(shim) = Shim::find() else {
        return Ok(());
    };
    let world = world(&[])?.doing("repo remove patched --yes --repo W/hq", &[])?;
    world.reset()?;
    let (_, calls) = counted(&world, shim, world.command())?;
    let record = first(&calls, "unlink", "/.imgdelta/images/").ok_or("a record goes")?;
    let before = calls.get(..record).unwrap_or_default();
    assert!(first(before, "unlink", "/patched.qcow2").is_some());
    assert!(unsynced(before).is_empty(), "{:?}", unsynced(before));
    Ok(())
}

#[test]
fn a_record_is_durable_before_the_change_that_is_under_way_goes() -> Outcome {
    let Some(shim) = Shim::find() else {
        return Ok(());
    };
    let (line, more) = LINES[3];
    let world = world(more)?.doing(line, &[])?;
    world.reset()?;
    let (_, calls) = counted(&world, shim, world.command())?;
    let entry = first(&calls, "unlink", "/.imgdelta/entering/").ok_or("an entry goes")?;
    let record = first(&calls, "rename", "/.imgdelta/images/").ok_or("a record comes")?;
    let between = calls.get(record..entry).ok_or("the record comes first")?;
    let is_sync = |call: &Call| call.name == "sync" && call.path.ends_with("/.imgdelta/images");
    assert!(between.iter().any(is_sync), "{between:?}");
    Ok(())
}

/// A file system in a file, mounted, which can be cut off as it is.
struct Cuttable {
    folder: PathBuf,
    is_mounted: bool,
}

impl Cuttable {
    /// One that keeps what is not synced for as long as it can; `None`, loudly, where that is not allowed.
    fn mount(folder: &Path, kind: &str) -> std::io::Result<Option<Self>> {
        let own = Self {
            folder: folder.to_owned(),
            is_mounted: false,
        };
        let _ = fs::remove_file(own.image());
        fs::create_dir_all(own.root())?;
        fs::File::create(own.image())?.set_len(400 << 20)?;
        let made = Command::new(format!("mkfs.{kind}"))
            .arg("-q")
            .arg(own.image())
            .output();
        if !made.is_ok_and(|made| made.status.success()) {
            eprintln!("skipped: a power cut on {kind} needs mkfs.{kind}");
            return Ok(None);
        }
        let lazily = if kind == "xfs" {
            "loop"
        } else {
            "loop,commit=300"
        };
        own.mount_as(kind, lazily)
    }

    fn mount_as(mut self, kind: &str, options: &str) -> std::io::Result<Option<Self>> {
        let mounted = Command::new("mount")
            .args(["-t", kind, "-o", options])
            .args([self.image(), self.root()])
            .output();
        self.is_mounted = mounted.is_ok_and(|mounted| mounted.status.success());
        if !self.is_mounted {
            eprintln!("skipped: a power cut on {kind} needs root to mount it");
            return Ok(None);
        }
        Ok(Some(self))
    }

    /// Cuts it off: what stands on the disk at this moment is all that is left.
    fn cut(mut self, kind: &str) -> std::io::Result<Option<Self>> {
        let cut = self.folder.join("cut");
        let copied = Command::new("cp")
            .arg("--sparse=always")
            .args([self.image(), cut.clone()])
            .status()?;
        assert!(copied.success());
        self.unmount();
        fs::rename(cut, self.image())?;
        let again = Self {
            folder: self.folder.clone(),
            is_mounted: false,
        };
        again.mount_as(kind, "loop")
    }

    fn image(&self) -> PathBuf {
        self.folder.join("disk")
    }

    fn root(&self) -> PathBuf {
        self.folder.join("mounted")
    }

    fn unmount(&mut self) {
        if self.is_mounted {
            let _ = Command::new("umount").arg(self.root()).status();
            self.is_mounted = false;
        }
    }
}

impl Drop for Cuttable {
    fn drop(&mut self) {
        self.unmount();
    }
}

/// Runs a line in a folder.
fn run_in(folder: &Path, line: &str) -> std::io::Result<String> {
    let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    let mut command = watched::imgdelta(&words);
    command.current_dir(folder).env("IMGDELTA_REPO", "hq");
    let ended = watched::run(command)?;
    assert_eq!(ended.code, Some(0), "{line}: {ended}");
    Ok(ended.said)
}

#[test]
fn a_power_cut_brings_back_no_image_and_nothing_that_was_swept_away() -> Outcome {
    for kind in ["ext4", "xfs", "btrfs"] {
        let folder = tempfile::tempdir()?;
        let Some(disk) = Cuttable::mount(folder.path(), kind)? else {
            continue;
        };
        let root = disk.root();
        let leaves = root.join("hq/.imgdelta/leaves/00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff.leaves");
        run_in(&root, "repo init hq")?;
        for name in ["kept", "gone"] {
            let raw = root.join(format!("{name}.raw"));
            fs::write(&raw, name.repeat(1 << 18))?;
            run_in(&root, &format!("repo add {name}.raw"))?;
        }
        fs::write(&leaves, "imgdelta leaves2")?;
        assert!(
            Command::new("sync")
                .arg("-f")
                .arg(&root)
                .status()?
                .success()
        );
        run_in(&root, "repo remove gone --yes")?;
        run_in(&root, "repo gc")?;
        run_in(&root, "repo rename kept golden")?;
        let Some(disk) = disk.cut(kind)? else {
            continue;
        };
        let listed = run_in(&root, "repo list --json")?;
        let is_right = !listed.contains("\"gone\"") && listed.contains("\"golden\"");
        assert!(is_right, "{kind}: {listed}");
        assert!(!root.join("hq/gone.raw").exists(), "{kind}: its file");
        assert!(!leaves.exists(), "{kind}: what was swept away");
        let entering = fs::read_dir(root.join("hq/.imgdelta/entering"))?;
        assert_eq!(entering.count(), 0, "{kind}: a change that was done");
        run_in(&root, "repo verify")?;
        drop(disk);
    }
    Ok(())
}
