//! A line to a repository on another host: the system's ssh, a conversation over it, and its end. What is said is the caller's matter.

use std::{
    io::{Read, Write},
    time::Duration,
};

use imgdelta_core::Result;
use imgdelta_deploy::wire::{Client, Target, Transport, ssh_command};

use super::Run;

/// Headquarters' end of a line.
pub(super) type End<'a> = Client<'a, Box<dyn Read>, Box<dyn Write>>;

/// Holds a conversation with the other host.
///
/// # Errors
/// Those of `talk`; Peer or Host, if there is no line; Interrupted.
pub(super) fn converse<T>(
    target: &Target,
    remote_program: &str,
    wait: Duration,
    run: &Run<'_>,
    talk: impl FnOnce(&mut End<'_>) -> Result<T>,
) -> Result<T> {
    run.showing.phase(format!("ask {target}"));
    let command = ssh_command(target, &run.settings.ssh.value, remote_program)?;
    let mut transport = Transport::start(&command)?;
    let said = transport.ends().and_then(|(from, to)| {
        let (from, to): (Box<dyn Read>, Box<dyn Write>) = (Box::new(from), Box::new(to));
        let wait = (!wait.is_zero()).then_some(wait);
        let mut client = Client::open_waiting(from, to, target.path(), wait, run.watch)?;
        let said = talk(&mut client)?;
        // What has been entered is proven, whatever becomes of the line now.
        let _ = client.close();
        Ok(said)
    });
    let outcome = transport.end(said);
    // Ctrl-C reaches ssh too, and its end is not what went wrong.
    match run.signals.go_on() {
        Err(stop) if outcome.is_err() => Err(stop),
        _ => outcome,
    }
}
