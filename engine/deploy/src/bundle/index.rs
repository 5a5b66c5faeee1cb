//! `delivery.json`: what a delivery holds, and for whom. It comes from anywhere: nothing in it is believed beyond its form, no path
//! stands in it, and whether the files are there and whole is not known here. An entry of it is also what travels over a line.
//!
//! Keys may be added within a version; those that are not known are passed over. What must be known to make anything of an entry, or of all of
//! them, is named in `requires`: who does not know one of those words leaves the entry, or the whole delivery, alone.

use std::collections::{BTreeSet, HashSet};

use imgdelta_core::{Error, Format, Kind, Result};
use imgdelta_delta::{ContentId, Digest};
use imgdelta_repository::catalogue::{ImageId, Name, RepositoryId, Tag, text::as_text};
use serde::{Deserialize, Serialize};

/// The version of the form that is written, where all who are to read it know it.
pub const SCHEMA: &str = "imgdelta/delivery/2";

/// The version before: it has no `requires`. It is read, and written for sites whose program knows no other.
pub const SCHEMA_1: &str = "imgdelta/delivery/1";

/// What `requires` may name here. No word is in use yet.
const FEATURES: [&str; 0] = [];

/// Most words, and most bytes of one, in `requires`.
const MOST_REQUIRED: usize = 64;

/// Most ancestors of an image that are named.
pub(super) const MOST_ANCESTORS: usize = 32;

/// What the file is called.
pub const INDEX: &str = "delivery.json";

/// Longest index that is read.
pub const LONGEST: u64 = 64 << 20;

/// What a delivery holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// [`SCHEMA`] or [`SCHEMA_1`].
    pub schema: String,
    /// Which program wrote it last.
    pub tool: String,
    /// What must be known to read it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requires: Vec<String>,
    /// What travels, each (base, image) pair once.
    pub items: Vec<BundleEntry>,
}

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
    /// The format of the file that travels.
    #[serde(with = "as_text")]
    pub format: Format,
    /// The child, or the whole image.
    pub file: FileEntry,
    /// What proves a child; a whole image is proven by its content id alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<FileEntry>,
    /// What must be known to make the image of its files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requires: Vec<String>,
    /// For whom it is.
    pub sites: Vec<Recipient>,
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

/// A file of a delivery, in the delivery's own folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Its name: never a path.
    pub name: Name,
    /// How long it is in bytes.
    pub length: u64,
    /// The SHA-256 of its bytes.
    #[serde(with = "as_text")]
    pub sha256: Digest,
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
const fn is_false(flag: &bool) -> bool {
    !*flag
}

impl Index {
    /// One that holds nothing.
    #[must_use]
    pub fn new() -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            tool: super::TOOL.to_owned(),
            requires: Vec::new(),
            items: Vec::new(),
        }
    }

    /// As the file.
    ///
    /// # Errors
    /// Unsupported, if it would be longer than is read.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        let mut json = serde_json::to_vec_pretty(self)
            .map_err(|cause| faulty(&format!("cannot be written: {cause}")))?;
        json.push(b'\n');
        if json.len() as u64 <= LONGEST {
            return Ok(json);
        }
        let message = format!("the index takes {} bytes, {LONGEST} are read", json.len());
        Err(Error::new(Kind::Unsupported, message).with_code("delivery"))
    }

    /// Reads an index.
    ///
    /// # Errors
    /// Corrupt, if it is none or contradicts itself; Unsupported, if it is of another version.
    pub fn from_json(json: &[u8]) -> Result<Self> {
        check_schema(json)?;
        let index: Self =
            serde_json::from_slice(json).map_err(|cause| faulty(&cause.to_string()))?;
        require_known(&index.requires, "the delivery")?;
        let (mut pairs, mut files) = (HashSet::new(), HashSet::new());
        for entry in &index.items {
            entry.validate()?;
            if !pairs.insert(entry.key()) {
                return Err(faulty(&format!("holds '{}' twice", entry.image)));
            }
            for file in entry.files() {
                if !files.insert(file.name.folded()) {
                    return Err(faulty(&format!("names '{}' twice", file.name)));
                }
            }
        }
        Ok(index)
    }
}

impl Default for Index {
    /// As [`new`](Self::new).
    fn default() -> Self {
        Self::new()
    }
}

