//! The inventory: the list of a repository's images that another site reads, carried or mailed. It comes from anywhere: nothing in it is
//! believed beyond its form, no path stands in it, and it is read under limits.

use std::{borrow::Cow, collections::HashSet, path::Path};

use imgdelta_core::{
    AtomicFile, Bytes, Error, Existing, FileOffset, FileSource, Format, Kind, Result, Source,
    read_vec,
};
use imgdelta_delta::ContentId;
use serde::{Deserialize, Serialize};

use super::{
    Repository,
    names::{ImageId, Name, RepositoryId, Tag},
    presence::Look,
    record::{MOST_BYTES, Record, check_schema, check_tags},
    text::as_text,
};

/// The version of an inventory's form.
pub const SCHEMA: &str = "imgdelta/inventory/1";

/// The highest version of deliveries that this release reads.
pub const DELIVERIES: u16 = 2;

/// The word for the transport form: among what a site [takes](Inventory::takes), and in what a delivery requires.
pub const TRANSPORT: &str = "transport";

/// The word for windows of a transport file that came damaged.
pub const WINDOWS: &str = "windows";

/// The word for files that are cut in pieces.
pub const PIECES: &str = "pieces";

/// The word for a delivery that lies on several media.
pub const MEDIA: &str = "media";

/// What deliveries may require of this release.
pub const TAKES: [&str; 4] = [TRANSPORT, WINDOWS, PIECES, MEDIA];

/// Most words, and most bytes of one, of what a site takes.
const MOST_TAKEN: usize = 64;

/// Longest inventory that is read.
pub const LONGEST: u64 = 64 << 20;

/// What a repository has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inventory {
    /// [`SCHEMA`].
    pub schema: String,
    /// Which repository it is.
    pub repository: RepositoryId,
    /// The format of images that are made there, unless the user asks for another.
    #[serde(with = "as_text")]
    pub default_format: Format,
    /// The highest version of deliveries that is read there. Releases that read the first one alone do not say so.
    #[serde(default = "first", skip_serializing_if = "is_first")]
    pub deliveries: u16,
    /// What deliveries may require of its program. Releases that know no such word do not say so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub takes: Vec<String>,
    /// Its images, in order of name.
    pub images: Vec<Item>,
}

/// What is meant where nothing is said.
const fn first() -> u16 {
    1
}

/// Whether nothing need be said.
const fn is_first(version: &u16) -> bool {
    *version == first()
}

/// One of its images.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Its id.
    pub id: ImageId,
    /// What its disk was proven to be there.
    #[serde(with = "as_text")]
    pub content_id: ContentId,
    /// The size of its disk in bytes.
    pub size: u64,
    /// What the user calls it there.
    pub name: Name,
    /// The id of the image that it descends from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<ImageId>,
    /// The user's words for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
}

impl Inventory {
    /// Whether what requires that word is read there. What version 1 of deliveries alone reads knows none.
    #[must_use]
    pub fn takes(&self, word: &str) -> bool {
        self.deliveries >= DELIVERIES && self.takes.iter().any(|one| one == word)
    }

