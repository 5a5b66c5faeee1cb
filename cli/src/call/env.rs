//! `env`: which settings hold, and where each came from.

use serde::Serialize;

use super::Outcome;
use crate::job::{Origin, Setting, Settings};

/// All settings.
#[derive(Debug, Serialize)]
pub(crate) struct Environment {
    /// One by one.
    pub(crate) settings: Vec<Shown>,
}

/// A setting.
#[derive(Debug, Serialize)]
pub(crate) struct Shown {
    /// What it is called.
    pub(crate) name: &'static str,
    /// What holds; `None`: nothing.
    pub(crate) value: Option<String>,
    /// `flag`, `environment` or `default`.
    pub(crate) origin: &'static str,
    /// Which flag or variable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<&'static str>,
}

impl Outcome for Environment {
    const SCHEMA: &'static str = "imgdelta/env/1";
}

/// Shows the settings.
pub(crate) fn env(settings: &Settings) -> Environment {
    let Settings {
        threads,
        progress,
        cache,
        temporary,
        time,
        repository,
        ssh,
    } = settings;
    let path = |path: &std::path::PathBuf| path.display().to_string();
    Environment {
        settings: vec![
            shown("threads", threads, |count| Some(count.to_string())),
            shown("progress", progress, |when| Some(when.name().to_owned())),
            shown("cache", cache, |folder| folder.as_ref().map(path)),
            shown("temporary", temporary, |folder| Some(path(folder))),
            shown("time", time, |time| time.map(|time| time.to_string())),
            shown("repository", repository, |folder| Some(path(folder))),
            shown("ssh", ssh, |command| Some(command.clone())),
        ],
    }
}

fn shown<T>(
    name: &'static str,
    setting: &Setting<T>,
    value: impl Fn(&T) -> Option<String>,
) -> Shown {
    let (origin, from) = match setting.origin {
        Origin::Flag(name) => ("flag", Some(name)),
        Origin::Environment(name) => ("environment", Some(name)),
        Origin::Default => ("default", None),
    };
    Shown {
        name,
        value: value(&setting.value),
        origin,
        from,
    }
}
