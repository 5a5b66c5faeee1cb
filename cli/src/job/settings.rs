//! What flags, environment and defaults say together: threads, folders, time. A flag beats the environment, that beats the default.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use imgdelta::core::{Error, Kind, Result};
use imgdelta::deploy::wire::SSH;

/// Most threads that a run is given: more only wait for each other.
const MOST_THREADS: u16 = 256;

/// When progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// On a terminal.
    Auto,
    /// Also where there is no terminal, as lines.
    Always,
    /// Not.
    Never,
    /// One JSON object a line.
    Json,
}

impl Progress {
    const ALL: [(Self, &str); 4] = [
        (Self::Auto, "auto"),
        (Self::Always, "always"),
        (Self::Never, "never"),
        (Self::Json, "json"),
    ];

    fn of_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|(_, known)| *known == name)
            .map(|(progress, _)| progress)
    }

    /// As it is typed.
    pub(crate) fn name(self) -> &'static str {
        Self::ALL
            .into_iter()
            .find(|(progress, _)| *progress == self)
            .map_or("auto", |(_, name)| name)
    }
}

/// What was typed of these settings.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overrides {
    /// `--threads`.
    pub(crate) threads: Option<u16>,
    /// `--progress`.
    pub(crate) progress: Option<Progress>,
    /// `--repo`.
    pub(crate) repository: Option<PathBuf>,
}

/// Where a setting came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// This flag.
    Flag(&'static str),
    /// This variable of the environment.
    Environment(&'static str),
    /// Nobody said it.
    Default,
}

/// A setting and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setting<T> {
    /// What holds.
    pub(crate) value: T,
    /// Who said so.
    pub(crate) origin: Origin,
}

impl<T> Setting<T> {
    const fn new(value: T, origin: Origin) -> Self {
        Self { value, origin }
    }
}

/// All settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// How many threads.
    pub(crate) threads: Setting<usize>,
    /// When progress is shown.
    pub(crate) progress: Setting<Progress>,
    /// Where digests are remembered; `None` if there is no such place.
    pub(crate) cache: Setting<Option<PathBuf>>,
    /// Where standard input is kept while it is read.
    pub(crate) temporary: Setting<PathBuf>,
    /// The time that is recorded in images, in seconds since 1970.
    pub(crate) time: Setting<Option<u64>>,
    /// The folder of the repository.
    pub(crate) repository: Setting<PathBuf>,
    /// The program that leads to other hosts, with arguments of its own.
    pub(crate) ssh: Setting<String>,
}

/// Looks a variable up; an empty one is as if it were not there.
type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

impl Settings {
    /// The settings of this process.
    ///
    /// # Errors
    /// Usage, if a variable holds what cannot be.
    pub(crate) fn of_process(overrides: Overrides) -> Result<Self> {
        Self::resolve(overrides, &|name| {
            std::env::var_os(name).filter(|value| !value.is_empty())
        })
    }

    fn resolve(overrides: Overrides, environment: Environment<'_>) -> Result<Self> {
        Ok(Self {
            threads: threads(overrides.threads, environment)?,
            progress: progress(overrides.progress, environment)?,
            cache: cache(environment),
            temporary: temporary(environment),
            time: time(environment)?,
            repository: repository(overrides.repository, environment),
            ssh: ssh(environment)?,
        })
    }
}

fn threads(wish: Option<u16>, environment: Environment<'_>) -> Result<Setting<usize>> {
    let checked = |count: u16, origin: Origin| {
        if (1..=MOST_THREADS).contains(&count) {
            Ok(Setting::new(usize::from(count), origin))
        } else {
            let whose = match origin {
                Origin::Environment(name) => name,
                _ => "--threads",
            };
            Err(Error::new(
                Kind::Usage,
                format!("{whose} is {count}, 1 to {MOST_THREADS} is required"),
            ))
        }
    };
    if let Some(count) = wish {
        return checked(count, Origin::Flag("--threads"));
    }
    let name = "IMGDELTA_THREADS";
    if let Some(value) = environment(name) {
        let count = value
            .to_str()
            .and_then(|value| value.parse().ok())
            .ok_or_else(|| wrong(name, &value, "a number"))?;
        return checked(count, Origin::Environment(name));
    }
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    Ok(Setting::new(
        cores.min(usize::from(MOST_THREADS)),
        Origin::Default,
    ))
}

fn progress(wish: Option<Progress>, environment: Environment<'_>) -> Result<Setting<Progress>> {
    if let Some(progress) = wish {
        return Ok(Setting::new(progress, Origin::Flag("--progress")));
    }
    let name = "IMGDELTA_PROGRESS";
    match environment(name) {
        Some(value) => value
            .to_str()
            .and_then(Progress::of_name)
            .map(|progress| Setting::new(progress, Origin::Environment(name)))
            .ok_or_else(|| wrong(name, &value, "auto, always, never or json")),
        None => Ok(Setting::new(Progress::Auto, Origin::Default)),
    }
}

fn cache(environment: Environment<'_>) -> Setting<Option<PathBuf>> {
    let ours = |folder: OsString| Path::new(&folder).join("imgdelta");
    if let Some(folder) = environment("IMGDELTA_CACHE") {
        let origin = Origin::Environment("IMGDELTA_CACHE");
        return Setting::new(Some(folder.into()), origin);
    }
    // The specification of XDG_CACHE_HOME: a relative path is to be ignored.
    if let Some(folder) = environment("XDG_CACHE_HOME").filter(|path| Path::new(path).is_absolute())
    {
        let origin = Origin::Environment("XDG_CACHE_HOME");
        return Setting::new(Some(ours(folder)), origin);
    }
    let home = environment("HOME").map(|home| Path::new(&home).join(".cache/imgdelta"));
    Setting::new(home, Origin::Default)
}

