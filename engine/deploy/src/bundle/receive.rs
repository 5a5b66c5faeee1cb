//! `receive`: a site takes from a delivery what is for it. Each image is made, proven and entered by itself: one that fails stops only those that are
//! made from it.
//!
//! Where a delivery holds several ways to an image, the next best is taken when one turns out to be damaged, or to need a base that is not what it should
//! be. To run it again does no harm, and finishes what was left.

mod healed;
mod mended;
mod report;
mod waiting;

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    path::{Path, PathBuf},
};

use imgdelta_core::{Error, Kind, Result};
use imgdelta_delta::ContentId;
use imgdelta_repository::catalogue::{Listing, Repository, Signer};

use self::{healed::WholeFiles, report::no_base};
use super::{
    DeliveryContext,
    deliveries::{Deliveries, MediaState},
    entry::{BundleEntry, EntryForm},
    healing::HealedFile,
    outcome::{EnteredImage, Outcome, ReceivedImage, can_retry_with_other_base},
    receiver::Receiver,
    request::RequestedEntry,
    schedule::{Leg, Schedule, schedule},
    staging_folder::StagingFolder,
    storage_need::StorageEstimate,
    store_options::StoreOptions,
    stored_file::DAMAGED,
    unpack::EntryFiles,
};
use crate::space::{Space, SpaceNeed};

/// Most ways to an image that are tried. A forged delivery may list any number.
const MOST_WAYS: usize = 16;

/// A delivery, and who must have signed its list, beyond whom the site requires.
#[derive(Clone, Copy, Debug)]
pub struct SignedDelivery<'a> {
    /// Its folder.
    pub folder: &'a Path,
    /// Further deliveries that are taken with it: what is damaged in one may be mended from another.
    pub others: &'a [PathBuf],
    /// Who, if anybody.
    pub signer: Option<&'a Signer>,
}

impl<'a, P: AsRef<Path> + ?Sized> From<&'a P> for SignedDelivery<'a> {
    /// Nobody but whom the site requires.
    fn from(folder: &'a P) -> Self {
        Self {
            folder: folder.as_ref(),
            others: &[],
            signer: None,
        }
    }
}

/// What became of a delivery.
#[derive(Debug, Default)]
pub struct Received {
    /// Each image that is for this site, bases before what is made from them.
    pub images: Vec<ReceivedImage>,
    /// Who has signed the list, as far as that was required.
    pub signers: Vec<String>,
    /// Which media must still come, if the delivery lies on several and not all that is for this site is here: nothing was entered then, and what lies on
    /// those that are here is kept in the repository.
    pub media: Option<MediaState>,
    /// What is damaged on the media that are here, while others must still come: it is not kept, and all else is.
    pub damage: Option<Error>,
    /// What came damaged and on no other way, to be asked for once more: see [`Request`](super::Request).
    pub damaged: Vec<RequestedEntry>,
    /// What came damaged and was healed by its parity, or would be.
    pub healed: Vec<HealedFile>,
    /// What the user should know of all of it.
    pub notes: Vec<String>,
}

impl Received {
    /// The first failure. That some images have no base here is none, as long as there is one that has.
    #[must_use]
    pub fn failure(&self) -> Option<&Error> {
        let of_images = self.images.iter().find_map(ReceivedImage::failure);
        self.damage.as_ref().or(of_images)
    }

    /// The images that were entered.
    pub fn entered(&self) -> impl Iterator<Item = &EnteredImage> {
        self.images.iter().filter_map(|image| match &image.outcome {
            Outcome::Entered(entered) => Some(&**entered),
            _ => None,
        })
    }
}

/// Takes from a delivery what is for this site: if the delivery names its repository, what it is to have, else all that it has
/// the bases for. Whole images need none.
///
/// # Errors
/// As [`Bundle::open_signed`](super::Bundle::open_signed) of each; Usage (`windows_alone`), if windows come without the file that they mend; Chain, if no image has its base here; Host (`no_space`), if there is no room for what is for it; Interrupted. What became of each image stands in the outcome.
pub fn receive<'d>(
    delivery: impl Into<SignedDelivery<'d>>,
    site: &Repository,
    store: &StoreOptions,
    context: &DeliveryContext<'_>,
) -> Result<Received> {
    // What is there already is only said to be: it must be there for good.
    site.list_finished(&context.run)?;
    ReceiveRun::begin(delivery.into(), site, store, false, context)?.run()
}

/// What [`receive`](receive()) would take: each file of it is looked at, and nothing is written. Whether a base is what its record says is not
/// found out.
///
/// # Errors
/// As [`receive`](receive()).
pub fn preview<'d>(
    delivery: impl Into<SignedDelivery<'d>>,
    site: &Repository,
    store: &StoreOptions,
    context: &DeliveryContext<'_>,
) -> Result<Received> {
    ReceiveRun::begin(delivery.into(), site, store, true, context)?.run()
}

