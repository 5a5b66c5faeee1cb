//! imgdelta beside its peers and beside the bare loops on the same disks, in the same run, durable against durable: medians as Markdown tables.
//!
//! `cargo bench -p imgdelta-cli --bench peers [-- --work DIR --runs 5 --only NAME --imgdelta PATH --beside PATH --quick --tidy --list]`
//!
//! The first run makes the disks (minutes, see `benches/workloads/make.sh`), 80 GiB in all with what is written beside them; `--tidy` removes
//! those that no later row needs, so that 60 GiB are enough. Times of one run are comparable with
//! each other and with nothing else: look at the ratios. A ratio is the median of those of the rounds: in each round each side runs once.
//!
//! `--quick` does all of it on disks of an eighth of the size, once, in minutes: to try the bench, not to quote it.
//!
//! `--beside PATH` takes another imgdelta for the peer, with the very same commands: what a change did to speed and memory.
//!
//! `--write FILE` makes of the rows the part of that page which stands between two comments (`docs/benchmarks.md` has one), and a picture beside
//! it. Rows that were measured before in the same work folder on the same machine stay.
//!
//! `--only "deploy "` is the deliveries beside rsync, borg, casync and the whole image (`fixtures/peers/install.sh --bench`
//! installs those): 10 GiB more while it runs, 3 GiB of which stay, and their table has how much travelled.

mod bench;
mod job;
mod machine;
mod measure;
mod memory;
mod report;
mod rows;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use bench::Bench;
use measure::Setting;
use memory::Memory;
use rows::{Row, Series};

/// What the command line asks for.
struct Options {
    work: Option<PathBuf>,
    runs: Option<usize>,
    only: Option<String>,
    imgdelta: PathBuf,
    beside: Option<PathBuf>,
    /// Whether the disks are an eighth.
    is_quick: bool,
    /// Whether disks are removed that no later row needs.
    is_tidy: bool,
    /// Whether rows are only named.
    lists: bool,
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
        work: None,
        runs: None,
        only: None,
        imgdelta: env!("CARGO_BIN_EXE_imgdelta").into(),
        beside: None,
        is_quick: false,
        is_tidy: false,
        lists: false,
        write: None,
    };
    while let Some(name) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{name} wants a value"));
        match name.as_str() {
            "--bench" => {} // cargo's own
            "--work" => options.work = Some(value()?.into()),
            "--only" => options.only = Some(value()?),
            "--imgdelta" => options.imgdelta = value()?.into(),
            // cargo runs a bench in the folder of its package: names are meant from the workspace's.
            "--write" => options.write = Some(manifest_folder().join("..").join(value()?)),
            "--beside" => options.beside = Some(value()?.into()),
            "--quick" => options.is_quick = true,
            "--tidy" => options.is_tidy = true,
            "--list" => options.lists = true,
            "--runs" => {
                let runs = value()?.parse();
                options.runs = Some(runs.map_err(|error| format!("--runs: {error}"))?);
            }
            _ => return Err(format!("unknown argument {name}")),
        }
    }
    if options.runs == Some(0) {
        return Err("--runs wants at least 1".into());
    }
    if options.write.is_some() && options.beside.is_some() {
        return Err(
            "a page is of imgdelta beside its peers: --write and --beside exclude each other"
                .into(),
        );
    }
    Ok(options)
}

impl Options {
    /// Makes the work folder. A mark in it says how large the disks in it are.
    fn work_folder(&self) -> Result<PathBuf, String> {
        let (name, runs) = match self.is_quick {
            true => ("../target/bench-quick", "quick"),
            false => ("../target/bench", "full"),
        };
        let work = self
            .work
            .clone()
            .unwrap_or_else(|| manifest_folder().join(name));
        let told = |error| format!("{}: {error}", work.display());
        std::fs::create_dir_all(work.join("out")).map_err(told)?;
        let work = work.canonicalize().map_err(told)?;
        let mark = work.join("size");
        let found = std::fs::read_to_string(&mark).unwrap_or_default();
        if !found.is_empty() && found != runs {
            return Err(format!(
                "{} has the disks of a {found} run: give another --work",
                work.display()
            ));
        }
        std::fs::write(&mark, runs).map_err(told)?;
        Ok(work)
    }

