//! The files of a folder that is scanned: which there are, which are images, what they are called, what helps where one cannot be taken in.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
};

use imgdelta_core::{Driver, Error, FileSource, Kind, ProbeResult, ProbeWindow, Result};
use imgdelta_registry::DRIVERS;

use crate::catalogue::{
    add::name_of,
    listing::Listing,
    names::{Name, OWN_FOLDER},
};

/// How deep folders are entered.
const DEEPEST: usize = 32;

/// Most files that are looked at.
const MOST_FILES: usize = 1_000_000;

/// The error of a file with a next step that there is: a scan is told nothing of single files, which `add` is.
pub(super) fn spelled(file: &Path, error: Error) -> Error {
    let add = format!("'imgdelta repo add {} --in-place", file.display());
    error.map_hint(|hint| {
        if let Some((_, said)) = hint.split_once("--input-format") {
            let format = said.split_whitespace().next().unwrap_or("raw");
            format!("if it is an image, {add} --input-format {format}' takes it in")
        } else if hint.contains("--search") {
            format!("{add} --search DIR' takes it in, if what it names lies in DIR")
        } else if hint.contains("--accept-parent-id") {
            format!("{add} --accept-parent-id' takes it in, if its parent is the right disk all the same")
        } else if hint.contains("--backing-format") {
            format!("{add} --backing-format FMT' takes it in")
        } else if hint.contains("--name") {
            format!("{add} --name NAME' takes it in under a name that can be had everywhere")
        } else {
            hint.to_owned()
        }
    })
}

/// The names that are taken.
pub(super) struct Names(HashSet<String>);

impl Names {
    pub(super) fn of(listing: &Listing) -> Self {
        let records = listing.records().into_iter();
        Self(records.map(|record| record.name.folded()).collect())
    }

    /// A name for a file: its stem, else its whole name, else that with a number.
    pub(super) fn free(&mut self, path: &Path) -> Result<Name> {
        let stem = name_of(path)?;
        let whole = path.file_name().and_then(|name| name.to_str());
        let whole = whole.and_then(|name| name.parse::<Name>().ok());
        let numbered = (2..10_000_u32).filter_map(|number| format!("{stem}-{number}").parse().ok());
        let names = std::iter::once(stem.clone()).chain(whole).chain(numbered);
        for name in names {
            if self.0.insert(name.folded()) {
                return Ok(name);
            }
        }
        Err(Error::new(
            Kind::Usage,
            format!("there are too many images called '{stem}'"),
        ))
    }
}

/// All regular files below a folder. Links are not followed, and hidden folders are not entered.
pub(super) fn walk(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<()> {
    let failed = |cause| Error::host("cannot list", cause).in_file(folder);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        if name.as_encoded_bytes().starts_with(b".") || name == OWN_FOLDER {
            continue;
        }
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_dir() && depth < DEEPEST {
            walk(&entry.path(), depth + 1, files)?;
        } else if kind.is_file() {
            if files.len() >= MOST_FILES {
                let message = format!("there are more than {MOST_FILES} files");
                return Err(Error::new(Kind::Unsupported, message).in_file(folder));
            }
            files.push(entry.path());
        }
    }
    Ok(())
}

/// Whether a file is an image, by its name or by its bytes. Any file could be a raw disk: only a name says so.
pub(super) fn is_image(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    let extension = extension.map(str::to_ascii_lowercase);
    let is_called = |driver: &&Driver| {
        extension
            .as_deref()
            .is_some_and(|own| driver.extensions.contains(&own))
    };
    if DRIVERS.iter().any(is_called) {
        return true;
    }
    let Ok(peek) = FileSource::open(path).and_then(|source| ProbeWindow::of(&source)) else {
        return false;
    };
    let claims = |driver: &&Driver| matches!((driver.probe)(&peek), ProbeResult::Yes);
    DRIVERS.iter().any(claims)
}
