//! Several deliveries taken as one: what lies in each of them leads to images, and what is damaged in one may be mended from another.

mod media;

use std::path::{Path, PathBuf};

use imgdelta_core::{Error, Kind, Result};
use imgdelta_operations::received_image::ReceivedFile;
use imgdelta_repository::catalogue::{Repository, Signer};

pub(super) use self::media::DamagedPart;
pub use self::media::MediaState;
use super::{
    DeliveryContext,
    entry::{BundleEntry, EntryForm},
    folder::{Bundle, RequireRoom},
    healing::HealedFile,
    index::{Index, MediumNumber},
    staged_media::StagedMedia,
};

/// Deliveries, open.
#[derive(Debug)]
pub(super) struct Deliveries {
    bundles: Vec<Bundle>,
    /// All entries, those of the first delivery first.
    index: Index,
    /// In which delivery each of them lies.
    of: Vec<usize>,
    /// The media that were given, of deliveries that lie on several: of which delivery, by its place here, and which.
    given: Vec<(usize, MediumNumber)>,
    /// What was taken from other media before, by the same place.
    staged: Vec<(usize, StagedMedia)>,
}

impl Deliveries {
    /// Opens those in the folders, each of which all of `signers` must have signed.
    ///
    /// # Errors
    /// As [`Bundle::open_signed`]; Usage (`windows_alone`), if one holds windows of a file that none of them holds.
    pub(super) fn open<'f>(
        folders: impl Iterator<Item = &'f Path>,
        signers: &[&Signer],
        site: &Repository,
    ) -> Result<Self> {
        let opened = folders.map(|folder| Bundle::open_signed(folder, signers.iter().copied()));
        let opened: Vec<Bundle> = opened.collect::<Result<_>>()?;
        let (mut bundles, given) = of_one_delivery(opened);
        let staged = staged(&mut bundles, site)?;
        let (mut index, mut of) = (Index::new(), Vec::new());
        for (number, bundle) in bundles.iter().enumerate() {
            let items = &bundle.index().items;
            index.items.extend(items.iter().cloned());
            of.extend(items.iter().map(|_| number));
        }
        let opened = Self {
            bundles,
            index,
            of,
            given,
            staged,
        };
        opened.require_whole_files()?;
        Ok(opened)
    }

    /// All that they list.
    pub(super) const fn index(&self) -> &Index {
        &self.index
    }

    /// The folder of the first.
    pub(super) fn folder(&self) -> &Path {
        self.bundles.first().map_or(Path::new(""), Bundle::folder)
    }

    /// The delivery that an entry lies in, and the entry.
    fn entry(&self, number: usize) -> Option<(&Bundle, &BundleEntry)> {
        let bundle = self.of.get(number).and_then(|of| self.bundles.get(*of));
        bundle.zip(self.index.items.get(number))
    }

    /// The folders that an entry lies in.
    pub(super) fn folders_of(&self, number: usize) -> (&Path, &[PathBuf]) {
        let entry = self.entry(number);
        entry.map_or((Path::new(""), &[]), |(bundle, _)| bundle.folders())
    }

    /// The file of an entry, open.
    ///
    /// # Errors
    /// As [`Bundle::open_file`].
    pub(super) fn open_file(&self, number: usize) -> Result<ReceivedFile> {
        let (bundle, entry) = self.entry(number).ok_or_else(nothing)?;
        bundle.open_file(&entry.file)
    }

    /// Makes sure that an entry's files are what was put there.
    ///
    /// # Errors
    /// As [`Bundle::check`].
    pub(super) fn check(&self, number: usize, context: &DeliveryContext<'_>) -> Result<()> {
        let (bundle, entry) = self.entry(number).ok_or_else(nothing)?;
        bundle.check(entry, context)
    }

    /// Heals what is damaged of an entry's files into a folder with room for it, or says whether it can.
    ///
    /// # Errors
    /// As [`Bundle::heal`].
    pub(super) fn heal(
        &self,
        number: usize,
        to: Option<(&Path, &RequireRoom<'_>)>,
        context: &DeliveryContext<'_>,
    ) -> Result<std::result::Result<Vec<HealedFile>, Option<String>>> {
        let (bundle, entry) = self.entry(number).ok_or_else(nothing)?;
        bundle.heal(entry, to, context)
    }

    /// The entry with windows that were packed anew for the transport file of that one.
    pub(super) fn windows_for(&self, number: usize) -> Option<usize> {
        let entry = self.index.items.get(number)?;
        let are_its =
            |one: &BundleEntry| one.form == EntryForm::Windows && is_same_file(one, entry);
        let is_one = entry.form == EntryForm::Transport;
        self.index.items.iter().position(are_its).filter(|_| is_one)
    }

    /// Windows by themselves are nothing.
    fn require_whole_files(&self) -> Result<()> {
        let items = &self.index.items;
        let is_alone = |entry: &&BundleEntry| {
            let is_its =
                |one: &BundleEntry| one.form == EntryForm::Transport && is_same_file(one, entry);
            entry.form == EntryForm::Windows && !items.iter().any(is_its)
        };
        let Some(alone) = items.iter().find(is_alone) else {
            return Ok(());
        };
        let message = format!(
            "holds windows of '{}' alone, for a delivery that was damaged",
            alone.name
        );
        Err(Error::new(Kind::Usage, message)
            .with_code("windows_alone")
            .in_file(self.folder())
            .with_hint("name the delivery that was damaged too: imgdelta receive REFILL DELIVERY"))
    }
}

/// Media of one delivery are one: its files lie in several folders. And which media these are.
fn of_one_delivery(opened: Vec<Bundle>) -> (Vec<Bundle>, Vec<(usize, MediumNumber)>) {
    let (mut bundles, mut given) = (Vec::<Bundle>::new(), Vec::new());
    for bundle in opened {
        let set = bundle.media_set();
        let mut known = bundles.iter().map(Bundle::media_set);
        let known = known.position(|one| set.is_some() && one == set);
        let number = known.unwrap_or(bundles.len());
        given.extend(bundle.index().medium.map(|medium| (number, medium)));
        match known.and_then(|known| bundles.get_mut(known)) {
            Some(first) => first.add_folder(bundle.folder()),
            None => bundles.push(bundle),
        }
    }
    (bundles, given)
}

/// What was taken from other media of these before.
fn staged(bundles: &mut [Bundle], site: &Repository) -> Result<Vec<(usize, StagedMedia)>> {
    let mut all = Vec::new();
    for (number, bundle) in bundles.iter_mut().enumerate() {
        let Some(set) = bundle.media_set() else {
            continue;
        };
        if let Some(staged) = StagedMedia::find(site, &set)? {
            bundle.add_folder(staged.folder());
            all.push((number, staged));
        }
    }
    Ok(all)
}

/// Whether both are of the same base and image.
fn is_same_file(one: &BundleEntry, other: &BundleEntry) -> bool {
    let base = |entry: &BundleEntry| entry.base.as_ref().map(|base| base.content_id);
    (base(one), one.content_id) == (base(other), other.content_id)
}

fn nothing() -> Error {
    Error::new(Kind::Host, "there is no such entry")
}
