//! Which format a file has: what the user says, else what its bytes and its name say, and when they disagree nobody guesses.
//!
//! Bytes alone make nobody safe: a guest can write any header to its raw disk. That is why a name that promises raw beats no magic but
//! stops the work, and why a parent's bytes are asked only where an identity proves what they say, or where the user names its file. Nor is a
//! file raw because nobody claims it: its name must allow that, and its bytes must not be those of an archive, a compressed file or a text.

use std::path::Path;

use imgdelta_core::{Driver, Error, Format, Kind, ProbeResult, ProbeWindow, Result, Source};
use imgdelta_packed::{Packing, piece::Piece, text::Text};

use crate::{
    DRIVERS,
    unsupported::{UNSUPPORTED_FORMATS, UnsupportedFormat},
};

/// Extensions under which a file that nobody claims is a raw disk, as is one that has none.
pub(crate) const RAW_NAMES: &[&str] = &["raw", "img", "bin", "dd", "iso"];

/// The driver for the file `source`, called `path`. `given` is `--input-format`, which always wins.
///
/// # Errors
/// Corrupt, if two formats claim the file, its name promises one that its bytes are not, or neither says one; Unsupported, if it is of a
/// format that has no driver, or packed; Host, if the host cannot read.
pub fn probe(source: &dyn Source, path: &Path, given: Option<Format>) -> Result<&'static Driver> {
    Registry(DRIVERS).probe(source, path, given)
}

/// Whether a raw disk called `path` is taken for one when it is read: by its name, or because devices have none.
#[must_use]
pub fn is_raw_name(path: &Path) -> bool {
    extension(path).is_none_or(|extension| RAW_NAMES.contains(&extension.as_str()))
}

/// Refuses bytes that begin as no disk does, before all of them are there. That they pass says nothing.
///
/// # Errors
/// Unsupported, if they are those of a compressed file or an archive that is not unpacked; Corrupt or Unsupported, if they are text.
pub fn refuse_packed(start: &dyn Source, path: &Path) -> Result<()> {
    let peek = ProbeWindow::of(start)?;
    let is_unpacked = |packing: &Packing| packing.codec.is_some() || packing.name == "tar";
    match (Packing::of(&peek), Text::of(&peek)) {
        // It is read to its end, and then unpacked.
        (Some(packing), _) if is_unpacked(packing) => Ok(()),
        (Some(packing), _) => Err(packed(packing, path)),
        (None, Some(text)) if start.len() >= ProbeWindow::REACH => Err(is_text(text)),
        _ => Ok(()),
    }
}

/// The formats that can be read. In one place so that tests can have others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Registry(pub(crate) &'static [&'static Driver]);

