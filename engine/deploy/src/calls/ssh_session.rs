//! A conversation with a repository on another host: the system's ssh, what is said through it, and its end. What is said is the caller's matter.

use std::{
    io::{Read, Write},
    time::Duration,
};

use imgdelta_core::Result;
use imgdelta_operations::{Context, Stage};

use crate::wire::{Client, REMOTE_PROGRAM, SSH, SshUrl, Transport, ssh_command};

/// Headquarters' end of a line through ssh.
pub(super) type Session<'a> = Client<'a, Box<dyn Read>, Box<dyn Write>>;

/// The programs of a line.
#[derive(Clone, Debug)]
pub(super) struct Programs {
    /// What leads to other hosts, with arguments of its own.
    pub(super) ssh: String,
    /// What imgdelta is called there.
    pub(super) remote: String,
}

impl Default for Programs {
    fn default() -> Self {
        Self {
            ssh: SSH.to_owned(),
            remote: REMOTE_PROGRAM.to_owned(),
        }
    }
}

impl Programs {
    /// Holds a conversation with the other host, which waits so long for its repository; without `wait`, as long as it is set to there.
    ///
    /// # Errors
    /// Those of `talk`; Peer or Host, if there is no line; Interrupted.
    pub(super) fn converse<T>(
        &self,
        url: &SshUrl,
        wait: Option<Duration>,
        context: &Context,
        talk: impl FnOnce(&mut Session<'_>) -> Result<T>,
    ) -> Result<T> {
        context.begin(Stage::Connect(&url.to_string()));
        let mut transport = Transport::start(&ssh_command(url, &self.ssh, &self.remote)?)?;
        let said = transport.ends().and_then(|(from, to)| {
            let (from, to): (Box<dyn Read>, Box<dyn Write>) = (Box::new(from), Box::new(to));
            let mut session = Client::open_waiting(from, to, url.path(), wait, context.progress())?;
            let said = talk(&mut session)?;
            // What has been entered is proven, whatever becomes of the line now.
            let _ = session.close();
            Ok(said)
        });
        let outcome = transport.end(said);
        // Ctrl-C reaches ssh too, and its end is not what went wrong.
        match context.go_on() {
            Err(stop) if outcome.is_err() => Err(stop),
            _ => outcome,
        }
    }
}
