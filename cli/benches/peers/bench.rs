//! Commands in few words: what the rows are written in.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::job::{Job, Step};

/// Where things are, to write commands shortly: in a command's text `@` is the work folder, `%` its folder for outputs.
pub(crate) struct Bench<'a> {
    pub(crate) work: &'a Path,
    pub(crate) imgdelta: &'a Path,
    /// Beyond this a peer whose time follows the disk and not the data counts as not finished.
    pub(crate) patience: Duration,
}

impl Bench<'_> {
    /// A step from its words; `imgdelta` is the program under test, `limit` the bare loops, what ends in `.sh` or `.py` a script of the workloads.
    fn step(&self, words: &str) -> Step {
        let place = |word: &str| match (word.strip_prefix('@'), word.strip_prefix('%')) {
            (Some(name), _) => self.work.join(name).into(),
            (_, Some(name)) => self.work.join("out").join(name).into(),
            _ if word == "imgdelta" => self.imgdelta.into(),
            _ if word == "limit" => self.work.join("limit").into(),
            _ if word.ends_with(".sh") || word.ends_with(".py") => {
                crate::scripts().join(word).into()
            }
            _ => word.into(),
        };
        words.split_whitespace().map(place).collect()
    }

    fn out(&self, name: &str) -> PathBuf {
        self.work.join("out").join(name)
    }

    /// Timed steps, and the name of the output that they leave.
    pub(crate) fn job(&self, output: Option<&str>, steps: &[&str]) -> Job {
        Job {
            steps: steps.iter().map(|words| self.step(words)).collect(),
            output: output.map(|name| self.out(name)),
            cache: self.work.join("cache"),
            ..Job::default()
        }
    }

    /// One of the bare loops, which are built where they are not.
    pub(crate) fn limit(&self, output: Option<&str>, line: &str) -> Job {
        self.job(output, &[line]).after(self, &["limit.sh @limit"])
    }

    /// imgdelta's copy of an image as `out.TO`.
    pub(crate) fn converted(&self, input: &str, to: &str, option: &str) -> Job {
        let line = format!("imgdelta convert @{input} -o %out.{to} {option}");
        self.job(Some(&format!("out.{to}")), &[&line])
    }

    /// qemu-img's way to a child.
    pub(crate) fn rebased(&self, format: &str, base: &str, target: &str) -> Job {
        self.job(
            Some("peer.qcow2"),
            &[
                &format!("qemu-img create -q -f qcow2 -F {format} -b @{target} %peer.qcow2"),
                &format!("qemu-img rebase -f qcow2 -F {format} -b @{base} %peer.qcow2"),
                "sync %peer.qcow2",
            ],
        )
    }
}

impl Job {
    /// Runs these first, untimed.
    pub(crate) fn after(mut self, bench: &Bench<'_>, steps: &[&str]) -> Self {
        self.before = steps.iter().map(|words| bench.step(words)).collect();
        self
    }

    /// Names what those leave.
    pub(crate) fn scratch<N: AsRef<str>>(mut self, bench: &Bench<'_>, names: &[N]) -> Self {
        self.scratch = names.iter().map(|name| bench.out(name.as_ref())).collect();
        self
    }

    /// Runs this afterwards, untimed: it proves the result and prints how many bytes travelled.
    pub(crate) fn sent(mut self, bench: &Bench<'_>, step: &str) -> Self {
        self.sent = Some(bench.step(step));
        self
    }

    /// Gives up after this time.
    pub(crate) fn within(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }
}
