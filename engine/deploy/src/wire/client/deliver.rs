//! One image brought to the site: proposed, packed only if the site would take it, sent from where an earlier conversation was cut, and its proof awaited.

use std::{
    io::{Read, Write},
    path::Path,
};

use imgdelta_core::{Bytes, Error, Kind, Result};

use super::{ClientSession, Stage};
use crate::{
    bundle::{BundleEntry, EnteredImage, EntryFiles, Outcome},
    space::{Space, SpaceNeed},
    wire::{
        connection::unexpected,
        failure::sanitize,
        frame::faulty,
        message::{Empty, Message, RawBytes, StartAt},
        proposal::{Offer, Proposal},
        stream,
    },
};

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

impl<R: Read, W: Write> ClientSession<'_, R, W> {
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
        let delivered = self.offer(
            proposal,
            &EntryFiles {
                entry,
                folder,
                others: &[],
            },
        );
        match &delivered {
            Err(error) if self.stage == Stage::Broken => self.connection.fail(error),
            _ => self.stage = Stage::Announced,
        }
        delivered
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
        let space = held.space.map(Space::from);
        if let Some(Err(error)) = space.map(|space| require_space(files.entry, at, space)) {
            if held.may_skip {
                self.connection.send(&Message::End(Empty))?;
                self.stage = Stage::Announced;
            }
            return Err(error);
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
