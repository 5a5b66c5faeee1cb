//! What the tool says of its own command line: completions and the manual page.

use std::path::PathBuf;

use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;
use imgdelta::core::{Error, Result};

use super::{Line, repository::Place};

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
  imgdelta completions bash > /etc/bash_completion.d/imgdelta
  imgdelta completions zsh > /usr/share/zsh/vendor-completions/_imgdelta
  imgdelta completions fish > ~/.config/fish/completions/imgdelta.fish

Formats, the keys of their options and the images of a repository are offered too: the script asks
the program itself.")]
pub(crate) struct Completions {
    /// For which shell.
    #[arg(value_name = "SHELL")]
    pub(crate) shell: Shell,
}

/// `version`.
#[derive(Debug, Args)]
pub(crate) struct Version {}

/// `man`.
#[derive(Debug, Args)]
pub(crate) struct Man {
    /// Write a page a command to FOLDER instead, as `man imgdelta-make` looks for it.
    #[arg(long, value_name = "FOLDER")]
    pages: Option<PathBuf>,
}

impl Man {
    /// The manual, that of each command behind it; or where its pages were written.
    pub(crate) fn write(&self) -> Result<Vec<u8>> {
        let pages = pages()?;
        let Some(folder) = &self.pages else {
            return Ok(pages.into_iter().flat_map(|(_, page)| page).collect());
        };
        std::fs::create_dir_all(folder)
            .map_err(|cause| Error::host("cannot make", cause).in_file(folder))?;
        for (name, page) in &pages {
            let place = folder.join(format!("{name}.1"));
            std::fs::write(&place, page)
                .map_err(|cause| Error::host("cannot write", cause).in_file(&place))?;
        }
        Ok(format!("{} pages\n", pages.len()).into_bytes())
    }
}

/// The page of each command, with its name: `imgdelta-repo-add`.
fn pages() -> Result<Vec<(String, Vec<u8>)>> {
    let mut whole = Line::command();
    whole.build();
    let mut all = vec![page(&whole)?];
    for command in shown(&whole) {
        all.push(page(command)?);
        for verb in shown(command).filter(|_| command.get_name() != "help") {
            all.push(page(verb)?);
        }
    }
    Ok(all)
}

fn page(command: &Command) -> Result<(String, Vec<u8>)> {
    let name = command.get_display_name().unwrap_or(command.get_name());
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone())
        .render(&mut page)
        .map_err(|cause| Error::host("cannot write the manual", cause))?;
    Ok((name.to_owned(), page))
}

/// What can be typed behind a command.
fn shown(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|one| !one.is_hide_set())
}
