//! Commands about images.

use imgdelta::{CompareReport, MapReport, RepairInto, core::Result};

use super::{Session, Telling, Verb, unwritten};
use crate::{
    args::{Apply, Attach, Check, Compare, Convert, Digest, Info, Make, Map, Salvage},
    call,
    call::Outcome as _,
    job::{self, Children, InfoDepth},
};

impl Verb for Make {
    fn run(self, session: &mut Session<'_>) -> Result<Telling> {
        let job = self.job()?;
        session.writes(&job.goal);
        match job.transport {
            Some(how) => {
                let made = call::make_transport(&job, how.level, session.run)?;
                Ok(session.tells(made))
            }
            None => Ok(session.tells(call::make(&job, session.run)?)),
        }
    }
}

impl Verb for Apply {
    fn run(self, session: &mut Session<'_>) -> Result<Telling> {
        let job = self.job()?;
        session.writes(&job.goal);
        if job.expands {
            return Ok(session.tells(call::expand(&job, session.run)?));
        }
        Ok(session.tells(call::apply(&job, session.run)?))
    }
}

impl Verb for Attach {
    fn run(self, session: &mut Session<'_>) -> Result<Telling> {
        let job = self.job()?;
        match &job.children {
            Children::One(pair) => {
                if !job.dry_run {
                    *session.output = Some(pair.child.path.clone());
                }
                Ok(session.tells(call::attach(&job, pair, session.run)?))
            }
            Children::All {
                folder,
                policy,
                memory,
            } => {
                let all = (folder.as_path(), policy, *memory);
                Ok(session.tells(call::attach_all(&job, all, session.run)?))
            }
        }
    }
}

impl Verb for Convert {
    fn run(self, session: &mut Session<'_>) -> Result<Telling> {
        let job = self.job()?;
        session.writes(&job.goal);
        session.report.output_is_taken = job::is_stream(&job.goal.output.path);
        Ok(session.tells(call::convert(&job, session.run)?))
    }
}

impl Verb for Salvage {
    fn run(self, session: &mut Session<'_>) -> Result<Telling> {
        let job = self.job()?;
        session.writes(&job.goal);
        Ok(session.tells(call::salvage(&job, session.run)?))
    }
}

/// The list is told while it is found.
impl Verb for Compare {
    fn run(self, session: &mut Session<'_>) -> Result<Telling> {
        let job = self.job(session.report.loudness < 0)?;
        if !job.lists {
            let found = call::compare(&job, session.run, &mut |_| Ok(()))?;
            return Ok(session.tells(found));
        }
        let mut rows = session.report.rows("differences");
        let found = call::compare(&job, session.run, &mut |row| {
            rows.row::<CompareReport, _>(&row).map_err(unwritten)
        })?;
        Ok(Box::new(move || {
            rows.end(&found).map_err(unwritten)?;
            Ok(found.exit())
        }))
    }
}

impl Verb for Info {
    fn run(self, session: &mut Session<'_>) -> Result<Telling> {
        let job = self.job()?;
        if job.depth == InfoDepth::References {
            Ok(session.tells(call::references(&job, session.run)?))
        } else if let Some(package) = call::package(&job, session.run)? {
            Ok(session.tells(package))
        } else {
            Ok(session.tells(call::info(&job, session.run)?))
        }
    }
}

/// The map is told while it is found.
impl Verb for Map {
    fn run(self, session: &mut Session<'_>) -> Result<Telling> {
        let mut rows = session.report.rows("extents");
        let found = call::map(&self.job()?, session.run, &mut |row| {
            rows.row::<MapReport, _>(&row).map_err(unwritten)
        })?;
        Ok(Box::new(move || {
            rows.end(&found).map_err(unwritten)?;
            Ok(found.exit())
        }))
    }
}

impl Verb for Check {
    fn run(self, session: &mut Session<'_>) -> Result<Telling> {
        let job = self.job()?;
        *session.output = match &job.repair {
            Some(RepairInto::File { output, .. }) => Some(output.clone()),
            Some(RepairInto::Place(_)) => Some(job.image.path.clone()),
            _ => None,
        };
        Ok(session.tells(call::check(&job, session.run)?))
    }
}

impl Verb for Digest {
    fn run(self, session: &mut Session<'_>) -> Result<Telling> {
        Ok(session.tells(call::digest(&self.job()?, session.run)?))
    }
}
