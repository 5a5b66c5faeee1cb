//! Commands about images on their way to sites.

use imgdelta::core::Result;

use super::{Session, Telling, Verb, unwritten};
use crate::{
    args::{Deploy, Inventory, Plan, Receive, Serve, Verify},
    call,
};

/// To a file, or as it is to standard output.
impl Verb for Inventory {
    fn run(self, session: &mut Session<'_>) -> Result<Telling> {
        let job = self.job();
        session.output.clone_from(&job.output);
        match &job.output {
            Some(output) => Ok(session.tells(call::repo::inventory(&job, output, session.run)?)),
            None => {
                let (bytes, notes) = call::repo::inventory_bytes(session.run)?;
                let report = session.report;
                Ok(Box::new(move || {
                    report.notes(&notes).map_err(unwritten)?;
                    report.bytes(&bytes).map_err(unwritten)?;
                    Ok(0)
                }))
            }
        }
    }
}

impl Verb for Plan {
    fn run(self, session: &mut Session<'_>) -> Result<Telling> {
        Ok(session.tells(call::plan(&self.job()?, session.run)?))
    }
}

impl Verb for Deploy {
    fn run(self, session: &mut Session<'_>) -> Result<Telling> {
        if let Some(job) = self.drops()? {
            return Ok(session.tells(call::drop_images(&job, session.run)?));
        }
        if let Some(job) = self.refills()? {
            return Ok(session.tells(call::refill(&job, session.run)?));
        }
        let job = self.job()?;
        if job.manner.dry_run {
            Ok(session.tells(call::deploy_dry_run(&job, session.run)?))
        } else {
            Ok(session.tells(call::deploy(&job, session.run)?))
        }
    }
}

impl Verb for Receive {
    fn run(self, session: &mut Session<'_>) -> Result<Telling> {
        Ok(session.tells(call::receive(&self.job()?, session.run)?))
    }
}

impl Verb for Verify {
    fn run(self, session: &mut Session<'_>) -> Result<Telling> {
        Ok(session.tells(call::verify_delivery(&self.job()?, session.run)?))
    }
}

/// Standard output is the line to the other side, which is told all there is to tell.
impl Verb for Serve {
    fn run(self, session: &mut Session<'_>) -> Result<Telling> {
        call::serve(&self.job()?, session.run)?;
        Ok(Box::new(|| Ok(0)))
    }
}
