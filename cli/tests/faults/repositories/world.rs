//! A world under faults: repositories at headquarters and at a site, a stick between them, and the line that changes one of them.
//!
//! The shim listens for the whole world; nothing outside of it is written to.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::{Duration, SystemTime},
};

use imgdelta_fixtures::Recipe;
use tempfile::TempDir;

use super::tree::{Held, Tree};
use crate::{
    Outcome,
    scene::{base, image, target},
    shim::Shim,
    watched::{self, Ended},
};

/// The folder that the shim listens for.
const WORLD: &str = "may-change";

/// What a line says for the world at the other end of one.
const FAR: &str = "ssh://W/";

/// Stands for ssh: calls what stands behind `--` here, and loads the shim into it.
const HERE: &str =
    "while [ \"$1\" != -- ]; do shift; done; LD_PRELOAD=$STAND_IN_PRELOAD exec /bin/sh -c \"$2\"";

/// The disks that are added.
const DISKS: [Disk; 2] = [("base", base), ("target", target)];

/// A disk and its name.
type Disk = (&'static str, fn() -> Recipe);

/// Headquarters, the site, the stick, and what is done.
#[derive(Debug)]
pub(crate) struct World {
    folder: TempDir,
    /// What is done: a line in which `W/` is the world and `IN/` the folder of the inputs.
    pub(crate) line: String,
    /// What nothing may write to: the names of folders and files of the world.
    inputs: Vec<&'static str>,
    in_parts: bool,
    has_no_locks: bool,
    /// What stands there before the line.
    pub(crate) before: Tree,
    /// What stands there after it, if nothing disturbs it.
    pub(crate) after: Tree,
}

/// A folder in memory, where there is such a place: the thousands of syncs of a sweep need not wait for a disk.
fn place() -> io::Result<TempDir> {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir())
}

impl World {
    /// The world after these lines; the disks that they may add are `base` and `target` in raw and qcow2.
    pub(crate) fn after(lines: &[&str]) -> io::Result<Self> {
        let folder = place()?;
        fs::create_dir(folder.path().join(WORLD))?;
        fs::create_dir(folder.path().join("inputs"))?;
        fs::write(folder.path().join("inputs/ssh"), HERE)?;
        for (name, disk) in DISKS {
            for format in ["raw", "qcow2"] {
                let file = format!("{name}.{format}");
                let bytes = image(&file, disk());
                fs::write(folder.path().join("inputs").join(file), bytes)?;
            }
        }
        let world = Self {
            folder,
            line: String::new(),
            inputs: Vec::new(),
            in_parts: false,
            has_no_locks: false,
            before: Tree::default(),
            after: Tree::default(),
        };
        for line in lines {
            world.must_do(line)?;
        }
        Ok(world)
    }

    /// Sets what is done under faults, and what it only reads; does it once undisturbed to see what must come out.
    pub(crate) fn doing(mut self, line: &str, inputs: &[&'static str]) -> io::Result<Self> {
        line.clone_into(&mut self.line);
        inputs.clone_into(&mut self.inputs);
        self.before = Tree::of(&self.root(), &Tree::default())?;
        self.must_do(line)?;
        self.after = Tree::of(&self.root(), &self.before)?;
        assert_ne!(
            self.before.settled(),
            self.after.settled(),
            "{line}: does nothing"
        );
        Ok(self)
    }

    /// What is done are several things, each of which is done whole or not at all.
    pub(crate) fn in_parts(self) -> Self {
        Self {
            in_parts: true,
            ..self
        }
    }

    /// Whether something may be done of what is asked for, and the rest not.
    pub(crate) const fn comes_in_parts(&self) -> bool {
        self.in_parts
    }

    /// It lies on a file system that has no locks.
    pub(crate) fn without_locks(self) -> Self {
        Self {
            has_no_locks: true,
            ..self
        }
    }

    /// Whether it lies on a file system that has no locks.
    pub(crate) const fn has_no_locks(&self) -> bool {
        self.has_no_locks
    }

    /// Whether it is as it was in another state, and nothing is under way. Without locks nobody knows of a young draft that it is a dead one's.
    pub(crate) fn is_done_as(&self, found: &Tree, other: &Tree) -> bool {
        let is_done = found.settled() == other.settled() && found.entries() == other.entries();
        is_done && (self.has_no_locks || found.drafts() == other.drafts())
    }

    /// Whether it is as it was before, and nobody has left a lock.
    pub(crate) fn is_before(&self, found: &Tree) -> bool {
        found.is_as(&self.before) && (!self.has_no_locks || !found.is_locked())
    }

    /// What the shim listens for.
    pub(crate) fn listened(&self) -> String {
        self.root().display().to_string()
    }

    /// Where the world is.
    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join(WORLD)
    }

    /// A place in it.
    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    /// A place in the folder of the inputs.
    pub(crate) fn input(&self, name: &str) -> PathBuf {
        self.folder.path().join("inputs").join(name)
    }