    /// As the file that is carried: a line an image, so that two can be compared by eye.
    ///
    /// # Errors
    /// Unsupported, if it would be longer than is read.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        let failed = |cause: serde_json::Error| faulty(&format!("cannot be written: {cause}"));
        let head = Self {
            images: Vec::new(),
            ..self.clone()
        };
        let mut json = serde_json::to_vec(&head).map_err(failed)?;
        // The list is empty and last: it is opened again.
        json.truncate(json.len().saturating_sub(b"]}".len()));
        for (number, item) in self.images.iter().enumerate() {
            json.extend_from_slice(if number == 0 { b"\n" } else { b",\n" });
            serde_json::to_writer(&mut json, item).map_err(failed)?;
        }
        json.extend_from_slice(b"\n]}\n");
        if json.len() as u64 <= LONGEST {
            return Ok(json);
        }
        let message = format!(
            "the inventory takes {} bytes, {LONGEST} are read",
            json.len()
        );
        Err(Error::new(Kind::Unsupported, message).with_code("inventory"))
    }

    /// Reads an inventory.
    ///
    /// # Errors
    /// Corrupt, if it is none or contradicts itself; Unsupported, if it is of another version or too long.
    pub fn from_json(json: &[u8]) -> Result<Self> {
        let json = &*as_utf8(json);
        if json.len() as u64 > LONGEST {
            let message = format!("the inventory is longer than the {LONGEST} bytes that are read");
            return Err(Error::new(Kind::Unsupported, message).with_code("inventory"));
        }
        check_schema(json, SCHEMA, "inventory")?;
        let inventory: Self =
            serde_json::from_slice(json).map_err(|cause| faulty(&cause.to_string()))?;
        let takes = &inventory.takes;
        if takes.len() > MOST_TAKEN || takes.iter().any(|word| word.len() > MOST_TAKEN) {
            return Err(faulty("takes more than can be told"));
        }
        let mut ids = HashSet::new();
        for item in &inventory.images {
            if item.size > MOST_BYTES {
                let message = format!(
                    "'{}' has {} bytes, {MOST_BYTES} at most is a disk's",
                    item.id, item.size
                );
                return Err(faulty(&message));
            }
            if !ids.insert(item.id.folded()) {
                return Err(faulty(&format!("names '{}' twice", item.id)));
            }
            check_tags(&item.tags.iter().cloned().collect())
                .map_err(|error| faulty(&format!("'{}' has {}", item.id, error.message())))?;
        }
        Ok(inventory)
    }

    /// Reads the inventory at `place`.
    ///
    /// # Errors
    /// As [`from_json`](Self::from_json); Host, if the host cannot read it.
    pub fn read(place: &Path) -> Result<Self> {
        let source = FileSource::open(place)?;
        // One byte more than is read is enough to refuse it.
        let len = source.len().min(Bytes(LONGEST + 1));
        let json = read_vec(&source, FileOffset::ZERO, len)?;
        Self::from_json(&json).map_err(|error| error.in_file(place))
    }

    /// Writes it, whole or not at all.
    ///
    /// # Errors
    /// Usage, if something stands there that may not be replaced; Host, if the host cannot.
    pub fn write(&self, place: &Path, existing: Existing) -> Result<()> {
        let draft = AtomicFile::create(place, existing)?;
        draft.sink().write_at(FileOffset::ZERO, &self.to_json()?)?;
        draft.commit()
    }
}

impl From<&Record> for Item {
    fn from(record: &Record) -> Self {
        Self {
            id: record.id.clone(),
            content_id: record.content_id,
            size: record.size,
            name: record.name.clone(),
            parent: record.parent.as_ref().map(|parent| parent.id.clone()),
            tags: record.tags.iter().cloned().collect(),
        }
    }
}

impl Repository {
    /// What it has. Records that cannot be read are left out, and images whose files are missing or have changed since.
    ///
    /// # Errors
    /// Host, if the host cannot list the records.
    pub fn inventory(&self) -> Result<Inventory> {
        let listing = self.list()?;
        Ok(self.inventory_of(&self.look(&listing)))
    }

    /// As [`inventory`](Self::inventory), of what was seen.
    #[must_use]
    pub fn inventory_of(&self, look: &Look<'_>) -> Inventory {
        Inventory {
            schema: SCHEMA.to_owned(),
            repository: self.about().id.clone(),
            default_format: self.about().default_format,
            deliveries: DELIVERIES,
            takes: TAKES.map(str::to_owned).to_vec(),
            images: look.present().map(Item::from).collect(),
        }
    }
}

/// The text without a byte order mark, and in UTF-8: mail programs and shells of Windows write others.
fn as_utf8(text: &[u8]) -> Cow<'_, [u8]> {
    /// How two bytes are one unit.
    type Unit = fn([u8; 2]) -> u16;
    let (rest, unit): (&[u8], Unit) = match text {
        [0xef, 0xbb, 0xbf, rest @ ..] => return Cow::Borrowed(rest),
        [0xff, 0xfe, rest @ ..] | rest @ [b'{', 0, ..] => (rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] | rest @ [0, b'{', ..] => (rest, u16::from_be_bytes),
        _ => return Cow::Borrowed(text),
    };
    let (pairs, _) = rest.as_chunks();
    let units = pairs.iter().map(|pair| unit(*pair));
    let read: String = char::decode_utf16(units)
        .map(|read| read.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect();
    Cow::Owned(read.into_bytes())
}

/// An inventory that is none.
fn faulty(what: &str) -> Error {
    Error::new(Kind::Corrupt, format!("inventory: {what}")).with_code("inventory")
}
