//! `make`, `apply`, `attach`, `convert`, `compare`, `info`, `map`, `check` and `digest`: a job becomes a call of the library. `-` is refused here
//! where a call needs a file.

use std::io::{self, IsTerminal};
use std::{path::Path, sync::Arc};

use imgdelta::core::{AtomicFile, Error, Existing, Kind, PipeSink, Result};
use imgdelta::{
    Apply, ApplyReport, Attach, AttachAll, AttachAllReport, AttachReport, Check, CheckedImage,
    ChildReport, Compare, CompareReport, Convert, ConvertReport, DifferingRun, Digest,
    DigestReport, Expand, Info, InfoReport, Make, MakeTransport, Map, MapReport, MappedRun,
    PackageReport, ReferencesReport, Salvage, SalvageReport, TransportReport,
};

use super::{Run, stdin};
use crate::job::{self, Goal, Memory};
use imgdelta::registry::{OpenSpec, Policy};

/// Writes what of the target differs from the base as a child of the base.
pub(crate) fn make(job: &job::Make, run: &Run<'_>) -> Result<ChildReport> {
    let goal = &job.goal;
    job::refuse_stream(&goal.output.path, "a child")?;
    job::refuse_stream(&job.base.path, "a base")?;
    job::refuse_stream(&job.target.path, "a target")?;
    let path = &goal.output.path;
    let base = run.unpacked_beside(&job.base, path);
    let target = run.unpacked_beside(&job.target, path);
    Make::new(base, target, goal.output.clone())
        .leave_out(job.leave_out.iter().copied())
        .dry_run(goal.dry_run)
        .ids(goal.ids)
        .run(&run.context(job.memory))
        .map_err(|error| {
            spelled(
                error,
                &[
                    (&job.base, "--base-format"),
                    (&job.target, "--target-format"),
                ],
            )
        })
}

/// Writes what of the target differs from the base as a transport file.
pub(crate) fn make_transport(
    job: &job::Make,
    level: Option<i32>,
    run: &Run<'_>,
) -> Result<TransportReport> {
    let goal = &job.goal;
    job::refuse_stream(&goal.output.path, "a transport file")?;
    job::refuse_stream(&job.base.path, "a base")?;
    job::refuse_stream(&job.target.path, "a target")?;
    let path = &goal.output.path;
    let base = run.unpacked_beside(&job.base, path);
    let target = run.unpacked_beside(&job.target, path);
    let mut make = MakeTransport::new(base, target, goal.output.clone())
        .leave_out(job.leave_out.iter().copied())
        .dry_run(goal.dry_run);
    if let Some(level) = level {
        make = make.level(level);
    }
    let options = [
        (&job.base, "--base-format"),
        (&job.target, "--target-format"),
    ];
    make.run(&run.context(job.memory))
        .map_err(|error| spelled(error, &options))
}

/// The error with the option by which this command is told the format of the file that it is about.
fn spelled(error: Error, inputs: &[(&OpenSpec, &str)]) -> Error {
    let file = error.location().file.clone();
    let option = inputs
        .iter()
        .find(|(spec, _)| file.as_ref() == Some(&spec.path));
    match option {
        Some((_, option)) => error.map_hint(|hint| hint.replace("--input-format", option)),
        None => error,
    }
}

/// Writes base and child as a full image.
pub(crate) fn apply(job: &job::Apply, run: &Run<'_>) -> Result<ApplyReport> {
    let (pair, goal) = (&job.pair, &job.goal);
    job::refuse_stream(&goal.output.path, "the result of apply")?;
    refuse_streams(pair)?;
    let path = &goal.output.path;
    let child = run.unpacked_beside(&pair.child, path);
    let base = run.unpacked_beside(&pair.base, path);
    Apply::new(child, base, goal.output.clone())
        .evidence(pair.evidence.clone())
        .dry_run(goal.dry_run)
        .ids(goal.ids)
        .run(&run.context(pair.memory))
        .map_err(|error| spelled_pair(error, pair))
}