    /// What rows are measured with.
    fn setting<'a>(&self, work: &'a Path) -> Setting<'a> {
        let mut program = machine::program(&self.imgdelta);
        if self.is_quick {
            program += ", on disks of an eighth of the size";
        }
        Setting {
            work,
            runs: self.runs.unwrap_or(if self.is_quick { 1 } else { 5 }),
            program,
        }
    }

    /// Whether a row of this name is wanted.
    fn wants(&self, name: &str) -> bool {
        self.only
            .as_ref()
            .is_none_or(|only| name.contains(only.as_str()))
    }

    /// All rows, and those that are wanted.
    fn rows(&self, work: &Path) -> (Vec<Row>, Vec<Row>) {
        // Beyond this a peer that takes minutes counts as not finished; each try costs it.
        let patience = Duration::from_secs(if self.is_quick { 20 } else { 60 });
        let all = |imgdelta| {
            rows::all(&Bench {
                work,
                imgdelta,
                patience,
            })
        };
        let mut rows = all(&self.imgdelta);
        if let Some(other) = &self.beside {
            for (row, other) in rows.iter_mut().zip(all(other)) {
                row.become_own(other);
            }
            // Beside each of its peers a work is the same work.
            rows.dedup_by(|one, other| one.ours.steps == other.ours.steps);
        }
        let wanted = rows
            .iter()
            .filter(|row| self.wants(&row.name()))
            .cloned()
            .collect();
        (rows, wanted)
    }

    /// The same of the series; there are none beside another imgdelta.
    fn series(&self, work: &Path) -> (Vec<Series>, Vec<Series>) {
        let imgdelta = &self.imgdelta;
        let all = match self.beside {
            Some(_) => Vec::new(),
            None => rows::series(&Bench {
                work,
                imgdelta,
                patience: Duration::MAX,
            }),
        };
        let wanted = all
            .iter()
            .filter(|one| self.wants(one.work))
            .cloned()
            .collect();
        (all, wanted)
    }
}

fn run(options: &Options) -> Result<(), String> {
    let work = options.work_folder()?;
    let (all_rows, rows) = options.rows(&work);
    let (all_series, series) = options.series(&work);
    if options.lists {
        rows.iter().for_each(|row| println!("{}", row.name()));
        series.iter().for_each(|one| println!("{}", one.work));
        return Ok(());
    }
    if rows.is_empty() && series.is_empty() {
        return Err("no row has that in its name; --list names them".into());
    }
    let machine = machine::machine();
    println!("{machine}\n");
    let mut memory = Memory::of(&work, &machine);
    let setting = options.setting(&work);
    let (mut lines, mut many) = (Vec::new(), Vec::new());
    let of_series = || series.iter().map(|one| one.workloads);
    let mut later: Vec<_> = rows
        .iter()
        .map(|row| row.workloads)
        .chain(of_series())
        .collect();
    let mut tidy = || {
        let done = later.remove(0);
        let is_done = |kind: &&&str| !later.iter().any(|needed| needed.contains(kind));
        let kinds: Vec<&str> = done.iter().filter(is_done).copied().collect();
        options.is_tidy.then(|| setting.drop_disks(&kinds));
    };
    for row in &rows {
        eprintln!("{} …", row.name());
        let line = setting.line(row);
        if options.beside.is_none() {
            memory.line(&line);
            memory.keep(&work)?;
        }
        lines.push(line);
        tidy();
    }
    for one in &series {
        eprintln!("{} …", one.work);
        let one = setting.series(one);
        memory.series(&one);
        memory.keep(&work)?;
        many.push(one);
        tidy();
    }
    print!("{}", report::tables(&lines, &many));
    let Some(page) = &options.write else {
        return Ok(());
    };
    let lines = all_rows.iter().filter_map(|row| memory.line_of(row));
    let many = all_series.iter().filter_map(|one| memory.series_of(one));
    let (lines, many) = (lines.collect::<Vec<_>>(), many.collect::<Vec<_>>());
    report::write(page, &machine, &lines, &many)
}

fn scripts() -> PathBuf {
    manifest_folder().join("benches/workloads")
}

fn manifest_folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
