//! Headquarters' end of the conversation: asks, announces, chooses and sends. Which base is best, and what is sent of an image, its caller
//! knows.

use std::{
    io::{Read, Write},
    time::Duration,
};

use imgdelta_core::{Bytes, Error, Kind, Result};
use imgdelta_delta::Watch;
use imgdelta_repository::{
    catalogue::{ImageId, Inventory, facts::node},
    choice::common,
};

use super::{
    failure::tame,
    frame::{CUT, faulty},
    line::{Line, greeting, meet, unexpected},
    message::{Entered, From, Message, Nothing, Notice, Open, Opened, Raw, There},
    offer::{Choice, Offer, Parcel},
};

/// Headquarters' end of the conversation.
#[derive(Debug)]
pub struct Client<'a, R, W> {
    line: Line<R, W>,
    watch: &'a Watch,
    site: Opened,
    stage: Stage,
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

/// What became of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The site has it already, and nothing was sent.
    There(There),
    /// It was sent, and serves as a base of what follows.
    Kept {
        /// How many bytes of files were sent now.
        sent: u64,
        /// How many an earlier conversation had brought.
        resumed: u64,
    },
    /// It was sent, proven and entered.
    Entered {
        /// The proof and the entry.
        entry: Entered,
        /// How many bytes of files were sent now.
        sent: u64,
        /// How many an earlier conversation had brought.
        resumed: u64,
    },
}

impl<'a, R: Read, W: Write> Client<'a, R, W> {
    /// Begins a conversation over a pair of pipes, and asks for the repository at `path` there.
    ///
    /// # Errors
    /// Unsupported, if the versions do not meet; Peer, if the other side is no imgdelta, or cannot open the repository.
    pub fn open(from: R, to: W, path: &str, watch: &'a Watch) -> Result<Self> {
        Self::open_waiting(from, to, path, None, watch)
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
        watch: &'a Watch,
    ) -> Result<Self> {
        let mut line = Line::new(from, to);
        line.send(&Message::Hello(greeting())).map_err(unheard)?;
        match line.receive().map_err(unheard)? {
            Message::Welcome(theirs) => meet(&theirs)?,
            other => return Err(unexpected(&other, "welcome")),
        }
        line.send(&Message::Open(Open {
            path: path.to_owned(),
            wait: wait.map(|wait| wait.as_secs()),
        }))?;
        let site = match line.receive()? {
            Message::Opened(opened) => opened,
            other => return Err(unexpected(&other, "opened")),
        };
        Ok(Self {
            line,
            watch,
            site,
            stage: Stage::Opened,
        })
    }

    /// The repository at the other end.
    #[must_use]
    pub const fn site(&self) -> &Opened {
        &self.site
    }

    /// Says which images are to come, and what headquarters has; the site answers with what it has of that: its own ids, names and sizes
    /// of the images that both sides have, by content or by id.
    ///
    /// # Errors
    /// Peer, if the site fails, or answers with an image that headquarters does not have.
    pub fn announce(&mut self, own: &Inventory, wanted: &[ImageId]) -> Result<Inventory> {
        self.go_on(Stage::Opened)?;
        let list = own.to_json()?;
        self.line.send(&Message::Notice(Notice {
            wanted: wanted.to_vec(),
            list: list.len() as u64,
        }))?;
        self.line.send_list(&list)?;
        let length = match self.line.receive()? {
            Message::Common(common) => common.list,
            other => return Err(unexpected(&other, "common")),
        };
        let answer = self.line.receive_list(length)?;
        check_answer(own, &answer, &self.site)?;
        self.stage = Stage::Announced;
        Ok(answer)
    }

    /// Has one image brought to the site: tells the choice, packs what is sent only if the site has not got the image, and sends it. An
    /// earlier conversation that was cut is gone on with at the last whole frame.
    ///
    /// # Errors
    /// Peer, if the site does not take it, with the site's own error as its source: other images may still be sent; Digest, if what the
    /// site has entered is another disk; else those of `pack`.
    pub fn deliver(
        &mut self,
        choice: &Choice,
        pack: impl FnOnce() -> Result<Parcel>,
    ) -> Result<Outcome> {
        self.go_on(Stage::Announced)?;
        self.line.send(&Message::Choice(choice.clone()))?;
        let there = self.answer("ready", |message| match message {
            Message::Ready(Nothing) => Some(None),
            Message::There(there) => Some(Some(there.clone())),
            _ => None,
        })?;
        if let Some(there) = there {
            self.stage = Stage::Announced;
            return Ok(Outcome::There(there));
        }
        // If that fails, nothing was offered yet, and the next choice may follow.
        let parcel = pack().inspect_err(|_| self.stage = Stage::Announced)?;
        let outcome = self.offer(choice, &parcel);
        match &outcome {
            Err(error) if self.stage == Stage::Broken => self.line.fail(error),
            _ => self.stage = Stage::Announced,
        }
        outcome
    }

