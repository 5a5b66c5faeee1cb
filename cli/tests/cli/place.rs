//! A folder of its own for each test, in which the command is run and what it says is compared with what is expected.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use imgdelta_fixtures::golden;

/// What a run said and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    /// The exit status; -1 if a signal ended it.
    pub(crate) exit: i32,
    /// Standard output.
    pub(crate) out: String,
    /// Standard error.
    pub(crate) err: String,
}

impl Said {
    /// What a finished process said, bytes that are no text aside.
    pub(crate) fn of(output: &Output) -> Self {
        Self {
            exit: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// A folder with images, and a cache beside it that is not the user's.
pub(crate) struct Place {
    folder: tempfile::TempDir,
    cache: tempfile::TempDir,
}

impl Place {
    /// An empty folder.
    pub(crate) fn empty() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            cache: tempfile::tempdir().expect("a folder"),
        }
    }

    /// The golden image and its patch, as raw, VHD and qcow2.
    pub(crate) fn golden() -> Self {
        let place = Self::empty();
        for (name, bytes) in golden::files() {
            place.write(name, &bytes);
        }
        place
    }

    /// The path of a file in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file, and the folder that it stands in.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("room");
        fs::write(path, bytes).expect("room");
    }

    /// A file's bytes.
    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|cause| panic!("{name}: {cause}"))
    }

    /// Changes a file's bytes.
    pub(crate) fn change(&self, name: &str, how: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = self.read(name);
        how(&mut bytes);
        self.write(name, &bytes);
    }

    /// The names of all that is in it, temporary files too.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).expect("readable");
        let mut names: Vec<String> = entries
            .map(|entry| {
                let name = entry.expect("readable").file_name();
                name.to_string_lossy().into_owned()
            })
            .collect();
        names.sort();
        names
    }

    /// The files of what is remembered.
    pub(crate) fn remembered(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.cache.path()).expect("readable");
        entries
            .map(|entry| entry.expect("readable").path())
            .collect()
    }

    /// The command with the words of `line`, which have no spaces in them.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_imgdelta"));
        let words = line.split_whitespace();
        command
            .args(words.skip_while(|word| *word == "imgdelta"))
            .current_dir(self.folder.path())
            .env_clear()
            .env("IMGDELTA_CACHE", self.cache.path())
            .env("IMGDELTA_THREADS", "2")
            .env("SOURCE_DATE_EPOCH", "1700000000")
            .stdin(Stdio::null());
        command
    }

    /// Runs a line to its end.
    pub(crate) fn run(&self, line: &str) -> Said {
        Said::of(&self.command(line).output().expect("it starts"))
    }

    /// Runs a line that must succeed; what it printed.
    pub(crate) fn ok(&self, line: &str) -> String {
        let said = self.run(line);
        assert_eq!(said.exit, 0, "{line}\n{}{}", said.out, said.err);
        said.out
    }

    /// Runs a line that must fail with this status, print nothing and leave the folder as it was; what it said.
    pub(crate) fn refused(&self, line: &str, exit: i32) -> String {
        let before = self.names();
        let said = self.run(line);
        assert_eq!(said.exit, exit, "{line}\n{}{}", said.out, said.err);
        assert_eq!(said.out, "", "{line}");
        assert_eq!(self.names(), before, "{line}");
        said.err
    }

    /// Runs lines and compares what they said, and how they ended, with `golden/NAME.txt`.
    pub(crate) fn transcript(&self, name: &str, lines: &[&str]) {
        let mut told = String::new();
        for line in lines {
            let Said { exit, out, err } = self.run(line);
            told += &format!("$ {line}\n{out}{err}");
            if exit != 0 {
                told += &format!("(exit {exit})\n");
            }
        }
        let told = without_room(&self.without_paths(&told));
        expect(&format!("{name}.txt"), &told);
    }

    /// Text without what differs from machine to machine.
    pub(crate) fn without_paths(&self, text: &str) -> String {
        let folder = fs::canonicalize(self.folder.path()).expect("it is there");
        let folder = folder.to_str().expect("UTF-8");
        // VHD spells paths in two ways.
        text.replace(folder, "FOLDER")
            .replace(&folder.replace('/', "\\"), "FOLDER")
            .replace(&folder.replace('/', "\\\\"), "FOLDER")
    }
}

/// Text without what a new file takes on this host: `(580 KiB on disk)`. A file system may need a block more for where the file lies.
fn without_room(text: &str) -> String {
    let mut told = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(" on disk)") {
        let size = before.rfind('(').map_or(before.len(), |at| at + 1);
        told += &format!("{}N on disk)", &before[..size]);
        rest = after;
    }
    told + rest
}

/// Compares with `golden/NAME`; with `IMGDELTA_BLESS=1` writes it instead, to be looked at before it is committed.
pub(crate) fn expect(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    if std::env::var_os("IMGDELTA_BLESS").is_some() {
        fs::write(&path, found).expect("room");
        return;
    }
    let expected =
        fs::read_to_string(&path).unwrap_or_else(|cause| panic!("{}: {cause}", path.display()));
    assert_eq!(found, expected, "{name}");
}
