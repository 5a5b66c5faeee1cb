//! The engine alone: comparing two raw disks and writing the difference as a qcow2 child, without digests, beside qemu-img's
//! create and rebase; durable against durable, in turn, medians.
//!
//! `cargo bench -p imgdelta-delta --bench engine [-- BASE TARGET [RUNS]]`. Without disks it takes those that
//! `cargo bench -p imgdelta --bench peers` makes.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::Instant,
};

use imgdelta_core::{Existing, Options, Result};
use imgdelta_delta::{Chain, DigestCache, ExecContext, Layer, Make, RunProgress};
use imgdelta_registry::{OpenSpec, OutputSpec, create, new_parent, open_chain};

fn main() -> ExitCode {
    let given: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    let work = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bench");
    let base = given
        .first()
        .map_or_else(|| work.join("base.raw"), PathBuf::from);
    let target = given
        .get(1)
        .map_or_else(|| work.join("small.raw"), PathBuf::from);
    let runs = given.get(2).and_then(|runs| runs.parse().ok()).unwrap_or(5);
    if !base.exists() || !target.exists() {
        eprintln!(
            "skipped: no {} or {}; 'cargo bench -p imgdelta --bench peers' makes them",
            base.display(),
            target.display()
        );
        return ExitCode::SUCCESS;
    }
    match measure(&base, &target, runs) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

fn measure(base: &Path, target: &Path, runs: usize) -> std::result::Result<(), String> {
    let folder = base.parent().unwrap_or(Path::new(".")).join("engine");
    std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let (ours, theirs) = (folder.join("ours.qcow2"), folder.join("theirs.qcow2"));
    let (mut engine, mut peer) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        warm(base, target).map_err(|error| error.to_string())?;
        engine.push(timed(|| {
            make(base, target, &ours).map_err(|error| error.to_string())
        })?);
        warm(base, target).map_err(|error| error.to_string())?;
        peer.push(timed(|| rebase(base, target, &theirs))?);
    }
    let (engine, peer) = (median(engine), median(peer));
    println!("| work | engine s | qemu-img s | ratio |\n|---|---|---|---|");
    println!(
        "| compare and write the child, no digests | {engine:.2} | {peer:.2} | {:.2} |",
        peer / engine
    );
    std::fs::remove_dir_all(&folder).map_err(|error| error.to_string())
}

/// Reads what is stored of both disks, so that neither side pays for the disk below.
fn warm(base: &Path, target: &Path) -> io::Result<()> {
    for path in [base, target] {
        Command::new("cat")
            .arg(path)
            .stdout(File::create("/dev/null")?)
            .status()?;
    }
    Ok(())
}

fn timed(
    run: impl FnOnce() -> std::result::Result<(), String>,
) -> std::result::Result<f64, String> {
    let start = Instant::now();
    run()?;
    Ok(start.elapsed().as_secs_f64())
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds.get(seconds.len() / 2).copied().unwrap_or(f64::NAN)
}

fn make(base: &Path, target: &Path, child: &Path) -> Result<()> {
    let (base_layers, target_layers) = (
        open_chain(&OpenSpec::of(base))?,
        open_chain(&OpenSpec::of(target))?,
    );
    let chain = |opened: &[imgdelta_registry::Opened]| {
        let layers = opened
            .iter()
            .map(|one| Layer::new(one.image.clone(), one.id.clone()));
        Chain::new(layers.collect())
    };
    let (base_disk, target_disk) = (chain(&base_layers)?, chain(&target_layers)?);
    let spec = OutputSpec {
        format: None,
        options: Options::default(),
        existing: Existing::Replace,
        ..OutputSpec::of(child)
    };
    let parent = base_layers
        .first()
        .map(|base| new_parent(base, child))
        .transpose()?;
    let output = create(&spec, target_disk.size().into(), parent)?;
    let (memory, progress) = (DigestCache::none(), RunProgress::default());
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let work = ExecContext::new(threads, &progress);
    Make {
        base: &base_disk,
        target: &target_disk,
        proves: false,
        memory: &memory,
        work,
    }
    .run(output.writer)?;
    output.drafts.commit()
}

fn rebase(base: &Path, target: &Path, child: &Path) -> std::result::Result<(), String> {
    let run = |program: &str, arguments: &[&std::ffi::OsStr]| {
        let status = Command::new(program)
            .args(arguments)
            .status()
            .map_err(|error| format!("{program}: {error}"))?;
        if status.success() {
            Ok(())
        } else {
            Err(format!("{program} failed"))
        }
    };
    let [create, f, qcow2, raw, b, big_f] =
        ["create", "-f", "qcow2", "raw", "-b", "-F"].map(std::ffi::OsStr::new);
    let [quiet, rebase] = ["-q", "rebase"].map(std::ffi::OsStr::new);
    run(
        "qemu-img",
        &[
            create,
            quiet,
            f,
            qcow2,
            big_f,
            raw,
            b,
            target.as_os_str(),
            child.as_os_str(),
        ],
    )?;
    run(
        "qemu-img",
        &[
            rebase,
            f,
            qcow2,
            big_f,
            raw,
            b,
            base.as_os_str(),
            child.as_os_str(),
        ],
    )?;
    run("sync", &[child.as_os_str()])
}
