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
mod repository;
mod signals;

use std::{
    ffi::OsString,
    io,
    path::PathBuf,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use imgdelta::core::{Error, Kind, Result};
use imgdelta::engine::{Pool, RunProgress};
use imgdelta::{CompareReport, MapReport, RepairInto};

use crate::{
    args::{Command, Line},
    call::{Outcome, Run},
    errors::Failure,
    job::{Children, Goal, InfoDepth, Settings},
    progress::Showing,
    report::{Report, Text},
    signals::Signals,
};

fn main() -> ExitCode {
    if args::answered() {
        return ExitCode::SUCCESS;
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
    let mut known = Known::default();
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
struct Known {
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
fn attempt(line: Line, report: Report, known: &mut Known) -> Result<u8> {
    let Line { general, command } = line;
    let settings = Settings::of_process(general.wishes(command.repository()))?;
    let signals = Signals::listen(Arc::clone(&known.run_progress), last_words(report))?;
    let pool = Arc::new(Pool::new(settings.threads.value));
    let mut showing = Showing::start(
        settings.progress.value,
        report.loudness,
        &known.run_progress,
    );
    let run = Run {
        settings: &settings,
        pool: &pool,
        run_progress: &known.run_progress,
        signals: &signals,
        showing: &showing,
        begun: &known.begun,
    };
    let told = obey(command, &run, report, &mut known.output);
    known.interrupted = signals.exit();
    showing.stop();
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

/// Tells a result once the progress bar is gone; gives the exit status.
type Telling = Box<dyn FnOnce() -> Result<u8>>;

/// Does a command's job.
fn obey(
    command: Command,
    run: &Run<'_>,
    report: Report,
    output: &mut Option<PathBuf>,
) -> Result<Telling> {
    let mut writes = |goal: &Goal| {
        if !goal.dry_run && !job::is_stream(&goal.output.path) {
            *output = Some(goal.output.path.clone());
        }
    };
    match command {
        Command::Make(typed) => {
            let job = typed.job()?;
            writes(&job.goal);
            Ok(telling(report, call::make(&job, run)?))
        }
        Command::Apply(typed) => {
            let job = typed.job()?;
            writes(&job.goal);
            Ok(telling(report, call::apply(&job, run)?))
        }
        Command::Attach(typed) => {
            let job = typed.job()?;
            match &job.children {
                Children::One(pair) => {
                    if !job.dry_run {
                        *output = Some(pair.child.path.clone());
                    }
                    Ok(telling(report, call::attach(&job, pair, run)?))
                }
                Children::All {
                    folder,
                    policy,
                    memory,
                } => {
                    let report_of = call::attach_all(&job, (folder, policy, *memory), run)?;
                    Ok(telling(report, report_of))
                }
            }
        }
        Command::Convert(typed) => {
            let job = typed.job()?;
            writes(&job.goal);
            let report = Report {
                output_is_taken: job::is_stream(&job.goal.output.path),
                ..report
            };
            Ok(telling(report, call::convert(&job, run)?))
        }
        Command::Salvage(typed) => {
            let job = typed.job()?;
            writes(&job.goal);
            Ok(telling(report, call::salvage(&job, run)?))
        }
        Command::Compare(typed) => compare(&typed.job(report.loudness < 0)?, run, report),
        Command::Info(typed) => {
            let job = typed.job()?;
            if job.depth == InfoDepth::References {
                Ok(telling(report, call::references(&job, run)?))
            } else if let Some(package) = call::package(&job, run)? {
                Ok(telling(report, package))
            } else {
                Ok(telling(report, call::info(&job, run)?))
            }
        }
        Command::Map(typed) => map(&typed.job()?, run, report),
        Command::Check(typed) => {
            let job = typed.job()?;
            *output = match &job.repair {
                Some(RepairInto::File { output, .. }) => Some(output.clone()),
                Some(RepairInto::Place(_)) => Some(job.image.path.clone()),
                _ => None,
            };
            Ok(telling(report, call::check(&job, run)?))
        }
        Command::Digest(typed) => Ok(telling(report, call::digest(&typed.job()?, run)?)),
        Command::Repo(typed) => repository::obey(typed.verb, run, report),
        Command::Inventory(typed) => {
            let job = typed.job();
            output.clone_from(&job.output);
            repository::inventory(&job, run, report)
        }
        Command::Plan(typed) => Ok(telling(report, call::plan(&typed.job()?, run)?)),
        Command::Deploy(typed) => {
            if let Some(job) = typed.drops() {
                return Ok(telling(report, call::drop_images(&job, run)?));
            }
            let job = typed.job()?;
            if job.manner.dry_run {
                Ok(telling(report, call::deploy_dry_run(&job, run)?))
            } else {
                Ok(telling(report, call::deploy(&job, run)?))
            }
        }
        Command::Receive(typed) => Ok(telling(report, call::receive(&typed.job()?, run)?)),
        Command::Serve(typed) => {
            // Standard output is the line to the other side, which is told all there is to tell.
            call::serve(&typed.job()?, run)?;
            Ok(Box::new(|| Ok(0)))
        }
        Command::Env(_) => Ok(telling(report, call::env(run.settings))),
        Command::Version => Ok(telling(report, call::version())),
        Command::Completions(typed) => Ok(as_it_is(report, args::script(typed.shell)?)),
        Command::Man(typed) => Ok(as_it_is(report, typed.write()?)),
    }
}

/// `compare`, whose list is told while it is found.
fn compare(job: &job::Compare, run: &Run<'_>, report: Report) -> Result<Telling> {
    if !job.lists {
        return Ok(telling(report, call::compare(job, run, &mut |_| Ok(()))?));
    }
    let mut rows = report.rows("differences");
    let found = call::compare(job, run, &mut |row| {
        rows.row::<CompareReport, _>(&row).map_err(unwritten)
    })?;
    Ok(Box::new(move || {
        rows.end(&found).map_err(unwritten)?;
        Ok(found.exit())
    }))
}

/// `map`, which is told while it is found.
fn map(job: &job::Map, run: &Run<'_>, report: Report) -> Result<Telling> {
    let mut rows = report.rows("extents");
    let found = call::map(job, run, &mut |row| {
        rows.row::<MapReport, _>(&row).map_err(unwritten)
    })?;
    Ok(Box::new(move || {
        rows.end(&found).map_err(unwritten)?;
        Ok(found.exit())
    }))
}

/// Will tell a result.
fn telling<T: Outcome + Text + 'static>(report: Report, outcome: T) -> Telling {
    Box::new(move || {
        report.result(&outcome).map_err(unwritten)?;
        Ok(outcome.exit())
    })
}

/// Will write bytes as they are.
fn as_it_is(report: Report, bytes: Vec<u8>) -> Telling {
    Box::new(move || {
        report.bytes(&bytes).map_err(unwritten)?;
        Ok(0)
    })
}

fn unwritten(cause: io::Error) -> Error {
    Error::host("cannot write the result", cause)
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
