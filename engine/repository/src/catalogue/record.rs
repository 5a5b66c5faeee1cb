//! What a repository knows of one image: a small JSON file that anybody can read.
//!
//! Whether the image is there, and is what the record says, is not known here.

use std::collections::BTreeSet;

use imgdelta_core::{Bytes, Error, FileVersion, Format, Kind, Result};
use imgdelta_delta::ContentId;
use serde::{Deserialize, Serialize};

use super::{
    names::{ImageId, InsidePath, Name, Tag},
    seal::{check_seal, seal},
    text::{as_text, maybe},
};

/// The version of a record's form.
pub const SCHEMA: &str = "imgdelta/record/1";

/// Longest record that is read: most take less than 1 KiB, but an image may have thousands of extents.
pub(super) const LONGEST: u64 = 1 << 20;

/// Most bytes of a disk: what no file can be longer than.
pub const MOST_BYTES: u64 = i64::MAX.cast_unsigned();

/// Most tags of an image.
pub const MOST_TAGS: usize = 16;

/// Most bytes of all its tags together: an inventory says of an image what fits in 1 KiB.
pub const MOST_TAG_BYTES: usize = 320;

/// What is known of one image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// [`SCHEMA`].
    pub schema: String,
    /// What it is known by everywhere.
    pub id: ImageId,
    /// What its disk was proven to be when it was entered.
    #[serde(with = "as_text")]
    pub content_id: ContentId,
    /// The size of its disk in bytes.
    pub size: u64,
    /// Its format.
    #[serde(with = "as_text")]
    pub format: Format,
    /// Its files, the image itself first; those of its parents are not among them.
    pub files: Vec<StoredFile>,
    /// What the user calls it.
    pub name: Name,
    /// The image that it descends from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Parent>,
    /// The user's words for it.
    #[serde(default)]
    pub tags: BTreeSet<Tag>,
    /// Whether others are to be made from it.
    #[serde(default)]
    pub golden: bool,
    /// Whether its files have the host's attribute that nobody, not even root, writes to them or deletes them.
    #[serde(default, skip_serializing_if = "is_not")]
    pub immutable: bool,
    /// Whether the repository made its files: only then may it delete them.
    pub owned: bool,
    /// Which state of the image's record this is: each change counts one more. Records of versions that did not count say 0.
    #[serde(default, skip_serializing_if = "is_uncounted")]
    pub revision: u64,
    /// Whether its files, though they look as they did, were read and hold another disk. Only what enters it anew takes that back.
    #[serde(default, skip_serializing_if = "is_not")]
    pub refuted: bool,
    /// How it came here.
    pub provenance: Provenance,
}

/// One of an image's files, as it was when the image was proven.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredFile {
    /// Where it stands.
    pub path: InsidePath,
    /// How long it is in bytes.
    pub length: u64,
    /// When it was changed last, in microseconds since 1970: more digits would not survive every reader of JSON.
    pub modified: i64,
    /// Its inode, as text for the same reason. A copy of the repository has others, so it alone makes nobody take a file for another one; but
    /// nothing is deleted before it is looked into. Records of versions that did not say it have none.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "maybe")]
    pub inode: Option<u64>,
    /// The permissions that it had before it was made read-only, for the image is golden; nothing, if it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<u32>,
}

/// The image that another one descends from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// Its id.
    pub id: ImageId,
    /// How that is known.
    pub known: ParentEvidence,
}

/// How it is known that an image descends from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParentEvidence {
    /// The image is a child of the other one's file and cannot be read without it.
    Linked,
    /// The user says so, and enough of both disks is the same.
    Measured,
    /// The user says so.
    Declared,
}

/// How an image came here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// When, as `2026-11-24T12:37:14Z`.
    pub when: String,
    /// By which program.
    pub tool: String,
    /// In which way.
    pub how: ProvenanceKind,
}

/// In which way an image came here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ProvenanceKind {
    /// Its file was copied as it is.
    Copied,
    /// Its file was copied, and names its parent's copy here.
    Relinked,
    /// Its disk was written as what differs from its parent here.
    Difference,
    /// Its disk was written anew, as one file that needs no other.
    Rewritten,
    /// It stood here and was taken in.
    InPlace,
    /// A deployment brought it.
    Received,
}

