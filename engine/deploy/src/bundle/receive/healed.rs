//! Files that came damaged and are healed by their parity, in a folder of the site's own.

use std::path::PathBuf;

use imgdelta_core::{Bytes, Error, Kind, Result};

use super::ReceiveRun;
use crate::{
    bundle::{
        entry::BundleEntry,
        healing::{HealedFile, not_healed},
        outcome::Outcome,
        schedule::Leg,
        staging_folder::StagingFolder,
        storage_need::StorageEstimate,
        stored_file::DAMAGED,
        unpack::EntryFiles,
    },
    space::{Space, SpaceNeed},
};

/// Where the files of an entry are whole.
pub(super) enum WholeFiles {
    /// In the delivery.
    There,
    /// Those that are not are here; without a folder they only would be.
    Healed(Option<StagingFolder>),
    /// Nowhere, but windows for them came, in that entry.
    Windows(usize),
}

impl ReceiveRun<'_> {
    /// Looks for the files of an entry, whole: healed by their parity where they are not, or mended by windows.
    ///
    /// # Errors
    /// What is damaged, as [`Bundle::check`](crate::bundle::Bundle::check); Host; Interrupted.
    pub(super) fn whole_files(&mut self, leg: Leg) -> Result<WholeFiles> {
        let number = leg.entry;
        let Err(error) = self.bundle.check(number, self.context) else {
            return Ok(WholeFiles::There);
        };
        let is_damage = error.code() == DAMAGED || error.kind() == Kind::Host;
        let has_parity = |entry: &BundleEntry| entry.stored().any(|file| file.parity.is_some());
        if !is_damage || !self.entry(number).is_some_and(has_parity) {
            return self.windows_instead(number, error).map(WholeFiles::Windows);
        }
        match self.heal(leg)? {
            Ok(staging) => Ok(WholeFiles::Healed(staging)),
            Err(why) => {
                let error = match why {
                    Some(why) => not_healed(error, &why),
                    None => error,
                };
                self.windows_instead(number, error).map(WholeFiles::Windows)
            }
        }
    }

    /// Heals an entry's files; where nothing is to be written it only says whether it can.
    fn heal(
        &mut self,
        leg: Leg,
    ) -> Result<std::result::Result<Option<StagingFolder>, Option<String>>> {
        let staging = match self.is_dry {
            true => None,
            false => Some(StagingFolder::make(self.receiver.site())?),
        };
        let folder = staging.as_ref().map(|staging| staging.folder.through());
        let require = |needed| self.require_space_to_heal(leg, needed);
        let to = folder.as_deref().map(|folder| (folder, &require as _));
        let healed = self.bundle.heal(leg.entry, to, self.context);
        let healed = healed.map_err(|error| match &staging {
            Some(staging) => staging.folder.named(error),
            None => error,
        })?;
        Ok(healed.map(|healed| {
            self.tell_healed(healed);
            staging
        }))
    }

    /// The files that are healed must have room in the repository, and beside them the image that is made of them.
    fn require_space_to_heal(&self, leg: Leg, needed: Bytes) -> Result<()> {
        let site = self.receiver.site();
        let storage = StorageEstimate {
            store: self.store,
            default_format: site.about().default_format,
        };
        let entry = self.entry(leg.entry).filter(|_| !leg.is_step);
        let image = entry.map(|entry| storage.entry(entry));
        let need = SpaceNeed::exactly(needed).and(image.unwrap_or_default());
        let place = site.folder().display().to_string();
        let what = "what is healed, and made of that,";
        need.require(what, Space::at(site.folder()), &place)?;
        Ok(())
    }

    /// Tells what was healed.
    pub(super) fn tell_healed(&mut self, healed: Vec<HealedFile>) {
        let word = match self.is_dry {
            true => "would be",
            false => "were",
        };
        let notes = healed.iter().map(|file| {
            format!(
                "{}: {} came damaged, and {word} healed by its parity; the medium is worn: copy it, or take another one",
                file.file,
                file.damage()
            )
        });
        self.notes.extend(notes);
        self.healed.extend(healed);
    }

    /// Takes an entry of which files were healed.
    pub(super) fn take_healed(
        &mut self,
        leg: Leg,
        staging: Option<StagingFolder>,
        entry: &BundleEntry,
    ) -> Result<Outcome> {
        let Some(staging) = staging else {
            return Err(Error::new(Kind::Host, "nothing was healed"));
        };
        let through = staging.folder.through();
        let (folder, others) = self.bundle.folders_of(leg.entry);
        let others: Vec<PathBuf> = [folder.to_owned()]
            .into_iter()
            .chain(others.iter().cloned())
            .collect();
        let files = EntryFiles {
            entry,
            folder: &through,
            others: &others,
        };
        self.take_staged(&files, leg.is_step, staging)
    }
}
