//! What is done under faults: a command, the files that it may change as they are before, and as they must be after.
//!
//! The inputs stand in one folder, what may change in another, whose name the shim listens for.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use imgdelta::core::fs::{committed_at, draft_kind};
use imgdelta_fixtures::{
    Fill, Recipe,
    qcow2::Qcow2Spec,
    vdi::VdiSpec,
    vhd::VhdSpec,
    vhdx::VhdxSpec,
    vmdk::{Layout, VmdkSpec},
};
use tempfile::TempDir;

use crate::watched::{self, Ended};

/// Files of a folder: names and bytes.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// The folder in which files may change.
const OUT: &str = "may-change";

/// The disk's size in bytes.
const SIZE: u64 = 2 << 20;

/// A command and its files.
#[derive(Debug)]
pub(crate) struct Scene {
    /// What is done, for messages.
    pub(crate) name: &'static str,
    folder: TempDir,
    args: Vec<String>,
    /// What may change, before the run.
    pub(crate) before: Files,
    /// The same after a run that nothing disturbed.
    pub(crate) after: Files,
}

/// The base.
pub(crate) fn base() -> Recipe {
    Recipe::small(SIZE)
}

/// The target: the base, changed in three places.
pub(crate) fn target() -> Recipe {
    let mut target = base();
    let changed = [
        (SIZE / 16, 64 << 10, Fill::Pattern(77)),
        (SIZE / 2 + 4096, 9 << 10, Fill::Text),
        (SIZE / 8 * 7, 512, Fill::Pattern(78)),
    ];
    for (at, len, fill) in changed {
        target = over(&target, at, len, fill);
    }
    target
}

/// `recipe` with one run replaced.
fn over(recipe: &Recipe, at: u64, len: u64, fill: Fill) -> Recipe {
    let end = at + len;
    let runs = recipe.runs.iter().flat_map(|run| {
        let head = (run.at, run.end().min(at).saturating_sub(run.at), run.fill);
        let from = run.at.max(end);
        [head, (from, run.end().saturating_sub(from), run.fill)]
    });
    let runs = runs.filter(|(_, len, _)| *len > 0);
    Recipe::of(recipe.size, runs.chain([(at, len, fill)]))
}

/// A disk as a file of the format that the name says.
pub(crate) fn image(name: &str, recipe: Recipe) -> Vec<u8> {
    match name.rsplit('.').next() {
        Some("vhd") => VhdSpec::dynamic(recipe, 512 << 10).build(),
        Some("vmdk") => VmdkSpec::new(recipe, Layout::Sparse).build().remove(0).1,
        Some("vhdx") => VhdxSpec::dynamic(recipe, 1 << 20).build(),
        Some("vdi") => VdiSpec::dynamic(recipe, 64 << 10).build(),
        Some("qcow2") => Qcow2Spec::new(recipe, 16).build(),
        _ => recipe.expected(None),
    }
}

impl Scene {
    /// The scene of a command. `IN` and `OUT` in its arguments stand for the two folders; `before` is what may change.
    pub(crate) fn of(name: &'static str, args: &str, before: Files) -> io::Result<Self> {
        Self::within(&std::env::temp_dir(), name, args, before)
    }

    /// The same in a folder of another file system.
    pub(crate) fn within(
        root: &Path,
        name: &'static str,
        args: &str,
        before: Files,
    ) -> io::Result<Self> {
        let folder = tempfile::tempdir_in(root)?;
        let (inputs, out) = (folder.path().join("inputs"), folder.path().join(OUT));
        fs::create_dir(&inputs)?;
        fs::create_dir(&out)?;
        for file in [
            "base.raw",
            "base.vhd",
            "base.qcow2",
            "base.vmdk",
            "base.vdi",
            "base.vhdx",
        ] {
            fs::write(inputs.join(file), image(file, base()))?;
        }
        for file in ["target.raw", "target.vhd", "target.qcow2"] {
            fs::write(inputs.join(file), image(file, target()))?;
        }
        let mut scene = Self {
            name,
            folder,
            args: Vec::new(),
            before,
            after: Files::new(),
        };
        scene.args = scene.spelled(args);
        Ok(scene)
    }

    /// The same files under another command.
    pub(crate) fn again_as(self, args: &str) -> Self {
        let args = self.spelled(args);
        Self { args, ..self }
    }

    /// Words with the two folders in their places.
    fn spelled(&self, args: &str) -> Vec<String> {
        let inputs = self.folder.path().join("inputs").display().to_string();
        let out = self.out().display().to_string();
        let spell = |word: &str| match (word.strip_prefix("IN/"), word.strip_prefix("OUT/")) {
            (Some(name), _) => format!("{inputs}/{name}"),
            (_, Some(name)) => format!("{out}/{name}"),
            _ => word.to_owned(),
        };
        args.split_whitespace().map(spell).collect()
    }

