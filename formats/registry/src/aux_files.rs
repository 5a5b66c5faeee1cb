//! Opens the other files that one image is made of, under the same policy as parents.
//!
//! They have no identity, so the first that may be opened is the one. Which names an image has for them is its format's knowledge.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use imgdelta_core::{
    AuxFiles, Error, FileSource, FileVersion, Hint, HintKind, Kind, Result, Source,
};

use crate::{
    listing::{Listings, NotListed},
    name_matching::alike,
    policy::{Candidate, Places, Policy},
    refusal::Refused,
    sandbox::{self, OpenFailure},
};

/// The files beside one image.
#[derive(Debug)]
pub(crate) struct FilesBeside<'a> {
    /// The image's own file.
    image: PathBuf,
    /// Which file on the host that is.
    own: Option<FileVersion>,
    /// What may be opened.
    policy: &'a Policy,
    /// What is known of the folders, and how files were found that are not where the image says.
    seen: Mutex<Seen>,
}

/// What opening one file after the other has shown.
#[derive(Debug, Default)]
struct Seen {
    listings: Listings,
    /// Found under names written in other letters.
    in_other_letters: Tally,
    /// Found by their names alone, in another folder than is recorded.
    by_name: Tally,
}

/// Files that have one thing in common: thousands are told as one.
#[derive(Debug, Default)]
struct Tally {
    count: u64,
    /// What is to be said of the first.
    first: String,
}

impl Tally {
    fn add(&mut self, note: impl FnOnce() -> String) {
        if self.count == 0 {
            self.first = note();
        }
        self.count += 1;
    }

    /// What the user should know. `how` they were found is said where they are several.
    fn note(self, how: &str) -> Option<String> {
        match self.count {
            0 => None,
            1 => Some(self.first),
            count => Some(format!(
                "{count} files were found {how}; the first: {}",
                self.first
            )),
        }
    }
}

/// Why the places that were looked at had no file.
#[derive(Debug, Default)]
struct RejectedCandidates {
    looked: Vec<(PathBuf, io::Error)>,
    refused: Vec<Refused>,
    failure: Option<Error>,
    /// Folders in which names in other letters were not looked for.
    not_listed: Vec<NotListed>,
}

impl RejectedCandidates {
    /// The file at that place; why there is none is remembered.
    fn open(&mut self, place: &Candidate) -> Result<Option<FileSource>> {
        match sandbox::open(&place.root, &place.inside) {
            Ok(file) => return FileSource::of(file, &place.path).map(Some),
            Err(OpenFailure::NotThere(cause)) => self.looked.push((place.path.clone(), cause)),
            Err(OpenFailure::Refused(reason)) => self.refused.push(Refused {
                field: place.field,
                text: place.path.display().to_string(),
                reason,
            }),
            Err(OpenFailure::Host(cause)) => {
                let error = Error::host("cannot open", cause).in_file(&place.path);
                self.failure.get_or_insert(error);
            }
        }
        Ok(None)
    }
}

impl<'a> FilesBeside<'a> {
    /// The files beside the image in `source`, called `path`.
    ///
    /// # Errors
    /// Host, if the host cannot say which file that is.
    pub(crate) fn new(path: &Path, source: &dyn Source, policy: &'a Policy) -> Result<Self> {
        Ok(Self {
            image: path.to_owned(),
            own: source.stamp().map_err(|error| error.in_file(path))?,
            policy,
            seen: Mutex::default(),
        })
    }

