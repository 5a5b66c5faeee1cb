//! Other programs, run to their end.

use std::{error::Error, process::Command};

/// Why a task ended early.
pub(crate) type Failed = Box<dyn Error>;

/// Runs it; what it says goes where this program's goes.
pub(crate) fn done(command: &mut Command) -> Result<(), Failed> {
    let status = command.status().map_err(|cause| told(command, &cause))?;
    match status.success() {
        true => Ok(()),
        false => Err(told(command, &status)),
    }
}

/// Runs it; what it prints.
pub(crate) fn captured(command: &mut Command) -> Result<String, Failed> {
    let output = command.output().map_err(|cause| told(command, &cause))?;
    match output.status.success() {
        true => Ok(String::from_utf8(output.stdout)?),
        false => Err(told(command, &String::from_utf8_lossy(&output.stderr))),
    }
}

fn told(command: &Command, why: &dyn std::fmt::Display) -> Failed {
    let program = command.get_program().to_string_lossy();
    format!("{program}: {why}").into()
}
