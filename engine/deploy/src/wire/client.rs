//! Headquarters' end of the conversation: asks, announces, chooses and sends. Which base is best, and what is sent of an image, its caller
//! knows.

use std::{
    io::{Read, Write},
    path::Path,
    sync::mpsc::{SyncSender, sync_channel},
    thread,
    time::Duration,
};

use imgdelta_core::{Bytes, Error, Kind, Result};
use imgdelta_delta::RunProgress;
use imgdelta_repository::{
    catalogue::{ImageId, Inventory, facts::node},
    planning::common,
};

use super::{
    connection::{Connection, greeting, negotiate, unexpected},
    failure::sanitize,
    frame::{CUT, faulty},
    heartbeat::Patience,
    message::{Announce, Empty, Message, Open, Opened, RawBytes, StartAt},
    proposal::{Offer, Proposal},
    stream,
};
use crate::{
    bundle::{BundleEntry, EnteredImage, EntryFiles, Outcome},
    space::{Space, SpaceNeed},
};

/// Headquarters' end of the conversation.
#[derive(Debug)]
pub struct ClientSession<'a, R, W> {
    connection: Connection<R, W>,
    progress: &'a RunProgress,
    site: Opened,
    /// The version that both speak.
    version: u16,
    stage: Stage,
    /// Ends the beats with the conversation.
    beats: Option<SyncSender<()>>,
}

/// How far the conversation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The repository is open.
    Opened,
    /// The lists were exchanged: images may be sent.
    Announced,
    /// It stopped in the middle of something.
    Broken,
}

/// What became of an image that was to be brought.
#[derive(Debug)]
pub struct Delivered {
    /// There, a step, or entered.
    pub outcome: Outcome,
    /// What was sent; nothing, if the site had the image.
    pub transfer: Option<TransferStats>,
}

/// What went over the connection of one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransferStats {
    /// How many bytes of files were sent now.
    pub sent: u64,
    /// How many an earlier conversation had brought.
    pub resumed: u64,
}

impl<'a, R: Read, W: Write> ClientSession<'a, R, W> {
    /// Begins a conversation over a pair of pipes, and asks for the repository at `path` there.
    ///
    /// # Errors
    /// Unsupported, if the versions do not meet; Peer, if the other side is no imgdelta, or cannot open the repository.
    pub fn open(from: R, to: W, path: &str, progress: &'a RunProgress) -> Result<Self> {
        Self::open_waiting(from, to, path, None, progress)
    }

