//! One line of the command, run to its end or killed on the way.

use std::{
    io::{Read, Seek},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

/// No line may take longer: it waits 30 s for a busy repository, and this machine may be busy too.
const LIMIT: Duration = Duration::from_secs(120);

/// How a line ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The line.
    #[expect(dead_code, reason = "shown where something is wrong")]
    pub(crate) line: String,
    /// Its exit status; `None` if it was killed before it had one.
    pub(crate) exit: Option<i32>,
    /// What it printed.
    pub(crate) out: String,
    /// What it said on standard error.
    pub(crate) err: String,
}

impl Ended {
    /// What it printed, or what went wrong, in JSON.
    pub(crate) fn json(&self) -> Value {
        let text = if self.out.is_empty() {
            &self.err
        } else {
            &self.out
        };
        serde_json::from_str(text).unwrap_or_else(|cause| panic!("{cause}: {self:?}"))
    }

    /// The code of what went wrong.
    pub(crate) fn code(&self) -> String {
        let told: Value = serde_json::from_str(&self.err).unwrap_or_default();
        told["code"].as_str().unwrap_or_default().to_owned()
    }

    /// Whether it ended well; `None` if it was killed. Nothing else may be but what `allowed` says of its exit status and code.
    pub(crate) fn is_done(&self, allowed: &[(i32, &str)]) -> Option<bool> {
        let exit = self.exit?;
        let code = self.code();
        let is_allowed = exit == 0
            || allowed
                .iter()
                .any(|(status, word)| exit == *status && (code == *word || word.is_empty()));
        assert!(is_allowed, "{self:?}");
        Some(exit == 0)
    }
}

/// Runs a line in a folder, whose cache it uses; kills it after so long.
pub(crate) fn run(folder: &Path, line: &str, kill: Option<Duration>) -> Ended {
    let mut out = tempfile::tempfile().unwrap();
    let mut err = tempfile::tempfile().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_imgdelta"));
    let child = command
        .args(line.split_whitespace())
        .arg("--json")
        .current_dir(folder)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("IMGDELTA_CACHE", folder.join("cache"))
        .env("IMGDELTA_THREADS", "2")
        .stdin(Stdio::null())
        .stdout(out.try_clone().unwrap())
        .stderr(err.try_clone().unwrap())
        .spawn();
    let exit = wait(child.unwrap(), line, kill);
    let text = |file: &mut std::fs::File| {
        let mut text = String::new();
        file.rewind().unwrap();
        file.read_to_string(&mut text).unwrap();
        text
    };
    Ended {
        line: line.to_owned(),
        exit,
        out: text(&mut out),
        err: text(&mut err),
    }
}

/// Waits for its end; what hangs fails the test.
fn wait(mut child: Child, line: &str, kill: Option<Duration>) -> Option<i32> {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        let is_over = kill.is_some_and(|kill| started.elapsed() > kill);
        let hangs = started.elapsed() > LIMIT;
        if is_over || hangs {
            child.kill().unwrap();
            let status = child.wait().unwrap();
            assert!(!hangs, "hung for {LIMIT:?}: {line}");
            return status.code();
        }
        thread::sleep(Duration::from_millis(2));
    }
}
