//! What was typed: the command line as clap sees it, one file a group of commands, each turned into a job.
//!
//! What it means is not decided here: [`crate::job`] never sees clap.

mod add;
mod apply_attach;
mod completion;
mod deploy;
mod disks;
mod general;
mod input;
mod inspect;
mod make;
mod memory;
mod meta;
mod output;
mod owner;
mod packed;
mod plan;
mod repo;
mod repository;
mod signer;
mod values;
mod verify;

use std::{ffi::OsString, path::PathBuf};

use clap::{
    Parser, Subcommand,
    builder::styling::{AnsiColor, Styles},
};

pub(crate) use apply_attach::{Apply, Attach};
pub(crate) use completion::{answered, script};
pub(crate) use deploy::{Deploy, Receive, Serve};
pub(crate) use disks::{Compare, Convert, Salvage};
pub(crate) use general::General;
pub(crate) use inspect::{Check, Digest, Info, Map};
pub(crate) use make::Make;
pub(crate) use meta::{Completions, Env, Man, Version};
pub(crate) use plan::{Inventory, Plan};
pub(crate) use repo::{Repo, RepoVerb};
pub(crate) use verify::Verify;

/// Ends every long help: what a script may rely on.
const EXIT_CODES: &str = "\
Exit status:
    0  done and durable; compare: same; check: sound
    1  compare: different; check, repo verify: faults found
    2  wrong use, or refused without --force or --yes
    3  an input is damaged
    4  not supported
    5  base or parent does not fit
    6  a digest is not what was promised
    7  an unsafe reference was refused
    8  the host failed: I/O, no space, permission
    9  busy: locked by another process
   10  the other side of a deployment failed
  130  interrupted (143: terminated), nothing left behind";

/// The two commands that the tool is for.
const EXAMPLES: &str = "\
Examples:
  imgdelta make -b golden.vhd -t patched.vhd -o november.vhd
  imgdelta attach november.vhd -b golden.vhd
  imgdelta apply november.vhd -b golden.vhd -o patched.raw

'imgdelta help COMMAND' says more of each; 'imgdelta --help' lists the exit statuses.";

/// Colours of the help, where the terminal has them.
const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "imgdelta",
    version,
    about = "Differencing disks between two images, in the hypervisor's own format",
    long_about = "Writes the difference between two disk images as a differencing disk in the hypervisor's own format, \
                  and proves every base before it is used and every result before it gets its name.",
    after_help = EXAMPLES,
    after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"),
    styles = STYLES,
    max_term_width = 110,
    disable_help_subcommand = false,
    infer_long_args = false
)]
pub(crate) struct Line {
    /// What every command takes.
    #[command(flatten)]
    pub(crate) general: General,
    /// Which command.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// A command and what it was given.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write what of TARGET differs from BASE as a child of BASE.
    Make(Make),
    /// Base and child as a full image, in any format, both proven.
    Apply(Apply),
    /// Link a child to the local copy of its base, after proving both.
    Attach(Attach),
    /// Any format to any format, chains flattened.
    Convert(Convert),
    /// What can be read of a damaged disk, as a new image.
    Salvage(Salvage),
    /// Are two disks equal, and where are they not?
    Compare(Compare),
    /// What an image is.
    Info(Info),
    /// Where an image's data is.
    Map(Map),
    /// Is an image sound?
    Check(Check),
    /// The content id of a disk.
    Digest(Digest),
    /// A folder of images and what is known of them.
    Repo(Repo),
    /// The list of a repository's images, for another site to read.
    Inventory(Inventory),
    /// Which base an image would travel from, and what would be sent.
    Plan(Plan),
    /// Send images to sites: from the best base that both sides have, what differs.
    Deploy(Box<Deploy>),
    /// Take from a delivery what is for this site: prove the base, make the image, prove it, enter it.
    Receive(Receive),
    /// Is all of a delivery what was put there? No repository is needed.
    Verify(Verify),
    /// Be the site's end of a deployment over ssh.
    Serve(Serve),
    /// Which settings hold, and where each came from.
    Env(Env),
    /// What this build is, and which formats it reads and writes.
    Version(Version),
    /// Write the completions of a shell to standard output.
    Completions(Completions),
    /// Write the manual page to standard output.
    #[command(hide = true)]
    Man(Man),
}

impl Command {
    /// The repository's folder, if it was typed.
    pub(crate) fn repository(&self) -> Option<&PathBuf> {
        match self {
            Self::Repo(typed) => typed.folder(),
            Self::Inventory(typed) => typed.place.repo.as_ref(),
            Self::Plan(typed) => typed.place.repo.as_ref(),
            Self::Deploy(typed) => typed.change.place.repo.as_ref(),
            Self::Receive(typed) => typed.change.place.repo.as_ref(),
            Self::Env(typed) => typed.place.repo.as_ref(),
            _ => None,
        }
    }
}

/// Reads a command line.
pub(crate) fn read(words: &[OsString]) -> Result<Line, clap::Error> {
    Line::try_parse_from(words)
}

/// Whether a line that could not be read asks for JSON: then its error is told in JSON too.
pub(crate) fn wants_json(words: &[OsString]) -> bool {
    words
        .iter()
        .take_while(|word| *word != "--")
        .any(|word| word == "--json" || word.to_string_lossy().starts_with("--json="))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn clap_finds_the_declarations_consistent() {
        Line::command().debug_assert();
    }

    #[test]
    fn every_command_ends_its_long_help_with_an_example() {
        for command in Line::command().get_subcommands() {
            if command.is_hide_set() || ["env", "version", "help"].contains(&command.get_name()) {
                continue;
            }
            let help = command
                .get_after_long_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            assert!(
                help.contains(&format!("imgdelta {} ", command.get_name())),
                "{}",
                command.get_name()
            );
        }
    }

    #[test]
    fn json_is_noticed_only_before_the_end_of_options() {
        let words = |line: &str| line.split(' ').map(OsString::from).collect::<Vec<_>>();
        assert!(wants_json(&words("imgdelta info --json=lines x")));
        assert!(!wants_json(&words("imgdelta info -- --json")));
    }
}