/// Entries on their way into a repository.
struct ReceiveRun<'a> {
    bundle: Deliveries,
    signers: Vec<String>,
    receiver: Receiver<'a>,
    /// In which form images are kept.
    store: &'a StoreOptions,
    /// Whether nothing is written.
    is_dry: bool,
    context: &'a DeliveryContext<'a>,
    /// What came, and what would come.
    made: HashSet<ContentId>,
    /// Entries that lead nowhere, by their places in the index.
    unusable: HashSet<usize>,
    /// Why, by the image that they were to bring: the best way first.
    rejected: HashMap<ContentId, Vec<Error>>,
    /// What was to come, in whatever round.
    planned: HashSet<ContentId>,
    /// Entries whose files are damaged, by their places in the index.
    damaged: BTreeSet<usize>,
    /// Folders with files that were mended and that steps are read from.
    mended: Vec<StagingFolder>,
    images: Vec<ReceivedImage>,
    /// Files that their parity has healed.
    healed: Vec<HealedFile>,
    notes: Vec<String>,
}

impl<'a> ReceiveRun<'a> {
    fn begin(
        delivery: SignedDelivery<'_>,
        site: &'a Repository,
        store: &'a StoreOptions,
        is_dry: bool,
        context: &'a DeliveryContext<'a>,
    ) -> Result<Self> {
        let mut signers: Vec<&Signer> = site.about().signer.iter().chain(delivery.signer).collect();
        signers.dedup();
        let others = delivery.others.iter().map(PathBuf::as_path);
        let mut receiving = Self {
            bundle: Deliveries::open([delivery.folder].into_iter().chain(others), &signers, site)?,
            signers: signers.iter().map(|signer| signer.id.clone()).collect(),
            receiver: Receiver::new(site),
            store,
            is_dry,
            context,
            made: HashSet::new(),
            unusable: HashSet::new(),
            rejected: HashMap::new(),
            planned: HashSet::new(),
            damaged: BTreeSet::new(),
            mended: Vec::new(),
            images: Vec::new(),
            healed: Vec::new(),
            notes: Vec::new(),
        };
        receiving.leave_what_is_not_known();
        Ok(receiving)
    }

    /// Entries that require more than is known here lead nowhere.
    fn leave_what_is_not_known(&mut self) {
        for (number, entry) in self.bundle.index().items.iter().enumerate() {
            if entry.form == EntryForm::Windows {
                self.unusable.insert(number);
            }
            if let Err(error) = entry.require_known() {
                self.unusable.insert(number);
                let rejected = self.rejected.entry(entry.content_id).or_default();
                rejected.push(error);
            }
        }
    }

    /// Takes what there is, round by round: what failed in one may come on another way in the next.
    fn run(mut self) -> Result<Received> {
        let listing = self.receiver.site().list()?;
        let mut schedule = self.schedule(&listing);
        self.require_fitting(&schedule)?;
        self.require_space(&schedule)?;
        self.tell_what_is_there(&schedule, &listing);
        let entries: Vec<usize> = schedule.legs.iter().map(|leg| leg.entry).collect();
        if let Some(media) = self.bundle.missing_media(&entries) {
            return self.wait_for_media(&entries, media);
        }
        for _ in 0..MOST_WAYS {
            let before = self.unusable.len();
            self.take_all(&schedule.legs)?;
            if self.unusable.len() == before {
                break;
            }
            schedule = self.schedule(&self.receiver.site().list()?);
        }
        let wanted = schedule.legs.iter().filter(|leg| !leg.is_step);
        let wanted = wanted.map(|leg| leg.entry).chain(schedule.unfit);
        // One that failed when all but its record stood: the next change finishes it, and this one has failed all the same.
        let unfinished = schedule.there.into_iter();
        let failed = |number: &usize| {
            let entry = self.entry(*number);
            entry.is_some_and(|entry| self.rejected.contains_key(&entry.content_id))
        };
        let wanted: Vec<usize> = wanted.chain(unfinished.filter(failed)).collect();
        self.tell_what_failed(&wanted);
        let mut images = self.images.iter();
        if !self.is_dry && images.all(|image| image.failure().is_none()) {
            self.bundle.clear_media();
        }
        let listing = self.receiver.site().list()?;
        Ok(Received {
            media: None,
            damage: None,
            damaged: self.requested()?,
            images: self.named_as_here(&listing),
            signers: self.signers,
            healed: self.healed,
            notes: self.notes,
        })
    }

