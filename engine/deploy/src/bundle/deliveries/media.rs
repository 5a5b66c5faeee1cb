//! Deliveries on several media: which of them are still missing, and what is kept of those that are here until then.

use std::collections::BTreeSet;

use imgdelta_core::{Error, FileSource, Kind, Result};
use imgdelta_operations::Stage;
use imgdelta_repository::catalogue::Repository;
use serde::Serialize;

use super::{Deliveries, nothing};
use crate::bundle::{
    DeliveryContext,
    file_entry::FileEntry,
    folder::Bundle,
    healing::{HealedFile, heal, not_healed},
    index::MediumNumber,
    piece_writer::put,
    staged_media::StagedMedia,
    stored_file::{Look, Part, find, parts},
};

/// What has come of a delivery on several media.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MediaState {
    /// How many media there are.
    pub of: u32,
    /// Those that are here.
    pub here: Vec<u32>,
    /// Those that must still come, in any order.
    pub missing: Vec<u32>,
}

impl Deliveries {
    /// What must still come before these entries can be made; `None`, if nothing must.
    pub(in crate::bundle) fn missing_media(&self, entries: &[usize]) -> Option<MediaState> {
        let mut missing = BTreeSet::new();
        for number in entries {
            let Some((bundle, entry)) = self.entry(*number) else {
                continue;
            };
            let here = self.given_of(*number);
            let is_elsewhere = |part: &Part<'_>| {
                let medium = part.stored.medium.filter(|medium| !here.contains(medium))?;
                bundle.find(&part.stored.name).err().map(|_| medium)
            };
            let parts = entry.files().flat_map(parts).filter(|part| part.is_needed);
            missing.extend(parts.filter_map(|part| is_elsewhere(&part)));
        }
        let of = self.given.iter().map(|(_, medium)| medium.of).max()?;
        let here: BTreeSet<u32> = self.given.iter().map(|(_, medium)| medium.number).collect();
        (!missing.is_empty()).then(|| MediaState {
            of,
            here: here.into_iter().collect(),
            missing: missing.into_iter().collect(),
        })
    }

    /// Which media were given of the delivery that an entry lies in.
    fn given_of(&self, number: usize) -> BTreeSet<u32> {
        let of = self.of.get(number);
        let given = self.given.iter();
        let given = given.filter(|(bundle, _)| Some(bundle) == of);
        given
            .map(|(_, MediumNumber { number, .. })| *number)
            .collect()
    }

    /// Keeps what lies here of these entries, in the site's own folder: what is there already, byte for byte, is left alone. What is damaged is kept as its
    /// parity heals it, or else not, and all else is. What was healed.
    ///
    /// # Errors
    /// The first damage, as [`Bundle::check`]; Host; Interrupted.
    pub(in crate::bundle) fn keep(
        &self,
        entries: &[usize],
        site: &Repository,
        context: &DeliveryContext<'_>,
    ) -> Result<Vec<HealedFile>> {
        let (mut damage, mut healed) = (None, Vec::new());
        for number in entries {
            let (bundle, entry) = self.entry(*number).ok_or_else(nothing)?;
            let Some(set) = bundle.media_set() else {
                continue;
            };
            let staged = StagedMedia::make(site, &set)?;
            let here = self.given_of(*number);
            for file in entry.files() {
                match keep_file(bundle, (file, &here), &staged, &mut healed, context) {
                    Err(error) if [Kind::Corrupt, Kind::Digest].contains(&error.kind()) => {
                        damage.get_or_insert(error);
                    }
                    kept => kept.map_err(|error| staged.named(error))?,
                }
            }
        }
        damage.map_or(Ok(healed), Err)
    }

    /// An error, of a file that was kept as its user finds it.
    pub(in crate::bundle) fn named(&self, error: Error) -> Error {
        let staged = self.staged.iter();
        staged.fold(error, |error, (_, staged)| staged.named(error))
    }

    /// All has come: what was kept of media goes.
    pub(in crate::bundle) fn clear_media(&self) {
        for (_, staged) in &self.staged {
            staged.clear();
        }
    }
}

/// Keeps what lies here of a file.
fn keep_file(
    bundle: &Bundle,
    (file, here): (&FileEntry, &BTreeSet<u32>),
    staged: &StagedMedia,
    healed: &mut Vec<HealedFile>,
    context: &DeliveryContext<'_>,
) -> Result<()> {
    let look = Look {
        is_on_medium: false,
        longest: &|| bundle.index().longest(),
        progress: context.run.work.progress,
        find: &|name| bundle.find(name),
        named: &|digest| bundle.index().file_of(digest),
    };
    let mut damage = None;
    for part in parts(file) {
        let medium = part.stored.medium;
        if medium.is_some_and(|medium| !here.contains(&medium)) {
            continue;
        }
        let to = staged.folder().join(part.stored.name.as_str());
        let (folder, others) = bundle.folders();
        let given = others.iter().map(|other| other.as_path());
        let given = [folder].into_iter().chain(given);
        let given = given.filter(|folder| *folder != staged.folder());
        let fault = match find(given, &part.stored.name) {
            Ok(place) => {
                (context.on_stage)(Stage::Check(&place));
                match part.fault(&place, &look) {
                    Ok((_, None)) => {
                        put(&FileSource::open(&place)?, 0, &part.stored, &to, context)?;
                        None
                    }
                    Err(error) if error.kind() == Kind::Interrupted => return Err(error),
                    Ok((_, Some(fault))) | Err(fault) => {
                        let progress = context.run.work.progress;
                        match heal(&part.stored, look.find, Some(&to), progress)? {
                            Some(Ok(one)) => {
                                healed.push(one);
                                None
                            }
                            Some(Err(why)) => Some(not_healed(fault, &why)),
                            None => Some(fault),
                        }
                    }
                }
            }
            Err(error) => Some(part.with_range(error)),
        };
        // The digests of blocks are no more than a help.
        damage = damage.or(fault.filter(|_| part.is_needed));
    }
    damage.map_or(Ok(()), Err)
}
