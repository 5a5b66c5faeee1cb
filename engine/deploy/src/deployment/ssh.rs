//! A repository on another host: the system's ssh, the conversation through it, and its end.

use std::{
    io::{Read, Write},
    path::Path,
    time::Duration,
};

use imgdelta_core::{Error, Kind, Result};
use imgdelta_operations::Stage;
use imgdelta_repository::catalogue::Inventory;
use tempfile::TempDir;

use super::{
    remote::RemoteSite,
    site::{Sender, Sent, Site, TransferRequest},
};
use crate::{
    bundle::Outcome,
    space::Space,
    wire::{ClientSession, REMOTE_PROGRAM, SSH, SshUrl, Transport, ssh_command},
};

/// What leads to other hosts.
#[derive(Clone, Debug)]
pub struct SshPrograms {
    /// The program, with arguments of its own, divided by blanks.
    pub ssh: String,
    /// What imgdelta is called there, for the shell there.
    pub remote: String,
}

impl Default for SshPrograms {
    fn default() -> Self {
        Self {
            ssh: SSH.to_owned(),
            remote: REMOTE_PROGRAM.to_owned(),
        }
    }
}

/// A repository on another host, reached through the system's ssh.
pub struct SshSite<'a> {
    /// Gone when it broke.
    connection: Option<RemoteSite<'a, Box<dyn Read>, Box<dyn Write + Send>>>,
    transport: Option<Transport>,
    /// Goes with what was packed in it.
    _packing: TempDir,
}

impl<'a> SshSite<'a> {
    /// Starts ssh, and asks for the repository there, which is to wait so long while another process changes it; without `wait`, as long as it
    /// is set to there. What is sent is packed in a folder below `packing`.
    ///
    /// # Errors
    /// Peer or Host, if there is no line, or the repository cannot be had; Interrupted.
    pub fn open(
        sender: Sender<'a>,
        url: &SshUrl,
        programs: &SshPrograms,
        wait: Option<Duration>,
        packing: &Path,
    ) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("imgdelta-")
            .tempdir_in(packing)
            .map_err(|cause| Error::host("cannot create a folder", cause).in_file(packing))?;
        (sender.context.on_stage)(Stage::Connect(&url.to_string()));
        let progress = sender.context.run.work.progress;
        let mut transport = Transport::start(&ssh_command(url, &programs.ssh, &programs.remote)?)?;
        let patience = transport.patience().clone();
        let opened = transport.ends().and_then(|(from, to)| {
            let (from, to): (Box<dyn Read>, Box<dyn Write + Send>) = (Box::new(from), Box::new(to));
            let mut client = ClientSession::open_waiting(from, to, url.path(), wait, progress)?;
            client.keep_alive(&patience)?;
            Ok(client)
        });
        let (client, transport) = match opened {
            Ok(client) => (client, transport),
            Err(error) => return transport.end(Err(error)),
        };
        Ok(Self {
            connection: Some(RemoteSite::new(sender, client, folder.path().to_owned())),
            transport: Some(transport),
            _packing: folder,
        })
    }

    /// Says something, and where the connection breaks by that, why.
    fn say<T>(
        &mut self,
        what: impl FnOnce(&mut RemoteSite<'a, Box<dyn Read>, Box<dyn Write + Send>>) -> Result<T>,
    ) -> Result<T> {
        let Some(connection) = &mut self.connection else {
            return Err(Error::new(Kind::Peer, "the conversation broke off before")
                .with_code("out_of_order"));
        };
        let said = what(connection);
        let is_broken = connection.is_broken();
        match said {
            Err(error) if is_broken => {
                self.connection = None;
                match self.transport.take() {
                    // How ssh ends is no news to who has stopped it.
                    Some(transport) if error.kind() != Kind::Interrupted => {
                        transport.end(Err(error))
                    }
                    _ => Err(error),
                }
            }
            said => said,
        }
    }
}

impl Site for SshSite<'_> {
    fn inventory(&mut self) -> Result<Inventory> {
        self.say(Site::inventory)
    }

    fn space(&self) -> Option<Space> {
        self.connection.as_ref()?.space()
    }

    fn send(&mut self, request: &TransferRequest<'_>, sent: &mut Vec<Sent>) -> Result<Outcome> {
        self.say(|connection| connection.send(request, sent))
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        if let Some(connection) = self.connection.take() {
            Box::new(connection).finish()?;
        }
        match self.transport.take() {
            Some(transport) => transport.end(Ok(())),
            None => Ok(()),
        }
    }
}
