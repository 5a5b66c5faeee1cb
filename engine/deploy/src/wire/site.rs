//! The site's end of the conversation: opens the repository that is asked for, answers with what both have, takes in what is sent and has
//! it entered. Nothing that the other side says is believed beyond its form.

use std::{
    io::{Read, Write},
    path::{Path, PathBuf},
    sync::mpsc::{RecvTimeoutError, sync_channel},
    thread,
    time::Duration,
};

use imgdelta_core::{Error, Kind, Result};
use imgdelta_repository::{
    catalogue::{ImageId, Inventory, Listing, Look, Record, Repository, Run, facts::node},
    choice::common,
};

use super::{
    failure::Failure,
    frame::faulty,
    incoming::Incoming,
    install::{Install, Installed, Received, Whole},
    line::{Line, greeting, meet, unexpected},
    message::{Common, Entered, From, Message, Nothing, Notice, Opened, Raw, There, Working},
    offer::{Choice, Offer},
    root,
};

/// Most steps of one conversation.
pub const MOST_STEPS: usize = 64;

/// How long headquarters may make a site wait for a repository that another process changes.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// How often the other side hears that the site is at work.
const BEAT: Duration = Duration::from_secs(1);

/// What serves: which repositories may be had, and who takes in what has come.
#[derive(Clone, Copy)]
pub struct Site<'a> {
    /// Only repositories in this folder or below it may be had, if it is given.
    pub root: Option<&'a Path>,
    /// Who proves and enters what has come.
    pub install: &'a dyn Install,
    /// How.
    pub run: Run<'a>,
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
pub fn serve<R: Read, W: Write + Send>(from: R, to: W, site: &Site<'_>) -> Result<Served> {
    let mut talk = Talk {
        line: Line::new(from, to),
        site,
        run: site.run,
        served: Served::default(),
        steps: Vec::new(),
    };
    match talk.hold() {
        Ok(()) => Ok(talk.served),
        Err(error) => {
            talk.line.fail(&error);
            Err(error)
        }
    }
}

/// A conversation.
struct Talk<'a, R, W> {
    line: Line<R, W>,
    site: &'a Site<'a>,
    /// How, as headquarters wishes.
    run: Run<'a>,
    served: Served,
    /// What is kept for what follows.
    steps: Vec<Kept>,
}

/// What has come whole, and keeps its place.
struct Kept {
    choice: Choice,
    offer: Offer,
    files: Vec<PathBuf>,
    incoming: Incoming,
}

impl Kept {
    fn whole(&self) -> Whole<'_> {
        Whole {
            choice: &self.choice,
            offer: &self.offer,
            files: &self.files,
        }
    }
}

