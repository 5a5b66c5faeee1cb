//! Commands about the tool itself.

use imgdelta::core::Result;

use super::{Session, Telling, Verb};
use crate::{
    args::{self, Completions, Env, Man, Version},
    call,
};

impl Verb for Env {
    fn run(self, session: &mut Session<'_>) -> Result<Telling> {
        Ok(session.tells(call::env(session.run.settings)))
    }
}

impl Verb for Version {
    fn run(self, session: &mut Session<'_>) -> Result<Telling> {
        Ok(session.tells(call::version()))
    }
}

impl Verb for Completions {
    fn run(self, session: &mut Session<'_>) -> Result<Telling> {
        Ok(session.writes_bytes(args::script(self.shell)?))
    }
}

impl Verb for Man {
    fn run(self, session: &mut Session<'_>) -> Result<Telling> {
        Ok(session.writes_bytes(self.write()?))
    }
}
