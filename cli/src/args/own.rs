//! What the tool says of its own command line: completions and the manual page.

use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;
use imgdelta::core::{Error, Result};

use super::{Line, repo::Place};

/// `env`.
#[derive(Debug, Args)]
pub(crate) struct Env {
    /// Which repository would be meant.
    #[command(flatten)]
    pub(crate) place: Place,
}

/// `completions`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Example:
  imgdelta completions bash > /etc/bash_completion.d/imgdelta")]
pub(crate) struct Completions {
    /// For which shell.
    #[arg(value_name = "SHELL")]
    pub(crate) shell: Shell,
}

/// The completions of a shell.
pub(crate) fn script(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Line::command(), "imgdelta", &mut script);
    script
}

/// The manual page, that of each command behind it.
pub(crate) fn manual() -> Result<Vec<u8>> {
    let mut page = Vec::new();
    let mut whole = Line::command();
    whole.build();
    let mut write = |command: &Command| {
        clap_mangen::Man::new(command.clone())
            .render(&mut page)
            .map_err(|cause| Error::host("cannot write the manual", cause))
    };
    write(&whole)?;
    for command in shown(&whole) {
        write(command)?;
        for verb in shown(command).filter(|_| command.get_name() != "help") {
            write(verb)?;
        }
    }
    Ok(page)
}

/// What can be typed behind a command.
fn shown(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|one| !one.is_hide_set())
}
