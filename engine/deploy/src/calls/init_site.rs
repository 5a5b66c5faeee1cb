//! `repo init` on another host: the program there starts the repository.

use imgdelta_core::{Format, Result};
use imgdelta_operations::{Context, Stage};
use imgdelta_repository::calls::InitReport;

use crate::{
    deployment::SshPrograms,
    wire::{SshUrl, Transport, init_over, ssh_command},
};

/// A folder on another host that is to become a repository.
#[derive(Clone, Debug)]
pub struct InitSite {
    url: SshUrl,
    format: Format,
    dry_run: bool,
    programs: SshPrograms,
}

impl InitSite {
    /// A repository there, which is made if it is not there; its images are qcow2 unless asked for otherwise.
    #[must_use]
    pub fn new(url: SshUrl) -> Self {
        Self {
            url,
            format: Format::Qcow2,
            dry_run: false,
            programs: SshPrograms::default(),
        }
    }

    /// The format of images that are made there.
    #[must_use]
    pub const fn format(mut self, format: Format) -> Self {
        self.format = format;
        self
    }

    /// Whether nothing is to be written.
    #[must_use]
    pub const fn dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }

    /// The program that leads to other hosts, as in [`Deploy::ssh`](super::Deploy::ssh).
    #[must_use]
    pub fn ssh(mut self, program: impl Into<String>) -> Self {
        self.programs.ssh = program.into();
        self
    }

    /// What imgdelta is called there, for the shell there.
    #[must_use]
    pub fn remote_program(mut self, program: impl Into<String>) -> Self {
        self.programs.remote = program.into();
        self
    }

    /// Has the program there start it, where its `--root` lets it.
    ///
    /// # Errors
    /// Peer, if it is a repository already, may not be had, or its host fails; Unsupported (`site_version`), if the program there is older and
    /// starts none; Host, if there is no ssh; Interrupted.
    pub fn run(&self, context: &Context) -> Result<InitReport> {
        context.go_on()?;
        context.begin(Stage::Connect(&self.url.to_string()));
        let SshPrograms { ssh, remote } = &self.programs;
        let mut transport = Transport::start(&ssh_command(&self.url, ssh, remote)?)?;
        let made = transport
            .ends()
            .and_then(|(from, to)| init_over(from, to, self.url.path(), self.format, self.dry_run));
        let made = match made {
            Ok(made) => {
                transport.end(Ok(()))?;
                made
            }
            Err(error) => return transport.end(Err(error)),
        };
        let id = made.repository.map(|id| id.to_string());
        Ok(InitReport::new(
            self.url.to_string(),
            id,
            made.default_format,
            self.dry_run,
        ))
    }
}
