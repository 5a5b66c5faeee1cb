//! A host with too little room: a limit for files, a full file system. Exit status 8, a message that says so, and nothing left.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    Outcome,
    scene::{Files, Scene},
    watched::{self, Ended},
};

/// Commands whose output is one file or two.
const COMMANDS: [(&str, &str); 4] = [
    (
        "convert to qcow2",
        "convert IN/target.raw -o OUT/disk.qcow2",
    ),
    ("convert to vhd", "convert IN/target.raw -o OUT/disk.vhd"),
    ("convert to raw", "convert IN/target.vhd -o OUT/disk.raw"),
    (
        "make qcow2",
        "make --no-cache -b IN/base.raw -t IN/target.raw -o OUT/child.qcow2",
    ),
];

/// Judges a run that had little room; says whether it was too little.
fn judge(scene: &Scene, ended: &Ended, why: &str, cause: &str) -> io::Result<bool> {
    match ended.code {
        Some(0) => scene.must_be(&scene.after, why, ended)?,
        Some(8) => {
            assert!(ended.said.contains(cause), "{why}: {ended}");
            assert!(ended.said.contains("nothing was changed"), "{why}: {ended}");
            scene.must_be(&scene.before, why, ended)?;
        }
        _ => panic!("{why}: {ended}"),
    }
    Ok(ended.code == Some(8))
}

/// The same command under a shell's limit for files, in the shell's own unit of 512 or 1024 bytes.
pub(crate) fn limited(command: &Command, blocks: u32) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit -f {blocks}; exec \"$@\""), "sh"]);
    shell.arg(command.get_program()).args(command.get_args());
    let settings = command.get_envs();
    shell.envs(settings.filter_map(|(name, value)| Some((name, value?))));
    shell
}

#[test]
fn beyond_the_hosts_limit_for_files_nothing_is_left() -> Outcome {
    for (name, args) in COMMANDS {
        let scene = Scene::of(name, args, Files::new())?.rehearse()?;
        let mut refused = 0;
        for blocks in [1, 60, 130, 250, 512, 1000, 1500, 4000, 9000] {
            scene.reset()?;
            let ended = watched::run(limited(&scene.command(), blocks))?;
            let why = format!("{name}: at most {blocks} blocks");
            refused += u32::from(judge(&scene, &ended, &why, "File too large")?);
        }
        assert!((2..9).contains(&refused), "{name}: {refused} of 9 refused");
    }
    Ok(())
}

/// A small file system in memory, until it is dropped.
#[derive(Debug)]
pub(crate) struct Small(PathBuf);

impl Small {
    /// Mounts one of `kib` KiB; `None`, loudly, where that is not allowed.
    pub(crate) fn mount(place: &Path, kib: u32) -> io::Result<Option<Self>> {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={kib}k"), "tmpfs"])
            .arg(place)
            .output();
        match mounted {
            Ok(done) if done.status.success() => Ok(Some(Self(place.to_owned()))),
            other => {
                eprintln!("skipped: a full file system needs root to mount one: {other:?}");
                Ok(None)
            }
        }
    }

    /// Makes room in it.
    pub(crate) fn grow(&self) -> io::Result<()> {
        let grown = Command::new("mount")
            .args(["-o", "remount,size=64m"])
            .arg(&self.0)
            .output()?;
        assert!(grown.status.success(), "{grown:?}");
        Ok(())
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn on_a_full_file_system_nothing_is_left() -> Outcome {
    for (name, args) in COMMANDS {
        let scene = Scene::of(name, args, Files::new())?.rehearse()?;
        let mut refused = 0;
        for kib in (0..10).map(|step| 4 + 268 * step) {
            scene.reset()?;
            let Some(small) = Small::mount(&scene.out(), kib)? else {
                return Ok(());
            };
            let ended = watched::run(scene.command())?;
            let why = format!("{name}: on {kib} KiB");
            refused += u32::from(judge(&scene, &ended, &why, "are free")?);
            drop(small);
        }
        assert!(
            (1..10).contains(&refused),
            "{name}: {refused} of 10 refused"
        );
    }
    Ok(())
}

#[test]
fn a_folder_that_is_not_there_is_not_made() -> Outcome {
    let scene = Scene::of(
        "convert",
        "convert IN/base.raw -o OUT/disk.vhd",
        Files::new(),
    )?;
    fs::remove_dir(scene.out())?;
    let ended = watched::run(scene.command())?;
    assert_eq!(ended.code, Some(8), "{ended}");
    assert!(!scene.out().exists());
    Ok(())
}
