//! Deliveries on several media: which of them are still missing, and what is kept of those that are here until then.

use std::collections::BTreeSet;

use imgdelta_core::{Bytes, Error, FileSource, Kind, Result};
use imgdelta_operations::{
    Stage,
    refilled_transport::{DamagedParts, damaged_parts},
};
use imgdelta_repository::catalogue::{Name, Repository};
use serde::Serialize;

use super::{Deliveries, nothing};
use crate::{
    bundle::{
        DeliveryContext,
        file_entry::FileEntry,
        folder::Bundle,
        healing::{HealedFile, heal, not_healed},
        index::MediumNumber,
        piece_writer::put,
        staged_media::StagedMedia,
        stored_file::{Look, Part, find, parts},
    },
    space::{Space, SpaceNeed},
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

/// What was kept of media until the others have come.
#[derive(Debug, Default)]
pub(in crate::bundle) struct Kept {
    /// What its parity has healed.
    pub(in crate::bundle) healed: Vec<HealedFile>,
    /// What is damaged and was not kept: of each entry, by its place in the index, the parts that a site needs, and what is wrong with each.
    pub(in crate::bundle) damaged: Vec<(usize, Vec<DamagedPart>)>,
}

/// A file that lies there damaged, and what is wrong with it.
pub(in crate::bundle) type DamagedPart = (Name, Error);

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
    /// parity heals it, or else not, and all else is.
    ///
    /// # Errors
    /// Host, if the host cannot write; Interrupted.
    pub(in crate::bundle) fn keep(
        &self,
        entries: &[usize],
        site: &Repository,
        context: &DeliveryContext<'_>,
    ) -> Result<Kept> {
        self.require_space_to_keep(entries, site)?;
        let mut kept = Kept::default();
        for number in entries {
            let (bundle, entry) = self.entry(*number).ok_or_else(nothing)?;
            let Some(set) = bundle.media_set() else {
                continue;
            };
            let staged = StagedMedia::make(site, &set)?;
            let here = self.given_of(*number);
            let mut faults = Vec::new();
            for file in entry.files() {
                let (healed, faults) = (&mut kept.healed, &mut faults);
                keep_file(bundle, (file, &here), &staged, (healed, faults), context)
                    .map_err(|error| staged.named(error))?;
            }
            if !faults.is_empty() {
                kept.damaged.push((*number, faults));
            }
        }
        Ok(kept)
    }

    /// Makes sure that there is room for what lies here and was not kept before.
    fn require_space_to_keep(&self, entries: &[usize], site: &Repository) -> Result<()> {
        let mut need = SpaceNeed::default();
        for number in entries {
            let (bundle, entry) = self.entry(*number).ok_or_else(nothing)?;
            let Some(set) = bundle.media_set() else {
                continue;
            };
            let (here, staged) = (self.given_of(*number), StagedMedia::find(site, &set)?);
            let is_kept = |part: &Part<'_>| {
                let place = staged.as_ref()?.folder().join(part.stored.name.as_str());
                let found = place.symlink_metadata().ok()?;
                Some(found.len() == part.stored.length)
            };
            for part in entry.files().flat_map(parts) {
                let medium = part.stored.medium;
                let is_here = medium.is_none_or(|medium| here.contains(&medium));
                if is_here && is_kept(&part) != Some(true) {
                    need = need.and(SpaceNeed::exactly(Bytes(part.stored.length)));
                }
            }
        }
        let place = site.folder().display().to_string();
        let what = "what is kept until the other media have come";
        need.require(what, Space::at(site.folder()), &place)?;
        Ok(())
    }

    /// What is damaged of the file of an entry, of which these parts are, as far as it lies here: `None`, if that shows only with the other media.
    ///
    /// # Errors
    /// Host, if the host cannot read.
    pub(in crate::bundle) fn damage_here(
        &self,
        number: usize,
        damaged: &[Name],
    ) -> Result<Option<DamagedParts>> {
        let (bundle, entry) = self.entry(number).ok_or_else(nothing)?;
        let Some(pieces) = entry.file.pieces.as_ref() else {
            let file = bundle.open_file(&entry.file)?;
            return damaged_parts(&file, &|_, _| true).map(Some);
        };
        let is_there: Vec<bool> = (pieces.files.iter())
            .map(|piece| bundle.find(&piece.name).is_ok())
            .collect();
        let is_damaged = |piece: usize| {
            let piece = pieces.files.get(piece);
            piece.is_some_and(|piece| damaged.contains(&piece.name))
        };
        let cut = pieces.cut(entry.file.length);
        // One that a damaged piece holds a part of cannot be read in any case.
        let is_here = |at: u64, len: u64| {
            let last = at.saturating_add(len.saturating_sub(1));
            let mut of = cut.piece_at(at)..=cut.piece_at(last);
            let all = of.clone().all(|piece| is_there.get(piece) == Some(&true));
            all || of.any(is_damaged)
        };
        let found = damaged_parts(&bundle.open_file(&entry.file)?, &is_here)?;
        let is_all_there = is_there.iter().all(|there| *there);
        let is_known = is_all_there || found != DamagedParts::Unreadable;
        Ok(is_known.then_some(found))
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

/// Keeps what lies here of a file. What was healed of it, and what is wrong with it, is told.
fn keep_file(
    bundle: &Bundle,
    (file, here): (&FileEntry, &BTreeSet<u32>),
    staged: &StagedMedia,
    (healed, faults): (&mut Vec<HealedFile>, &mut Vec<DamagedPart>),
    context: &DeliveryContext<'_>,
) -> Result<()> {
    let look = Look {
        is_on_medium: false,
        longest: &|| bundle.index().longest(),
        progress: context.run.work.progress,
        find: &|name| bundle.find(name),
        named: &|digest| bundle.index().file_of(digest),
    };
    for part in parts(file) {
        let medium = part.stored.medium;
        if medium.is_some_and(|medium| !here.contains(&medium)) {
            continue;
        }
        let fault = match keep_part(bundle, &part, staged, &look, context)? {
            KeptPart::Whole => continue,
            KeptPart::Healed(one) => {
                healed.push(one);
                continue;
            }
            KeptPart::Damaged(fault) => fault,
        };
        // What lies beside it is no more than a help.
        if part.is_needed {
            faults.push((part.stored.name, fault));
        }
    }
    Ok(())
}

/// What became of one file that lies here.
enum KeptPart {
    /// It is kept.
    Whole,
    /// It is kept, healed.
    Healed(HealedFile),
    /// It is not kept.
    Damaged(Error),
}

/// Keeps a file that lies on a medium.
fn keep_part(
    bundle: &Bundle,
    part: &Part<'_>,
    staged: &StagedMedia,
    look: &Look<'_>,
    context: &DeliveryContext<'_>,
) -> Result<KeptPart> {
    let to = staged.folder().join(part.stored.name.as_str());
    let (folder, others) = bundle.folders();
    let given = others.iter().map(|other| other.as_path());
    let given = [folder].into_iter().chain(given);
    let given = given.filter(|folder| *folder != staged.folder());
    let place = match find(given, &part.stored.name) {
        Ok(place) => place,
        Err(error) => return Ok(KeptPart::Damaged(part.with_range(error))),
    };
    (context.on_stage)(Stage::Check(&place));
    let fault = match part.fault(&place, look) {
        Ok((_, None)) => {
            put(&FileSource::open(&place)?, 0, &part.stored, &to, context)?;
            return Ok(KeptPart::Whole);
        }
        Err(error) if error.kind() == Kind::Interrupted => return Err(error),
        Ok((_, Some(fault))) | Err(fault) => fault,
    };
    Ok(
        match heal(&part.stored, look.find, Some(&to), look.progress)? {
            Some(Ok(one)) => KeptPart::Healed(one),
            Some(Err(why)) => KeptPart::Damaged(not_healed(fault, &why)),
            None => KeptPart::Damaged(fault),
        },
    )
}
