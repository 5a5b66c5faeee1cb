//! The counts that were accepted last.

use std::{fmt, fs, path::PathBuf};

use crate::{
    kernels::Kernel,
    made_by::{MadeBy, PARTS, Part},
};

/// Where they stand, from the workspace's folder.
pub(crate) const NAME: &str = "engine/delta/benches/kernels/accepted.txt";

/// How many per cent more than accepted are an error.
const MOST: f64 = 5.0;

const HEAD: &str = "\
# Instructions of the kernels under callgrind, made by `cargo bench -p imgdelta-delta --bench kernels -- --accept`.
# A count is compared only where what it depends on is as it says here.
";

/// The counts, and what they depend on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Accepted {
    pub(crate) made_by: MadeBy,
    pub(crate) counts: Vec<(String, u64)>,
}

/// What is said of a count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// Nothing was accepted of this kernel.
    New,
    /// It is not compared: this part is another.
    Other(&'static str),
    /// So many per cent above the accepted count, or below.
    Fine(f64),
    /// Above what is accepted.
    Worse(f64, u64),
}

impl Accepted {
    /// Those of the file; none, if there is no file.
    pub(crate) fn read() -> Result<Self, String> {
        match fs::read_to_string(file()) {
            Ok(text) => Self::parse(&text),
            Err(_) => Ok(Self::default()),
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut accepted = Self::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line
                .split_once(": ")
                .ok_or_else(|| format!("{NAME}: {line}"))?;
            let (name, value) = (name.trim().to_owned(), value.trim());
            if PARTS.iter().any(|(_, part)| *part == name) {
                accepted.made_by.0.push((name, value.to_owned()));
            } else {
                let count = value.parse().map_err(|_| format!("{NAME}: {line}"))?;
                accepted.counts.push((name, count));
            }
        }
        Ok(accepted)
    }

    /// Puts them into the file.
    pub(crate) fn write(&self) -> Result<(), String> {
        let parts = self.made_by.0.iter();
        let parts = parts.map(|(name, value)| format!("{name}: {value}\n"));
        let counts = self.counts.iter();
        let counts = counts.map(|(name, count)| format!("{name}: {count}\n"));
        let text: String = parts.chain(counts).collect();
        fs::write(file(), format!("{HEAD}{text}")).map_err(|error| format!("{NAME}: {error}"))
    }

    /// What is to be said of a kernel's count.
    pub(crate) fn judge(&self, kernel: &Kernel, count: u64, here: &MadeBy) -> Verdict {
        let known = self.counts.iter().find(|(name, _)| name == kernel.name);
        let Some((_, accepted)) = known else {
            return Verdict::New;
        };
        let depends = |part: &Part| *part == Part::Rustc || kernel.depends.contains(part);
        let other = PARTS
            .iter()
            .filter(|(part, _)| depends(part))
            .find(|(part, _)| self.made_by.of(*part) != here.of(*part));
        if let Some((_, name)) = other {
            return Verdict::Other(name);
        }
        let more = (count as f64 / *accepted as f64 - 1.0) * 100.0;
        if more > MOST {
            Verdict::Worse(more, *accepted)
        } else {
            Verdict::Fine(more)
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New => write!(f, "new: nothing accepted to compare with"),
            Self::Other(part) => write!(f, "not compared: accepted with another {part}"),
            Self::Fine(more) => write!(f, "{more:+.1} %"),
            Self::Worse(more, accepted) => write!(f, "{more:+.1} %: {accepted} were accepted"),
        }
    }
}

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(NAME)
}