/// Writes a transport file and its base as a child of the base.
pub(crate) fn expand(job: &job::Apply, run: &Run<'_>) -> Result<ChildReport> {
    let (pair, goal) = (&job.pair, &job.goal);
    job::refuse_stream(&goal.output.path, "a child")?;
    refuse_streams(pair)?;
    let base = run.unpacked_beside(&pair.base, &goal.output.path);
    Expand::new(pair.child.clone(), base, goal.output.clone())
        .dry_run(goal.dry_run)
        .ids(goal.ids)
        .run(&run.context(pair.memory))
        .map_err(|error| spelled_pair(error, pair))
}

fn spelled_pair(error: Error, pair: &job::Pair) -> Error {
    spelled(
        error,
        &[
            (&pair.base, "--base-format"),
            (&pair.child, "--child-format"),
        ],
    )
}

/// Links all children of a folder.
pub(crate) fn attach_all(
    job: &job::Attach,
    (folder, policy, memory): (&Path, &Policy, Memory),
    run: &Run<'_>,
) -> Result<AttachAllReport> {
    AttachAll::new(folder, policy.clone())
        .attributes(job.attributes)
        .dry_run(job.dry_run)
        .run(&run.context(memory))
}

/// Links a child to the local copy of its base.
pub(crate) fn attach(job: &job::Attach, pair: &job::Pair, run: &Run<'_>) -> Result<AttachReport> {
    refuse_streams(pair)?;
    Attach::new(run.unpacked(&pair.child), run.unpacked(&pair.base))
        .evidence(pair.evidence.clone())
        .attributes(job.attributes)
        .dry_run(job.dry_run)
        .run(&run.context(pair.memory))
        .map_err(|error| spelled_pair(error, pair))
}

fn refuse_streams(pair: &job::Pair) -> Result<()> {
    job::refuse_stream(&pair.child.path, "a child")?;
    job::refuse_stream(&pair.base.path, "a base")
}

/// Writes a disk as one image.
pub(crate) fn convert(job: &job::Convert, run: &Run<'_>) -> Result<ConvertReport> {
    let goal = &job.goal;
    let is_piped = job::is_stream(&goal.output.path);
    let mut source = run.unpacked_beside(&job.source, &goal.output.path);
    let mut bytes = None;
    if job::is_stream(&source.path) {
        // What cannot be written is refused before a long stream is read.
        imgdelta::registry::check_output(&goal.output)?;
        if !is_piped {
            AtomicFile::check_place(&goal.output.path, goal.output.existing)?;
        }
        source.path = stdin::NAME.into();
        bytes = Some(stdin::keep(run, source.format.is_none())?);
    }
    let mut convert = Convert::new(source, goal.output.clone())
        .dry_run(goal.dry_run)
        .needs_manifest(job.needs_manifest)
        .ids(goal.ids);
    if let Some(size) = job.size {
        convert = convert.size(size);
    }
    if let Some(bytes) = bytes {
        convert = convert.from_bytes(bytes);
    }
    if is_piped {
        refuse_terminal(goal)?;
        convert = convert.to_pipe(Arc::new(PipeSink::new(io::stdout())));
    }
    let mut report = convert.run(&run.context(Memory::Unused))?;
    if job::is_stream(&job.source.path) {
        report.source = job::STREAM.to_owned();
    }
    Ok(report)
}

/// Writes what can be read of a disk.
pub(crate) fn salvage(job: &job::Salvage, run: &Run<'_>) -> Result<SalvageReport> {
    let goal = &job.goal;
    job::refuse_stream(&job.source.path, "a disk to be salvaged")?;
    job::refuse_stream(&goal.output.path, "what is salvaged")?;
    let source = run.unpacked_beside(&job.source, &goal.output.path);
    Salvage::new(source, goal.output.clone())
        .dry_run(goal.dry_run)
        .run(&run.context(Memory::Unused))
}