impl Record {
    /// As the file that holds it.
    ///
    /// # Errors
    /// Usage, if there is more to say than a record holds.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        let json = serde_json::to_string_pretty(self)
            .map_err(|cause| faulty(format!("cannot be written: {cause}")))?;
        let json = seal(&json).into_bytes();
        if json.len() as u64 > LONGEST {
            let message = format!(
                "the record takes {} bytes, {LONGEST} are allowed",
                json.len()
            );
            return Err(Error::new(Kind::Usage, message).with_code("record"));
        }
        Ok(json)
    }

    /// Reads a record.
    ///
    /// # Errors
    /// Corrupt, if it is none or contradicts itself; Unsupported, if it is of another version.
    pub fn from_json(json: &[u8]) -> Result<Self> {
        let read: Result<Self, _> = serde_json::from_slice(json);
        let record = match read {
            Ok(record) if record.schema == SCHEMA => record,
            other => {
                // Of another version, or none: the version is the first thing to be said.
                check_schema(json, SCHEMA, "record")?;
                other.map_err(|cause| faulty(cause.to_string()))?
            }
        };
        check_seal(json, "record")?;
        record.judge()?;
        Ok(record)
    }

    /// What no single field can say.
    fn judge(&self) -> Result<()> {
        check_tags(&self.tags).map_err(|error| faulty(error.message().to_owned()))?;
        let mut paths = BTreeSet::new();
        if !self.files.iter().all(|file| paths.insert(&file.path)) {
            return Err(faulty("names a file twice".to_owned()));
        }
        if self.files.is_empty() {
            return Err(faulty("names no file".to_owned()));
        }
        if self.size > MOST_BYTES {
            let message = format!(
                "the size is {}, {MOST_BYTES} at most is a disk's",
                self.size
            );
            return Err(faulty(message));
        }
        let parent = self.parent.as_ref();
        if parent.is_some_and(|parent| parent.id.folded() == self.id.folded()) {
            return Err(faulty("names the image as its own parent".to_owned()));
        }
        let Provenance { when, tool, .. } = &self.provenance;
        let is_plain = |text: &str| text.len() <= 128 && !text.chars().any(char::is_control);
        if !is_plain(when) || !is_plain(tool) {
            return Err(faulty("has a provenance that is no plain text".to_owned()));
        }
        Ok(())
    }

    /// Where the image itself stands.
    ///
    /// # Errors
    /// Corrupt, if it names no file.
    pub fn path(&self) -> Result<&InsidePath> {
        self.files
            .first()
            .map(|file| &file.path)
            .ok_or_else(|| faulty("names no file".to_owned()))
    }

    /// The size of its disk.
    #[must_use]
    pub const fn disk_size(&self) -> Bytes {
        Bytes(self.size)
    }

    /// The image that it cannot be read without.
    #[must_use]
    pub fn linked_parent(&self) -> Option<&ImageId> {
        let parent = self.parent.as_ref()?;
        (parent.known == ParentEvidence::Linked).then_some(&parent.id)
    }
}

impl StoredFile {
    /// A file as it is now.
    pub(super) fn new(path: InsidePath, stamp: &FileVersion) -> Self {
        Self {
            path,
            length: stamp.len,
            modified: microseconds(stamp.modified),
            inode: Some(stamp.inode),
            mode: None,
        }
    }

    /// Whether nobody has written to it since: its length and its time are the same, as far as the file system that it stands on now
    /// keeps times: exFAT to 10 ms, others to a second, FAT to two.
    pub(super) fn is_unchanged(&self, now: &FileVersion) -> bool {
        self.fits(now.len, now.modified)
    }

    /// As [`is_unchanged`](Self::is_unchanged), of a file that is so long and was changed last at that time, in nanoseconds since 1970.
    pub(super) fn fits(&self, length: u64, modified: i128) -> bool {
        const GRAINS: [i64; 4] = [1, 10_000, 1_000_000, 2_000_000];
        let found = microseconds(modified);
        let kept = |grain: &i64| {
            self.modified
                .saturating_sub(self.modified.rem_euclid(*grain))
        };
        self.length == length && GRAINS.iter().any(|grain| kept(grain) == found)
    }
}

/// Whether a flag need not be written.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
const fn is_not(flag: &bool) -> bool {
    !*flag
}

/// Whether a record's states are not counted.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
const fn is_uncounted(revision: &u64) -> bool {
    *revision == 0
}

/// A time in nanoseconds since 1970 in microseconds.
fn microseconds(nanoseconds: i128) -> i64 {
    i64::try_from(nanoseconds.div_euclid(1000)).unwrap_or(i64::MAX)
}

/// Refuses more tags than an inventory has room for.
///
/// # Errors
/// Usage, if there are.
pub(crate) fn check_tags(tags: &BTreeSet<Tag>) -> Result<()> {
    let bytes: usize = tags.iter().map(|tag| tag.as_str().len()).sum();
    if tags.len() <= MOST_TAGS && bytes <= MOST_TAG_BYTES {
        return Ok(());
    }
    let message = format!(
        "{} tags of {bytes} bytes, {MOST_TAGS} of {MOST_TAG_BYTES} bytes are allowed",
        tags.len()
    );
    Err(Error::new(Kind::Usage, message).with_code("tags"))
}

/// Looks at the version before anything else.
///
/// # Errors
/// Corrupt, if there is none; Unsupported, if it is another one.
pub(super) fn check_schema(json: &[u8], required: &str, what: &'static str) -> Result<()> {
    #[derive(Deserialize)]
    struct Version {
        schema: String,
    }
    let Version { schema } = serde_json::from_slice(json).map_err(|cause| {
        Error::new(Kind::Corrupt, format!("{what}: {cause}")).with_code("record")
    })?;
    if schema == required {
        return Ok(());
    }
    let shown: String = schema.chars().take(80).collect();
    Err(Error::new(
        Kind::Unsupported,
        format!(
            "{what}: the schema is '{}', '{required}' is required",
            shown.escape_debug()
        ),
    )
    .with_code("schema"))
}

/// A record that is none.
fn faulty(message: String) -> Error {
    Error::new(Kind::Corrupt, format!("record: {message}")).with_code("record")
}
