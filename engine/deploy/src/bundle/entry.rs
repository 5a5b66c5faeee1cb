//! An entry: one image as it travels, in a delivery or over a connection: which files, from which base, for whom.
//!
//! It comes from anywhere: nothing in it is believed beyond its form, and no path stands in it. What must be known to make anything of it is named in
//! `requires`: a program that does not know one of those words leaves the entry alone.

use std::collections::BTreeSet;

use imgdelta_core::{Error, Format, Kind, Result};
use imgdelta_delta::ContentId;
use imgdelta_repository::catalogue::{
    ImageId, Name, Record, RepositoryId, Tag,
    inventory::{PIECES, TAKES, TRANSPORT, WINDOWS},
    text::as_text,
};
use serde::{Deserialize, Serialize};

use super::{file_entry::FileEntry, piece_list::StoredFile};

/// Most words, and most bytes of one, in `requires`.
const MOST_REQUIRED: usize = 64;

/// Most ancestors of an image that are named.
pub(super) const MOST_ANCESTORS: usize = 32;

/// One image on its way: as the difference from a base, or as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleEntry {
    /// What the site must have; none: the whole image travels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<ImageRef>,
    /// The id of the image.
    pub image: ImageId,
    /// What its disk must be proven to be.
    #[serde(with = "as_text")]
    pub content_id: ContentId,
    /// The exact size of its disk in bytes.
    pub size: u64,
    /// How much of it is not zero, in windows of 64 KiB, where headquarters knows: what it takes when it is kept whole, at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<u64>,
    /// What it is called at headquarters.
    pub name: Name,
    /// The user's words for it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub tags: BTreeSet<Tag>,
    /// Whether others are to be made from it.
    #[serde(default)]
    pub golden: bool,
    /// The image that it descends from at headquarters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<ImageRef>,
    /// The images that this one descends from in turn, by what their disks are, where the parent need not be at the site: the nearest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "as_texts")]
    pub ancestors: Vec<ContentId>,
    /// The form of the file that travels.
    #[serde(default, skip_serializing_if = "EntryForm::is_image")]
    pub form: EntryForm,
    /// The format of the file that travels, if it is an image; else qcow2.
    #[serde(with = "as_text")]
    pub format: Format,
    /// The child, the transport file, or the whole image.
    pub file: FileEntry,
    /// What proves a child; that of a transport file is in it, and a whole image is proven by its content id alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<FileEntry>,
    /// What must be known to make the image of its files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requires: Vec<String>,
    /// For whom it is.
    pub sites: Vec<Recipient>,
}

/// What tells an entry apart from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct EntryKey {
    /// What the base's disk is.
    pub(super) base: Option<ContentId>,
    /// What the image's is.
    pub(super) image: ContentId,
    /// In which form it travels.
    pub(super) form: EntryForm,
    /// In which format, if that is an image.
    pub(super) format: Format,
}

/// In which form a file travels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryForm {
    /// An image: a child, or a whole one.
    #[default]
    Image,
    /// A transport file, which is read over its base alone.
    Transport,
    /// Windows of a transport file that came damaged: they go into that one.
    Windows,
}

impl EntryForm {
    /// Whether it is an image.
    #[must_use]
    pub const fn is_image(&self) -> bool {
        matches!(self, Self::Image)
    }

    /// What must be known to make anything of it.
    pub(super) const fn requires(self) -> Option<&'static str> {
        match self {
            Self::Image => None,
            Self::Transport => Some(TRANSPORT),
            Self::Windows => Some(WINDOWS),
        }
    }
}

/// An image that an entry refers to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageRef {
    /// Its id at headquarters.
    pub id: ImageId,
    /// What its disk is.
    #[serde(with = "as_text")]
    pub content_id: ContentId,
    /// What it is called there.
    pub name: Name,
}

impl ImageRef {
    /// What is said of an image that has that record.
    pub(super) fn of(record: &Record) -> Self {
        Self {
            id: record.id.clone(),
            content_id: record.content_id,
            name: record.name.clone(),
        }
    }
}

/// A site that is going to use an entry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Recipient {
    /// Its repository.
    pub repository: RepositoryId,
    /// Whether the image only serves it as a step to others, and is not to be entered.
    #[serde(default, skip_serializing_if = "is_false")]
    pub step: bool,
}

/// Content ids as text, as many as are looked at.
mod as_texts {
    use imgdelta_delta::ContentId;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use super::MOST_ANCESTORS;

    pub(super) fn serialize<S: Serializer>(ids: &[ContentId], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(ids.iter().map(ToString::to_string))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<ContentId>, D::Error> {
        let words = Vec::<String>::deserialize(from)?;
        let words = words.iter().take(MOST_ANCESTORS);
        words
            .map(|word| {
                word.parse()
                    .map_err(|error| D::Error::custom(format!("{error}")))
            })
            .collect()
    }
}

/// What need not be written.
pub(super) const fn is_false(flag: &bool) -> bool {
    !*flag
}

impl BundleEntry {
    /// What tells it apart from others.
    pub(super) fn key(&self) -> EntryKey {
        EntryKey {
            base: self.base.as_ref().map(|base| base.content_id),
            image: self.content_id,
            form: self.form,
            format: self.format,
        }
    }

