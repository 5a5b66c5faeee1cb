//! Does what a line about a repository says, and asks before something is lost.

use std::io::{self, BufRead, IsTerminal, Write};

use imgdelta::core::{Bytes, Error, Kind, Result};
use imgdelta::repository::RemoveReport;

use crate::{
    Telling, args::Verb, call::Outcome, call::Run, call::repo, job, job::Edit, report::Report,
    report::Row, report::Text, report::clean, telling, unwritten,
};

/// Does what is typed behind `repo`.
pub(super) fn obey(verb: Verb, run: &Run<'_>, report: Report) -> Result<Telling> {
    let edit = |job: Result<job::Editing>| Ok(telling(report, repo::edit(&job?, run)?));
    match verb {
        Verb::Init(typed) => Ok(telling(report, repo::init(&typed.job(), run)?)),
        Verb::Add(typed) => Ok(telling(report, repo::add(&typed.job()?, run)?)),
        Verb::Scan(typed) => Ok(telling(report, repo::scan(typed.manner(), run)?)),
        Verb::List(_) => rows(report, |row| repo::list(run, row)),
        Verb::Tree(_) => rows(report, |row| repo::tree(run, row)),
        Verb::Show(typed) => Ok(telling(report, repo::show(&typed.image, run)?)),
        Verb::Tag(typed) => edit(typed.job(Edit::Tag)),
        Verb::Untag(typed) => edit(typed.job(Edit::Untag)),
        Verb::Golden(typed) => edit(typed.job()),
        Verb::SetId(typed) => edit(typed.job()),
        Verb::Rename(typed) => edit(typed.job()),
        Verb::Verify(typed) => rows(report, |row| repo::verify(&typed.job(), run, row)),
        Verb::Remove(typed) => remove(typed.job(), run, report),
        Verb::Gc(typed) => Ok(telling(report, repo::gc(typed.manner(), run)?)),
    }
}

/// `inventory`: to a file, or as it is to standard output.
pub(super) fn inventory(job: &job::Inventory, run: &Run<'_>, report: Report) -> Result<Telling> {
    match &job.output {
        Some(output) => Ok(telling(report, repo::inventory(job, output, run)?)),
        None => {
            let (bytes, notes) = repo::inventory_bytes(run)?;
            Ok(Box::new(move || {
                report.notes(&notes).map_err(unwritten)?;
                report.bytes(&bytes).map_err(unwritten)?;
                Ok(0)
            }))
        }
    }
}

/// A result whose images are told while they are found.
fn rows<T: Outcome + Text + 'static, R: Row>(
    report: Report,
    work: impl FnOnce(&mut dyn FnMut(R) -> Result<()>) -> Result<T>,
) -> Result<Telling> {
    let mut rows = report.rows("images");
    let found = work(&mut |row| rows.row::<T, R>(&row).map_err(unwritten))?;
    Ok(Box::new(move || {
        rows.end(&found).map_err(unwritten)?;
        Ok(found.exit())
    }))
}

/// `repo remove`: what would be lost is worked out first, and shown to whoever is asked.
fn remove(mut job: job::Remove, run: &Run<'_>, report: Report) -> Result<Telling> {
    if !job.manner.dry_run && !job.is_sure {
        let foreseen = job::Remove {
            manner: job::Manner {
                dry_run: true,
                ..job.manner
            },
            ..job.clone()
        };
        let lost = repo::remove(&foreseen, run)?;
        if !lost.deleted.is_empty() {
            ask(&lost, run)?;
            // What was shown is what goes, whatever bears the name by now.
            job.image = lost.image.id;
        }
    }
    Ok(telling(report, repo::remove(&job, run)?))
}

/// Asks whether an image is really to go.
fn ask(lost: &RemoveReport, run: &Run<'_>) -> Result<()> {
    let refusal = |message: &str| {
        Error::new(Kind::Usage, message)
            .with_code("unconfirmed")
            .with_hint("--yes removes it without asking, --dry-run says what would go")
    };
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(refusal("refusing to delete without --yes"));
    }
    // Waiting for an answer, there is nothing to be taken away.
    run.signals.may_end_at_once(true);
    let question = format!("Delete {} ({})? [y/N] ", lost.image.name, Bytes(lost.bytes));
    let mut err = io::stderr().lock();
    let mut answer = String::new();
    let asked = write!(err, "{}", clean(&question))
        .and_then(|()| err.flush())
        .and_then(|()| io::stdin().lock().read_line(&mut answer));
    asked.map_err(|cause| Error::host("cannot ask", cause))?;
    run.signals.may_end_at_once(false);
    if matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
        Ok(())
    } else {
        Err(refusal("not confirmed: nothing was removed"))
    }
}
