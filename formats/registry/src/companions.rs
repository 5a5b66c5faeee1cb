//! Opens the other files that one image is made of, under the same policy as parents.
//!
//! They have no identity, so the first that may be opened is the one. Which names an image has for them is its format's knowledge.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use imgdelta_core::{
    Companions, Error, FileSource, FileVersion, Hint, HintKind, Kind, Result, Source,
};

use crate::{
    alike::alike,
    beneath::{self, Miss},
    policy::{Candidate, Places, Policy, Refused},
};

/// The files beside one image.
#[derive(Debug)]
pub(crate) struct Beside<'a> {
    /// The image's own file.
    image: PathBuf,
    /// Which file on the host that is.
    own: Option<FileVersion>,
    /// What may be opened.
    policy: &'a Policy,
    /// How files were found that are not where the image says.
    notes: Mutex<Vec<String>>,
}

/// Why the places that were looked at had no file.
#[derive(Debug, Default)]
struct Passed {
    looked: Vec<(PathBuf, io::Error)>,
    refused: Vec<Refused>,
    failure: Option<Error>,
}

impl Passed {
    /// The file at that place; why there is none is remembered.
    fn open(&mut self, place: &Candidate) -> Result<Option<FileSource>> {
        match beneath::open(&place.root, &place.inside) {
            Ok(file) => return FileSource::of(file, &place.path).map(Some),
            Err(Miss::NotThere(cause)) => self.looked.push((place.path.clone(), cause)),
            Err(Miss::Refused(reason)) => self.refused.push(Refused {
                field: place.field,
                text: place.path.display().to_string(),
                reason,
            }),
            Err(Miss::Host(cause)) => {
                let error = Error::host("cannot open", cause).in_file(&place.path);
                self.failure.get_or_insert(error);
            }
        }
        Ok(None)
    }
}

impl<'a> Beside<'a> {
    /// The files beside the image in `source`, called `path`.
    ///
    /// # Errors
    /// Host, if the host cannot say which file that is.
    pub(crate) fn new(path: &Path, source: &dyn Source, policy: &'a Policy) -> Result<Self> {
        Ok(Self {
            image: path.to_owned(),
            own: source.stamp().map_err(|error| error.in_file(path))?,
            policy,
            notes: Mutex::default(),
        })
    }

    /// What the user should know of how the files were found.
    pub(crate) fn into_notes(self) -> Vec<String> {
        self.notes
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, note: String) {
        let notes = self.notes.lock();
        notes.unwrap_or_else(PoisonError::into_inner).push(note);
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

impl Companions for Beside<'_> {
    fn open(&self, name: &str) -> Result<Arc<dyn Source>> {
        let mut places = Places::new(&self.image, self.policy);
        places.add(&Hint {
            field: "file",
            kind: HintKind::AnyPath,
            text: name.to_owned(),
        });
        let mut passed = Passed {
            refused: places.refused,
            ..Passed::default()
        };
        for place in &places.candidates {
            if let Some(file) = passed.open(place)? {
                if place.by_name {
                    self.note(format!(
                        "'{}' was found by its name alone as {}",
                        name.escape_debug(),
                        place.path.display()
                    ));
                }
                return self.accept(file, name);
            }
        }
        let mut found: Vec<(FileSource, String)> = Vec::new();
        for one in alike(&places.candidates) {
            let file = passed.open(&one.candidate)?;
            let is_new = |file: &FileSource| found.iter().all(|known| !is_same(&known.0, file));
            if let Some(file) = file.filter(is_new) {
                found.push((file, one.note(&self.image)));
            }
        }
        match found.pop() {
            None => Err(self.not_found(name, passed)),
            Some((file, note)) if found.is_empty() => {
                self.note(note);
                self.accept(file, name)
            }
            Some(last) => {
                found.push(last);
                let files = found.into_iter().map(|(file, _)| file);
                Err(self.ambiguous(name, files.collect()))
            }
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

impl Beside<'_> {
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

    /// The error when no place had it.
    fn not_found(&self, name: &str, passed: Passed) -> Error {
        let Passed {
            looked,
            refused,
            failure,
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
        error
    }
}