    /// A folder for what belongs to the test alone.
    pub(crate) fn aside(&self) -> &Path {
        self.folder.path()
    }

    /// A line as a command.
    pub(crate) fn command_of(&self, line: &str) -> Command {
        let (root, inputs) = (self.root(), self.input(""));
        let spell = |word: &str| {
            let word = word.replace(FAR, &format!("ssh://there{}/", root.display()));
            match (word.strip_prefix("W/"), word.strip_prefix("IN/")) {
                (Some(name), _) => root.join(name).display().to_string(),
                (_, Some(name)) => inputs.join(name).display().to_string(),
                _ => word,
            }
        };
        let words: Vec<String> = line.split_whitespace().map(spell).collect();
        let mut command = watched::imgdelta(&words);
        command
            .env("IMGDELTA_CACHE", self.aside().join("remembered"))
            .env("IMGDELTA_TMPDIR", self.aside())
            .env(
                "IMGDELTA_SSH",
                format!("/bin/sh {}", self.input("ssh").display()),
            );
        if let Some(shim) = Shim::find().filter(|_| self.has_no_locks) {
            shim.takes_locks_away(&mut command, &self.listened());
        }
        command
    }

    /// What is done.
    pub(crate) fn command(&self) -> Command {
        self.command_of(&self.line)
    }

    /// Whether it is done at the other end of a line.
    pub(crate) fn is_far(&self) -> bool {
        self.line.contains(FAR)
    }

    /// Runs a line that must succeed.
    pub(crate) fn must_do(&self, line: &str) -> io::Result<Ended> {
        let ended = watched::run(self.command_of(line))?;
        assert_eq!(ended.code, Some(0), "{line}: {ended}");
        Ok(ended)
    }

    /// The world as it was before.
    pub(crate) fn reset(&self) -> io::Result<()> {
        self.before.put_back(&self.root())
    }

    /// Lets time pass for a lock that does not say whose it is: its process was killed before it could.
    pub(crate) fn age_lock(&self) -> io::Result<()> {
        for repository in ["hq", "site"] {
            let lock = self.at(repository).join(".imgdelta/lock.held");
            let is_speechless = fs::read(&lock).is_ok_and(|said| !said.ends_with(b"}\n"));
            if is_speechless {
                let long_ago = SystemTime::now() - Duration::from_secs(120);
                File::options()
                    .write(true)
                    .open(lock)?
                    .set_modified(long_ago)?;
            }
        }
        Ok(())
    }

    /// The world as it is now.
    pub(crate) fn now(&self) -> io::Result<Tree> {
        Tree::of(&self.root(), &self.before)
    }

    /// The repositories that are not as they were before.
    pub(crate) fn changed(&self, found: &Tree) -> Vec<String> {
        let repositories = found.repositories().into_iter();
        repositories
            .filter(|one| found.differs_below(&self.before, &format!("{one}/")))
            .map(|one| format!("W/{one}"))
            .collect()
    }

    /// Requires that repositories list, and are what their records say.
    pub(crate) fn must_be_sound(&self, repositories: &[String], why: &str) -> io::Result<()> {
        for repository in repositories {
            for (verb, faults) in [("list", "\"notes\":[]"), ("verify", "\"faults\":0")] {
                let line = format!("repo {verb} --json --repo {repository}");
                let ended = watched::run(self.command_of(&line))?;
                let is_sound = ended.code == Some(0) && ended.said.contains(faults);
                assert!(is_sound, "{line}: {ended}: {why}");
            }
        }
        Ok(())
    }

    /// Requires that the images that were added are as they were.
    pub(crate) fn must_have_kept_inputs(&self) -> Outcome {
        for (name, disk) in DISKS {
            for format in ["raw", "qcow2"] {
                let file = format!("{name}.{format}");
                let is_kept = fs::read(self.input(&file))? == image(&file, disk());
                assert!(is_kept, "{}: {file}", self.line);
            }
        }
        Ok(())
    }

    /// Requires that what is only read was not written to.
    pub(crate) fn must_have_read_only(&self, found: &Tree, why: &str) {
        for input in &self.inputs {
            assert!(!found.differs_below(&self.before, input), "{why}: {input}");
        }
    }

    /// What has become of the world, for messages.
    pub(crate) fn told(&self, found: &Tree, ended: &Ended) -> String {
        let (before, settled) = (self.before.settled(), found.settled());
        let lacks = |files: &Held, one: &(&String, &Arc<Vec<u8>>)| files.get(one.0) != Some(one.1);
        let gone = before.iter().filter(|one| lacks(&settled, one));
        let new = settled.iter().filter(|one| lacks(&before, one));
        format!(
            "gone or changed: {:?}, new: {:?}, drafts {:?}, entries {:?}: {ended}",
            gone.map(|(name, _)| name).collect::<Vec<_>>(),
            new.map(|(name, _)| name).collect::<Vec<_>>(),
            found.drafts(),
            found.entries(),
        )
    }
}
