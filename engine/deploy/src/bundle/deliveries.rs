//! Several deliveries taken as one: what lies in each of them leads to images, and what is damaged in one may be mended from another.

use std::path::{Path, PathBuf};

use imgdelta_core::{Error, Kind, Result};
use imgdelta_repository::catalogue::Signer;

use super::{
    DeliveryContext,
    entry::{BundleEntry, EntryForm},
    folder::Bundle,
    index::Index,
};

/// Deliveries, open.
#[derive(Debug)]
pub(super) struct Deliveries {
    bundles: Vec<Bundle>,
    /// All entries, those of the first delivery first.
    index: Index,
    /// In which delivery each of them lies.
    of: Vec<usize>,
}

impl Deliveries {
    /// Opens those in the folders, each of which all of `signers` must have signed.
    ///
    /// # Errors
    /// As [`Bundle::open_signed`]; Usage (`windows_alone`), if one holds windows of a file that none of them holds.
    pub(super) fn open<'f>(
        folders: impl Iterator<Item = &'f Path>,
        signers: &[&Signer],
    ) -> Result<Self> {
        let bundles = folders.map(|folder| Bundle::open_signed(folder, signers.iter().copied()));
        let bundles: Vec<Bundle> = bundles.collect::<Result<_>>()?;
        let (mut index, mut of) = (Index::new(), Vec::new());
        for (number, bundle) in bundles.iter().enumerate() {
            let items = &bundle.index().items;
            index.items.extend(items.iter().cloned());
            of.extend(items.iter().map(|_| number));
        }
        let opened = Self { bundles, index, of };
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

    /// The folder that an entry lies in.
    pub(super) fn folder_of(&self, number: usize) -> &Path {
        self.entry(number)
            .map_or(Path::new(""), |(bundle, _)| bundle.folder())
    }

    /// Where the file of an entry lies.
    ///
    /// # Errors
    /// As [`Bundle::place`].
    pub(super) fn place(&self, number: usize) -> Result<PathBuf> {
        let (bundle, entry) = self.entry(number).ok_or_else(nothing)?;
        bundle.place(&entry.file)
    }

    /// Makes sure that an entry's files are what was put there.
    ///
    /// # Errors
    /// As [`Bundle::check`].
    pub(super) fn check(&self, number: usize, context: &DeliveryContext<'_>) -> Result<()> {
        let (bundle, entry) = self.entry(number).ok_or_else(nothing)?;
        bundle.check(entry, context)
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

/// Whether both are of the same base and image.
fn is_same_file(one: &BundleEntry, other: &BundleEntry) -> bool {
    let base = |entry: &BundleEntry| entry.base.as_ref().map(|base| base.content_id);
    (base(one), one.content_id) == (base(other), other.content_id)
}

fn nothing() -> Error {
    Error::new(Kind::Host, "there is no such entry")
}
