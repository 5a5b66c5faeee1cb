//! Transport files that came damaged: mended by windows that came anew, or asked for once more.

use imgdelta_core::{Error, Result};
use imgdelta_operations::refilled_transport::{DamagedParts, damaged_parts};

use super::ReceiveRun;
use crate::bundle::{
    entry::{BundleEntry, EntryForm},
    outcome::Outcome,
    request::RequestedEntry,
    schedule::Leg,
    staging_folder::StagingFolder,
    stored_file::DAMAGED,
    unpack::EntryFiles,
};

impl ReceiveRun<'_> {
    /// The entry with windows that may mend one that is damaged as `error` says; else that error.
    pub(super) fn windows_instead(&self, number: usize, error: Error) -> Result<usize> {
        let windows = self.bundle.windows_for(number);
        let Some(windows) = windows.filter(|_| error.code() == DAMAGED) else {
            return Err(error);
        };
        self.bundle.check(windows, self.context)?;
        Ok(windows)
    }

    /// Takes an entry whose file is mended first, in a folder of the site's own.
    pub(super) fn take_mended(
        &mut self,
        leg: Leg,
        windows: usize,
        entry: &BundleEntry,
    ) -> Result<Outcome> {
        let Some(base) = &entry.base else {
            return Err(Error::new(
                imgdelta_core::Kind::Corrupt,
                "a whole image has no windows",
            ));
        };
        let files = (
            self.bundle.open_file(leg.entry)?,
            self.bundle.open_file(windows)?,
        );
        let staging = StagingFolder::make(self.receiver.site())?;
        let folder = staging.folder.through();
        let to = folder.join(entry.file.name.as_str());
        let run = &self.context.run;
        let refilled = self.receiver.refill(base, (&files.0, &files.1), &to, run);
        if let Err(error) = refilled {
            // More of it may be damaged by now than was asked for.
            self.damaged.insert(leg.entry);
            return Err(staging.folder.named(error));
        }
        let entry = entry.in_one_file();
        let files = EntryFiles {
            entry: &entry,
            folder: &folder,
            others: &[],
        };
        self.take_staged(&files, leg.is_step, staging)
    }

    /// Takes an entry of which files lie in a folder of the site's own. That of a step stays until what is made over it has been taken.
    pub(super) fn take_staged(
        &mut self,
        files: &EntryFiles<'_>,
        is_step: bool,
        staging: StagingFolder,
    ) -> Result<Outcome> {
        let taken = self.receiver.take(files, self.store, is_step, self.context);
        let taken = taken.map_err(|error| staging.folder.named(error));
        if is_step {
            self.mended.push(staging);
        }
        taken
    }

    /// What came damaged and on no other way, as it is asked for once more.
    pub(super) fn requested(&self) -> Result<Vec<RequestedEntry>> {
        let site = &self.receiver.site().about().id;
        let mut requested = Vec::new();
        for number in &self.damaged {
            let entry = self.entry(*number);
            let Some(entry) = entry.filter(|entry| !self.made.contains(&entry.content_id)) else {
                continue;
            };
            // Of a file that is not there nothing can be kept.
            let file = self.bundle.open_file(*number).ok();
            let file = file.filter(|_| entry.form == EntryForm::Transport);
            let damaged = file.map(|file| damaged_parts(&file, &|_, _| true));
            let windows = damaged.transpose()?.and_then(DamagedParts::windows);
            requested.push(RequestedEntry::of(entry, site, windows));
        }
        Ok(requested)
    }
}
