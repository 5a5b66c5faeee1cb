//! A damaged file of a delivery healed by its parity, into a folder of the site's own: nothing is written on the medium.
//!
//! What comes out is the file that is listed, by its SHA-256, or it is thrown away.

use std::path::{Path, PathBuf};

use imgdelta_core::{AtomicFile, Bytes, Error, Existing, FileOffset, FileSource, Kind, Result};
use imgdelta_delta::RunProgress;
use imgdelta_repository::catalogue::Name;
use serde::Serialize;

use super::{hash::digest, piece_list::StoredFile};
use crate::parity::{Parity, Survey};

/// A file that its parity has healed, or can heal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct HealedFile {
    /// Its name.
    pub file: String,
    /// How many of its shards are damaged.
    pub shards: u64,
    /// How many it has.
    pub of: u64,
    /// How long a shard is in bytes.
    pub shard: u32,
}

impl HealedFile {
    fn new(stored: &StoredFile, parity: &Parity<'_>, survey: &Survey) -> Self {
        Self {
            file: stored.name.to_string(),
            shards: survey.lost.len() as u64,
            of: survey.shards,
            shard: parity.shape().shard(),
        }
    }

    /// What of it is damaged, in words.
    #[must_use]
    pub fn damage(&self) -> String {
        let size = Bytes(self.shard.into());
        format!("{} of {} shards of {size}", self.shards, self.of)
    }
}

/// What its parity says of a file: what was, or can be, healed, or why it cannot be, in words.
pub(super) type Healing = std::result::Result<HealedFile, String>;

/// Finds a file of the delivery.
type Find<'a> = dyn Fn(&Name) -> Result<PathBuf> + 'a;

/// Heals a file that is damaged, cut, or cannot be read in places, writing it whole to `to`; without that it only says whether it can. `None`, if it
/// has no parity.
///
/// # Errors
/// Host, if what is healed cannot be written; Interrupted.
pub(super) fn heal(
    stored: &StoredFile,
    find: &Find<'_>,
    to: Option<&Path>,
    progress: &RunProgress,
) -> Result<Option<Healing>> {
    let Some(parity_file) = stored.parity_file() else {
        return Ok(None);
    };
    let opened = |name: &Name| FileSource::open(&find(name)?);
    let (data, parity) = match (opened(&stored.name), opened(&parity_file.name)) {
        (Ok(data), Ok(parity)) => (data, parity),
        (Err(error), _) | (_, Err(error)) => return Ok(Some(Err(error.to_string()))),
    };
    let opened = match Parity::open(&parity, stored.length, &stored.sha256) {
        Ok(opened) => opened,
        Err(error) => return Ok(Some(Err(format!("'{}': {error}", parity_file.name)))),
    };
    let healing = match to {
        Some(to) => write(stored, &data, &opened, to, progress)?,
        None => look(stored, &data, &opened, progress)?,
    };
    Ok(Some(healing))
}

/// Says whether it can be healed.
fn look(
    stored: &StoredFile,
    data: &FileSource,
    parity: &Parity<'_>,
    progress: &RunProgress,
) -> Result<Healing> {
    let survey = parity.survey(data, &mut |_, _| Ok(()), progress)?;
    let healed = HealedFile::new(stored, parity, &survey);
    let shortage = parity.shortage(&survey, progress)?;
    Ok(shortage.map_or(Ok(healed), Err))
}

/// Writes it, healed.
fn write(
    stored: &StoredFile,
    data: &FileSource,
    parity: &Parity<'_>,
    to: &Path,
    progress: &RunProgress,
) -> Result<Healing> {
    let draft = AtomicFile::create(to, Existing::Replace)?;
    let sink = draft.sink();
    sink.set_len(Bytes(stored.length))?;
    let mut keep = |at, bytes: &[u8]| sink.write_at(FileOffset(at), bytes);
    let survey = parity.survey(data, &mut keep, progress)?;
    if let Some(shortage) = parity.shortage(&survey, progress)? {
        return Ok(Err(shortage));
    }
    let restored = parity.restore(&survey, &draft.read_back()?, &*sink, progress);
    match restored {
        Err(error) if is_of_parity(&error) => return Ok(Err(error.to_string())),
        restored => restored?,
    }
    if digest(&draft.read_back()?, progress)? != (stored.length, stored.sha256) {
        return Ok(Err(
            "what it works out is not the file that is listed".to_owned()
        ));
    }
    sink.sync()?;
    draft.commit()?;
    Ok(Ok(HealedFile::new(stored, parity, &survey)))
}

/// A damage, with why it could not be healed and what helps.
pub(super) fn not_healed(damage: Error, why: &str) -> Error {
    damage
        .with_detail(format!("its parity cannot heal it: {why}"))
        .with_detail("'imgdelta receive STICK --request FILE' asks for it once more".to_owned())
}

/// Whether a failure is the parity's own.
fn is_of_parity(error: &Error) -> bool {
    matches!(error.kind(), Kind::Corrupt | Kind::Unsupported)
}