    /// Runs another command before.
    pub(crate) fn prepare(&self, args: &str) -> io::Result<()> {
        let ended = watched::run(watched::imgdelta(&self.spelled(args)))?;
        assert_eq!(ended.code, Some(0), "{args}: {ended}");
        Ok(())
    }

    /// The folder in which files may change.
    pub(crate) fn out(&self) -> PathBuf {
        self.folder.path().join(OUT)
    }

    /// What the shim listens for: the same folder.
    pub(crate) fn listened(&self) -> String {
        self.out().display().to_string()
    }

    /// An input.
    pub(crate) fn input(&self, name: &str) -> PathBuf {
        self.folder.path().join("inputs").join(name)
    }

    /// A folder for what belongs to the test alone.
    pub(crate) fn aside(&self) -> &Path {
        self.folder.path()
    }

    /// The command.
    pub(crate) fn command(&self) -> Command {
        watched::imgdelta(&self.args)
    }

    /// Another command on the same files.
    pub(crate) fn command_of(&self, args: &str) -> Command {
        watched::imgdelta(&self.spelled(args))
    }

    /// Runs it once undisturbed, and keeps what comes out as what must come out.
    pub(crate) fn rehearse(mut self) -> io::Result<Self> {
        self.reset()?;
        let ended = watched::run(self.command())?;
        assert_eq!(ended.code, Some(0), "{}: {ended}", self.name);
        self.after = self.files()?;
        assert_ne!(self.before, self.after, "{} does nothing", self.name);
        Ok(self)
    }

    /// Puts what may change back to how it was before.
    pub(crate) fn reset(&self) -> io::Result<()> {
        let out = self.out();
        for entry in fs::read_dir(&out)? {
            fs::remove_file(entry?.path())?;
        }
        for (name, bytes) in &self.before {
            fs::write(out.join(name), bytes)?;
        }
        Ok(())
    }

    /// What may change, as it is now.
    pub(crate) fn files(&self) -> io::Result<Files> {
        let mut files = Files::new();
        for entry in fs::read_dir(self.out())? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            files.insert(name, fs::read(entry.path())?);
        }
        Ok(files)
    }

    /// What a reader finds now: a file that was committed with others, and has not got its name yet, is read where it is.
    pub(crate) fn files_as_read(&self) -> io::Result<Files> {
        let mut files = without_drafts(self.files()?);
        for name in self.before.keys().chain(self.after.keys()) {
            if let Some(draft) = committed_at(&self.out().join(name)) {
                files.insert(name.clone(), fs::read(draft)?);
            }
        }
        Ok(files)
    }

    /// Runs it again, undisturbed, over whatever stands there now: it must come out right, and leave nothing else.
    pub(crate) fn must_succeed_now(&self, why: &str) -> io::Result<()> {
        let mut command = self.command();
        if !self.args.iter().any(|word| word == "--force") && self.is_begun()? {
            command.arg("--force");
        }
        let ended = watched::run(command)?;
        assert_eq!(ended.code, Some(0), "{why}: again: {ended}");
        self.must_be(&self.after, why, &ended)
    }

    /// Whether a death left the output, whole, which is then in the way.
    fn is_begun(&self) -> io::Result<bool> {
        let files = self.files_as_read()?;
        Ok(!self.args.iter().any(|word| word == "attach")
            && files.keys().any(|name| self.after.contains_key(name)))
    }

    /// Requires that what may change is exactly `wanted`.
    pub(crate) fn must_be(&self, wanted: &Files, why: &str, ended: &Ended) -> io::Result<()> {
        let found = self.files()?;
        assert!(
            found == *wanted,
            "{why}: {} wanted, {} found: {ended}",
            shown(wanted),
            shown(&found)
        );
        Ok(())
    }
}

/// What is left once drafts, which a killed run leaves and the next one takes away, and the record of a commit are put aside.
pub(crate) fn without_drafts(files: Files) -> Files {
    let is_draft =
        |name: &String| name == ".imgdelta-commit" || draft_kind(name.as_ref()).is_some();
    files
        .into_iter()
        .filter(|(name, _)| !is_draft(name))
        .collect()
}

/// Names and lengths.
pub(crate) fn shown(files: &Files) -> String {
    let of = |(name, bytes): (&String, &Vec<u8>)| format!("{name} ({} bytes)", bytes.len());
    let all: Vec<String> = files.iter().map(of).collect();
    format!("[{}]", all.join(", "))
}
