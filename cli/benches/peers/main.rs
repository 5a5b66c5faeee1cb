//! imgdelta beside its peers on the same disks, in the same run, durable against durable: medians as a Markdown table.
//!
//! `cargo bench -p imgdelta-cli --bench peers [-- --work DIR --runs 5 --only NAME --imgdelta PATH --beside PATH]`
//!
//! The first run makes the disks (minutes, 20 GiB, see `benches/workloads/make.sh`). Times of one run are comparable with
//! each other and with nothing else: look at the ratios.
//!
//! `--beside PATH` takes another imgdelta for the peer, with the very same commands: what a change did to speed and memory.
//!
//! `--write FILE` also puts the rows into the table of that page which stands between two comments (`docs/benchmarks.md` has one): rows that
//! stand there already are replaced, others stay.
//!
//! `--only "deploy "` is the deliveries beside rsync, borg, casync and the whole image (`fixtures/peers/install.sh --bench`
//! installs those): 10 GiB more while it runs, 3 GiB of which stay, and their table has how much travelled.

mod bench;
mod job;
mod page;
mod rows;
mod table;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use job::Job;
use rows::Row;
use table::{Line, Side};

/// What the command line asks for.
struct Options {
    work: PathBuf,
    runs: usize,
    only: Option<String>,
    imgdelta: PathBuf,
    beside: Option<PathBuf>,
    /// The page that the rows are written to.
    write: Option<PathBuf>,
}

fn main() -> ExitCode {
    match options(std::env::args().skip(1)).and_then(|options| run(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options {
        work: manifest_folder().join("../target/bench"),
        runs: 5,
        only: None,
        imgdelta: env!("CARGO_BIN_EXE_imgdelta").into(),
        beside: None,
        write: None,
    };
    while let Some(name) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{name} wants a value"));
        match name.as_str() {
            "--bench" => {} // cargo's own
            "--work" => options.work = value()?.into(),
            "--only" => options.only = Some(value()?),
            "--imgdelta" => options.imgdelta = value()?.into(),
            "--write" => options.write = Some(value()?.into()),
            "--beside" => options.beside = Some(value()?.into()),
            "--runs" => {
                options.runs = value()?
                    .parse()
                    .map_err(|error| format!("--runs: {error}"))?;
            }
            _ => return Err(format!("unknown argument {name}")),
        }
    }
    if options.runs == 0 {
        return Err("--runs wants at least 1".into());
    }
    Ok(options)
}

fn run(options: &Options) -> Result<(), String> {
    std::fs::create_dir_all(options.work.join("out")).map_err(|error| error.to_string())?;
    let work = options
        .work
        .canonicalize()
        .map_err(|error| error.to_string())?;
    let mut rows = rows::all(&work, &options.imgdelta);
    if let Some(other) = &options.beside {
        for (row, other) in rows.iter_mut().zip(rows::all(&work, other)) {
            row.peer = Some(other.ours);
        }
        // Beside each of its peers a delivery is the same delivery.
        rows.dedup_by(|one, other| one.ours.steps == other.ours.steps);
    }
    let rows: Vec<Row> = rows
        .into_iter()
        .filter(|row| {
            options
                .only
                .as_ref()
                .is_none_or(|only| row.name.contains(only.as_str()))
        })
        .collect();
    let machine = machine();
    println!("{machine}\n");
    let mut lines = Vec::new();
    for row in &rows {
        eprintln!("{} …", row.name);
        lines.push(measure(row, options.runs, &work));
    }
    let table = table::markdown(&lines);
    print!("{table}");
    match &options.write {
        Some(page) => page::write(page, &machine, options.runs, &table),
        None => Ok(()),
    }
}

/// Runs both sides of a row in turn, so that a slow minute of the machine strikes both.
fn measure(row: &Row, runs: usize, work: &Path) -> Line {
    let mut ours = Side::default();
    let mut peers = Side::default();
    let ready = prepare(row, work);
    for _ in 0..runs {
        for (job, side) in [
            (Some(&row.ours), &mut ours),
            (row.peer.as_ref(), &mut peers),
        ] {
            // A side that failed or did not finish says so once.
            let (Some(job), None) = (job, &side.fault) else {
                continue;
            };
            match ready.clone().and_then(|()| timed(row, job, work)) {
                Ok(sample) => side.samples.push(sample),
                Err(why) => side.fault = Some(why),
            }
        }
    }
    for job in [Some(&row.ours), row.peer.as_ref()].into_iter().flatten() {
        job.clear();
    }
    Line {
        name: row.name.to_owned(),
        ours,
        peer: row.peer.is_some().then_some(peers),
    }
}

/// Makes the disks that the row works on.
fn prepare(row: &Row, work: &Path) -> Result<(), String> {
    let mut make = Command::new(scripts().join("make.sh"));
    job::succeed(make.arg(work).args(row.workloads))
}

/// One run, with the inputs in the page cache and nothing left to write from earlier runs.
fn timed(row: &Row, job: &Job, work: &Path) -> Result<job::Sample, String> {
    job.prepare()?;
    job::succeed(Command::new("sync").arg("--file-system").arg(work))?;
    let mut warm = Command::new("python3");
    warm.arg(scripts().join("warm.py"))
        .args(row.inputs.iter().map(|file| work.join(file)));
    job::succeed(&mut warm)?;
    job.run()
}

fn scripts() -> PathBuf {
    manifest_folder().join("benches/workloads")
}

fn manifest_folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What the figures were measured on.
fn machine() -> String {
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .unwrap_or("an unknown processor");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let peers = ["qemu-img", "rsync", "borg", "casync", "zstd"].map(version);
    format!(
        "{cores} cores, {}; {}",
        model.trim_start_matches([' ', '\t', ':']),
        peers.join("; ")
    )
}

/// The first line that a peer says of itself.
fn version(program: &str) -> String {
    let said = job::said(Command::new(program).arg("--version")).unwrap_or_default();
    let line = said
        .lines()
        .next()
        .map(|line| line.trim_matches(['*', ' ']));
    line.map_or_else(|| format!("no {program}"), str::to_owned)
}