/// An image is not text.
fn refuse_terminal(goal: &Goal) -> Result<()> {
    let is_text = io::stdout().is_terminal() && goal.output.existing == Existing::Keep;
    if goal.dry_run || !is_text {
        return Ok(());
    }
    Err(Error::new(
        Kind::Usage,
        "standard output is a terminal, and an image is not text",
    )
    .with_hint("use -o FILE, or a pipe, or --force"))
}

/// Compares two disks; each run of differing bytes goes to `each`, in order.
pub(crate) fn compare(
    job: &job::Compare,
    run: &Run<'_>,
    each: &mut (dyn FnMut(DifferingRun) -> Result<()> + Send),
) -> Result<CompareReport> {
    job::refuse_stream(&job.one.path, "an image to be compared")?;
    job::refuse_stream(&job.other.path, "an image to be compared")?;
    Compare::new(run.unpacked(&job.one), run.unpacked(&job.other))
        .stops_early(job.stops_early)
        .ignores_size(job.ignores_size)
        .files(job.files)
        .proves(job.memory == Memory::Refreshed)
        .run_listing(&run.context(job.memory), each)
        .map_err(|error| {
            spelled(
                error,
                &[(&job.one, "--input-format"), (&job.other, "--other-format")],
            )
        })
}

/// Says what an image is, and its parents if they are asked for.
pub(crate) fn info(job: &job::Info, run: &Run<'_>) -> Result<InfoReport> {
    job::refuse_stream(&job.image.path, "an image to be looked at")?;
    run.signals.may_end_at_once(true);
    Info::new(run.looked_at(&job.image))
        .chain(job.depth == job::InfoDepth::Chain)
        .run()
}

/// Lists the files that an image names.
pub(crate) fn references(job: &job::Info, run: &Run<'_>) -> Result<ReferencesReport> {
    job::refuse_stream(&job.image.path, "an image to be looked at")?;
    run.signals.may_end_at_once(true);
    Info::new(job.image.clone()).references()
}

/// The disks of a package of which none is chosen, if the image is one.
pub(crate) fn package(job: &job::Info, run: &Run<'_>) -> Result<Option<PackageReport>> {
    job::refuse_stream(&job.image.path, "an image to be looked at")?;
    run.signals.may_end_at_once(true);
    Info::new(run.looked_at(&job.image)).package()
}

/// Goes over a disk; each run goes to `each`, in order.
pub(crate) fn map(
    job: &job::Map,
    run: &Run<'_>,
    each: &mut dyn FnMut(MappedRun) -> Result<()>,
) -> Result<MapReport> {
    job::refuse_stream(&job.image.path, "an image to be mapped")?;
    run.signals.may_end_at_once(true);
    Map::new(run.looked_at(&job.image))
        .layers(job.layers)
        .files(job.files)
        .run(&run.context(Memory::Unused), each)
}

/// Looks for faults in an image, its parents apart; writes a mended one if that is asked for.
pub(crate) fn check(job: &job::Check, run: &Run<'_>) -> Result<CheckedImage> {
    job::refuse_stream(&job.image.path, "an image to be checked")?;
    // Until something is written, nothing needs to be taken away.
    run.signals.may_end_at_once(true);
    let mut check = Check::new(run.unpacked(&job.image)).chain(job.chain);
    if let Some(base) = &job.base {
        job::refuse_stream(&base.path, "a base")?;
        check = check.base(run.unpacked(base));
    }
    match job.repair.clone() {
        None => check,
        Some(into) => check.repair(into),
    }
    .run(&run.context(Memory::Unused))
}

/// Works out the digest of a disk, or recalls it.
pub(crate) fn digest(job: &job::Digest, run: &Run<'_>) -> Result<DigestReport> {
    job::refuse_stream(&job.image.path, "an image to be digested")?;
    Digest::new(run.unpacked(&job.image))
        .plain(job.plain)
        .run(&run.context(job.memory))
}
