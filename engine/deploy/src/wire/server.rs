//! The site's end of the conversation: opens the repository that is asked for, answers with what both have, and takes what is sent. Nothing that the
//! other side says is believed beyond its form.

mod take;

use std::{
    io::{Read, Write},
    path::Path,
    sync::mpsc::sync_channel,
    thread,
    time::Duration,
};

use imgdelta_core::{Ownership, Result};
use imgdelta_repository::{
    catalogue::{ImageId, Inventory, Repository, Run, facts::node},
    planning::common,
};

use super::{
    allowed_root,
    connection::{Connection, greeting, negotiate, unexpected},
    failure::Failure,
    heartbeat::Patience,
    init,
    message::{Announce, Common, Empty, Message, Opened},
    session_state::SessionState,
    staging::StagedFiles,
};
use crate::space::Space;

/// How long headquarters may make a site wait for a repository that another process changes.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// What serves: which repositories may be had, and how.
#[derive(Clone, Copy, Debug)]
pub struct ServeOptions<'a> {
    /// Only repositories in this folder or below it may be had, if it is given.
    pub root: Option<&'a Path>,
    /// How images are made and entered.
    pub run: Run<'a>,
    /// How long headquarters may be silent; that of who reads.
    pub patience: &'a Patience,
    /// To whom the files of images belong that are entered.
    pub ownership: Ownership,
}

/// What a conversation brought.
#[derive(Clone, Debug, Default)]
pub struct Served {
    /// The images that were entered.
    pub entered: Vec<ImageId>,
    /// Those that were not, with why.
    pub refused: Vec<(ImageId, Failure)>,
}

/// Holds one conversation over a pair of pipes, to its end.
///
/// # Errors
/// Peer, if the other side breaks off or breaks a rule; else as the repository has them. The other side is told, as far as it listens.
pub fn serve<R: Read, W: Write + Send>(
    from: R,
    to: W,
    options: &ServeOptions<'_>,
) -> Result<Served> {
    let mut session = ServerSession {
        connection: Connection::new(from, to),
        options,
        run: options.run,
        served: Served::default(),
    };
    match session.hold() {
        Ok(()) => Ok(session.served),
        Err(error) => {
            session.connection.fail(&error);
            Err(error)
        }
    }
}

/// A conversation.
struct ServerSession<'a, R, W> {
    connection: Connection<R, W>,
    options: &'a ServeOptions<'a>,
    /// How, as headquarters wishes.
    run: Run<'a>,
    served: Served,
}

impl<R: Read, W: Write + Send> ServerSession<'_, R, W> {
    /// All of it. From version 2 on both sides say that they are alive while they have nothing else to say.
    fn hold(&mut self) -> Result<()> {
        if self.greet()? < 2 {
            return self.converse();
        }
        let heartbeat = self.connection.heartbeat(self.options.patience);
        let (end, is_over) = sync_channel::<()>(0);
        thread::scope(|scope| {
            scope.spawn(move || heartbeat.run(&is_over));
            let talked = self.converse();
            drop(end);
            talked
        })
    }

    /// What is said after the greetings.
    fn converse(&mut self) -> Result<()> {
        let Some(repository) = self.open()? else {
            return Ok(());
        };
        let notice = match self.connection.receive()? {
            Message::Announce(notice) => notice,
            Message::Bye(Empty) => return self.connection.send(&Message::Bye(Empty)),
            other => return Err(unexpected(&other, "notice")),
        };
        self.answer(&repository, &notice)?;
        let mut state = SessionState::at(&repository);
        loop {
            self.run.work.progress.go_on()?;
            let (proposal, entry) = match self.connection.receive()? {
                Message::Choice(proposal) => {
                    self.consider(&mut state, proposal)?;
                    continue;
                }
                Message::Offer(offer) => {
                    let proposal = state.agreed()?;
                    let entry = offer.entry(&proposal)?;
                    (proposal, entry)
                }
                Message::Entry(entry) => (state.agreed()?, entry),
                Message::Bye(Empty) => {
                    state.kept.drain(..).for_each(StagedFiles::clear);
                    return self.connection.send(&Message::Bye(Empty));
                }
                other => return Err(unexpected(&other, "choice")),
            };
            proposal.require(&entry)?;
            self.take(&mut state, &proposal, &entry)?;
        }
    }

    /// Says which versions are spoken here, and ends if those do not meet; else, which one is spoken.
    fn greet(&mut self) -> Result<u16> {
        let theirs = match self.connection.receive()? {
            Message::Hello(theirs) => theirs,
            other => return Err(unexpected(&other, "hello")),
        };
        self.connection.send(&Message::Welcome(greeting()))?;
        negotiate(&theirs)
    }

    /// Opens the repository that is asked for.
    fn open(&mut self) -> Result<Option<Repository>> {
        let asked = match self.connection.receive()? {
            Message::Open(open) => open,
            Message::Init(asked) => {
                let made = init::made(&asked, self.options.root)?;
                self.connection.send(&Message::InitDone(made))?;
                return match self.connection.receive()? {
                    Message::Bye(Empty) => {
                        self.connection.send(&Message::Bye(Empty)).map(|()| None)
                    }
                    other => Err(unexpected(&other, "bye")),
                };
            }
            other => return Err(unexpected(&other, "open")),
        };
        if let Some(wait) = asked.wait {
            self.run.wait = Duration::from_secs(wait).min(LONGEST_WAIT);
        }
        let repository = Repository::open(&allowed_root::folder(&asked.path, self.options.root)?)?;
        let about = repository.about();
        self.connection.send(&Message::Opened(Opened {
            repository: about.id.clone(),
            default_format: about.default_format,
            space: Space::at(repository.folder()).map(Into::into),
        }))?;
        Ok(Some(repository))
    }

    /// Receives headquarters' list, and answers with what is here of it.
    fn answer(&mut self, repository: &Repository, notice: &Announce) -> Result<()> {
        let theirs = self.connection.receive_list(notice.list)?;
        // What headquarters finds in the answer it does not ask for. What cannot be finished is told when something is to be entered.
        let _ = repository.list_finished(&self.run);
        let json = in_common(&theirs, repository.inventory()?).to_json()?;
        self.connection.send(&Message::Common(Common {
            list: json.len() as u64,
        }))?;
        self.connection.send_list(&json)
    }
}

/// What of an inventory the other list has too.
fn in_common(theirs: &Inventory, mut own: Inventory) -> Inventory {
    let here: Vec<_> = own.images.iter().map(node).collect();
    let there: Vec<_> = theirs.images.iter().map(node).collect();
    // Both ways: of two images with one content, headquarters may know either.
    let mut shared: Vec<String> = common(&there, &here)
        .into_iter()
        .map(|one| one.at_site)
        .collect();
    shared.sort_unstable();
    own.images.retain(|item| {
        shared
            .binary_search_by(|id| id.as_str().cmp(item.id.as_str()))
            .is_ok()
    });
    own
}
