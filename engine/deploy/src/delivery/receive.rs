//! `receive`: what of a delivery a site takes. Each image is made, proven and entered by itself: one that fails stops only those that are
//! made from it. To run it again does no harm, and finishes what was left.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
};

use imgdelta_core::{Error, Kind, Result};
use imgdelta_delta::ContentId;
use imgdelta_repository::catalogue::{ImageId, Name, Record, Repository};

use super::{
    Errand,
    folder::Delivery,
    index::Item,
    install::{Installed, Manner, install},
    schedule::Leg,
    survey::{Survey, no_base},
    unpack::{Goods, Ground, step},
};

/// What became of a delivery.
#[derive(Debug, Default)]
pub struct Received {
    /// Each image that is for this site, bases before what is made from them.
    pub taken: Vec<Taken>,
}

/// What became of one image.
#[derive(Debug)]
pub struct Taken {
    /// Its id at headquarters.
    pub image: ImageId,
    /// What it is called there.
    pub name: Name,
    /// What its disk is.
    pub content_id: ContentId,
    /// What its base is called at headquarters, if it came as a difference.
    pub base: Option<Name>,
    /// What became of it.
    pub fate: Fate,
}

/// What became of an image that came.
#[derive(Debug)]
pub enum Fate {
    /// It was entered.
    Entered(Box<Installed>),
    /// It would be entered now.
    Due,
    /// It was there already, under this record.
    There(Box<Record>),
    /// It only served others.
    Step,
    /// It was not entered: why.
    Failed(Error),
    /// It was left where it is: its base is not here.
    Unfit,
}

impl Received {
    /// The first failure. That some images have no base here is none, as long as there is one that has.
    #[must_use]
    pub fn failure(&self) -> Option<&Error> {
        self.taken.iter().find_map(|taken| match &taken.fate {
            Fate::Failed(error) => Some(error),
            _ => None,
        })
    }

    /// The images that were entered.
    pub fn entered(&self) -> impl Iterator<Item = &Installed> {
        self.taken.iter().filter_map(|taken| match &taken.fate {
            Fate::Entered(installed) => Some(&**installed),
            _ => None,
        })
    }

    /// Notes what became of an item.
    pub(super) fn push(&mut self, item: &Item, fate: Fate) {
        self.taken.push(Taken {
            image: item.image.clone(),
            name: item.name.clone(),
            content_id: item.content_id,
            base: item.base.as_ref().map(|base| base.name.clone()),
            fate,
        });
    }
}

/// Takes from the delivery in `folder` what is for this site: if the delivery names its repository, what it is to have, else all that it has
/// the bases for. Whole images need none.
///
/// # Errors
/// As [`Delivery::open`]; Chain, if no image has its base here; Interrupted. What became of each image stands in the outcome.
pub fn receive(
    folder: &Path,
    site: &Repository,
    manner: &Manner,
    errand: &Errand<'_>,
) -> Result<Received> {
    // What is there already is only said to be: it must be there for good.
    site.list_finished(&errand.run)?;
    let survey = Survey::of(folder, site)?;
    let mut taking = Taking {
        delivery: &survey.delivery,
        site,
        manner,
        errand,
        steps: HashMap::new(),
        failed: HashSet::new(),
        received: survey.there(site)?,
    };
    for (item, leg) in survey.legs() {
        taking.take(item, leg)?;
    }
    let mut received = taking.received;
    survey
        .left_out()
        .for_each(|item| received.push(item, Fate::Unfit));
    Ok(received)
}

/// What [`receive`](receive()) would take: each file of it is looked at, and nothing is written. Whether a base is what its record says is not
/// found out.
///
/// # Errors
/// As [`receive`](receive()).
pub fn foresee(folder: &Path, site: &Repository, errand: &Errand<'_>) -> Result<Received> {
    let survey = Survey::of(folder, site)?;
    let mut received = survey.there(site)?;
    for (item, leg) in survey.legs() {
        errand.run.work.watch.go_on()?;
        let fate = match survey.delivery.check(item, errand) {
            Ok(()) if leg.is_step => Fate::Step,
            Ok(()) => Fate::Due,
            Err(error) if error.kind() == Kind::Interrupted => return Err(error),
            Err(error) => Fate::Failed(error),
        };
        received.push(item, fate);
    }
    survey
        .left_out()
        .for_each(|item| received.push(item, Fate::Unfit));
    Ok(received)
}

/// Items on their way into a repository.
struct Taking<'a> {
    delivery: &'a Delivery,
    site: &'a Repository,
    manner: &'a Manner,
    errand: &'a Errand<'a>,
    /// Images that only serve others, open.
    steps: HashMap<ContentId, Ground>,
    /// Images that did not come.
    failed: HashSet<ContentId>,
    received: Received,
}

impl Taking<'_> {
    /// Takes one item.
    ///
    /// # Errors
    /// Interrupted; any other failure is the item's own.
    fn take(&mut self, item: &Item, leg: Leg) -> Result<()> {
        self.errand.run.work.watch.go_on()?;
        let fate = match self.try_to_take(item, leg) {
            Ok(fate) => fate,
            Err(error) if error.kind() == Kind::Interrupted => return Err(error),
            Err(error) => {
                self.failed.insert(item.content_id);
                Fate::Failed(error)
            }
        };
        self.received.push(item, fate);
        Ok(())
    }

    /// As [`take`](Self::take), its own failures being errors.
    fn try_to_take(&mut self, item: &Item, leg: Leg) -> Result<Fate> {
        let ground = self.ground(item)?;
        self.delivery.check(item, self.errand)?;
        let file = self.delivery.place(&item.file)?;
        let manifest = item.manifest.as_ref();
        let manifest = manifest
            .map(|manifest| self.delivery.place(manifest))
            .transpose()?;
        let goods = Goods {
            item,
            file: &file,
            manifest: manifest.as_deref(),
        };
        if leg.is_step {
            let made = step(&goods, ground.as_ref(), self.errand)?;
            self.steps.insert(item.content_id, made);
            return Ok(Fate::Step);
        }
        let installed = install(self.site, &goods, ground.as_ref(), self.manner, self.errand)?;
        Ok(if installed.is_new {
            Fate::Entered(Box::new(installed))
        } else {
            Fate::There(Box::new(installed.record))
        })
    }

    /// The base of an item, open; none for a whole image.
    fn ground(&self, item: &Item) -> Result<Option<Ground>> {
        let Some(base) = &item.base else {
            return Ok(None);
        };
        if let Some(step) = self.steps.get(&base.content_id) {
            return Ok(Some(step.clone()));
        }
        if self.failed.contains(&base.content_id) {
            let message = format!("'{}', its base, did not come", base.name);
            return Err(Error::new(Kind::Chain, message).with_code("base_failed"));
        }
        let listing = self.site.list()?;
        match listing.by_content(&base.content_id) {
            Some(record) => Ground::of(self.site, record).map(Some),
            None => Err(no_base(self.delivery.folder(), &[item])),
        }
    }
}
