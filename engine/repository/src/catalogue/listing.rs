//! All records of a repository, read at once: found by id, content, name or path, and as a tree. No image is opened.

use std::collections::{BTreeMap, HashMap, hash_map::Entry};

use imgdelta_core::{Error, HeldPlace, Kind, Result};
use imgdelta_delta::ContentId;

use super::{
    layout::RepoPaths,
    names::{ImageId, InsidePath, Name},
    record::{self, Record},
    reduced_image::ReducedImage,
    suggest::nearest,
};

/// Most records of one repository.
pub const MOST_IMAGES: usize = 1_000_000;

/// Fewest characters of an id that stand for all of it.
pub const SHORTEST_PREFIX: usize = 4;

/// The records of a repository, as they were when they were read.
#[derive(Debug, Default)]
pub struct Listing {
    /// By id, without regard to case.
    pub(super) records: BTreeMap<String, Record>,
    /// Reduced images, by their ids: what was sent of images that are here. See [`Repository::know_reduced`](super::Repository::know_reduced).
    pub(super) reduced: BTreeMap<String, ReducedImage>,
    /// Which of them is meant by what else.
    index: Index,
    /// Records that could not be read.
    pub(super) faults: Vec<Error>,
    /// Whether something of it is not done yet, but written down.
    pub(super) is_unsettled: bool,
}

/// The ids, without regard to case, of the images of a content, a name, a path. Two images may have the same if somebody wrote records
/// by hand: the smaller id is meant then, in whatever order they were read.
#[derive(Debug, Default)]
struct Index {
    by_content: HashMap<ContentId, String>,
    by_name: HashMap<String, String>,
    by_path: HashMap<InsidePath, String>,
}

impl Index {
    fn add(&mut self, id: &str, record: &Record) {
        least(self.by_content.entry(record.content_id), id);
        least(self.by_name.entry(record.name.folded()), id);
        if let Some(file) = record.files.first() {
            least(self.by_path.entry(file.path.clone()), id);
        }
    }
}

/// Lets the smaller id stand there.
fn least<K>(entry: Entry<'_, K, String>, id: &str) {
    let there = entry.or_insert_with(|| id.to_owned());
    if id < there.as_str() {
        id.clone_into(there);
    }
}

impl Listing {
    /// Reads the records alone. One that is damaged is listed among the faults and is no failure: the others are there.
    ///
    /// # Errors
    /// Host, if the host cannot list the folder; Unsupported, if there are more than [`MOST_IMAGES`].
    pub(super) fn read_records(paths: &RepoPaths) -> Result<Self> {
        let mut listing = Self::default();
        let Some(folder) = paths.images()? else {
            return Ok(listing);
        };
        let places = folder
            .places()
            .map_err(|cause| Error::host("cannot list", cause).in_file(folder.path()))?;
        for place in places {
            let name = place.name();
            // AtomicFileSet begin with a dot.
            let stem = name.to_str().and_then(|name| name.strip_suffix(".json"));
            let Some(stem) = stem.filter(|stem| !stem.starts_with('.')) else {
                continue;
            };
            if listing.records.len() + listing.faults.len() >= MOST_IMAGES {
                let message = format!("there are more than {MOST_IMAGES} records");
                return Err(Error::new(Kind::Unsupported, message).in_file(folder.path()));
            }
            listing.take(&place, stem);
        }
        Ok(listing)
    }

    /// Takes in the record at `place`; one that vanished since the folder was read is none.
    fn take(&mut self, place: &HeldPlace, stem: &str) {
        match read_record(place, stem) {
            Ok(Some(record)) => self.put(record),
            Ok(None) => {}
            Err(error) => self.faults.push(error),
        }
    }

    /// All records, in order of name, then id.
    #[must_use]
    pub fn records(&self) -> Vec<&Record> {
        let mut records: Vec<&Record> = self.records.values().collect();
        records.sort_by(|one, two| (&one.name, &one.id).cmp(&(&two.name, &two.id)));
        records
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Whether nothing is under way: all that is in it is done.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        !self.is_unsettled
    }

    /// Records, and changes under way, that could not be read, each with its file.
    #[must_use]
    pub fn faults(&self) -> &[Error] {
        &self.faults
    }

    /// The image of that id.
    #[must_use]
    pub fn by_id(&self, id: &ImageId) -> Option<&Record> {
        let id = id.folded();
        let reduced = || self.reduced.get(&id).map(|reduced| &reduced.record);
        self.records.get(&id).or_else(reduced)
    }

    /// The image of that disk.
    #[must_use]
    pub fn by_content(&self, content: &ContentId) -> Option<&Record> {
        let here = self.index.by_content.get(content);
        let reduced = || self.reduced.get(&content.to_string());
        let reduced = || reduced().map(|reduced| &reduced.record);
        here.and_then(|id| self.records.get(id)).or_else(reduced)
    }

