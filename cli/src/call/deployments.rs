//! `plan`, `deploy`, `receive`, `verify` and `serve`: a job becomes a call of the library.

use std::{fs::File, io, os::fd::AsFd};

use imgdelta::core::{Error, Result};
use imgdelta::deploy::wire::{Patience, PatientReader};
use imgdelta::deploy::{
    Deploy, DeployReport, DropImages, DropReport, Plan, Receive, ReceiveReport, Refill,
    RefillReport, Serve, VerifyDelivery, VerifyDeliveryReport,
};
use imgdelta::repository::PlanReport;

use super::{Run, media::asking};
use crate::job::{self, Memory};

/// Works out how images would reach sites.
pub(crate) fn plan(job: &job::Plan, run: &Run<'_>) -> Result<PlanReport> {
    run.signals.may_end_at_once(true);
    let settings = run.settings;
    let plan = Plan::new(&settings.repository.value, &job.images)
        .rules(job.rules)
        .media(job.media)
        .rate(job.rate)
        .leave_out(job.leave_out.iter().copied())
        .ssh(&settings.ssh.value)
        .remote_program(&job.remote_program);
    (job.sites.iter().cloned())
        .fold(plan, Plan::site)
        .run(&run.context(Memory::Unused))
}

/// Works out what [`deploy`] would do.
pub(crate) fn deploy_dry_run(job: &job::Deploy, run: &Run<'_>) -> Result<PlanReport> {
    run.signals.may_end_at_once(true);
    call(job, run).plan().run(&run.context(Memory::Unused))
}

/// Sends images to sites.
pub(crate) fn deploy(job: &job::Deploy, run: &Run<'_>) -> Result<DeployReport> {
    call(job, run).run(&run.context(Memory::Unused))
}

fn call(job: &job::Deploy, run: &Run<'_>) -> Deploy {
    let settings = run.settings;
    let mut deploy = Deploy::new(&settings.repository.value, &job.images)
        .rules(job.rules)
        .native(job.native)
        .leave_out(job.leave_out.iter().copied())
        .spare(job.spare)
        .piece(job.piece)
        .parity(job.parity)
        .sign(job.sign.clone())
        .format(job.keeping.format)
        .as_child(job.keeping.as_child)
        .ownership(job.keeping.ownership)
        .wait(job.manner.wait)
        .ssh(&settings.ssh.value)
        .remote_program(&job.remote_program)
        .packing_folder(&settings.temporary.value);
    if let Some(level) = job.level {
        deploy = deploy.level(level);
    }
    if let Some(medium) = &job.medium {
        deploy = deploy.medium(medium);
    }
    if !job.media.is_empty() {
        deploy = deploy.media(job.media.iter().cloned(), asking(run));
    }
    job.sites.iter().cloned().fold(deploy, Deploy::to)
}

/// Takes images off a medium.
pub(crate) fn drop_images(job: &job::DropImages, run: &Run<'_>) -> Result<DropReport> {
    DropImages::new(&job.delivery, &job.images)
        .wait(job.manner.wait)
        .dry_run(job.manner.dry_run)
        .run(&run.context(Memory::Unused))
}

/// Takes from a delivery what is for this site.
pub(crate) fn receive(job: &job::Receive, run: &Run<'_>) -> Result<ReceiveReport> {
    let mut deliveries = job.deliveries.iter();
    let first = deliveries.next().cloned().unwrap_or_default();
    Receive::new(first, &run.settings.repository.value)
        .others(deliveries)
        .request(job.request.clone())
        .signer(job.signer.clone())
        .format(job.keeping.format)
        .as_child(job.keeping.as_child)
        .ownership(job.keeping.ownership)
        .wait(job.manner.wait)
        .dry_run(job.manner.dry_run)
        .run(&run.context(Memory::Unused))
}

/// Sends once more what came damaged.
pub(crate) fn refill(job: &job::Refill, run: &Run<'_>) -> Result<RefillReport> {
    Refill::new(&run.settings.repository.value, &job.request, &job.medium)
        .sign(job.sign.clone())
        .packing_folder(&run.settings.temporary.value)
        .wait(job.wait)
        .run(&run.context(Memory::Unused))
}

/// Looks a delivery through.
pub(crate) fn verify_delivery(
    job: &job::VerifyDelivery,
    run: &Run<'_>,
) -> Result<VerifyDeliveryReport> {
    run.signals.may_end_at_once(true);
    VerifyDelivery::new(&job.delivery)
        .signer(job.signer.clone())
        .run(&run.context(Memory::Unused))
}

/// Holds one conversation with headquarters, on standard input and output.
pub(crate) fn serve(job: &job::Serve, run: &Run<'_>) -> Result<()> {
    let patience = Patience::default();
    // As a file it keeps nothing back in a buffer, so that its silence can be told.
    let from = io::stdin().as_fd().try_clone_to_owned();
    let from = from.map_err(|cause| Error::host("cannot read standard input", cause))?;
    Serve::new(
        PatientReader::new(File::from(from), patience.clone()),
        io::stdout(),
    )
    .patience(patience)
    .root(job.root.clone())
    .ownership(job.ownership)
    .wait(job.wait)
    .run(&run.context(Memory::Unused))
    .map(|_| ())
}