    /// Ends the conversation.
    ///
    /// # Errors
    /// Peer, if the site does not agree that all is done.
    pub fn close(mut self) -> Result<()> {
        if self.stage == Stage::Broken {
            return Ok(());
        }
        self.line.send(&Message::Bye(Nothing))?;
        match self.line.receive()? {
            Message::Bye(Nothing) => Ok(()),
            other => Err(unexpected(&other, "bye")),
        }
    }

    /// Whether it is the time for that. Until it is done, the conversation counts as broken.
    fn go_on(&mut self, required: Stage) -> Result<()> {
        self.watch.go_on()?;
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

    /// Offers the parcel, sends what the site does not hold, and waits for the entry.
    fn offer(&mut self, choice: &Choice, parcel: &Parcel) -> Result<Outcome> {
        let offer = Offer {
            image: choice.image.clone(),
            base: choice.base.clone(),
            parts: parcel.parts.clone(),
            item: parcel.item.clone(),
        };
        let total = offer.judged()?;
        self.line.send(&Message::Offer(offer))?;
        let held = self.answer("held", |message| match message {
            Message::Held(held) => Some(held.clone()),
            _ => None,
        })?;
        if held.bytes > total {
            return Err(faulty("the site holds more than there is"));
        }
        let is_same = held.bytes > 0 && parcel.prefix(held.bytes, self.watch)? == held.sha256;
        let at = if is_same { held.bytes } else { 0 };
        self.line.send(&Message::From(From { at }))?;
        self.stream(parcel, at, total)?;
        self.line.send(&Message::End(Nothing))?;
        let (sent, resumed) = (total.saturating_sub(at), at);
        let required = if choice.step { "kept" } else { "entered" };
        let entry = self.answer(required, |message| match message {
            Message::Kept(Nothing) if choice.step => Some(None),
            Message::Entered(entry) if !choice.step => Some(Some(entry.clone())),
            _ => None,
        })?;
        let Some(entry) = entry else {
            return Ok(Outcome::Kept { sent, resumed });
        };
        if entry.content_id != choice.content_id {
            let message = format!(
                "the site has entered {}, {} was sent",
                entry.content_id, choice.content_id
            );
            return Err(Error::new(Kind::Digest, message).with_code("other_disk"));
        }
        Ok(Outcome::Entered {
            entry: tamed(entry),
            sent,
            resumed,
        })
    }

    /// Sends the parcel from `at` on.
    fn stream(&mut self, parcel: &Parcel, at: u64, total: u64) -> Result<()> {
        let (line, watch) = (&mut self.line, self.watch);
        watch.begin(Bytes(total));
        watch.advance(Bytes(at), Bytes::ZERO);
        parcel.send(at, |piece| {
            watch.go_on()?;
            line.send(&Message::Data(Raw(piece)))?;
            let len = Bytes(piece.len() as u64);
            watch.advance(len, len);
            Ok(())
        })
    }

    /// Waits for the message that `take` takes. Meanwhile the site may say that it is at work, or that it does not take the image: then the
    /// conversation can go on.
    fn answer<T>(&mut self, required: &str, take: impl Fn(&Message<'_>) -> Option<T>) -> Result<T> {
        loop {
            self.watch.go_on()?;
            let message = self.line.receive()?;
            if let Some(taken) = take(&message) {
                return Ok(taken);
            }
            match message {
                Message::Working(working) => {
                    self.watch.begin(Bytes(working.total));
                    self.watch
                        .advance(Bytes(working.done.min(working.total)), Bytes::ZERO);
                }
                Message::Refused(failure) => {
                    self.stage = Stage::Announced;
                    return Err(failure.tamed().into_error());
                }
                other => return Err(unexpected(&other, required)),
            }
        }
    }
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

/// What people are shown, without what draws on a terminal.
fn tamed(entry: Entered) -> Entered {
    const MOST: usize = 32;
    let notes = entry.notes.iter().take(MOST).map(|note| tame(note));
    Entered {
        notes: notes.collect(),
        ..entry
    }
}

/// The other side went before it said anything: there is nothing to go on with.
fn unheard(error: Error) -> Error {
    match error.code() {
        CUT => error.map_hint(|_| {
            "try 'ssh HOST imgdelta --version': it shows whether the host is reached and has the program"
                .to_owned()
        }),
        _ => error,
    }
}
