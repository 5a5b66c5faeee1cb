//! A folder of its own for each test: files are put there, the command is run there, and what it changed is seen.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;

use crate::watched::{self, Ended};

/// The most memory that a run may hold: 64 MiB and the program itself, which is large without optimization.
const MEMORY: u64 = 80 << 20;
/// The longest that a run may take here, on a machine that does other things too; alone it is a small part of a second.
const TIME: Duration = Duration::from_secs(5);

/// A folder.
#[derive(Debug)]
pub(crate) struct Place(TempDir);

impl Place {
    /// An empty one.
    pub(crate) fn empty() -> io::Result<Self> {
        tempfile::tempdir().map(Self)
    }

    /// The path of a file in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Puts a file there, with the folders that it needs.
    pub(crate) fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
        fs::write(path, bytes)
    }

    /// Puts a named pipe there, to which nobody ever writes.
    pub(crate) fn put_pipe(&self, name: &str) -> io::Result<()> {
        let mode = Mode::RUSR | Mode::WUSR;
        Ok(mknodat(CWD, self.path(name), FileType::Fifo, mode, 0)?)
    }

    /// The command in this folder.
    pub(crate) fn command(&self, line: &str) -> Command {
        let words: Vec<&str> = line.split_whitespace().collect();
        let mut command = watched::imgdelta(&words);
        command
            .current_dir(self.0.path())
            .env("IMGDELTA_CACHE", self.path("cache"));
        command
    }

    /// Runs it, and requires what is required of every run: an answer, no panic, soon, in little memory.
    pub(crate) fn run(&self, line: &str, why: &str) -> io::Result<Ended> {
        let ended = watched::run(self.command(line))?;
        let why = format!("{why}: {line}");
        assert!(ended.code.is_some(), "{why}: {ended}");
        assert!(!ended.said.contains("panicked"), "{why}: {ended}");
        assert!(ended.took < TIME, "{why}: {ended}");
        assert!(ended.peak < MEMORY, "{why}: {ended}");
        Ok(ended)
    }

    /// Runs it, and requires this exit status and that no file is there that was not, none is gone and none is changed.
    pub(crate) fn changes_nothing(&self, line: &str, exit: i32, why: &str) -> io::Result<Ended> {
        let before = self.files()?;
        let ended = self.run(line, why)?;
        assert_eq!(ended.code, Some(exit), "{why}: {line}: {ended}");
        assert!(
            self.files()? == before,
            "{why}: {line}: files changed: {ended}"
        );
        Ok(ended)
    }

    /// All plain files below it, the cache aside: names and bytes.
    pub(crate) fn files(&self) -> io::Result<BTreeMap<PathBuf, Vec<u8>>> {
        let mut files = BTreeMap::new();
        let mut folders = vec![self.0.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder)? {
                let entry = entry?;
                if entry.file_type()?.is_dir() && entry.file_name() != "cache" {
                    folders.push(entry.path());
                } else if entry.file_type()?.is_file() {
                    files.insert(entry.path(), fs::read(entry.path())?);
                }
            }
        }
        Ok(files)
    }
}
