//! `receive`: a site takes from a delivery what is for it. Each image is proven and entered by itself.

use imgdelta_core::{Error, Kind, Result};
use imgdelta_deploy::delivery::{self, Errand, Fate, Stage, Taken};
use imgdelta_repository::catalogue::Listing;
use serde::Serialize;

use super::{
    Outcome, Run,
    repo::{Failed, Image, unreadable},
    shown,
};
use crate::job;

/// What became of a delivery.
#[derive(Debug, Serialize)]
pub(crate) struct Received {
    /// The delivery's folder.
    pub(crate) delivery: String,
    /// The repository's folder.
    pub(crate) repository: String,
    /// Whether nothing was written.
    pub(crate) dry_run: bool,
    /// Each image that is for this site, bases before what is made from them.
    pub(crate) images: Vec<Arrived>,
    /// What the user should know.
    pub(crate) notes: Vec<String>,
}

/// What became of one image.
#[derive(Debug, Serialize)]
pub(crate) struct Arrived {
    /// What it is called at headquarters.
    pub(crate) name: String,
    /// Its id there.
    pub(crate) id: String,
    /// What its disk is.
    pub(crate) content_id: String,
    /// What its base is called at headquarters; of a whole image there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) base: Option<String>,
    /// What became of it.
    pub(crate) fate: End,
    /// The image here, if it is here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) image: Option<Image>,
    /// Whether it is kept as a child of its base, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) as_child: Option<bool>,
    /// Why it was not entered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<Failed>,
}

/// What became of an image that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum End {
    /// It was entered.
    Entered,
    /// It would be entered.
    Due,
    /// It was there before.
    There,
    /// It only served others.
    Step,
    /// It was not entered.
    Failed,
    /// Its base is not here.
    Unfit,
}

impl Outcome for Received {
    const SCHEMA: &'static str = "imgdelta/receive/1";

    fn exit(&self) -> u8 {
        let mut failed = self.images.iter().filter_map(|one| one.error.as_ref());
        failed.next().map_or(0, |failed| failed.exit)
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }
}

/// Takes what is for this site.
pub(crate) fn receive(job: &job::Receive, run: &Run<'_>) -> Result<Received> {
    let site = run.repository()?;
    let told = |stage: Stage<'_>| run.showing.phase(phase(stage));
    let errand = Errand {
        run: run.catalogue(job.manner.wait)?,
        told: &told,
    };
    let received = if job.manner.dry_run {
        delivery::foresee(&job.delivery, &site, &errand)?
    } else {
        delivery::receive(&job.delivery, &site, &job.keeping, &errand)
            .map_err(|error| cut_short(error, "what was entered by then is whole"))?
    };
    let taken = received.taken;
    let listing = site.list()?;
    let mut notes = unreadable(&listing);
    let is_alone = taken.len() == 1;
    let mut images = Vec::new();
    for one in taken {
        match one.fate {
            // By itself, an error is the whole result.
            Fate::Failed(error) if is_alone => return Err(error),
            _ => images.push(arrived(one, &listing, run, &mut notes)),
        }
    }
    Ok(Received {
        delivery: shown(&job.delivery),
        repository: shown(site.folder()),
        dry_run: job.manner.dry_run,
        images,
        notes,
    })
}

/// What became of one image, as a result.
pub(super) fn arrived(
    taken: Taken,
    listing: &Listing,
    run: &Run<'_>,
    notes: &mut Vec<String>,
) -> Arrived {
    let mut arrived = Arrived {
        name: taken.name.to_string(),
        id: taken.image.to_string(),
        content_id: taken.content_id.to_string(),
        base: taken.base.as_ref().map(ToString::to_string),
        fate: End::Step,
        image: None,
        as_child: Some(false),
        error: None,
    };
    match taken.fate {
        Fate::Entered(installed) => {
            arrived.fate = End::Entered;
            arrived.as_child = Some(installed.as_child);
            arrived.image = Some(Image::of(&installed.record, listing));
            let about = |note: &String| format!("{}: {note}", taken.name);
            notes.extend(installed.notes.iter().map(about));
        }
        Fate::There(record) => {
            arrived.fate = End::There;
            arrived.image = Some(Image::of(&record, listing));
        }
        Fate::Step => {}
        Fate::Due => arrived.fate = End::Due,
        Fate::Failed(error) => {
            arrived.fate = End::Failed;
            arrived.error = Some(run.failed(&error));
        }
        Fate::Unfit => arrived.fate = End::Unfit,
    }
    arrived
}

/// What is being done, for whoever watches.
pub(super) fn phase(stage: Stage<'_>) -> String {
    match stage {
        Stage::Pack(name) => format!("pack {name}"),
        Stage::Check(path) => format!("check {}", path.display()),
        Stage::Prove(name) => format!("prove {name}"),
        Stage::Install(name) => format!("make {name}"),
    }
}

/// Says of an interrupted run what it leaves.
pub(super) fn cut_short(error: Error, left: &str) -> Error {
    if error.kind() == Kind::Interrupted {
        error.with_detail(format!("{left}; the same command goes on"))
    } else {
        error
    }
}