    /// The format of its file; windows are parts of a transport file.
    #[must_use]
    pub const fn file_format(&self) -> Format {
        match self.form {
            EntryForm::Image => self.format,
            EntryForm::Transport | EntryForm::Windows => Format::Transport,
        }
    }

    /// The same, its file lying there whole.
    pub(super) fn in_one_file(&self) -> Self {
        let mut entry = self.clone();
        entry.file = self.file.by_itself();
        entry.requires = entry.words().map(str::to_owned).collect();
        entry
    }

    /// Says that it is for these sites too. Whoever is to keep the image needs no word that it is a step.
    pub(super) fn add_recipients(&mut self, sites: &[Recipient]) {
        self.sites.extend(sites.iter().cloned());
        self.sites.sort();
        self.sites
            .dedup_by(|next, kept| next.repository == kept.repository);
    }

    /// Its files in the order in which they are sent: what is small and says what follows comes first.
    pub fn files(&self) -> impl Iterator<Item = &FileEntry> {
        self.manifest.iter().chain([&self.file])
    }

    /// As [`files`](Self::files), but as they lie in a delivery: pieces in place of a file that is cut.
    pub fn stored(&self) -> impl Iterator<Item = StoredFile> {
        self.files().flat_map(FileEntry::stored)
    }

    /// Which words `requires` must have: those of its form, and of how its files lie there.
    pub(super) fn words(&self) -> impl Iterator<Item = &'static str> {
        let is_cut = self.file.pieces.is_some();
        let form = self.form.requires();
        form.into_iter().chain(is_cut.then_some(PIECES))
    }

    /// How long its files are together, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let lengths = self.files().map(|file| file.length);
        lengths.fold(0, u64::saturating_add)
    }

    /// What no single field can say.
    ///
    /// # Errors
    /// Corrupt, if it contradicts itself, or its files are longer together than files can be.
    pub fn validate(&self) -> Result<()> {
        let (base, manifest) = (self.base.as_ref(), self.manifest.as_ref());
        let is_transport = !self.form.is_image();
        if is_transport && (base.is_none() || manifest.is_some()) {
            let message = format!(
                "'{}' is a transport file without a base, or with a manifest beside it",
                self.image
            );
            return Err(faulty(&message));
        }
        let known = |word: &&str| TAKES.contains(word);
        let requires: BTreeSet<&str> = self.requires.iter().map(String::as_str).collect();
        let requires: BTreeSet<&str> = requires.into_iter().filter(known).collect();
        if requires != self.words().collect() {
            let message = format!("'{}' does not say what its form requires", self.image);
            return Err(faulty(&message));
        }
        self.validate_pieces()?;
        if !is_transport && base.is_some() != manifest.is_some() {
            return Err(faulty(&format!(
                "'{}' has a base without a manifest, or a manifest without a base",
                self.image
            )));
        }
        if base.is_some_and(|base| base.content_id == self.content_id) {
            return Err(faulty(&format!("'{}' is its own base", self.image)));
        }
        if manifest.is_some_and(|manifest| manifest.name.folded() == self.file.name.folded()) {
            return Err(faulty(&format!("names '{}' twice", self.file.name)));
        }
        if self.bytes() > i64::MAX.unsigned_abs() {
            return Err(faulty(&format!(
                "'{}' is longer than files can be",
                self.image
            )));
        }
        let is_overlong = self.requires.len() > MOST_REQUIRED
            || self.requires.iter().any(|word| word.len() > MOST_REQUIRED);
        if is_overlong {
            let message = format!("'{}' requires more than can be told", self.image);
            return Err(faulty(&message));
        }
        Ok(())
    }

    /// What cannot be of how its files lie there. A manifest is short, and lies there whole.
    fn validate_pieces(&self) -> Result<()> {
        let cut = self.manifest.iter().find(|file| file.pieces.is_some());
        if let Some(cut) = cut {
            return Err(faulty(&format!("'{}' is a manifest in pieces", cut.name)));
        }
        self.files().try_for_each(|file| {
            let cannot_be = |what| faulty(&format!("'{}' has {what}", file.name));
            file.validate().map_err(cannot_be)
        })
    }

    /// Makes sure that all is known here that it takes to make the image.
    ///
    /// # Errors
    /// Unsupported (`delivery_feature`), if it is not.
    pub fn require_known(&self) -> Result<()> {
        require_known(&self.requires, &format!("'{}'", self.name))
    }
}

/// Makes sure that each of the words is known here.
pub(super) fn require_known(words: &[String], whose: &str) -> Result<()> {
    let unknown = words.iter().find(|word| !TAKES.contains(&word.as_str()));
    let Some(unknown) = unknown else {
        return Ok(());
    };
    let shown: String = unknown.chars().take(MOST_REQUIRED).collect();
    let message = format!(
        "delivery: {whose} requires '{}', which this release does not know",
        shown.escape_debug()
    );
    Err(Error::new(Kind::Unsupported, message)
        .with_code("delivery_feature")
        .with_hint("receive it with the release that has written it, or a later one"))
}

/// Something that was listed cannot be.
pub(super) fn faulty(what: &str) -> Error {
    Error::new(Kind::Corrupt, format!("delivery: {what}")).with_code("delivery")
}
