//! Does what a line about a repository says, and asks before something is lost.

use std::io::{self, BufRead, IsTerminal, Write};

use imgdelta::core::{Bytes, Error, Kind, Result};
use imgdelta::repository::RemoveReport;

use super::{Session, Telling, Verb, unwritten};
use crate::{
    args::{Repo, RepoVerb},
    call::{Outcome, Run, repo},
    job::{self, Edit},
    report::{Row, Text, clean},
};

impl Verb for Repo {
    fn run(self, session: &mut Session<'_>) -> Result<Telling> {
        let run = session.run;
        let edit = |job: Result<job::Editing>| Ok(session.tells(repo::edit(&job?, run)?));
        match self.verb {
            RepoVerb::Init(typed) => Ok(session.tells(repo::init(&typed.job()?, run)?)),
            RepoVerb::Add(typed) => Ok(session.tells(repo::add(&typed.job()?, run)?)),
            RepoVerb::Scan(typed) => Ok(session.tells(repo::scan(typed.manner(), run)?)),
            RepoVerb::List(_) => rows(session, |row| repo::list(run, row)),
            RepoVerb::Tree(_) => rows(session, |row| repo::tree(run, row)),
            RepoVerb::Show(typed) => Ok(session.tells(repo::show(&typed.image, run)?)),
            RepoVerb::Tag(typed) => edit(typed.job(Edit::Tag)),
            RepoVerb::Untag(typed) => edit(typed.job(Edit::Untag)),
            RepoVerb::Golden(typed) => edit(typed.job()),
            RepoVerb::SetId(typed) => edit(typed.job()),
            RepoVerb::Rename(typed) => edit(typed.job()),
            RepoVerb::Verify(typed) => rows(session, |row| repo::verify(&typed.job(), run, row)),
            RepoVerb::Remove(typed) => remove(typed.job(), session),
            RepoVerb::RequireSigner(typed) => {
                Ok(session.tells(repo::require_signer(&typed.job()?, run)?))
            }
            RepoVerb::Gc(typed) => Ok(session.tells(repo::gc(typed.manner(), run)?)),
        }
    }
}

/// A result whose images are told while they are found.
fn rows<T: Outcome + Text + 'static, R: Row>(
    session: &Session<'_>,
    work: impl FnOnce(&mut dyn FnMut(R) -> Result<()>) -> Result<T>,
) -> Result<Telling> {
    let mut rows = session.report.rows("images");
    let found = work(&mut |row| rows.row::<T, R>(&row).map_err(unwritten))?;
    Ok(Box::new(move || {
        rows.end(&found).map_err(unwritten)?;
        Ok(found.exit())
    }))
}

/// `repo remove`: what would be lost is worked out first, and shown to whoever is asked.
fn remove(mut job: job::Remove, session: &Session<'_>) -> Result<Telling> {
    let run = session.run;
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
    Ok(session.tells(repo::remove(&job, run)?))
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
