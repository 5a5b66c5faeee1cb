//! Errors as they are shown: what failed, where, what was left untouched, what to do next. As text, or as JSON on standard error.

use std::{
    io::{self, Write},
    path::Path,
};

use imgdelta::core::{Error, FileVersion, Kind};
use serde::Serialize;

use crate::{call::repo::Failed, report::clean};

/// The schema of an error in JSON.
const SCHEMA: &str = "imgdelta/error/1";

/// An error and what is known beside it.
#[derive(Debug)]
pub(crate) struct Failure<'a> {
    /// What went wrong.
    pub(crate) error: &'a Error,
    /// The exit status.
    pub(crate) exit: u8,
    /// What was to be written, if anything.
    pub(crate) output: Option<&'a Path>,
    /// Whether writing had begun, which matters to a device, and to a repository, where one image comes after the other.
    pub(crate) begun: bool,
    /// How far an interrupted run had come, in percent.
    pub(crate) percent: Option<u64>,
}

/// An error in JSON.
#[derive(Serialize)]
struct Envelope<'a> {
    schema: &'static str,
    /// Stable.
    code: &'a str,
    exit: u8,
    /// Not stable.
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    structure: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    details: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    unchanged: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
}

/// Whether the reader of standard output has gone: that is no failure of ours.
pub(crate) fn is_broken_pipe(error: &Error) -> bool {
    std::error::Error::source(error)
        .and_then(|cause| cause.downcast_ref::<io::Error>())
        .is_some_and(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

/// An error of the command line in JSON.
pub(crate) fn usage_as_json(text: &str) -> String {
    let message = text
        .lines()
        .next()
        .unwrap_or_default()
        .trim_start_matches("error: ");
    let error = Error::new(Kind::Usage, message);
    let failure = Failure {
        error: &error,
        exit: Kind::Usage.exit(),
        output: None,
        begun: false,
        percent: None,
    };
    failure.json()
}

impl Failure<'_> {
    /// Writes it to standard error, for programs or for people.
    pub(crate) fn tell(&self, as_json: bool) {
        complain(&if as_json { self.json() } else { self.text() });
    }

    /// As text: several lines.
    fn text(&self) -> String {
        if self.error.kind() == Kind::Interrupted {
            return format!("{}\n", clean(&self.interruption()));
        }
        let mut lines = vec![format!("error: {}", self.error)];
        for detail in self.error.details() {
            lines.push(format!("  {detail}"));
        }
        lines.extend(self.aftermath());
        if let Some(hint) = self.error.hint() {
            lines.push(format!("hint: {hint}"));
        }
        lines
            .iter()
            .map(|line| format!("{}\n", clean(line)))
            .collect()
    }

    /// As JSON: one line.
    fn json(&self) -> String {
        let place = self.error.location();
        let message = if self.error.kind() == Kind::Interrupted {
            self.interruption()
        } else {
            self.error.message().to_owned()
        };
        let envelope = Envelope {
            schema: SCHEMA,
            code: self.error.code(),
            exit: self.exit,
            message,
            path: place.file.as_deref().map(|path| path.display().to_string()),
            structure: place.structure,
            field: place.field,
            offset: place.offset.map(|offset| offset.0),
            details: self.error.details(),
            unchanged: self
                .output
                .filter(|output| !self.is_spoilt(output))
                .map(|output| output.display().to_string()),
            hint: self.error.hint(),
        };
        serde_json::to_string(&envelope).map_or_else(|_| String::new(), |json| json + "\n")
    }

    /// What became of the output. Wrong use is found before anything begins, so there it goes without saying.
    fn aftermath(&self) -> Option<String> {
        let output = self.output.filter(|_| self.error.kind() != Kind::Usage)?;
        Some(if self.error.code() == "commit_unfinished" {
            format!(
                "what was written is whole and is read as {} from now on, but it may not outlast a power cut",
                output.display()
            )
        } else if self.is_spoilt(output) {
            format!(
                "the device is written in part and holds no image: {}",
                output.display()
            )
        } else {
            format!("nothing was changed: {}", output.display())
        })
    }

    fn interruption(&self) -> String {
        let percent = self
            .percent
            .map(|percent| format!(" at {percent} %"))
            .unwrap_or_default();
        let after = match self.output {
            Some(output) if self.is_spoilt(output) => {
                "the device is written in part and holds no image"
            }
            // A repository takes in one image after the other.
            None if self.begun => "what was done before stays; the same command goes on from there",
            // Who had done a part by then says what stays.
            _ => {
                let left = self.error.details().first();
                left.map_or("nothing was changed", String::as_str)
            }
        };
        format!("cancelled{percent}; {after}")
    }

    /// Whether the output is neither what it was nor what it should be: devices are written in place. One that is in use is not even opened.
    fn is_spoilt(&self, output: &Path) -> bool {
        self.begun
            && self.error.code() != "device_in_use"
            && FileVersion::at(output).is_some_and(|stamp| stamp.is_device)
    }
}

/// What went wrong with one of several, `what`: a line, for programs or for people; those get its hint on one more.
pub(crate) fn failed_one(what: &str, failed: &Failed, as_json: bool) -> String {
    let message = match failed.message.starts_with(what) {
        true => failed.message.clone(),
        false => format!("{what}: {}", failed.message),
    };
    if as_json {
        let envelope = Envelope {
            schema: SCHEMA,
            code: &failed.code,
            exit: failed.exit,
            message,
            path: None,
            structure: None,
            field: None,
            offset: None,
            details: &[],
            unchanged: None,
            hint: failed.hint.as_deref(),
        };
        return serde_json::to_string(&envelope).map_or_else(|_| String::new(), |json| json + "\n");
    }
    let hint = failed.hint.as_deref();
    let hint = hint.map_or_else(String::new, |hint| format!("hint: {}\n", clean(hint)));
    format!("error: {}\n{hint}", clean(&message))
}

/// Writes to standard error. If even that fails, the exit status must do.
pub(crate) fn complain(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use imgdelta::core::FileOffset;

    use super::*;

    fn failure<'a>(error: &'a Error, output: Option<&'a Path>) -> Failure<'a> {
        Failure {
            error,
            exit: error.kind().exit(),
            output,
            begun: true,
            percent: Some(61),
        }
    }

    #[test]
    fn an_error_ends_with_what_was_left_alone_and_what_to_do() {
        let error = Error::new(Kind::Chain, "base image does not match this child")
            .with_detail("needed a")
            .with_hint("give the other one")
            .in_file(Path::new("x.vhd"));
        assert_eq!(
            failure(&error, Some(Path::new("out.raw"))).text(),
            "error: x.vhd: base image does not match this child\n  needed a\nnothing was changed: out.raw\nhint: give the other one\n"
        );
    }

    #[test]
    fn an_interrupted_run_says_how_far_it_was() {
        let error = Error::interrupted();
        let output = Some(Path::new("out.raw"));
        assert_eq!(
            failure(&error, output).text(),
            "cancelled at 61 %; nothing was changed\n"
        );
        assert_eq!(
            failure(&error, None).text(),
            "cancelled at 61 %; what was done before stays; the same command goes on from there\n"
        );
    }

    #[test]
    fn the_same_in_json_has_numbers_for_programs() {
        let error = Error::new(Kind::Corrupt, "checksum is 0x1, computed 0x2")
            .with_code("vhd_footer_checksum")
            .in_field("footer", "checksum")
            .at(FileOffset(512));
        assert_eq!(
            failure(&error, None).json(),
            "{\"schema\":\"imgdelta/error/1\",\"code\":\"vhd_footer_checksum\",\"exit\":3,\
             \"message\":\"checksum is 0x1, computed 0x2\",\"structure\":\"footer\",\"field\":\"checksum\",\"offset\":512}\n"
        );
    }
}
