//! What a shell offers where TAB is pressed: commands and flags, and, asked for at that moment, formats, the keys of their options, and the
//! images of the repository that is meant.
//!
//! The script that a shell loads calls the command itself with [`VARIABLE`] set; clap's engine reads the line and asks here for values.

use std::{
    ffi::{OsStr, OsString},
    path::PathBuf,
};

use clap::{Arg, Command, CommandFactory};
use clap_complete::{
    ArgValueCompleter, CompletionCandidate, Shell,
    env::{CompleteEnv, EnvCompleter, Shells},
};
use imgdelta::{
    core::{Error, Format, Kind, Result},
    registry,
    repository::Repository,
};

use super::Line;

/// Set by the script of a shell that asks for completions.
pub(crate) const VARIABLE: &str = "IMGDELTA_COMPLETE";

/// The program, as it is called and as the script calls it.
const PROGRAM: &str = "imgdelta";

/// Where an option stands that makes a key one of reading an image; else it is of writing one.
const READING: &str = "Input";

/// Answers a shell that asks for completions; the exit status, if one did. What is no shell is an error: nothing that was typed is done then.
pub(crate) fn answered() -> Option<u8> {
    let here = std::env::current_dir().ok();
    let answered = CompleteEnv::with_factory(completed)
        .var(VARIABLE)
        .bin(PROGRAM)
        .completer(PROGRAM)
        .try_complete(std::env::args_os(), here.as_deref());
    match answered {
        Ok(true) => Some(0),
        Ok(false) => None,
        Err(error) => {
            let _ = error.print();
            Some(Kind::Usage.exit())
        }
    }
}

/// The script that a shell loads.
pub(crate) fn script(shell: Shell) -> Result<Vec<u8>> {
    let mut script = Vec::new();
    let shells = Shells::builtins();
    let known = shells.completer(&shell.to_string());
    let written = known.map(|known: &dyn EnvCompleter| {
        known.write_registration(VARIABLE, PROGRAM, PROGRAM, PROGRAM, &mut script)
    });
    match written {
        Some(Ok(())) => Ok(script),
        Some(Err(cause)) => Err(Error::host("cannot write the completions", cause)),
        // clap knows a shell less here than there: its script without values then.
        None => {
            clap_complete::generate(shell, &mut Line::command(), PROGRAM, &mut script);
            Ok(script)
        }
    }
}

/// The command line, with what is known of its values.
fn completed() -> Command {
    with_values(Line::command())
}

fn with_values(command: Command) -> Command {
    command.mut_args(with_value).mut_subcommands(with_values)
}

/// An argument, with what it may be.
fn with_value(arg: Arg) -> Arg {
    let name = arg.get_value_names().and_then(|names| names.first());
    let heading = arg.get_help_heading();
    match (name.map(|name| name.as_str()), heading) {
        (Some("FMT"), _) => arg.add(ArgValueCompleter::new(formats)),
        (Some("KEY=VAL"), Some(READING)) => arg.add(ArgValueCompleter::new(open_options)),
        (Some("KEY=VAL"), _) => arg.add(ArgValueCompleter::new(create_options)),
        (Some("IMAGE" | "NAME"), Some("Repository")) => arg.add(ArgValueCompleter::new(images)),
        (Some("TAG"), Some("Repository")) => arg.add(ArgValueCompleter::new(tags)),
        _ => arg,
    }
}

/// The formats.
fn formats(current: &OsStr) -> Vec<CompletionCandidate> {
    offered(current, Format::ALL.map(|format| format.name().to_owned()))
}

/// The keys of `--input-option`.
fn open_options(current: &OsStr) -> Vec<CompletionCandidate> {
    let drivers = registry::DRIVERS.iter();
    let keys = drivers.flat_map(|driver| driver.open_options.iter());
    offered(current, keys.map(|key| format!("{key}=")))
}