fn temporary(environment: Environment<'_>) -> Setting<PathBuf> {
    for name in ["IMGDELTA_TMPDIR", "TMPDIR"] {
        if let Some(folder) = environment(name) {
            return Setting::new(folder.into(), Origin::Environment(name));
        }
    }
    // Not /tmp: that is often memory, and a disk image is large.
    Setting::new("/var/tmp".into(), Origin::Default)
}

fn time(environment: Environment<'_>) -> Result<Setting<Option<u64>>> {
    let name = "SOURCE_DATE_EPOCH";
    match environment(name) {
        Some(value) => value
            .to_str()
            .and_then(|value| value.parse().ok())
            .map(|time| Setting::new(Some(time), Origin::Environment(name)))
            .ok_or_else(|| wrong(name, &value, "a number of seconds since 1970")),
        None => Ok(Setting::new(None, Origin::Default)),
    }
}

fn repository(wish: Option<PathBuf>, environment: Environment<'_>) -> Setting<PathBuf> {
    let name = "IMGDELTA_REPO";
    match (wish, environment(name)) {
        (Some(folder), _) => Setting::new(folder, Origin::Flag("--repo")),
        (None, Some(folder)) => Setting::new(folder.into(), Origin::Environment(name)),
        (None, None) => Setting::new(".".into(), Origin::Default),
    }
}

fn ssh(environment: Environment<'_>) -> Result<Setting<String>> {
    let name = "IMGDELTA_SSH";
    match environment(name) {
        Some(value) => match value.to_str() {
            Some(command) => Ok(Setting::new(command.to_owned(), Origin::Environment(name))),
            None => Err(wrong(name, &value, "a command in UTF-8")),
        },
        None => Ok(Setting::new(SSH.to_owned(), Origin::Default)),
    }
}

fn wrong(name: &str, value: &OsString, required: &str) -> Error {
    Error::new(
        Kind::Usage,
        format!("{name} is '{}', {required} is required", value.display()),
    )
    .with_code("environment")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(overrides: Overrides, variables: &[(&str, &str)]) -> Result<Settings> {
        Settings::resolve(overrides, &|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn a_flag_beats_the_environment_and_that_beats_the_default() -> Result<()> {
        let wish = Overrides {
            threads: Some(3),
            ..Overrides::default()
        };
        let five = [("IMGDELTA_THREADS", "5")];
        assert_eq!(resolved(wish, &five)?.threads.value, 3);
        let found = resolved(Overrides::default(), &five)?.threads;
        assert_eq!(
            (found.value, found.origin),
            (5, Origin::Environment("IMGDELTA_THREADS"))
        );
        let found = resolved(Overrides::default(), &[])?.threads;
        assert!(found.value >= 1 && found.origin == Origin::Default);
        Ok(())
    }

    #[test]
    fn a_variable_that_makes_no_sense_is_wrong_use() {
        for (name, value) in [
            ("IMGDELTA_THREADS", "many"),
            ("IMGDELTA_THREADS", "0"),
            ("IMGDELTA_PROGRESS", "sometimes"),
            ("SOURCE_DATE_EPOCH", "yesterday"),
        ] {
            let error = resolved(Overrides::default(), &[(name, value)]).expect_err(name);
            assert_eq!(error.kind(), Kind::Usage);
            assert!(error.to_string().contains(name), "{error}");
        }
    }

    #[test]
    fn the_repository_is_where_one_says_or_else_where_one_stands() -> Result<()> {
        let wish = Overrides {
            repository: Some("hq".into()),
            ..Overrides::default()
        };
        let elsewhere = [("IMGDELTA_REPO", "/elsewhere")];
        let found = resolved(wish, &elsewhere)?.repository;
        assert_eq!(
            (found.value, found.origin),
            ("hq".into(), Origin::Flag("--repo"))
        );
        let found = resolved(Overrides::default(), &elsewhere)?.repository;
        assert_eq!(found.value, Path::new("/elsewhere"));
        let found = resolved(Overrides::default(), &[])?.repository;
        assert_eq!((found.value, found.origin), (".".into(), Origin::Default));
        Ok(())
    }

    #[test]
    fn the_cache_stands_where_the_system_keeps_caches() -> Result<()> {
        let all = [
            ("HOME", "/home/a"),
            ("XDG_CACHE_HOME", "/c"),
            ("IMGDELTA_CACHE", "/i"),
        ];
        let folder = |variables: &[(&str, &str)]| -> Result<Option<PathBuf>> {
            Ok(resolved(Overrides::default(), variables)?.cache.value)
        };
        assert_eq!(folder(&all)?, Some("/i".into()));
        assert_eq!(folder(&all[..2])?, Some("/c/imgdelta".into()));
        assert_eq!(folder(&all[..1])?, Some("/home/a/.cache/imgdelta".into()));
        assert_eq!(folder(&[])?, None);
        let relative = [("XDG_CACHE_HOME", "c"), ("HOME", "/h")];
        assert_eq!(folder(&relative)?, Some("/h/.cache/imgdelta".into()));
        Ok(())
    }
}
