//! What the tool says of its own command line: completions and the manual page.

use clap::{Args, CommandFactory};
use clap_complete::Shell;
use imgdelta_core::{Error, Result};

use super::Line;

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
    let failed = |cause| Error::host("cannot write the manual", cause);
    clap_mangen::Man::new(whole.clone())
        .render(&mut page)
        .map_err(failed)?;
    for command in whole.get_subcommands().filter(|one| !one.is_hide_set()) {
        clap_mangen::Man::new(command.clone())
            .render(&mut page)
            .map_err(failed)?;
    }
    Ok(page)
}
