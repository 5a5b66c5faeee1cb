//! Which format a file has: what the user says, else what its bytes and its name say, and when they disagree nobody guesses.
//!
//! Bytes alone make nobody safe: a guest can write any header to its raw disk. That is why a name that promises raw beats no magic but
//! stops the work, and why the file of a parent is never probed (see [`open`](crate::open)).

use std::path::Path;

use imgdelta_core::{Claim, Driver, Error, Format, Kind, Peek, Result, Source};

use crate::{
    DRIVERS,
    foreign::{FOREIGN, Foreign},
};

/// The driver for the file `source`, called `path`. `given` is `--input-format`, which always wins.
///
/// # Errors
/// Corrupt, if two formats claim the file or its name promises one that its bytes are not; Unsupported, if it is of a format that
/// has no driver; Host, if the host cannot read.
pub fn probe(source: &dyn Source, path: &Path, given: Option<Format>) -> Result<&'static Driver> {
    Formats(DRIVERS).probe(source, path, given)
}

/// The formats that can be read. In one place so that tests can have others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Formats(pub(crate) &'static [&'static Driver]);

/// Somebody who knows the file's bytes as his.
#[derive(Clone, Copy, Debug)]
enum Claimant {
    /// One who can read it.
    Driver(&'static Driver),
    /// One who cannot.
    Foreign(&'static Foreign),
}

impl Claimant {
    /// What people call the format.
    fn name(self) -> &'static str {
        match self {
            Self::Driver(driver) => driver.format.name(),
            Self::Foreign(foreign) => foreign.name,
        }
    }

    /// Whether its files may be called like this one: two formats can share an extension.
    fn is_called_as(self, path: &Path) -> bool {
        let has = |list: &[&str]| extension(path).is_some_and(|own| list.contains(&own.as_str()));
        match self {
            Self::Driver(driver) => has(driver.extensions) || has(driver.promises),
            Self::Foreign(foreign) => has(foreign.promises),
        }
    }
}

impl Formats {
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
        let peek = Peek::of(source)?;
        let is_device = source.stamp()?.is_some_and(|stamp| stamp.is_device);
        // What a device is called says nothing of what is on it.
        let promise = if is_device { None } else { self.promise(path) };
        let claims = self.claims(&peek);
        match claims.as_slice() {
            [] => self.unclaimed(promise),
            [one] => match promise {
                Some(promise) if promise != one.name() && !one.is_called_as(path) => {
                    Err(disagreeing(promise, *one))
                }
                _ => match one {
                    Claimant::Driver(driver) => Ok(driver),
                    Claimant::Foreign(foreign) => Err(unsupported(foreign.name)),
                },
            },
            several => Err(ambiguous(several)),
        }
    }

    /// Everybody who knows the bytes as his. "Mine, but damaged" is a claim: opening will say how, and it is never raw.
    fn claims(self, peek: &Peek) -> Vec<Claimant> {
        let drivers = self.0.iter().filter(|driver| match (driver.probe)(peek) {
            Claim::No => false,
            Claim::Yes | Claim::Damaged => true,
        });
        let foreigners = FOREIGN.iter().filter(|foreign| (foreign.claims)(peek));
        drivers
            .map(|driver| Claimant::Driver(driver))
            .chain(foreigners.map(Claimant::Foreign))
            .collect()
    }

    /// The format that the name promises.
    fn promise(self, path: &Path) -> Option<&'static str> {
        let extension = extension(path)?;
        let has = |list: &[&str]| list.contains(&extension.as_str());
        let driver = self.0.iter().find(|driver| has(driver.promises));
        match driver {
            Some(driver) => Some(driver.format.name()),
            None => promised_foreign(&extension).map(|foreign| foreign.name),
        }
    }

    /// The driver for a file that nobody claims: raw, unless its name says that it should be something else.
    fn unclaimed(self, promise: Option<&'static str>) -> Result<&'static Driver> {
        match promise {
            Some(promise) if promise != Format::Raw.name() => Err(Error::new(
                Kind::Corrupt,
                format!("the name promises {promise}, the bytes are not {promise}"),
            )
            .with_code("magic")
            .with_hint("if it is a raw disk, say --input-format raw")),
            _ => self.driver(Format::Raw),
        }
    }
}

/// The extension of `path` in lower case.
pub(crate) fn extension(path: &Path) -> Option<String> {
    Some(path.extension()?.to_str()?.to_ascii_lowercase())
}

/// The format without a driver that `extension` promises.
pub(crate) fn promised_foreign(extension: &str) -> Option<&'static Foreign> {
    FOREIGN
        .iter()
        .find(|foreign| foreign.promises.contains(&extension))
}

/// There is no driver.
pub(crate) fn unsupported(name: &str) -> Error {
    Error::new(
        Kind::Unsupported,
        format!("the format is {name}, which is not supported yet"),
    )
    .with_code("format_unsupported")
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
    let choices: Vec<String> = names
        .iter()
        .filter(|name| Format::of_name(name).is_some())
        .map(|name| format!("--input-format {name}"))
        .collect();
    format!(
        "a guest can write such bytes itself: decide with {}",
        choices.join(" or ")
    )
}
