//! `delivery.json`: what a delivery holds, and for whom.
//!
//! It comes from anywhere, as its entries do. Keys may be added within a version; those that are not known are passed over. What must be known to make
//! anything of all of the entries is named in `requires`: a program that does not know one of those words leaves the whole delivery alone.

use std::{
    collections::{BTreeSet, HashSet},
    fs, io,
    path::Path,
};

use imgdelta_core::{Bytes, Error, FileOffset, FileSource, Kind, Result, Source, read_vec};
use imgdelta_delta::Digest;
use imgdelta_repository::catalogue::{
    inventory::{MEDIA, TAKES},
    text::maybe,
};
use serde::{Deserialize, Serialize};

use super::{
    entry::{BundleEntry, faulty, is_false, require_known},
    piece_list::StoredFile,
};

/// The version of the form that is written, where all who are to read it know it.
pub const SCHEMA: &str = "imgdelta/delivery/2";

/// The version before: it has no `requires`. It is read, and written for sites whose program knows no other.
pub const SCHEMA_1: &str = "imgdelta/delivery/1";

/// What the file is called.
pub const INDEX: &str = "delivery.json";

/// Longest index that is read.
pub const LONGEST: u64 = 64 << 20;

/// Most media of a delivery.
pub(super) const MOST_MEDIA: u32 = 999;

/// Which of several media one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediumNumber {
    /// Its number, from 1 on.
    pub number: u32,
    /// How many there are.
    pub of: u32,
}

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
    /// Whether something of it is for sites that read images alone: nothing is added in another form.
    #[serde(default, skip_serializing_if = "is_false")]
    pub images_only: bool,
    /// The SHA-256 of the how-to that was written with it, for people act on what that says. Version 1 does not say.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "maybe")]
    pub howto: Option<Digest>,
    /// Which of several media this is, if the delivery lies on several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub medium: Option<MediumNumber>,
    /// What travels, each (base, image) pair once.
    pub items: Vec<BundleEntry>,
}

impl Index {
    /// One that holds nothing.
    #[must_use]
    pub fn new() -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            tool: super::TOOL.to_owned(),
            requires: Vec::new(),
            images_only: false,
            howto: None,
            medium: None,
            items: Vec::new(),
        }
    }

    /// Requires what its entries need all of its readers to know: a program that knows no transport form takes such an entry for a damaged one.
    pub(super) fn require_forms(&mut self) {
        let words = self.items.iter().flat_map(BundleEntry::words);
        let words = words.chain(self.medium.map(|_| MEDIA));
        let words: BTreeSet<&str> = words.collect();
        self.requires.retain(|word| !TAKES.contains(&word.as_str()));
        self.requires.extend(words.into_iter().map(str::to_owned));
    }

    /// Whether a listed file lies on this medium, and not on another one of several.
    pub(super) fn holds(&self, file: &StoredFile) -> bool {
        let medium = self.medium.zip(file.medium);
        medium.is_none_or(|(this, its)| this.number == its)
    }

    /// The files that lie on this medium.
    pub(super) fn held(&self) -> Vec<StoredFile> {
        let stored = self.items.iter().flat_map(BundleEntry::stored);
        stored.filter(|file| self.holds(file)).collect()
    }

    /// What is the same on all media of one delivery, if it lies on several: the digest of all else that the list says.
    pub(super) fn media_set(&self) -> Option<Digest> {
        let medium = self.medium?;
        let all = Self {
            howto: None,
            medium: Some(MediumNumber {
                number: 0,
                ..medium
            }),
            ..self.clone()
        };
        let json = serde_json::to_vec(&all).ok()?;
        Some(Digest::plain(&json))
    }

    /// What it says of media cannot be.
    fn validate_media(&self) -> Result<()> {
        let numbers = self.items.iter().flat_map(BundleEntry::stored);
        let mut numbers = numbers.filter_map(|file| file.medium);
        let says_it = self.requires.iter().any(|word| word == MEDIA);
        let is_right = match self.medium {
            None => !says_it && numbers.next().is_none(),
            Some(MediumNumber { number, of }) => {
                let are = |number: u32| (1..=of).contains(&number);
                says_it && of <= MOST_MEDIA && are(number) && numbers.all(are)
            }
        };
        match is_right {
            true => Ok(()),
            false => Err(faulty("what it says of its media cannot be")),
        }
    }

    /// How long the longest file is that it lists, as they lie there.
    pub(super) fn longest(&self) -> u64 {
        let stored = self.items.iter().flat_map(BundleEntry::stored);
        stored.map(|file| file.length).max().unwrap_or_default()
    }

    /// The name of a file that must have that digest.
    pub(super) fn file_of(&self, digest: &Digest) -> Option<String> {
        let mut stored = self.items.iter().flat_map(BundleEntry::stored);
        let file = stored.find(|file| file.sha256 == *digest)?;
        Some(file.name.to_string())
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
        index.validate_media()?;
        let (mut pairs, mut files) = (HashSet::new(), HashSet::new());
        for entry in &index.items {
            entry.validate()?;
            if !pairs.insert(entry.key()) {
                return Err(faulty(&format!("holds '{}' twice", entry.image)));
            }
            for file in entry.stored() {
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

/// Looks at the version, and at what must be known to read the rest, before anything else.
fn check_schema(json: &[u8]) -> Result<()> {
    #[derive(Deserialize)]
    struct Version {
        schema: String,
        #[serde(default)]
        requires: Vec<String>,
    }
    let Version { schema, requires } =
        serde_json::from_slice(json).map_err(|cause| faulty(&cause.to_string()))?;
    if [SCHEMA, SCHEMA_1].contains(&schema.as_str()) {
        return require_known(&requires, "the delivery");
    }
    let shown: String = schema.chars().take(80).collect();
    let message = format!(
        "delivery: the schema is '{}', '{SCHEMA}' or '{SCHEMA_1}' is required",
        shown.escape_debug()
    );
    Err(Error::new(Kind::Unsupported, message).with_code("schema"))
}

/// The index of the delivery in `folder`, if there is one.
pub(super) fn read_index(folder: &Path) -> Result<Option<Index>> {
    read_bytes(folder)?
        .map(|json| parse(folder, &json))
        .transpose()
}

/// The index in these bytes, which are those of the delivery in `folder`.
pub(super) fn parse(folder: &Path, json: &[u8]) -> Result<Index> {
    Index::from_json(json).map_err(|error| error.in_file(&folder.join(INDEX)))
}

/// The bytes of the index of the delivery in `folder`, if there is one. Nothing of them is looked at.
pub(super) fn read_bytes(folder: &Path) -> Result<Option<Vec<u8>>> {
    let place = folder.join(INDEX);
    match fs::symlink_metadata(&place) {
        Ok(metadata) if metadata.is_file() => {}
        Ok(_) => {
            return Err(Error::new(Kind::Corrupt, "is not a regular file").in_file(&place));
        }
        Err(cause)
            if matches!(
                cause.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(None);
        }
        Err(cause) => return Err(Error::host("cannot look at", cause).in_file(&place)),
    }
    let source = FileSource::open(&place)?;
    if source.len() > Bytes(LONGEST) {
        let message = format!("the index is longer than the {LONGEST} bytes that are read");
        return Err(Error::new(Kind::Unsupported, message).in_file(&place));
    }
    read_vec(&source, FileOffset::ZERO, source.len()).map(Some)
}

#[cfg(test)]
mod tests;
