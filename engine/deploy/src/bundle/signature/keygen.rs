//! The system's ssh-keygen: started without a shell, given a message, and heard within bounds.

use std::{
    ffi::OsStr,
    io::{self, Read, Write},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
};

use imgdelta_core::{Error, Kind, Result};

/// The program, found as every other in `PATH`.
const PROGRAM: &str = "ssh-keygen";

/// Most bytes that are taken of what it says on either pipe. A signature by RSA with 16384 bits has 6 KiB.
pub(super) const LONGEST: u64 = 64 << 10;

/// How many of its lines an error repeats.
const MOST_LINES: usize = 4;

/// Whether it may talk to the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Talk {
    /// Its messages go where this process's go: a key may want to be touched.
    User,
    /// What it says is kept for an error.
    Kept,
}

/// What it said, and how it ended.
#[derive(Debug)]
pub(super) struct Said {
    status: ExitStatus,
    /// Standard output.
    pub(super) out: Vec<u8>,
    err: Vec<u8>,
}

impl Said {
    /// Whether it did what it was asked for.
    pub(super) fn is_ok(&self) -> bool {
        self.status.success()
    }

    /// An error, with what it said of it and how it ended.
    pub(super) fn blamed(&self, error: Error) -> Error {
        let text = [self.err.as_slice(), b"\n", self.out.as_slice()].concat();
        let text = String::from_utf8_lossy(&text);
        let lines = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && line.len() <= 512);
        let lines = lines.take(MOST_LINES);
        let error = lines.fold(error, |error, line| {
            error.with_detail(format!("{PROGRAM}: {}", line.escape_debug()))
        });
        match (self.status.code(), self.err.is_empty()) {
            (Some(code), true) => error.with_detail(format!("{PROGRAM} ended with status {code}")),
            (Some(_), false) => error,
            (None, _) => error.with_detail(format!("{PROGRAM} was killed")),
        }
    }
}

/// Runs it with `arguments`, gives it `message` on standard input, and waits for its end.
///
/// # Errors
/// Host, if it is not there (`no_ssh_keygen`), or cannot be talked to.
pub(super) fn run(arguments: &[&OsStr], message: &[u8], talk: Talk) -> Result<Said> {
    let mut child = start(arguments, talk)?;
    let (to, out, err) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (out, err) = thread::scope(|scope| {
        // One that ends without reading all of it says why.
        scope.spawn(move || to.map(|mut to| to.write_all(message)));
        let err = scope.spawn(move || err.map_or(Ok(Vec::new()), bounded));
        let out = out.map_or(Ok(Vec::new()), bounded);
        (out, err.join().unwrap_or_else(|_| Ok(Vec::new())))
    });
    let status = child.wait();
    let failed = |cause| Error::host(&format!("cannot talk to '{PROGRAM}'"), cause);
    Ok(Said {
        status: status.map_err(failed)?,
        out: out.map_err(failed)?,
        err: err.map_err(failed)?,
    })
}

fn start(arguments: &[&OsStr], talk: Talk) -> Result<Child> {
    let errors = match talk {
        Talk::User => Stdio::inherit(),
        Talk::Kept => Stdio::piped(),
    };
    let started = Command::new(PROGRAM)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(errors)
        .spawn();
    started.map_err(|cause| match cause.kind() {
        io::ErrorKind::NotFound => {
            let message = format!("'{PROGRAM}' is not here, which makes and verifies signatures");
            Error::new(Kind::Host, message)
                .with_code("no_ssh_keygen")
                .with_hint("it comes with the client programs of OpenSSH 8.0 or later: package openssh-client on Debian and Ubuntu, openssh on Fedora, RHEL and Arch, openssh-keygen on Alpine")
        }
        _ => Error::host(&format!("cannot start '{PROGRAM}'"), cause),
    })
}

/// All that comes, up to the limit; who says more finds the pipe closed.
fn bounded(from: impl Read) -> io::Result<Vec<u8>> {
    let mut said = Vec::new();
    from.take(LONGEST).read_to_end(&mut said)?;
    Ok(said)
}
