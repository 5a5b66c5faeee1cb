//! `plan`: a job becomes a call of the library. Sites on other hosts are asked what they have.

use std::time::Duration;

use imgdelta_core::Result;
use imgdelta_repository::{
    calls::{Plan, PlanReport, refuse_twice},
    catalogue::{ImageId, Inventory},
};

use super::{Run, line::converse};
use crate::job::{self, Known, Memory};

/// Works out how images would reach sites.
pub(crate) fn plan(job: &job::Plan, run: &Run<'_>) -> Result<PlanReport> {
    run.signals.may_end_at_once(true);
    let plan = Plan::new(run.folder(), job.images.iter().cloned())
        .carried(job.is_carried)
        .rules(job.rules)
        .media(job.media)
        .rate(job.rate);
    let asked = ask(job, run)?;
    let sites = job.sites.iter().zip(asked);
    let plan = sites.fold(plan, |plan, (site, told)| match told {
        Some(has) => plan.site_on_line(site.shown(), has),
        None => plan.site(site.shown()),
    });
    plan.run(&run.context(Memory::Unused))
}

/// What the sites on other hosts have of what is here; what is at hand needs no asking.
fn ask(job: &job::Plan, run: &Run<'_>) -> Result<Vec<Option<Inventory>>> {
    let is_there = |site: &Known| matches!(site, Known::There(_));
    if !job.sites.iter().any(is_there) {
        return Ok(vec![None; job.sites.len()]);
    }
    // Before anybody is bothered: what can be refused at once.
    let repository = run.repository()?;
    let listing = repository.list()?;
    let wanted = job.images.iter().map(|word| listing.find(word));
    let wanted: Vec<ImageId> = wanted
        .map(|found| found.map(|record| record.id.clone()))
        .collect::<Result<_>>()?;
    refuse_twice(&job.sites.iter().map(Known::shown).collect::<Vec<_>>())?;
    let own = repository.inventory()?;
    let asked = job.sites.iter().map(|site| match site {
        Known::Here(_) => Ok(None),
        Known::There(target) => {
            let program = &job.remote_program;
            let talk = |client: &mut super::line::End<'_>| client.announce(&own, &wanted);
            converse(target, program, Duration::ZERO, run, talk).map(Some)
        }
    });
    asked.collect()
}
