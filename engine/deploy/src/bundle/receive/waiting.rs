//! Media of a delivery of which others must still come: what is whole on them is kept, what is damaged is told and asked for as far as that can be said.

use std::collections::BTreeSet;

use imgdelta_core::{Error, Result};
use imgdelta_operations::refilled_transport::DamagedParts;
use imgdelta_repository::catalogue::Name;

use super::{ReceiveRun, Received};
use crate::bundle::{
    deliveries::{DamagedPart, MediaState},
    entry::{BundleEntry, EntryForm},
    request::RequestedEntry,
};

/// Most damaged files that an error names beside the first.
const MOST_NAMED: usize = 16;

/// What is said of files that came damaged.
#[derive(Default)]
struct Damage {
    error: Option<Error>,
    /// What is asked for once more.
    requested: Vec<RequestedEntry>,
}

impl Damage {
    /// Adds the faults of an entry, with what helps.
    fn tell(&mut self, faults: Vec<DamagedPart>, help: Option<String>) {
        for (_, fault) in faults {
            self.error = Some(match self.error.take() {
                None => fault,
                Some(error) if error.details().len() < MOST_NAMED => {
                    error.with_detail(format!("also: {fault}"))
                }
                Some(error) => error,
            });
        }
        self.error = match (self.error.take(), help) {
            (Some(error), Some(help)) => Some(error.with_detail(help)),
            (error, _) => error,
        };
    }
}

impl ReceiveRun<'_> {
    /// Keeps what is here until the other media have come.
    pub(super) fn wait_for_media(
        mut self,
        entries: &[usize],
        media: MediaState,
    ) -> Result<Received> {
        let mut damage = Damage::default();
        if !self.is_dry {
            let site = self.receiver.site();
            let kept = self.bundle.keep(entries, site, self.context)?;
            self.tell_healed(kept.healed);
            for (number, faults) in kept.damaged {
                self.judge(number, faults, &media, &mut damage)?;
            }
        }
        let listing = self.receiver.site().list()?;
        Ok(Received {
            media: Some(media),
            damage: damage.error,
            damaged: damage.requested,
            images: self.named_as_here(&listing),
            signers: self.signers,
            healed: self.healed,
            notes: self.notes,
        })
    }

    /// Says what is to be done about the damaged files of an entry: they are mended in the end by windows that came already, or asked for.
    fn judge(
        &mut self,
        number: usize,
        faults: Vec<DamagedPart>,
        media: &MediaState,
        damage: &mut Damage,
    ) -> Result<()> {
        let Some(entry) = self.entry(number).cloned() else {
            return Ok(());
        };
        if let Some(windows) = self.bundle.windows_for(number) {
            self.bundle.check(windows, self.context)?;
            self.notes.push(format!(
                "{}: came damaged, and what mends it is here: name both of them once more with the last medium",
                entry.name
            ));
            return Ok(());
        }
        let names: Vec<Name> = faults.iter().map(|(name, _)| name.clone()).collect();
        let help = match self.windows_to_ask_for(number, &entry, &names)? {
            Some(requested) => {
                damage.requested.push(requested);
                None
            }
            None => Some(format!(
                "which windows of '{}' are damaged shows when medium {} has come: take that first, then this one once more with --request FILE",
                entry.name,
                told_by(&entry, media)
            )),
        };
        damage.tell(faults, help);
        Ok(())
    }

    /// What is to be asked for of an entry, if that can be said without the other media.
    fn windows_to_ask_for(
        &self,
        number: usize,
        entry: &BundleEntry,
        damaged: &[Name],
    ) -> Result<Option<RequestedEntry>> {
        let site = &self.receiver.site().about().id;
        let whole = RequestedEntry::of(entry, site, None);
        if entry.form != EntryForm::Transport {
            return Ok(Some(whole));
        }
        let found = self.bundle.damage_here(number, damaged)?;
        let requested = found.map(|found| match found {
            DamagedParts::Windows(windows) => RequestedEntry::of(entry, site, Some(windows)),
            DamagedParts::Elsewhere | DamagedParts::Unreadable => whole,
        });
        Ok(requested)
    }
}

/// The media that must come before it is known what of a transport file is damaged: those with its header and its indexes, at both ends of it.
fn told_by(entry: &BundleEntry, media: &MediaState) -> String {
    let pieces = entry.file.pieces.as_ref();
    let pieces = pieces.map_or(&[][..], |pieces| &pieces.files);
    let ends = [pieces.first(), pieces.last()].into_iter().flatten();
    let ends: BTreeSet<u32> = ends.filter_map(|piece| piece.medium).collect();
    let missing = media.missing.iter().copied();
    let told: Vec<u32> = missing.filter(|medium| ends.contains(medium)).collect();
    let told = match told.is_empty() {
        true => &media.missing,
        false => &told,
    };
    let told: Vec<String> = told.iter().map(ToString::to_string).collect();
    told.join(" and ")
}