impl<R: Read, W: Write> Talk<'_, R, W> {
    /// All of it.
    fn hold(&mut self) -> Result<()> {
        self.greet()?;
        let repository = self.open()?;
        let notice = match self.line.receive()? {
            Message::Notice(notice) => notice,
            Message::Bye(Nothing) => return self.line.send(&Message::Bye(Nothing)),
            other => return Err(unexpected(&other, "notice")),
        };
        self.answer(&repository, &notice)?;
        let mut agreed = None;
        loop {
            self.run.work.watch.go_on()?;
            match self.line.receive()? {
                Message::Choice(choice) => agreed = self.consider(&repository, choice)?,
                Message::Offer(offer) => {
                    let choice = agreed
                        .take()
                        .ok_or_else(|| faulty("an offer comes before its choice"))?;
                    self.take(&repository, choice, offer)?;
                }
                Message::Bye(Nothing) => {
                    self.steps.drain(..).for_each(|step| step.incoming.clear());
                    return self.line.send(&Message::Bye(Nothing));
                }
                other => return Err(unexpected(&other, "choice")),
            }
        }
    }

    /// Says which versions are spoken here, and ends if those do not meet.
    fn greet(&mut self) -> Result<()> {
        let theirs = match self.line.receive()? {
            Message::Hello(theirs) => theirs,
            other => return Err(unexpected(&other, "hello")),
        };
        self.line.send(&Message::Welcome(greeting()))?;
        meet(&theirs)
    }

    /// Opens the repository that is asked for.
    fn open(&mut self) -> Result<Repository> {
        let asked = match self.line.receive()? {
            Message::Open(open) => open,
            other => return Err(unexpected(&other, "open")),
        };
        if let Some(wait) = asked.wait {
            self.run.wait = Duration::from_secs(wait).min(LONGEST_WAIT);
        }
        let repository = Repository::open(&root::folder(&asked.path, self.site.root)?)?;
        let about = repository.about();
        self.line.send(&Message::Opened(Opened {
            repository: about.id.clone(),
            default_format: about.default_format,
        }))?;
        Ok(repository)
    }

    /// Receives headquarters' list, and answers with what is here of it.
    fn answer(&mut self, repository: &Repository, notice: &Notice) -> Result<()> {
        let theirs = self.line.receive_list(notice.list)?;
        // What headquarters finds in the answer it does not ask for. What cannot be finished is told when something is to be entered.
        let _ = repository.list_finished(&self.run);
        let json = in_common(&theirs, repository.inventory()?).to_json()?;
        self.line.send(&Message::Common(Common {
            list: json.len() as u64,
        }))?;
        self.line.send_list(&json)
    }

    /// Whether an image would be taken. If so, its offer may come.
    fn consider(&mut self, repository: &Repository, choice: Choice) -> Result<Option<Choice>> {
        let listing = repository.list_finished(&self.run)?;
        match self.considered(&repository.look(&listing), &listing, &choice) {
            Ok(None) => {
                self.line.send(&Message::Ready(Nothing))?;
                Ok(Some(choice))
            }
            Ok(Some(there)) => {
                self.line.send(&Message::There(there))?;
                Ok(None)
            }
            Err(error) => {
                self.refuse(&choice.image, &error)?;
                Ok(None)
            }
        }
    }

    /// Whether the image is here, and if not, whether there is anything against it. Its content is not believed: it is proven when it has
    /// come.
    fn considered(
        &self,
        look: &Look<'_>,
        listing: &Listing,
        choice: &Choice,
    ) -> Result<Option<There>> {
        let is_there = |record: &&Record| look.at(record).is_present();
        let same = listing.by_content(&choice.content_id);
        if let Some(there) = same.filter(is_there) {
            return Ok(Some(There {
                image: there.id.clone(),
                name: there.name.clone(),
            }));
        }
        let other = listing.by_id(&choice.image);
        if let Some(other) = other.filter(|other| other.content_id != choice.content_id) {
            let message = format!(
                "the id '{}' is taken by '{}', which is another disk",
                choice.image, other.name
            );
            return Err(Error::new(Kind::Usage, message).with_code("id_taken"));
        }
        let is_step = |id: &ImageId| self.steps.iter().any(|step| step.choice.image == *id);
        if let Some(base) = &choice.base
            && !is_step(base)
            && listing.by_id(base).filter(is_there).is_none()
        {
            let message = format!("the base '{base}' is not here any more");
            return Err(Error::new(Kind::Chain, message).with_code("base_unknown"));
        }
        if choice.step && (self.steps.len() >= MOST_STEPS || is_step(&choice.image)) {
            let message = format!("'{}' is a step too many", choice.image);
            return Err(Error::new(Kind::Unsupported, message).with_code("steps"));
        }
        Ok(None)
    }

    /// Takes in one image.
    fn take(&mut self, repository: &Repository, choice: Choice, offer: Offer) -> Result<()> {
        if (&offer.image, &offer.base) != (&choice.image, &choice.base) {
            return Err(faulty("an offer is of another image than its choice"));
        }
        offer.judged()?;
        let wait = self.run.wait;
        let incoming = match self.busy(|| Incoming::of(repository, &offer, wait)) {
            Ok(incoming) => incoming,
            Err(error) => return self.refuse(&choice.image, &error),
        };
        let kept = self.receive(choice, offer, incoming)?;
        if kept.choice.step {
            self.steps.push(kept);
            return self.line.send(&Message::Kept(Nothing));
        }
        match self.install(repository, &kept) {
            Ok(installed) => {
                kept.incoming.clear();
                self.served.entered.push(installed.record.id.clone());
                self.line.send(&Message::Entered(Entered {
                    image: installed.record.id,
                    name: installed.record.name,
                    content_id: installed.record.content_id,
                    is_new: installed.is_new,
                    notes: installed.notes,
                }))
            }
            Err(error) => self.refuse(&kept.choice.image, &error),
        }
    }

    /// Has an image made and entered, from the steps that lead to it.
    fn install(&mut self, repository: &Repository, kept: &Kept) -> Result<Installed> {
        let steps = std::mem::take(&mut self.steps);
        let received = Received {
            steps: road(&steps, kept.choice.base.as_ref()),
            image: kept.whole(),
        };
        let (install, run) = (self.site.install, self.run);
        let installed = self.busy(|| install.install(repository, &received, &run));
        drop(received);
        self.steps = steps;
        installed
    }

    /// Receives the parts, from where an earlier conversation was cut.
    fn receive(&mut self, choice: Choice, offer: Offer, mut incoming: Incoming) -> Result<Kept> {
        self.line.send(&Message::Held(incoming.held().clone()))?;
        match self.line.receive()? {
            Message::From(From { at }) => incoming.begin(at)?,
            other => return Err(unexpected(&other, "from")),
        }
        loop {
            self.run.work.watch.go_on()?;
            match self.line.receive()? {
                Message::Data(Raw(bytes)) => incoming.append(bytes)?,
                Message::End(Nothing) => break,
                other => return Err(unexpected(&other, "data")),
            }
        }
        Ok(Kept {
            files: incoming.whole()?,
            choice,
            offer,
            incoming,
        })
    }

    /// Tells that an image is not taken.
    fn refuse(&mut self, image: &ImageId, error: &Error) -> Result<()> {
        let failure = Failure::of(error);
        self.served.refused.push((image.clone(), failure.clone()));
        self.line.send(&Message::Refused(failure))
    }

    /// Does something that may take long, while the other side hears that the site is alive. If it does not hear any more, the work is
    /// done all the same: all that it needs has come.
    fn busy<T: Send>(&mut self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let watch = self.run.work.watch;
        let line = &mut self.line;
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
                            done: watch.done().0,
                            total: watch.total().0,
                        };
                        is_heard = line.send(&Message::Working(working)).is_ok();
                    }
                    Err(RecvTimeoutError::Timeout) => {}
                }
            }
        })
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

/// The steps that lead to `base`, in order. Each is made from an earlier one, so that there is no circle.
fn road<'a>(steps: &'a [Kept], base: Option<&ImageId>) -> Vec<Whole<'a>> {
    let mut road = Vec::new();
    let mut base = base;
    for step in steps.iter().rev() {
        if base == Some(&step.choice.image) {
            road.push(step.whole());
            base = step.choice.base.as_ref();
        }
    }
    road.reverse();
    road
}
