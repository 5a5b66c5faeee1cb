//! Headquarters' end of the conversation: opens the repository there, exchanges the lists, and ends. Which base is best, and what is packed, its caller
//! decides.

mod deliver;

use std::{
    io::{Read, Write},
    sync::mpsc::{SyncSender, sync_channel},
    thread,
    time::Duration,
};

use imgdelta_core::{Error, Kind, Result};
use imgdelta_delta::RunProgress;
use imgdelta_repository::{
    catalogue::{ImageId, Inventory, facts::node},
    planning::common,
};

pub use self::deliver::{Delivered, TransferStats};
use super::{
    connection::{Connection, greeting, negotiate, no_answer, unexpected},
    frame::faulty,
    heartbeat::Patience,
    message::{Announce, Empty, Message, Open, Opened},
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
