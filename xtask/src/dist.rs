//! `cargo xtask dist`: what users install. A static program, its debug information beside it, a Debian package with a manual page a command and
//! completions, and the checksums of all of it, in `target/dist`.
//!
//! The same sources give the same bytes, wherever they stand: `cargo xtask dist --check` builds twice, in two folders, and compares.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::run::{Failed, captured, done};

/// Runs on any Linux of that processor, whatever its C library.
const TARGET: &str = "x86_64-unknown-linux-musl";
/// What makes the package.
const CARGO_DEB: &str = "3.8.0";

/// The folders of one build.
struct Dist {
    /// Of the workspace.
    sources: PathBuf,
    /// What cargo builds in.
    build: PathBuf,
    /// What comes out.
    out: PathBuf,
    /// The time that files are given, in seconds since 1970.
    time: String,
}

/// Builds what users install; with `--check` twice, and compares.
pub(crate) fn dist(words: &[&str]) -> Result<(), Failed> {
    let sources = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let sources = sources.canonicalize()?;
    let target = sources.join("target");
    let one = Dist::of(&sources, target.join("dist-build"), target.join("dist"))?;
    one.make()?;
    match words {
        [] => Ok(()),
        ["--check"] => {
            let again = target.join("dist-again");
            let other = Dist::of(&sources, again.join("build"), again.join("dist"))?;
            other.make()?;
            let (one, other) = (one.sums()?, other.sums()?);
            if one != other {
                return Err(format!("two builds differ:\n{one}\n{other}").into());
            }
            fs::remove_dir_all(&again)?;
            println!("built twice, the same bytes");
            Ok(())
        }
        _ => Err("usage: cargo xtask dist [--check]".into()),
    }
}

impl Dist {
    fn of(sources: &Path, build: PathBuf, out: PathBuf) -> Result<Self, Failed> {
        let time = match env::var("SOURCE_DATE_EPOCH") {
            Ok(time) => time,
            Err(_) => captured(
                Command::new("git")
                    .args(["log", "-1", "--format=%ct"])
                    .current_dir(sources),
            )?,
        };
        Ok(Self {
            sources: sources.to_owned(),
            build,
            out,
            time: time.trim().to_owned(),
        })
    }

    fn make(&self) -> Result<(), Failed> {
        let _ = fs::remove_dir_all(&self.out);
        fs::create_dir_all(&self.out)?;
        self.build()?;
        self.part_debug_information()?;
        self.write_share()?;
        self.pack()?;
        let sums = self.sums()?;
        fs::write(self.out.join("SHA256SUMS"), &sums)?;
        print!("{}:\n{sums}", self.out.display());
        Ok(())
    }

    /// The program as cargo builds it.
    fn built(&self) -> PathBuf {
        self.build.join(TARGET).join("dist/imgdelta")
    }

    /// The program as it is installed.
    fn program(&self) -> PathBuf {
        self.out.join("imgdelta")
    }

    fn build(&self) -> Result<(), Failed> {
        let cargo_home = env::var("CARGO_HOME")
            .or_else(|_| env::var("HOME").map(|home| format!("{home}/.cargo")))?;
        // No path of the machine that builds stays in the program.
        let places = [
            (self.build.display().to_string(), "build"),
            (self.sources.display().to_string(), "imgdelta"),
            (cargo_home, "cargo"),
        ];
        let flags = |word: &str| -> String {
            let all = places
                .iter()
                .map(|(from, to)| format!("{word}={from}={to}"));
            all.collect::<Vec<_>>().join(" ")
        };
        let compiler = env::var("CC_x86_64_unknown_linux_musl");
        let compiler = compiler.unwrap_or_else(|_| "musl-gcc".to_owned());
        let build = [
            "build",
            "--profile",
            "dist",
            "--locked",
            "-p",
            "imgdelta-cli",
        ];
        done(
            cargo()
                .args(build)
                .args(["--bin", "imgdelta", "--target", TARGET, "--target-dir"])
                .arg(&self.build)
                .env("RUSTFLAGS", flags("--remap-path-prefix"))
                .env("CC_x86_64_unknown_linux_musl", compiler)
                .env(
                    "CFLAGS_x86_64_unknown_linux_musl",
                    flags("-ffile-prefix-map"),
                )
                .env("SOURCE_DATE_EPOCH", &self.time)
                .current_dir(&self.sources),
        )
    }

    /// The program without what only debuggers need; that beside it, found by its build id.
    fn part_debug_information(&self) -> Result<(), Failed> {
        let (program, debug) = (self.program(), self.out.join("imgdelta.debug"));
        let objcopy = || Command::new("objcopy");
        done(
            objcopy()
                .arg("--only-keep-debug")
                .args([self.built(), debug.clone()]),
        )?;
        fs::copy(self.built(), &program)?;
        done(Command::new("strip").arg("--strip-all").arg(&program))?;
        let mut link = std::ffi::OsString::from("--add-gnu-debuglink=");
        link.push(&debug);
        done(objcopy().arg(link).arg(&program))
    }

    /// Manual pages and completions, as the program itself writes them.
    fn write_share(&self) -> Result<(), Failed> {
        let share = self.out.join("share");
        let program = || Command::new(self.program());
        done(
            program()
                .args(["man", "--quiet", "--pages"])
                .arg(share.join("man")),
        )?;
        let scripts = share.join("completions");
        fs::create_dir_all(&scripts)?;
        for shell in ["bash", "zsh", "fish"] {
            let script = captured(program().args(["completions", shell]))?;
            fs::write(scripts.join(shell), script)?;
        }
        Ok(())
    }

    /// The Debian package; `[package.metadata.deb]` of the command says what is in it.
    fn pack(&self) -> Result<(), Failed> {
        let tools = self.sources.join("target/tools");
        let packer = tools.join("bin/cargo-deb");
        if !packer.exists() {
            let install = [
                "install",
                "--debug",
                "--locked",
                "cargo-deb",
                "--version",
                CARGO_DEB,
            ];
            done(cargo().args(install).arg("--root").arg(&tools))?;
        }
        // It takes the program from where cargo builds, and the rest from this one folder.
        fs::copy(self.program(), self.built())?;
        let staged = self.sources.join("target/package");
        let _ = fs::remove_dir_all(&staged);
        copy_folder(&self.out.join("share"), &staged)?;
        done(
            Command::new(packer)
                .args(["--no-build", "--no-strip", "-p", "imgdelta-cli"])
                .args(["--profile", "dist", "--target", TARGET, "--output"])
                .arg(&self.out)
                .env("CARGO_TARGET_DIR", &self.build)
                .env("SOURCE_DATE_EPOCH", &self.time)
                .current_dir(&self.sources),
        )
    }

    /// The SHA-256 of what is handed out, as `sha256sum -c` reads it.
    fn sums(&self) -> Result<String, Failed> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.out)? {
            let entry = entry?;
            if entry.file_type()?.is_file() && entry.file_name() != "SHA256SUMS" {
                names.push(entry.file_name());
            }
        }
        names.sort();
        captured(Command::new("sha256sum").args(names).current_dir(&self.out))
    }
}

fn copy_folder(from: &Path, to: &Path) -> Result<(), Failed> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let place = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &place)?;
        } else {
            fs::copy(entry.path(), place)?;
        }
    }
    Ok(())
}

fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}