/// Somebody who knows the file's bytes as his.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Claimant {
    /// One who can read it.
    Driver(&'static Driver),
    /// One who cannot.
    UnsupportedFormat(&'static UnsupportedFormat),
    /// It is no image, but one may be in it.
    Packing(&'static Packing),
}

impl Claimant {
    /// What people call the format.
    fn name(self) -> &'static str {
        match self {
            Self::Driver(driver) => driver.format.name(),
            Self::UnsupportedFormat(foreign) => foreign.name,
            Self::Packing(packing) => packing.name,
        }
    }

    /// Whether its files may be called like this one: two formats can share an extension.
    fn is_called_as(self, path: &Path) -> bool {
        let has = |list: &[&str]| extension(path).is_some_and(|own| list.contains(&own.as_str()));
        match self {
            Self::Driver(driver) => has(driver.extensions) || has(driver.exclusive_extensions),
            Self::UnsupportedFormat(foreign) => has(foreign.exclusive_extensions),
            Self::Packing(_) => false,
        }
    }
}

impl Registry {
    /// The driver of `format`.
    ///
    /// # Errors
    /// Unsupported, if there is none.
    pub(crate) fn driver(self, format: Format) -> Result<&'static Driver> {
        self.0
            .iter()
            .find(|driver| driver.format == format)
            .copied()
            .ok_or_else(|| unsupported(format.name()))
    }

    /// As [`probe`].
    pub(crate) fn probe(
        self,
        source: &dyn Source,
        path: &Path,
        given: Option<Format>,
    ) -> Result<&'static Driver> {
        if let Some(format) = given {
            return self.driver(format);
        }
        let peek = ProbeWindow::of(source)?;
        let is_device = source.stamp()?.is_some_and(|stamp| stamp.is_device);
        // What a device is called says nothing of what is on it.
        let name = if is_device { Path::new("") } else { path };
        let promise = self.promise(name);
        match self.claims(&peek).as_slice() {
            [] => self.unclaimed(&peek, name, promise),
            // A download that kept its name is still what it is.
            [Claimant::Packing(packing)] => Err(packed(packing, path)),
            [one] => match promise {
                Some(promise) if promise != one.name() && !one.is_called_as(path) => {
                    Err(disagreeing(promise, *one))
                }
                _ => match one {
                    Claimant::Driver(driver) => Ok(driver),
                    other => Err(unsupported(other.name())),
                },
            },
            several => Err(ambiguous(several)),
        }
    }

    /// Everybody who knows the bytes as his. "Mine, but damaged" is a claim: opening will say how, and it is never raw.
    pub(crate) fn claims(self, peek: &ProbeWindow) -> Vec<Claimant> {
        let drivers = self.0.iter().filter(|driver| match (driver.probe)(peek) {
            ProbeResult::No => false,
            ProbeResult::Yes | ProbeResult::Damaged => true,
        });
        let foreigners = UNSUPPORTED_FORMATS
            .iter()
            .filter(|foreign| (foreign.claims)(peek));
        drivers
            .map(|driver| Claimant::Driver(driver))
            .chain(foreigners.map(Claimant::UnsupportedFormat))
            .chain(Packing::of(peek).map(Claimant::Packing))
            .collect()
    }

    /// The format that the name promises.
    fn promise(self, path: &Path) -> Option<&'static str> {
        let extension = extension(path)?;
        let has = |list: &[&str]| list.contains(&extension.as_str());
        let driver = self
            .0
            .iter()
            .find(|driver| has(driver.exclusive_extensions));
        match driver {
            Some(driver) => Some(driver.format.name()),
            None => promised(&extension),
        }
    }

    /// The driver for a file that nobody claims: raw, if its name allows that and its bytes are no text.
    fn unclaimed(
        self,
        peek: &ProbeWindow,
        name: &Path,
        promise: Option<&'static str>,
    ) -> Result<&'static Driver> {
        let text = Text::of(peek);
        if let Some(promise) = promise.filter(|promise| *promise != Format::Raw.name()) {
            return Err(unkept(promise, peek, text));
        }
        if let Some(text) = text {
            return Err(is_text(text));
        }
        if is_raw_name(name) {
            return self.driver(Format::Raw);
        }
        match Piece::of(name) {
            Some(piece) => Err(is_piece(&piece)),
            None => Err(unknown(peek)),
        }
    }
}

/// The extension of `path` in lower case; `None` if there is none, or nothing in it.
pub(crate) fn extension(path: &Path) -> Option<String> {
    let extension = path.extension()?.to_string_lossy().to_ascii_lowercase();
    (!extension.is_empty()).then_some(extension)
}

/// What `extension` exclusive_extensions of which no driver writes or reads.
pub(crate) fn promised(extension: &str) -> Option<&'static str> {
    let foreign = UNSUPPORTED_FORMATS
        .iter()
        .find(|foreign| foreign.exclusive_extensions.contains(&extension));
    match foreign {
        Some(foreign) => Some(foreign.name),
        None => Packing::promised_by(extension).map(|packing| packing.name),
    }
}

/// There is no driver.
pub(crate) fn unsupported(name: &str) -> Error {
    Error::new(
        Kind::Unsupported,
        format!("the format is {name}, which is not supported yet"),
    )
    .with_code("format_unsupported")
}

