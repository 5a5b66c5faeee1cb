//! The command: reads the line, does the job, tells the result, and ends with the right status.
//!
//! A line becomes [`args`] (typed), those a [`job`] (meant), that is done by [`call`] (which return data), and [`report`]
//! tells it. Nothing else prints, and nothing else ends the process.

mod args;
mod call;
mod errors;
mod job;
mod progress;
mod report;
mod signals;
mod verb;

use std::{
    ffi::OsString,
    path::PathBuf,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use imgdelta::core::{Error, Kind, Result};
use imgdelta::engine::{Pool, RunProgress};

use crate::{
    args::Line,
    call::Run,
    errors::Failure,
    job::Settings,
    progress::ProgressDisplay,
    report::Report,
    signals::Signals,
    verb::{Session, Verb},
};

fn main() -> ExitCode {
    if let Some(exit) = args::answered() {
        return ExitCode::from(exit);
    }
    let words: Vec<OsString> = std::env::args_os().collect();
    allow_many_files();
    match args::read(&words) {
        Ok(line) => run(line),
        Err(error) => ExitCode::from(refuse(&error, &words)),
    }
}

/// Lets the process open as many files as the host ever lets it: an image may have a thousand extents, a chain 256 layers.
fn allow_many_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // Where it cannot be, the limit is found out when it is met.
    let _ = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            ..limit
        },
    );
}

/// Does what a line says.
fn run(line: Line) -> ExitCode {
    let report = Report {
        form: line.general.form(),
        loudness: line.general.loudness(),
        exact: line.general.exact(),
        output_is_taken: false,
    };
    let mut known = RunState::default();
    match attempt(line, report, &mut known) {
        Ok(exit) => ExitCode::from(exit),
        Err(error) if errors::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let exit = match error.kind() {
                Kind::Interrupted => known.interrupted,
                kind => kind.exit(),
            };
            let failure = Failure {
                error: &error,
                exit,
                output: known.output.as_deref(),
                begun: known.begun.load(Ordering::Relaxed),
                percent: progress::percent(known.run_progress.done(), known.run_progress.total()),
            };
            failure.tell(report.form.is_json());
            ExitCode::from(exit)
        }
    }
}

/// What is known of a run when it fails.
#[derive(Debug, Default)]
struct RunState {
    /// How far it has come.
    run_progress: Arc<RunProgress>,
    /// Whether writing has begun.
    begun: Arc<AtomicBool>,
    /// What was to be written.
    output: Option<PathBuf>,
    /// The exit status if it was stopped.
    interrupted: u8,
}

/// Does what a line says, and tells the result; gives the exit status.
fn attempt(line: Line, report: Report, known: &mut RunState) -> Result<u8> {
    let Line { general, command } = line;
    let settings = Settings::of_process(general.overrides(command.repository()))?;
    let signals = Signals::listen(Arc::clone(&known.run_progress), last_words(report))?;
    let pool = Arc::new(Pool::new(settings.threads.value));
    let mut display = ProgressDisplay::start(
        settings.progress.value,
        report.loudness,
        &known.run_progress,
    );
    let run = Run {
        settings: &settings,
        pool: &pool,
        run_progress: &known.run_progress,
        signals: &signals,
        display: &display,
        begun: &known.begun,
    };
    let mut session = Session {
        run: &run,
        report,
        output: &mut known.output,
    };
    let told = command.run(&mut session);
    known.interrupted = signals.exit();
    display.stop();
    let tell = told?;
    // What was to be written stands in its place: a result that cannot be told changes nothing about that.
    known.output = None;
    tell()
}

/// What is said when there is no time to end a run in order.
fn last_words(report: Report) -> impl Fn(u8) + Send {
    move |exit| {
        let failure = Failure {
            error: &Error::interrupted(),
            exit,
            output: None,
            begun: false,
            percent: None,
        };
        failure.tell(report.form.is_json());
    }
}

/// Says why a line cannot be read, or shows the help that it asks for; gives the exit status.
fn refuse(error: &clap::Error, words: &[OsString]) -> u8 {
    if !error.use_stderr() {
        // A reader that goes away has seen enough.
        let _ = error.print();
        return 0;
    }
    if args::wants_json(words) {
        errors::complain(&errors::usage_as_json(&error.render().to_string()));
    } else {
        let _ = error.print();
    }
    Kind::Usage.exit()
}
