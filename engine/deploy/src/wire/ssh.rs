//! A connection through the system's ssh: a child process whose pipes are the connection, and whose messages the user sees as they are.

use std::{
    ffi::OsString,
    io::{self, Read, Write},
    process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio},
};

use imgdelta_core::{Error, Kind, Result};

use super::heartbeat::{Patience, PatientReader};

/// A program that leads to the other side, while it runs. Its messages go where this process's go.
#[derive(Debug)]
pub struct Transport {
    program: String,
    child: Child,
    from: Option<ChildStdout>,
    to: Option<ChildStdin>,
    patience: Patience,
}

impl Transport {
    /// Starts the command, whose first word is the program.
    ///
    /// # Errors
    /// Host, if the host cannot.
    pub fn start(command: &[OsString]) -> Result<Self> {
        let (program, arguments) = command
            .split_first()
            .ok_or_else(|| Error::new(Kind::Usage, "there is no command to start"))?;
        let shown = program.to_string_lossy().into_owned();
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|cause| Error::host(&format!("cannot start '{shown}'"), cause))?;
        Ok(Self {
            program: shown,
            from: child.stdout.take(),
            to: child.stdin.take(),
            patience: Patience::default(),
            child,
        })
    }

    /// The two ends of the connection: what comes from the other side, and what goes there. They can be had once.
    ///
    /// # Errors
    /// Usage, if they were had before.
    pub fn ends(&mut self) -> Result<(impl Read + use<>, impl Write + use<>)> {
        let from = self.from.take();
        let from = from.map(|from| PatientReader::new(from, self.patience.clone()));
        let ends = from.zip(self.to.take());
        ends.ok_or_else(|| Error::new(Kind::Usage, "the line is in use"))
    }

    /// How long the other side may be silent.
    #[must_use]
    pub const fn patience(&self) -> &Patience {
        &self.patience
    }

    /// Waits until the program has ended, both ends being dropped, and says what its end adds to what went wrong on the connection: that ssh
    /// did not get there, lost it, or did not find the program. A conversation that came to its end needs no more.
    ///
    /// # Errors
    /// That of the conversation.
    pub fn end<T>(mut self, outcome: Result<T>) -> Result<T> {
        drop((self.from.take(), self.to.take()));
        let status = self.child.wait();
        outcome.map_err(|error| {
            let why = status.ok().and_then(|status| self.why(status));
            why.into_iter().fold(error, Error::with_detail)
        })
    }

    /// What its end says.
    fn why(&self, status: ExitStatus) -> Option<String> {
        let program = &self.program;
        match status.code() {
            Some(0) => None,
            Some(255) => Some(format!(
                "'{program}' did not reach the other side, or lost it"
            )),
            Some(126 | 127) => Some(
                "the other side did not find the program: --remote-program names it".to_owned(),
            ),
            Some(code) => Some(format!("'{program}' ended with status {code}")),
            None => Some(format!("'{program}' was killed")),
        }
    }
}

impl Drop for Transport {
    fn drop(&mut self) {
        // A program whose pipes are closed ends by itself; one that does not is not waited for.
        if let Ok(None) = self.child.try_wait() {
            let _: io::Result<()> = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
