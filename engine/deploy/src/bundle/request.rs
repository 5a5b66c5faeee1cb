//! What a site asks for once more: files of a delivery that came damaged, and of transport files only the windows that are.
//!
//! It comes from anywhere: it says what is to be sent, and headquarters sends of its own images what they name.

use std::path::Path;

use imgdelta_core::{
    AtomicFile, Bytes, Error, Existing, FileOffset, FileSource, Format, Kind, Result, Source,
    read_vec,
};
use imgdelta_delta::{ContentId, Digest};
use imgdelta_operations::refilled_transport::WantedWindows;
use imgdelta_repository::catalogue::{
    Listing, Name, Record, RepositoryId, inventory::TAKES, text::as_text,
};
use serde::{Deserialize, Serialize};

use super::{
    entry::{BundleEntry, EntryForm, ImageRef, Recipient},
    file_entry::FileEntry,
    pack::{Form, Order},
};

/// The version of the form.
pub const SCHEMA: &str = "imgdelta/request/1";

/// Longest request that is read.
const LONGEST: u64 = 64 << 20;

/// What a site asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// [`SCHEMA`].
    pub schema: String,
    /// Which program wrote it.
    pub tool: String,
    /// The site's repository.
    pub repository: RepositoryId,
    /// What deliveries may require of its program.
    #[serde(default)]
    pub takes: Vec<String>,
    /// What came damaged, bases before what is made from them.
    pub items: Vec<RequestedEntry>,
}

/// An entry of a delivery that came damaged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestedEntry {
    /// What it is made from; none: it is a whole image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<ImageRef>,
    /// What the image is called at headquarters.
    pub name: Name,
    /// What its disk is.
    #[serde(with = "as_text")]
    pub content_id: ContentId,
    /// The form of its file.
    #[serde(default, skip_serializing_if = "EntryForm::is_image")]
    pub form: EntryForm,
    /// The format of its file, if it is an image.
    #[serde(with = "as_text")]
    pub format: Format,
    /// Its file, as it was listed.
    pub file: FileEntry,
    /// Which windows of it; none: all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub windows: Option<WindowList>,
    /// Whether the image only serves others there.
    #[serde(default)]
    pub step: bool,
}

/// Windows of a transport file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowList {
    /// Runs: the number of the first window, and how many; in order, and not touching.
    pub runs: Vec<(u64, u64)>,
    /// The SHA-256 of the digests that the file promises for them, one behind the other.
    #[serde(with = "as_text")]
    pub sha256: Digest,
}

impl RequestedEntry {
    /// What is asked for of an entry: those windows, or all of it.
    pub(super) fn of(
        entry: &BundleEntry,
        site: &RepositoryId,
        windows: Option<WantedWindows>,
    ) -> Self {
        let own = entry.sites.iter().find(|one| one.repository == *site);
        Self {
            base: entry.base.clone(),
            name: entry.name.clone(),
            content_id: entry.content_id,
            form: entry.form,
            format: entry.format,
            // In which pieces it lay, and where, nobody needs to know.
            file: entry.file.by_itself(),
            windows: windows.map(|windows| WindowList {
                runs: windows.runs().to_vec(),
                sha256: windows.promise(),
            }),
            step: own.is_some_and(|one| one.step),
        }
    }

    /// The windows, if it is windows that are asked for.
    ///
    /// # Errors
    /// Corrupt, if they are not in order, or too many.
    pub(super) fn wanted(&self) -> Result<Option<WantedWindows>> {
        let windows = self.windows.as_ref();
        let windows = windows.map(|list| WantedWindows::new(list.runs.clone(), list.sha256));
        windows.transpose()
    }

    /// The disks that it names.
    pub(super) fn contents(&self) -> impl Iterator<Item = &ContentId> {
        let base = self.base.iter().map(|base| &base.content_id);
        base.chain([&self.content_id])
    }

    /// What is to be packed for it.
    ///
    /// # Errors
    /// Usage (`no_such_image`), if headquarters does not have the image or its base.
    pub(super) fn order(&self, listing: &Listing, site: &RepositoryId) -> Result<Order> {
        let base = self.base.as_ref();
        let base = base.map(|base| find(listing, &base.content_id, &base.name));
        let form = match self.form {
            EntryForm::Image => Form::Child(self.format),
            EntryForm::Transport | EntryForm::Windows => Form::default(),
        };
        Ok(Order {
            image: find(listing, &self.content_id, &self.name)?.id.clone(),
            base: base.transpose()?.map(|base| base.id.clone()),
            form,
            bytes: Bytes(self.file.length),
            sites: vec![Recipient {
                repository: site.clone(),
                step: self.step,
            }],
        })
    }
}

/// The image of that content.
fn find<'a>(listing: &'a Listing, content: &ContentId, name: &Name) -> Result<&'a Record> {
    listing.by_content(content).ok_or_else(|| {
        let message = format!("'{name}' is asked for, which is not here: {content}");
        Error::new(Kind::Usage, message)
            .with_code("no_such_image")
            .with_hint("answer it with the repository that the delivery was made from: --repo")
    })
}

impl Request {
    /// What that site asks for.
    #[must_use]
    pub fn new(repository: RepositoryId, items: Vec<RequestedEntry>) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            tool: super::TOOL.to_owned(),
            repository,
            takes: TAKES.map(str::to_owned).to_vec(),
            items,
        }
    }

    /// Whether the site's program takes that, as far as it says.
    #[must_use]
    pub fn takes(&self, word: &str) -> bool {
        self.takes.iter().any(|one| one == word)
    }

    /// Reads one.
    ///
    /// # Errors
    /// Corrupt, if it is none; Unsupported, if it is of another version or too long; Host.
    pub fn read(place: &Path) -> Result<Self> {
        let source = FileSource::open(place)?;
        if source.len() > Bytes(LONGEST) {
            let message = format!("the request is longer than the {LONGEST} bytes that are read");
            return Err(Error::new(Kind::Unsupported, message).in_file(place));
        }
        let json = read_vec(&source, FileOffset::ZERO, source.len())?;
        Self::from_json(&json).map_err(|error| error.in_file(place))
    }

    /// Reads one in memory.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn from_json(json: &[u8]) -> Result<Self> {
        #[derive(Deserialize)]
        struct Version {
            schema: String,
        }
        let faulty = |cause: serde_json::Error| {
            Error::new(Kind::Corrupt, format!("request: {cause}")).with_code("request")
        };
        let Version { schema } = serde_json::from_slice(json).map_err(faulty)?;
        if schema != SCHEMA {
            let shown: String = schema.chars().take(80).collect();
            let shown = shown.escape_debug();
            let message = format!("request: the schema is '{shown}', '{SCHEMA}' is required");
            return Err(Error::new(Kind::Unsupported, message).with_code("schema"));
        }
        serde_json::from_slice(json).map_err(faulty)
    }

    /// Writes it to `place`; how long it is.
    ///
    /// # Errors
    /// Usage, if something stands there; Host, if the host cannot write.
    pub fn write(&self, place: &Path, existing: Existing) -> Result<u64> {
        let mut json = serde_json::to_vec(self).map_err(|cause| {
            Error::new(
                Kind::Unsupported,
                format!("request: cannot be written: {cause}"),
            )
        })?;
        json.push(b'\n');
        let draft = AtomicFile::create(place, existing)?;
        draft.sink().write_at(FileOffset::ZERO, &json)?;
        draft.commit()?;
        Ok(json.len() as u64)
    }
}