/// Whether a file that nobody claims may well be a raw disk: whole sectors, and if its name promises a format, more than zeros at its start.
fn may_be_raw(peek: &ProbeWindow, is_promised: bool) -> bool {
    let documents: [&[u8]; 6] = [
        b"%PDF-",
        b"\x89PNG\r\n",
        b"\xff\xd8\xff",
        b"\x7fELF",
        b"GIF8",
        b"SQLite format 3\0",
    ];
    let start = peek.start();
    peek.len().0 > 0
        && peek.len().0.is_multiple_of(512)
        && Text::of(peek).is_none()
        && !documents.iter().any(|magic| start.starts_with(magic))
        && !(is_promised && start.iter().all(|byte| *byte == 0))
}

/// The hint of last resort, where it is likely to be right.
fn with_raw_hint(error: Error, is_likely: bool) -> Error {
    if is_likely {
        error.with_hint("if it is a raw disk, say --input-format raw")
    } else {
        error
    }
}

/// The name promises a format that the bytes are not.
fn unkept(promise: &str, peek: &ProbeWindow, text: Option<Text>) -> Error {
    let message = match text {
        Some(text) => format!("the name promises {promise}, the file is {}", text.noun),
        None => format!("the name promises {promise}, the bytes are not {promise}"),
    };
    let error = Error::new(Kind::Corrupt, message).with_code("magic");
    with_raw_hint(error, may_be_raw(peek, true))
}

/// Neither the name nor the bytes say what it is.
fn unknown(peek: &ProbeWindow) -> Error {
    let message = "neither its name nor its bytes say which format it has";
    let error = Error::new(Kind::Corrupt, message).with_code("format_unknown");
    with_raw_hint(error, may_be_raw(peek, false))
}

/// A part of a disk is no disk.
fn is_piece(piece: &Piece) -> Error {
    let message = format!(
        "is by its name one piece of {}, and a piece is no disk",
        piece.whole.display()
    );
    Error::new(Kind::Unsupported, message)
        .with_code("piece")
        .with_hint(format!(
            "name the first of its pieces, all of them standing in one folder; or put them together: cat {} > {}",
            piece.pattern(),
            piece.whole.display()
        ))
}

/// A disk may be in it, and it is none.
fn packed(packing: &Packing, path: &Path) -> Error {
    Error::new(
        Kind::Unsupported,
        format!("is {}, not a disk", packing.noun),
    )
    .with_code("packed")
    .with_hint(format!(
        "unpack it first: {} {}",
        packing.unpacks,
        path.display()
    ))
}

/// Text is no disk.
fn is_text(text: Text) -> Error {
    Error::new(text.kind, format!("is {}, not a disk", text.noun)).with_code("text")
}

/// The name and the bytes of a file say different things.
fn disagreeing(promise: &str, claimant: Claimant) -> Error {
    let name = claimant.name();
    Error::new(
        Kind::Corrupt,
        format!("ambiguous: the bytes look like {name}, the name says {promise}"),
    )
    .with_code("ambiguous")
    .with_hint(which(&[promise, name]))
}

/// Several formats know the file as theirs.
fn ambiguous(claimants: &[Claimant]) -> Error {
    let names: Vec<&str> = claimants.iter().map(|one| one.name()).collect();
    Error::new(
        Kind::Corrupt,
        format!("ambiguous: the bytes look like {}", names.join(" and ")),
    )
    .with_code("ambiguous")
    .with_hint(which(&names))
}

/// How the user can decide.
fn which(names: &[&str]) -> String {
    let formats = names.iter().filter_map(|name| Format::of_name(name));
    let mut formats: Vec<Format> = formats.collect();
    if formats.is_empty() {
        formats.push(Format::Raw);
    }
    let choices: Vec<String> = formats
        .iter()
        .map(|format| format!("--input-format {format}"))
        .collect();
    format!(
        "a guest can write such bytes itself: decide with {}",
        choices.join(" or ")
    )
}