    /// As [`open`](Self::open); the site is to wait so long, and not as long as it is set to there, while another process changes the
    /// repository.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_waiting(
        from: R,
        to: W,
        path: &str,
        wait: Option<Duration>,
        progress: &'a RunProgress,
    ) -> Result<Self> {
        let mut connection = Connection::new(from, to);
        connection
            .send(&Message::Hello(greeting()))
            .map_err(no_answer)?;
        let version = match connection.receive().map_err(no_answer)? {
            Message::Welcome(theirs) => negotiate(&theirs)?,
            other => return Err(unexpected(&other, "welcome")),
        };
        if version >= 2 {
            connection.expect_beats();
        }
        connection.send(&Message::Open(Open {
            path: path.to_owned(),
            wait: wait.map(|wait| wait.as_secs()),
        }))?;
        let site = match connection.receive()? {
            Message::Opened(opened) => opened,
            other => return Err(unexpected(&other, "opened")),
        };
        Ok(Self {
            connection,
            progress,
            site,
            version,
            stage: Stage::Opened,
            beats: None,
        })
    }

    /// From now on this side says that it is alive whenever it is silent, and the patience of who reads is limited: a site whose line died is given
    /// up. With a site of version 1 nothing changes.
    ///
    /// # Errors
    /// Host, if there can be no thread for that.
    pub fn keep_alive(&mut self, patience: &Patience) -> Result<()>
    where
        W: Send + 'static,
    {
        if self.version < 2 {
            return Ok(());
        }
        let heartbeat = self.connection.heartbeat(patience);
        let (end, is_over) = sync_channel(0);
        thread::Builder::new()
            .name("imgdelta-alive".to_owned())
            .spawn(move || heartbeat.run(&is_over))
            .map_err(|cause| Error::host("cannot start a thread", cause))?;
        self.beats = Some(end);
        Ok(())
    }

    /// The repository at the other end.
    #[must_use]
    pub const fn site(&self) -> &Opened {
        &self.site
    }

    /// Whether it stopped in the middle of something, so that nothing can be said any more.
    #[must_use]
    pub(crate) const fn is_broken(&self) -> bool {
        matches!(self.stage, Stage::Broken)
    }

    /// Says which images are to come, and what headquarters has; the site answers with what it has of that: its own ids, names and sizes
    /// of the images that both sides have, by content or by id.
    ///
    /// # Errors
    /// Peer, if the site fails, or answers with an image that headquarters does not have.
    pub fn announce(&mut self, own: &Inventory, wanted: &[ImageId]) -> Result<Inventory> {
        self.go_on(Stage::Opened)?;
        let list = own.to_json()?;
        self.connection.send(&Message::Announce(Announce {
            wanted: wanted.to_vec(),
            list: list.len() as u64,
        }))?;
        self.connection.send_list(&list)?;
        let length = match self.connection.receive()? {
            Message::Common(common) => common.list,
            other => return Err(unexpected(&other, "common")),
        };
        let answer = self.connection.receive_list(length)?;
        check_answer(own, &answer, &self.site)?;
        self.stage = Stage::Announced;
        Ok(answer)
    }

    /// Has one image brought to the site: proposes it, packs what is sent only if the site would take it, and sends it. The site has proven the
    /// base by then. An earlier conversation that was cut is gone on with at the last whole frame. `pack` says which files there are; they lie
    /// in `folder`.
    ///
    /// # Errors
    /// Peer, if the site does not take it, with the site's own error as its source: other images may still be sent; Digest, if what the
    /// site has entered is another disk; else those of `pack`.
    pub fn deliver(
        &mut self,
        proposal: &Proposal,
        folder: &Path,
        pack: impl FnOnce() -> Result<BundleEntry>,
    ) -> Result<Delivered> {
        self.go_on(Stage::Announced)?;
        self.connection.send(&Message::Choice(proposal.clone()))?;
        let there = self.answer("ready", |message| match message {
            Message::Ready(Empty) => Some(None),
            Message::AlreadyPresent(there) => Some(Some(there.clone())),
            _ => None,
        })?;
        if let Some(there) = there {
            self.stage = Stage::Announced;
            return Ok(Delivered {
                outcome: Outcome::There(there),
                transfer: None,
            });
        }
        // If that fails, nothing was offered yet, and the next proposal may follow.
        let entry = &pack().inspect_err(|_| self.stage = Stage::Announced)?;
        let delivered = self.offer(proposal, &EntryFiles { entry, folder });
        match &delivered {
            Err(error) if self.stage == Stage::Broken => self.connection.fail(error),
            _ => self.stage = Stage::Announced,
        }
        delivered
    }

    /// Ends the conversation.
    ///
    /// # Errors
    /// Peer, if the site does not agree that all is done.
    pub fn close(mut self) -> Result<()> {
        if self.stage == Stage::Broken {
            return Ok(());
        }
        // Nothing follows the farewell.
        drop(self.beats.take());
        self.connection.send(&Message::Bye(Empty))?;
        match self.connection.receive()? {
            Message::Bye(Empty) => Ok(()),
            other => Err(unexpected(&other, "bye")),
        }
    }

    /// Whether it is the time for that. Until it is done, the conversation counts as broken.
    fn go_on(&mut self, required: Stage) -> Result<()> {
        self.progress.go_on()?;
        if self.stage != required {
            let message = match self.stage {
                Stage::Broken => "the conversation broke off before",
                Stage::Opened => "nothing was announced yet",
                Stage::Announced => "the lists were exchanged before",
            };
            return Err(Error::new(Kind::Usage, message).with_code("out_of_order"));
        }
        self.stage = Stage::Broken;
        Ok(())
    }

    /// Offers the files, sends what the site does not hold, and waits for the entry.
    fn offer(&mut self, proposal: &Proposal, files: &EntryFiles<'_>) -> Result<Delivered> {
        proposal.require(files.entry)?;
        let total = files.entry.bytes();
        self.connection.send(&match self.version {
            1 => Message::Offer(Offer::of(proposal, files.entry)),
            _ => Message::Entry(files.entry.clone()),
        })?;
        let held = self.answer("held", |message| match message {
            Message::ResumeState(held) => Some(held.clone()),
            _ => None,
        })?;
        if held.bytes > total {
            return Err(faulty("the site holds more than there is"));
        }
        let is_same =
            held.bytes > 0 && stream::prefix(files, held.bytes, self.progress)? == held.sha256;
        let at = if is_same { held.bytes } else { 0 };
        if let Some(space) = held.space {
            require_space(files.entry, at, space.into())?;
        }
        self.connection.send(&Message::StartAt(StartAt { at }))?;
        self.stream(files, at)?;
        self.connection.send(&Message::End(Empty))?;
        let transfer = Some(TransferStats {
            sent: total.saturating_sub(at),
            resumed: at,
        });
        let required = if proposal.step { "kept" } else { "entered" };
        let entered = self.answer(required, |message| match message {
            Message::Kept(Empty) if proposal.step => Some(None),
            Message::Entered(entered) if !proposal.step => Some(Some(entered.clone())),
            _ => None,
        })?;
        let outcome = match entered {
            Some(entered) => Outcome::from(proven(entered, proposal)?),
            None => Outcome::Step,
        };
        Ok(Delivered { outcome, transfer })
    }

    /// Sends the files from `at` on.
    fn stream(&mut self, files: &EntryFiles<'_>, at: u64) -> Result<()> {
        let (connection, progress) = (&mut self.connection, self.progress);
        progress.begin(Bytes(files.entry.bytes()));
        progress.advance(Bytes(at), Bytes::ZERO);
        stream::send(files, at, |piece| {
            progress.go_on()?;
            connection.send(&Message::Data(RawBytes(piece)))?;
            let len = Bytes(piece.len() as u64);
            progress.advance(len, len);
            Ok(())
        })
    }

    /// Waits for the message that `take` takes. Meanwhile the site may say that it is at work, or that it does not take the image: then the
    /// conversation can go on.
    fn answer<T>(&mut self, required: &str, take: impl Fn(&Message<'_>) -> Option<T>) -> Result<T> {
        loop {
            self.progress.go_on()?;
            let message = self.connection.receive()?;
            if let Some(taken) = take(&message) {
                return Ok(taken);
            }
            match message {
                Message::Working(working) => {
                    self.progress.begin(Bytes(working.total));
                    self.progress
                        .advance(Bytes(working.done.min(working.total)), Bytes::ZERO);
                }
                Message::Refused(failure) => {
                    self.stage = Stage::Announced;
                    return Err(failure.sanitized().into_error());
                }
                other => return Err(unexpected(&other, required)),
            }
        }
    }
}