    /// The reduced image of that id, if it is one that this list was told of.
    #[must_use]
    pub fn reduced(&self, id: &ImageId) -> Option<&ReducedImage> {
        self.reduced.get(&id.folded())
    }

    /// The image of that name, without regard to case.
    #[must_use]
    pub fn by_name(&self, name: &Name) -> Option<&Record> {
        self.records.get(self.index.by_name.get(&name.folded())?)
    }

    /// The image whose own file that is.
    pub(super) fn by_path(&self, path: &InsidePath) -> Option<&Record> {
        self.records.get(self.index.by_path.get(path)?)
    }

    /// The images that descend from that one, in order of name.
    #[must_use]
    pub fn children(&self, id: &ImageId) -> Vec<&Record> {
        let id = id.folded();
        let mut children = self.records();
        children.retain(|record| {
            let parent = record.parent.as_ref();
            parent.is_some_and(|parent| parent.id.folded() == id)
        });
        children
    }

    /// The image that the user means: by its id, its content id, its name, or the first digits of an id, at least
    /// [`SHORTEST_PREFIX`] of them.
    ///
    /// # Errors
    /// Usage, if there is none or the word fits several: the next step is in the hint.
    pub fn find(&self, word: &str) -> Result<&Record> {
        if let Some(exact) = self.exact(word) {
            return Ok(exact);
        }
        let folded = word.to_ascii_lowercase();
        let begins = |id: &str| {
            let id = id.to_ascii_lowercase();
            let digits = id.split_once(':').map_or(id.as_str(), |(_, digits)| digits);
            id.starts_with(&folded) || digits.starts_with(&folded)
        };
        let digits = folded.strip_prefix("imgdelta1:").unwrap_or(&folded);
        let mut fitting = self.records();
        fitting.retain(|record| {
            digits.len() >= SHORTEST_PREFIX
                && (begins(record.id.as_str()) || begins(&record.content_id.to_string()))
        });
        match fitting.as_slice() {
            [one] => Ok(one),
            [] => Err(self.unknown(word)),
            several => Err(ambiguous(word, several)),
        }
    }

    /// The image whose id, content id or name is `word`.
    fn exact(&self, word: &str) -> Option<&Record> {
        let by_id = || self.by_id(&word.parse().ok()?);
        let by_content = || self.by_content(&word.parse().ok()?);
        let by_name = || self.by_name(&word.parse().ok()?);
        by_id().or_else(by_content).or_else(by_name)
    }

    /// Nothing is called so.
    fn unknown(&self, word: &str) -> Error {
        let shown: String = word.chars().take(128).collect();
        let message = format!("no image is called '{}'", shown.escape_debug());
        let names = self.records.values();
        let names = names.flat_map(|record| [record.name.as_str(), record.id.as_str()]);
        let list = format!("'imgdelta repo list' shows all {}", self.len());
        let hint = match nearest(&shown, names) {
            Some(near) => format!("did you mean '{near}'? {list}"),
            None => list,
        };
        Error::new(Kind::Usage, message)
            .with_code("image_unknown")
            .with_hint(hint)
    }

    /// Takes in a record, over one of the same id.
    pub(super) fn put(&mut self, record: Record) {
        let id = record.id.folded();
        self.index.add(&id, &record);
        if self.records.insert(id, record).is_some() {
            self.index_anew();
        }
    }

    /// Forgets a record.
    pub(super) fn forget(&mut self, id: &ImageId) {
        self.records.remove(&id.folded());
        self.index_anew();
    }

    /// What was indexed may be gone.
    fn index_anew(&mut self) {
        self.index = Index::default();
        for (id, record) in &self.records {
            self.index.add(id, record);
        }
    }
}

/// The record at `place`, whose file's stem says which image it is of.
///
/// # Errors
/// Corrupt, if it is none, or of another image; Unsupported, if it is of another version.
pub(super) fn read_record(place: &HeldPlace, stem: &str) -> Result<Option<Record>> {
    let Some(json) = place.read(record::LONGEST)? else {
        return Ok(None);
    };
    let record = Record::from_json(&json).map_err(|error| error.in_file(&place.path()))?;
    if record.id.stem() == stem {
        return Ok(Some(record));
    }
    Err(Error::new(
        Kind::Corrupt,
        format!(
            "record: is of the image '{}', whose file has another name",
            record.id
        ),
    )
    .with_code("record")
    .in_file(&place.path()))
}

/// Several images may be meant.
fn ambiguous(word: &str, several: &[&Record]) -> Error {
    const SHOWN: usize = 10;
    let message = format!(
        "'{}' may be any of {} images",
        word.escape_debug(),
        several.len()
    );
    let error = Error::new(Kind::Usage, message).with_code("image_ambiguous");
    several
        .iter()
        .take(SHOWN)
        .fold(error, |error, record| {
            error.with_detail(format!("{}  {}", record.id, record.name))
        })
        .with_hint("type more of it")
}
