//! Opens the other files that one image is made of, under the same policy as parents.
//!
//! They have no identity, so the first that may be opened is the one. Which names an image has for them is its format's knowledge.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use imgdelta_core::{
    Companions, Error, FileSource, FileVersion, Hint, HintKind, Kind, Result, Source,
};

use crate::{
    beneath::{self, Miss},
    policy::{Places, Policy, Refused},
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
        })
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
            kind: HintKind::Path,
            text: name.to_owned(),
        });
        let mut refused = places.refused;
        let mut looked = Vec::new();
        let mut failure = None;
        for place in places.candidates {
            match beneath::open(&place.root, &place.inside) {
                Ok(file) => return self.accept(FileSource::of(file, &place.path)?, name),
                Err(Miss::NotThere(cause)) => looked.push((place.path, cause)),
                Err(Miss::Refused(reason)) => refused.push(Refused {
                    field: place.field,
                    text: place.path.display().to_string(),
                    reason,
                }),
                Err(Miss::Host(cause)) => {
                    let error = Error::host("cannot open", cause).in_file(&place.path);
                    failure.get_or_insert(error);
                }
            }
        }
        Err(self.not_found(name, &looked, &refused, failure))
    }
}

impl Beside<'_> {
    /// The error when no place had it.
    fn not_found(
        &self,
        name: &str,
        looked: &[(PathBuf, std::io::Error)],
        refused: &[Refused],
        failure: Option<Error>,
    ) -> Error {
        let (kind, code, verdict) = match (refused, failure) {
            ([], Some(failure)) => return failure,
            ([], None) => (Kind::Chain, "companion_missing", "is missing"),
            _ => (Kind::Reference, "reference_refused", "was not opened"),
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