/// Makes sure that the site has room for what is to be sent, before any of it is.
fn require_space(entry: &BundleEntry, at: u64, space: Space) -> Result<()> {
    let longest = entry.files().map(|file| Bytes(file.length)).max();
    let longest = longest.unwrap_or_default();
    let need = SpaceNeed {
        longest,
        longest_at_most: longest,
        ..SpaceNeed::exactly(Bytes(entry.bytes().saturating_sub(at)))
    };
    let what = format!("'{}'", entry.name);
    need.require(&what, Some(space), "the repository there")?;
    Ok(())
}

/// The answer is to be a part of what was asked.
fn check_answer(own: &Inventory, answer: &Inventory, site: &Opened) -> Result<()> {
    if answer.repository != site.repository {
        return Err(faulty("the common list is of another repository"));
    }
    let here: Vec<_> = own.images.iter().map(node).collect();
    let there: Vec<_> = answer.images.iter().map(node).collect();
    let shared = common(&there, &here);
    match there.iter().find(|node| {
        let at = shared.binary_search_by(|one| one.image.as_str().cmp(&node.id));
        at.is_err()
    }) {
        None => Ok(()),
        Some(stranger) => Err(faulty(&format!(
            "the common list names '{}', which was not asked for",
            stranger.id
        ))),
    }
}

/// What the site has entered, if it is the disk that was sent; what people are shown of it, without what draws on a terminal.
fn proven(entered: EnteredImage, proposal: &Proposal) -> Result<EnteredImage> {
    const MOST: usize = 32;
    if entered.content_id != proposal.content_id {
        let message = format!(
            "the site has entered {}, {} was sent",
            entered.content_id, proposal.content_id
        );
        return Err(Error::new(Kind::Digest, message).with_code("other_disk"));
    }
    let notes = entered.notes.iter().take(MOST).map(|note| sanitize(note));
    Ok(EnteredImage {
        notes: notes.collect(),
        ..entered
    })
}

/// The other side went before it said anything: there is nothing to go on with.
pub(super) fn no_answer(error: Error) -> Error {
    match error.code() {
        CUT => error.map_hint(|_| {
            "try 'ssh HOST imgdelta --version': it shows whether the host is reached and has the program"
                .to_owned()
        }),
        _ => error,
    }
}