    /// Takes what was scheduled, but for what is made from something that failed.
    fn take_all(&mut self, legs: &[Leg]) -> Result<()> {
        let planned = legs.iter().filter_map(|leg| self.entry(leg.entry));
        let planned: Vec<ContentId> = planned.map(|entry| entry.content_id).collect();
        self.planned.extend(planned);
        for leg in legs {
            self.context.run.work.progress.go_on()?;
            let Some(entry) = self.entry(leg.entry).cloned() else {
                continue;
            };
            let base = entry.base.as_ref().map(|base| base.content_id);
            if base.is_none_or(|base| !self.is_missing(&base)) {
                self.take(*leg, &entry)?;
            }
        }
        Ok(())
    }

    /// Whether that disk was to come, and has not.
    fn is_missing(&self, content: &ContentId) -> bool {
        self.planned.contains(content) && !self.made.contains(content)
    }

    /// What is to be done now.
    fn schedule(&self, listing: &Listing) -> Schedule {
        let site = &self.receiver.site().about().id;
        schedule(
            self.bundle.index(),
            site,
            |content| self.made.contains(content) || self.receiver.has(listing, content),
            |content| self.made.contains(content) || self.receiver.may_have(listing, content),
            |number| !self.unusable.contains(&number),
        )
    }

    /// Refuses a delivery of which nothing has its base here.
    fn require_fitting(&self, schedule: &Schedule) -> Result<()> {
        let is_fitting = !schedule.there.is_empty() || !schedule.legs.is_empty();
        if is_fitting || schedule.unfit.is_empty() || !self.rejected.is_empty() {
            return Ok(());
        }
        let unfit = schedule.unfit.iter();
        let unfit: Vec<&BundleEntry> = unfit.filter_map(|number| self.entry(*number)).collect();
        Err(no_base(self.bundle.folder(), &unfit))
    }

    /// Refuses what certainly has no room here, before anything is written. What is here already is not counted.
    fn require_space(&mut self, schedule: &Schedule) -> Result<()> {
        let site = self.receiver.site();
        let storage = StorageEstimate {
            store: self.store,
            default_format: site.about().default_format,
        };
        let wanted = schedule.legs.iter().filter(|leg| !leg.is_step);
        let needs = wanted.filter_map(|leg| Some(storage.entry(self.entry(leg.entry)?)));
        let need = needs.fold(SpaceNeed::default(), SpaceNeed::and);
        let folder = site.folder();
        let place = folder.display().to_string();
        let note = need.require("what is for this site", Space::at(folder), &place)?;
        self.notes.extend(note);
        Ok(())
    }

    /// Takes one entry.
    ///
    /// # Errors
    /// Interrupted; any other failure is the entry's own.
    fn take(&mut self, leg: Leg, entry: &BundleEntry) -> Result<()> {
        match self.try_to_take(leg, entry) {
            Ok(outcome) => {
                self.made.insert(entry.content_id);
                let rejected = self.rejected.remove(&entry.content_id);
                let told = ReceivedImage::of(entry, outcome, rejected.unwrap_or_default());
                self.images.push(told);
            }
            Err(error) if error.kind() == Kind::Interrupted => return Err(error),
            Err(error) => self.reject(leg.entry, entry, error),
        }
        Ok(())
    }

    /// As [`take`](Self::take), its own failures being errors.
    fn try_to_take(&mut self, leg: Leg, entry: &BundleEntry) -> Result<Outcome> {
        let whole = self.whole_files(leg)?;
        if self.is_dry {
            return Ok(match leg.is_step {
                true => Outcome::Step,
                false => Outcome::Due,
            });
        }
        match whole {
            WholeFiles::There => {}
            WholeFiles::Healed(staging) => return self.take_healed(leg, staging, entry),
            WholeFiles::Windows(windows) => return self.take_mended(leg, windows, entry),
        }
        let (folder, others) = self.bundle.folders_of(leg.entry);
        let files = EntryFiles {
            entry,
            folder,
            others,
        };
        self.receiver
            .take(&files, self.store, leg.is_step, self.context)
    }

    /// An entry leads nowhere; where that is not its own fault, no other one of its image does either.
    fn reject(&mut self, number: usize, entry: &BundleEntry, error: Error) {
        let error = self.bundle.named(error);
        self.unusable.insert(number);
        if error.code() == DAMAGED {
            self.damaged.insert(number);
        }
        if !can_retry_with_other_base(&error) {
            let entries = self.bundle.index().items.iter().enumerate();
            let of_image = entries.filter(|(_, one)| one.content_id == entry.content_id);
            self.unusable.extend(of_image.map(|(number, _)| number));
        }
        let rejected = self.rejected.entry(entry.content_id).or_default();
        rejected.push(error);
    }

    fn entry(&self, number: usize) -> Option<&BundleEntry> {
        self.bundle.index().items.get(number)
    }
}
