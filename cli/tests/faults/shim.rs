//! The library that lets a call go wrong: built once a test run, loaded into the command before all others.
//!
//! What it does is written in `shim.c`.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// What happens at a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The process dies.
    Kill,
    /// Half of it is done, then the process dies.
    Torn,
    /// No space, this once.
    NoSpace,
    /// No space from now on.
    NoSpaceOn,
    /// The device fails, this once.
    Io,
    /// The device fails from now on.
    IoOn,
}

impl Fault {
    /// Every one of them.
    pub(crate) const ALL: [Self; 6] = [
        Self::Kill,
        Self::Torn,
        Self::NoSpace,
        Self::NoSpaceOn,
        Self::Io,
        Self::IoOn,
    ];

    /// What goes wrong at call `at` of `calls`: every call fails in two ways in turn, the first and the last in all. `cargo xtask soak faults` tries
    /// all of them everywhere.
    pub(crate) fn all_at(at: usize, calls: usize) -> impl Iterator<Item = Self> {
        let all = soaks() || at == 1 || at == calls;
        let in_turn = move |(number, _): &(usize, Self)| all || (at + number).is_multiple_of(3);
        let faults = Self::ALL.into_iter().enumerate();
        faults.filter(in_turn).map(|(_, fault)| fault)
    }

    /// Whether the process does not live to see it.
    pub(crate) const fn is_death(self) -> bool {
        matches!(self, Self::Kill | Self::Torn)
    }

    /// Whether all calls fail that follow, so that what was done cannot be undone.
    pub(crate) const fn lasts(self) -> bool {
        matches!(self, Self::NoSpaceOn | Self::IoOn)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Torn => "torn",
            Self::NoSpace => "enospc",
            Self::NoSpaceOn => "enospc-on",
            Self::Io => "eio",
            Self::IoOn => "eio-on",
        }
    }
}

/// Whether everything is asked for.
pub(crate) fn soaks() -> bool {
    std::env::var("IMGDELTA_SOAK").is_ok_and(|value| value == "1")
}

/// The library, ready to be loaded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shim(&'static Path);

/// A call at which a run stands still until it is let go.
#[derive(Debug)]
pub(crate) struct Gate {
    gate: PathBuf,
    reached: PathBuf,
}

impl Shim {
    /// The library; `None`, loudly, where there is no C compiler.
    pub(crate) fn find() -> Option<Self> {
        static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
        match BUILT.get_or_init(build) {
            Ok(path) => Some(Self(path)),
            Err(why) => {
                let must = std::env::var_os("IMGDELTA_REQUIRE_PEERS").is_some_and(|say| say == "1");
                assert!(!must, "the fault shim is required: {why}");
                eprintln!("skipped: no fault shim: {why}");
                None
            }
        }
    }

    /// Loads it into `command`, to count calls on paths that contain `part`, and let the one with number `at` go wrong.
    pub(crate) fn fails(self, command: &mut Command, part: &str, at: usize, fault: Fault) {
        self.load(command, part);
        command
            .env("SHIM_AT", at.to_string())
            .env("SHIM_KIND", fault.name());
    }

    /// Loads it into `command`, to write down the name and the path of every call on paths that contain `part` in `log`.
    pub(crate) fn counts(self, command: &mut Command, part: &str, log: &Path) {
        self.load(command, part);
        command.env("SHIM_LOG", log);
    }

    /// Loads it into `command`, to stand still at the call with number `at`; `folder` is for the files that say so.
    pub(crate) fn waits(self, command: &mut Command, part: &str, at: usize, folder: &Path) -> Gate {
        let gate = Gate {
            gate: folder.join("gate"),
            reached: folder.join("reached"),
        };
        self.load(command, part);
        command
            .env("SHIM_AT", at.to_string())
            .env("SHIM_KIND", "wait")
            .env("SHIM_GATE", &gate.gate)
            .env("SHIM_REACHED", &gate.reached);
        gate
    }

    /// Loads it into `command`, to which files on paths that contain `part` then cannot be locked.
    pub(crate) fn takes_locks_away(self, command: &mut Command, part: &str) {
        self.load(command, part);
        command.env("SHIM_NO_LOCKS", "1");
    }

    /// Loads it into `command`, for which files on paths that contain `part` have bytes that cannot be read.
    pub(crate) fn has_bad_sectors(
        self,
        command: &mut Command,
        part: &str,
        bad: std::ops::Range<u64>,
    ) {
        self.load(command, part);
        command.env("SHIM_BAD", format!("{}-{}", bad.start, bad.end));
    }

    /// Takes it from `command`, and leaves it to whoever loads what `STAND_IN_PRELOAD` names: the program at the other end of a line.
    pub(crate) fn hand_on(self, command: &mut Command) {
        command
            .env_remove("LD_PRELOAD")
            .env("STAND_IN_PRELOAD", self.0);
    }

    fn load(self, command: &mut Command, part: &str) {
        command.env("LD_PRELOAD", self.0).env("SHIM_PATH", part);
    }
}

impl Gate {
    /// Whether the run stands at it.
    pub(crate) fn is_reached(&self) -> bool {
        self.reached.exists()
    }

    /// Lets the run go on.
    pub(crate) fn open(&self) -> io::Result<()> {
        fs::write(&self.gate, "")
    }
}

/// Compiles the library into the build's own folder. Another test run may do the same at this moment.
fn build() -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/shim.c");
    let made = folder.join(format!("shim-{}.so", std::process::id()));
    let built = Command::new("cc")
        .args(["-O1", "-shared", "-fPIC", "-o"])
        .args([&made, &source])
        .arg("-ldl")
        .output()
        .map_err(|cause| format!("cc does not start: {cause}"))?;
    if !built.status.success() {
        return Err(String::from_utf8_lossy(&built.stderr).into_owned());
    }
    let place = folder.join("shim.so");
    fs::rename(&made, &place).map_err(|cause| cause.to_string())?;
    Ok(place)
}