impl BundleEntry {
    /// What tells it apart from others.
    pub(super) fn key(&self) -> (Option<ContentId>, ContentId, Format) {
        let base = self.base.as_ref().map(|base| base.content_id);
        (base, self.content_id, self.format)
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
        if base.is_some() != manifest.is_some() {
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

    /// Makes sure that all is known here that it takes to make the image.
    ///
    /// # Errors
    /// Unsupported (`delivery_feature`), if it is not.
    pub fn require_known(&self) -> Result<()> {
        require_known(&self.requires, &format!("'{}'", self.name))
    }
}

/// Makes sure that each of the words is known here.
fn require_known(words: &[String], whose: &str) -> Result<()> {
    let unknown = words.iter().find(|word| !FEATURES.contains(&word.as_str()));
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

/// Looks at the version before anything else.
fn check_schema(json: &[u8]) -> Result<()> {
    #[derive(Deserialize)]
    struct Version {
        schema: String,
    }
    let Version { schema } =
        serde_json::from_slice(json).map_err(|cause| faulty(&cause.to_string()))?;
    if [SCHEMA, SCHEMA_1].contains(&schema.as_str()) {
        return Ok(());
    }
    let shown: String = schema.chars().take(80).collect();
    let message = format!(
        "delivery: the schema is '{}', '{SCHEMA}' or '{SCHEMA_1}' is required",
        shown.escape_debug()
    );
    Err(Error::new(Kind::Unsupported, message).with_code("schema"))
}

/// Something that was listed cannot be.
pub(super) fn faulty(what: &str) -> Error {
    Error::new(Kind::Corrupt, format!("delivery: {what}")).with_code("delivery")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry() -> Result<BundleEntry> {
        let content = |letter: &str| ContentId(Digest::plain(letter.as_bytes()));
        let file = |name: &str| -> Result<FileEntry> {
            Ok(FileEntry {
                name: name.parse()?,
                length: 5,
                sha256: Digest::plain(name.as_bytes()),
            })
        };
        Ok(BundleEntry {
            base: Some(ImageRef {
                id: "golden".parse()?,
                content_id: content("golden"),
                name: "Golden Disk".parse()?,
            }),
            image: "patched".parse()?,
            content_id: content("patched"),
            size: 12 << 20,
            ancestors: Vec::new(),
            data: None,
            name: "patched".parse()?,
            tags: BTreeSet::from(["2026".parse()?]),
            golden: true,
            parent: None,
            format: Format::Qcow2,
            file: file("patched.qcow2")?,
            manifest: Some(file("patched.qcow2.manifest.json")?),
            requires: Vec::new(),
            sites: Vec::new(),
        })
    }

    #[test]
    fn an_index_is_read_as_it_was_written() -> Result<()> {
        let mut index = Index::new();
        index.items.push(entry()?);
        assert_eq!(Index::from_json(&index.to_json()?)?, index);
        Ok(())
    }

    #[test]
    fn keys_that_are_not_known_are_passed_over_and_words_that_are_required_are_not() -> Result<()> {
        let mut index = Index::new();
        index.items.push(entry()?);
        let json = String::from_utf8(index.to_json()?).expect("it is text");
        let later = json.replacen("\"tool\"", "\"colour\": {\"of\": []}, \"tool\"", 1);
        assert_eq!(Index::from_json(later.as_bytes())?, index);
        let of_version_1 = json.replacen("delivery/2", "delivery/1", 1);
        assert_eq!(
            Index::from_json(of_version_1.as_bytes())?.items,
            index.items
        );

        let some = json.replacen("\"image\"", "\"requires\": [\"pieces\"], \"image\"", 1);
        let read = Index::from_json(some.as_bytes())?;
        let refused = read.items[0].require_known().expect_err("it is not known");
        assert_eq!(
            (refused.kind(), refused.code()),
            (Kind::Unsupported, "delivery_feature")
        );
        assert!(refused.message().contains("'pieces'"), "{refused}");
        let all = json.replacen("\"tool\"", "\"requires\": [\"pieces\"], \"tool\"", 1);
        let refused = Index::from_json(all.as_bytes()).expect_err("it is not known");
        assert_eq!(refused.code(), "delivery_feature");
        Ok(())
    }

    #[test]
    fn a_site_that_keeps_an_image_is_not_told_that_it_is_a_step() -> Result<()> {
        let site = |last: u8, step: bool| -> Result<Recipient> {
            Ok(Recipient {
                repository: format!("00000000-0000-4000-8000-00000000000{last}").parse()?,
                step,
            })
        };
        let mut entry = entry()?;
        entry.add_recipients(&[site(2, true)?, site(1, true)?]);
        entry.add_recipients(&[site(2, false)?, site(2, true)?]);
        assert_eq!(entry.sites, [site(1, true)?, site(2, false)?]);
        Ok(())
    }

    #[test]
    fn an_item_that_is_its_own_base_or_lacks_its_proof_is_refused() -> Result<()> {
        let mut own = entry()?;
        own.content_id = own
            .base
            .as_ref()
            .map_or(own.content_id, |base| base.content_id);
        let mut unproven = entry()?;
        unproven.manifest = None;
        for wrong in [own, unproven] {
            assert_eq!(
                wrong.validate().map_err(|error| error.kind()),
                Err(Kind::Corrupt)
            );
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn whatever_stands_in_its_place_is_read_or_refused(
            at in 0..2000_usize, byte: u8, cut in 0..2000_usize,
        ) {
            let mut index = Index::new();
            index.items.push(entry().expect("it is one"));
            let mut json = index.to_json().expect("it can be written");
            let len = json.len();
            json[at % len] = byte;
            json.truncate(len - cut % len);
            if let Ok(read) = Index::from_json(&json) {
                prop_assert!(read.to_json().is_ok());
            }
        }
    }
}