    /// What the user should know of how the files were found.
    pub(crate) fn into_notes(self) -> Vec<String> {
        let seen = self.seen.into_inner();
        let seen = seen.unwrap_or_else(PoisonError::into_inner);
        let letters = seen.in_other_letters;
        let letters = letters.note("under names written in other letters");
        let by_name = seen.by_name.note("by their names alone");
        letters.into_iter().chain(by_name).collect()
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The one file whose name is like the recorded one, if there is one.
    fn open_alike(
        &self,
        name: &str,
        places: &[Candidate],
        passed: &mut RejectedCandidates,
    ) -> Result<Option<FileSource>> {
        let (others, not_listed) = alike(places, &mut self.seen().listings);
        let mut found: Vec<(FileSource, String)> = Vec::new();
        for one in others {
            let file = passed.open(&one.candidate)?;
            let is_new = |file: &FileSource| found.iter().all(|known| !is_same(&known.0, file));
            if let Some(file) = file.filter(is_new) {
                found.push((file, one.note(&self.image)));
            }
        }
        if found.len() > 1 {
            let files = found.into_iter().map(|(file, _)| file);
            return Err(self.ambiguous(name, files.collect()));
        }
        // The one that was found may have another beside it.
        if let Some(limit) = not_listed.iter().find(|one| one.is_limit()) {
            return Err(self.not_all_looked_at(name, limit));
        }
        passed.not_listed = not_listed;
        Ok(found.pop().map(|(file, note)| {
            self.seen().in_other_letters.add(|| note);
            file
        }))
    }

    /// It is there and may be opened. It must not be the image itself: its tables would be guest data.
    fn accept(&self, source: FileSource, name: &str) -> Result<Arc<dyn Source>> {
        let is_own = match (&self.own, source.stamp()?) {
            (Some(own), Some(other)) => own.is_same_file(&other),
            _ => false,
        };
        if is_own {
            return Err(Error::new(
                Kind::Corrupt,
                format!(
                    "names itself as the file '{}' that holds its data",
                    name.escape_debug()
                ),
            )
            .with_code("companion_loop")
            .in_file(&self.image));
        }
        Ok(Arc::new(source))
    }
}

impl AuxFiles for FilesBeside<'_> {
    fn open(&self, name: &str) -> Result<Arc<dyn Source>> {
        let mut places = Places::new(&self.image, self.policy);
        places.add(&Hint {
            field: "file",
            kind: HintKind::AnyPath,
            text: name.to_owned(),
        });
        let mut passed = RejectedCandidates {
            refused: places.refused,
            ..RejectedCandidates::default()
        };
        for place in &places.candidates {
            if let Some(file) = passed.open(place)? {
                if place.by_name {
                    self.seen().by_name.add(|| {
                        let (name, path) = (name.escape_debug(), place.path.display());
                        format!("'{name}' was found by its name alone as {path}")
                    });
                }
                return self.accept(file, name);
            }
        }
        match self.open_alike(name, &places.candidates, &mut passed)? {
            Some(file) => self.accept(file, name),
            None => Err(self.not_found(name, passed)),
        }
    }
}

/// Whether both are one file, by whatever names.
fn is_same(one: &FileSource, other: &FileSource) -> bool {
    match (one.opened(), other.opened()) {
        (Some(one), Some(other)) => one.is_same_file(other),
        _ => false,
    }
}

impl FilesBeside<'_> {
    /// The error when several files are called so but for how letters are written.
    fn ambiguous(&self, name: &str, files: Vec<FileSource>) -> Error {
        let message = format!(
            "{} files have the name of its file '{}' but for how letters are written",
            files.len(),
            name.escape_debug()
        );
        let error = Error::new(Kind::Chain, message).with_code("companion_ambiguous");
        let paths = files.iter().filter_map(Source::path);
        paths
            .fold(error, |error, path| {
                error.with_detail(path.display().to_string())
            })
            .with_hint("leave only the right one of them in the folder")
            .in_file(&self.image)
    }

    /// The error when no file has exactly its name, and there are too many names to look at the others.
    fn not_all_looked_at(&self, name: &str, limit: &NotListed) -> Error {
        let name = name.escape_debug();
        Error::new(
            Kind::Unsupported,
            format!("no file is called exactly as its file '{name}', and {limit}"),
        )
        .with_code("folder_too_large")
        .in_file(&self.image)
        .with_hint(format!(
            "call the file '{name}', in these letters, or put the image and its files into a folder of their own"
        ))
    }

    /// The error when no place had it.
    fn not_found(&self, name: &str, passed: RejectedCandidates) -> Error {
        let RejectedCandidates {
            looked,
            refused,
            failure,
            not_listed,
        } = passed;
        let is_unsafe = refused.iter().any(|one| one.reason.is_unsafe());
        let (kind, code, verdict) = match failure {
            _ if is_unsafe => (Kind::Reference, "reference_refused", "was not opened"),
            Some(failure) => return failure,
            None => (Kind::Chain, "companion_missing", "is missing"),
        };
        let mut error = Error::new(
            kind,
            format!("its file '{}' {verdict}", name.escape_debug()),
        )
        .with_code(code)
        .in_file(&self.image)
        .with_hint("--search DIR adds a folder in which it may lie");
        for one in refused {
            error = error.with_detail(one.to_string());
        }
        for (path, cause) in looked {
            error = error.with_detail(format!("looked for {}: {cause}", path.display()));
        }
        for one in not_listed {
            error = error.with_detail(one.to_string());
        }
        error
    }
}
