//! One image taken in: considered when it is proposed, received, installed, and answered for.

use std::{
    io::{Read, Write},
    sync::mpsc::{RecvTimeoutError, sync_channel},
    thread,
    time::Duration,
};

use imgdelta_core::{Error, Kind, Result};
use imgdelta_delta::RunProgress;
use imgdelta_repository::catalogue::ImageId;

use super::ServerSession;
use crate::{
    bundle::{BundleEntry, DeliveryContext, EnteredImage, EntryFiles, Outcome},
    wire::{
        connection::{Connection, unexpected},
        failure::Failure,
        frame::faulty,
        message::{Empty, Message, RawBytes, StartAt, Working},
        proposal::Proposal,
        session_state::SessionState,
        staging::StagedFiles,
    },
};

/// How often the other side hears that the site is at work.
const BEAT: Duration = Duration::from_secs(1);

impl<R: Read, W: Write + Send> ServerSession<'_, R, W> {
    /// Answers whether an image would be taken. If so, its files may be offered.
    pub(super) fn consider(
        &mut self,
        state: &mut SessionState<'_>,
        proposal: Proposal,
    ) -> Result<()> {
        let listing = state.receiver.site().list_finished(&self.run)?;
        let considered = state.considered(&listing, &proposal).and_then(|there| {
            if there.is_none()
                && let Some(base) = state.base(&listing, &proposal)?
            {
                let (receiver, run) = (&mut state.receiver, self.run);
                while_working(&mut self.connection, run.work.progress, || {
                    receiver.prove_base(&base, &DeliveryContext::quiet(run))
                })?;
            }
            Ok(there)
        });
        state.agreed = None;
        match considered {
            Ok(None) => {
                state.agreed = Some(proposal);
                self.connection.send(&Message::Ready(Empty))
            }
            Ok(Some(there)) => self.connection.send(&Message::AlreadyPresent(there)),
            Err(error) => self.refuse(&proposal.image, &error),
        }
    }

    /// Takes in one image.
    pub(super) fn take(
        &mut self,
        state: &mut SessionState<'_>,
        proposal: &Proposal,
        entry: &BundleEntry,
    ) -> Result<()> {
        let (run, site) = (self.run, state.receiver.site());
        let ownership = self.options.ownership;
        let progress = run.work.progress;
        let base = proposal.base.as_ref();
        let incoming = while_working(&mut self.connection, progress, || {
            StagedFiles::of(site, base, entry, run.wait)
        });
        let mut incoming = match incoming {
            Ok(incoming) => incoming,
            Err(error) => return self.refuse(&proposal.image, &error),
        };
        match self.receive(&mut incoming) {
            Ok(true) => {}
            unsent => {
                if incoming.is_empty() {
                    incoming.clear();
                }
                return unsent.map(drop);
            }
        }
        let folder = incoming.whole()?;
        let receiver = &mut state.receiver;
        let taken = while_working(&mut self.connection, progress, || {
            let files = EntryFiles {
                entry,
                folder: &folder,
                others: &[],
            };
            let context = DeliveryContext::quiet(run);
            receiver.take(&files, &proposal.store(ownership), proposal.step, &context)
        });
        // It may be made from steps, which lie in folders of their own.
        let taken = taken.map_err(|error| {
            let folders = state.kept.iter().chain([&incoming]);
            folders.fold(error, |error, one| one.named(error))
        });
        match taken {
            Ok(Outcome::Step) => {
                let step = (proposal.image.clone(), proposal.content_id);
                state.steps.push(step);
                state.kept.push(incoming);
                self.connection.send(&Message::Kept(Empty))
            }
            Ok(outcome) => {
                incoming.clear();
                let entered = entered(outcome, proposal)?;
                self.served.entered.push(entered.image.clone());
                self.connection.send(&Message::Entered(entered))
            }
            Err(error) => self.refuse(&proposal.image, &error),
        }
    }

    /// Receives the files, from where an earlier conversation was cut; false, if headquarters leaves the image out.
    fn receive(&mut self, incoming: &mut StagedFiles) -> Result<bool> {
        self.connection
            .send(&Message::ResumeState(incoming.held().clone()))?;
        match self.connection.receive()? {
            Message::StartAt(StartAt { at }) => incoming.begin(at)?,
            Message::End(Empty) => return Ok(false),
            other => return Err(unexpected(&other, "from")),
        }
        loop {
            self.run.work.progress.go_on()?;
            match self.connection.receive()? {
                Message::Data(RawBytes(bytes)) => incoming.append(bytes)?,
                Message::End(Empty) => return Ok(true),
                other => return Err(unexpected(&other, "data")),
            }
        }
    }

    /// Tells that an image is not taken.
    fn refuse(&mut self, image: &ImageId, error: &Error) -> Result<()> {
        if error.kind() == Kind::Interrupted {
            return Err(Error::interrupted());
        }
        let failure = Failure::of(error);
        self.served.refused.push((image.clone(), failure.clone()));
        self.connection.send(&Message::Refused(failure))
    }
}

/// What is told of an image that was entered, or had come on another way in the meantime.
fn entered(outcome: Outcome, proposal: &Proposal) -> Result<EnteredImage> {
    match outcome {
        Outcome::Entered(entered) => Ok(*entered),
        Outcome::There(there) => Ok(EnteredImage {
            image: there.image,
            name: there.name,
            content_id: proposal.content_id,
            is_new: false,
            notes: Vec::new(),
            as_child: None,
        }),
        Outcome::Failed(error) => Err(error),
        _ => Err(faulty("an image was neither entered nor refused")),
    }
}

/// Does something that may take long, while the other side hears that the site is alive. If it does not hear any more, the work is
/// done all the same: all that it needs has come.
fn while_working<T: Send, R: Read, W: Write + Send>(
    connection: &mut Connection<R, W>,
    progress: &RunProgress,
    work: impl FnOnce() -> Result<T> + Send,
) -> Result<T> {
    thread::scope(|scope| {
        let (done, is_done) = sync_channel(1);
        scope.spawn(move || done.send(work()));
        let mut is_heard = true;
        loop {
            match is_done.recv_timeout(BEAT) {
                Ok(result) => return result,
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Error::new(Kind::Host, "the work ended by itself"));
                }
                Err(RecvTimeoutError::Timeout) if is_heard => {
                    let working = Working {
                        done: progress.done().0,
                        total: progress.total().0,
                    };
                    is_heard = connection.send(&Message::Working(working)).is_ok();
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    })
}