/// The keys of `--option`, of the format that the line says with `-f` or with the name behind `-o`; else of all.
fn create_options(current: &OsStr) -> Vec<CompletionCandidate> {
    let line = typed();
    let format = value_of(&line, &["-f", "--format"]);
    let output = value_of(&line, &["-o", "--output"]).map(PathBuf::from);
    let named = format.and_then(|format| Format::of_name(&format.to_string_lossy()));
    let extension = output.as_ref().and_then(|path| path.extension());
    let extension = extension.map(|extension| extension.to_string_lossy().to_lowercase());
    let is_meant = |driver: &&&imgdelta::core::Driver| match (named, &extension) {
        (Some(format), _) => driver.format == format,
        (None, Some(extension)) => driver.extensions.contains(&extension.as_str()),
        (None, None) => true,
    };
    let drivers = registry::DRIVERS.iter().filter(is_meant);
    let keys = drivers.flat_map(|driver| driver.create_options.iter());
    offered(current, keys.map(|key| format!("{key}=")))
}

/// The images of the repository.
fn images(current: &OsStr) -> Vec<CompletionCandidate> {
    let records = records();
    offered(current, records.into_iter().map(|(name, _)| name))
}

/// The tags of its images.
fn tags(current: &OsStr) -> Vec<CompletionCandidate> {
    let records = records();
    offered(current, records.into_iter().flat_map(|(_, tags)| tags))
}

/// The names and tags of the images in the repository that the line means.
fn records() -> Vec<(String, Vec<String>)> {
    let line = typed();
    let folder = value_of(&line, &["--repo"])
        .or_else(|| std::env::var_os("IMGDELTA_REPO"))
        .map_or_else(|| PathBuf::from("."), PathBuf::from);
    let Ok(listing) = Repository::open(&folder).and_then(|repository| repository.list()) else {
        return Vec::new();
    };
    let records = listing.records().into_iter();
    records
        .map(|record| {
            let tags = record.tags.iter().map(ToString::to_string);
            (record.name.to_string(), tags.collect())
        })
        .collect()
}

/// What begins as that which stands there already; each once.
fn offered(current: &OsStr, all: impl IntoIterator<Item = String>) -> Vec<CompletionCandidate> {
    let begun = current.to_string_lossy();
    let mut all: Vec<String> = all.into_iter().collect();
    all.retain(|one| one.starts_with(&*begun));
    all.sort_unstable();
    all.dedup();
    all.into_iter().map(CompletionCandidate::new).collect()
}

/// The words of the line that is completed: those behind `--`.
fn typed() -> Vec<OsString> {
    let words = std::env::args_os().skip_while(|word| word != "--");
    words.skip(1).collect()
}

/// The value that a line gives to the last flag of one of these names: `-o X`, `--output X`, `--output=X`.
fn value_of(line: &[OsString], names: &[&str]) -> Option<OsString> {
    let behind = line.windows(2).rev().find_map(|pair| match pair {
        [flag, value] if names.iter().any(|name| flag == name) => Some(value.clone()),
        _ => None,
    });
    behind.or_else(|| {
        line.iter().rev().find_map(|word| {
            let word = word.to_str()?;
            let (flag, value) = word.split_once('=')?;
            names.contains(&flag).then(|| OsString::from(value))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_value_of_a_flag_counts_however_it_is_written() {
        let line: Vec<OsString> = [
            "imgdelta",
            "make",
            "-o",
            "a.vhd",
            "--format=vdi",
            "-o",
            "b.vdi",
        ]
        .map(OsString::from)
        .to_vec();
        assert_eq!(value_of(&line, &["-o", "--output"]), Some("b.vdi".into()));
        assert_eq!(value_of(&line, &["-f", "--format"]), Some("vdi".into()));
        assert_eq!(value_of(&line, &["--repo"]), None);
    }

    #[test]
    fn each_format_is_offered_once_and_only_what_was_begun() {
        let shown = |current: &str| -> Vec<String> {
            let all = formats(OsStr::new(current)).into_iter();
            all.map(|one| one.get_value().to_string_lossy().into_owned())
                .collect()
        };
        assert_eq!(shown("vh"), ["vhd", "vhdx"]);
        assert_eq!(shown("").len(), Format::ALL.len());
    }
}
