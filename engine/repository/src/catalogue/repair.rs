//! `repo verify --repair`: an image that is not what it was is made so again, from windows that other images have.
//!
//! Nothing of the damaged image is written to. What is mended stands in new files beside, is read back and proven by its content id, and only
//! then takes the place of the damaged one, under the lock and by the journal: who is killed leaves the one or the other.

mod entering;
mod mending;
mod ordering;
mod providers;
mod windows;

use std::{collections::HashSet, path::PathBuf, sync::Arc};

use imgdelta_core::{Error, FileVersion, Kind, Result};
use imgdelta_delta::digest_cache::LeafReader;
use imgdelta_operations::{
    Disk,
    proof::{id_of_leaves, prove_keeping},
};

use self::{
    entering::require_id,
    ordering::parents_first,
    providers::search,
    windows::{damaged, runs_of},
};
use super::{
    Repository, Run,
    kinship::Link,
    names::ImageId,
    record::{Record, StoredFile},
    verdict::{MendedBy, Mending, Verdict, Verified},
};

/// How images are to be mended.
#[derive(Clone, Copy, Debug, Default)]
pub struct Repair<'a> {
    /// Other repositories whose images have windows too.
    pub from: &'a [Repository],
    /// Whether it is only worked out.
    pub dry_run: bool,
}

impl Repository {
    /// Reads images as [`verify`](Self::verify) does, and mends those that are not what their records say; what an image cannot be read without
    /// comes before it, named or not. `report` is told of each when all is known of it.
    ///
    /// An image whose file was written to is mended only if it is golden or named: its user may have meant to.
    ///
    /// # Errors
    /// Usage, if an image that is named is not there; Interrupted. What keeps one image from being mended is told with it.
    pub fn repair(
        &self,
        words: &[String],
        repair: Repair<'_>,
        run: &Run<'_>,
        mut report: impl FnMut(&Verified),
    ) -> Result<Vec<Verified>> {
        let listing = self.list()?;
        let named = words.iter().map(|word| Ok(listing.find(word)?.id.clone()));
        let named: HashSet<ImageId> = named.collect::<Result<_>>()?;
        let mut unsound: HashSet<ImageId> = HashSet::new();
        let mut all = Vec::new();
        for record in parents_first(&listing, &named) {
            run.work.progress.go_on()?;
            let Some(mut verified) = self.verified_at_rest(&record, run)? else {
                continue;
            };
            if !repair.dry_run {
                self.renew(&mut verified, run)?;
            }
            let parent = record.linked_parent();
            let parent = parent.filter(|parent| unsound.contains(parent));
            verified.mending = match parent.and_then(|parent| listing.by_id(parent)) {
                Some(parent) if !verified.is_sound() => Some(Mending::left(unsound_parent(parent))),
                _ => self.mended(&verified, named.contains(&record.id), repair, run)?,
            };
            if !verified.is_sound() {
                unsound.insert(record.id.clone());
            }
            report(&verified);
            all.push(verified);
        }
        Ok(all)
    }

    /// What becomes of one image; `None`, if nothing needs to be done.
    fn mended(
        &self,
        verified: &Verified,
        is_named: bool,
        repair: Repair<'_>,
        run: &Run<'_>,
    ) -> Result<Option<Mending>> {
        let record = &verified.record;
        let mending = match &verified.verdict {
            Verdict::Sound if self.leaves(record).is_ok_and(|leaves| leaves.is_some()) => {
                return Ok(None);
            }
            Verdict::Sound | Verdict::DamagedLeaves(_) => self.leaves_anew(record, repair, run),
            Verdict::Changed { .. } if !is_named && self.is_written_by_somebody(record) => {
                Err(written_to(record))
            }
            Verdict::Changed { .. } => self.windows_mended(record, repair, run),
            Verdict::Unreadable(_) => match self.link_mended(record, repair, run) {
                Ok(Some(mending)) => Ok(mending),
                Ok(None) => self.windows_mended(record, repair, run),
                Err(error) => Err(error),
            },
        };
        match mending {
            Err(error) if error.kind() == Kind::Interrupted => Err(error),
            Err(error) => Ok(Some(Mending::left(error))),
            Ok(mending) => Ok(Some(mending)),
        }
    }

    /// Whether the file of an image that is not golden was written to since it was proven: not what rot does.
    fn is_written_by_somebody(&self, record: &Record) -> bool {
        let is_written = |file: &StoredFile| {
            let place = self.paths.place(&file.path).ok();
            let now = place.and_then(|place| FileVersion::at(&place));
            now.is_some_and(|now| !file.is_unchanged(&now))
        };
        !record.golden && record.files.iter().any(is_written)
    }

    /// Makes the leaf digests of a sound image anew.
    fn leaves_anew(&self, record: &Record, repair: Repair<'_>, run: &Run<'_>) -> Result<Mending> {
        if !repair.dry_run {
            let disk = self.open_disk(record)?;
            let (proof, leaves) = prove_keeping(&disk, None, || self.new_leaves(), run.work)?;
            require_id(record, proof.id == record.content_id)?;
            let _change = self.change(run, &format!("mend {}", record.name))?;
            self.settle_leaves(&leaves, &record.content_id)?.commit()?;
        }
        Ok(Mending::by(MendedBy::Leaves))
    }

    /// Lets a child lead to its parent again, if that is all that it lacks.
    fn link_mended(
        &self,
        record: &Record,
        repair: Repair<'_>,
        run: &Run<'_>,
    ) -> Result<Option<Mending>> {
        let listing = self.list()?;
        let parent = record.linked_parent().and_then(|id| listing.by_id(id));
        let Some(parent) = parent.filter(|_| !repair.dry_run) else {
            return Ok(None);
        };
        match self.mend_link(record, parent, &listing, run) {
            Ok(Link::Mended) => Ok(Some(Mending::by(MendedBy::Relinking))),
            Ok(Link::Left(how)) => Err(Error::new(Kind::Chain, how)
                .with_code("link_stale")
                .in_file(&self.paths.folder.join(record.path()?.as_path()))),
            Err(error) if error.kind() == Kind::Interrupted => Err(error),
            // Its windows are damaged too.
            Ok(Link::Right) | Err(_) => Ok(None),
        }
    }

    /// Mends the windows of an image; an immutable one can be replaced meanwhile.
    fn windows_mended(
        &self,
        record: &Record,
        repair: Repair<'_>,
        run: &Run<'_>,
    ) -> Result<Mending> {
        if repair.dry_run {
            return self.windows_mended_in(record, repair, run);
        }
        // Before it is opened: a file whose attributes change counts as another version.
        self.lift_immutable(record)?;
        let mending = self.windows_mended_in(record, repair, run);
        self.immutable_again(record);
        mending
    }

    fn windows_mended_in(
        &self,
        record: &Record,
        repair: Repair<'_>,
        run: &Run<'_>,
    ) -> Result<Mending> {
        let spec = self.spec(record)?;
        let disk = match Disk::open(&spec) {
            Ok(disk) => Some(disk),
            Err(error) if error.kind() == Kind::Interrupted => return Err(error),
            Err(_) => None,
        };
        let chain = disk.as_ref().map(|disk| &disk.chain);
        let (leaves, has_own) = self.leaves_of_content(record, repair.from)?;
        let damaged = damaged(chain, leaves, run)?;
        let search = search(&damaged, record, chain, (self, repair.from), run)?;
        let mut mending = Mending {
            damaged: damaged.len() as u64,
            from: search.providers,
            missing_windows: search.missing.len() as u64,
            missing: runs_of(&search.missing, record.size),
            ..Mending::default()
        };
        if mending.missing_windows > 0 {
            mending.error = Some(windows_missing(mending.missing_windows));
            return Ok(mending);
        }
        let job = Job {
            record,
            place: spec.path,
            disk: disk.as_ref(),
            windows: search.found,
            has_leaves: has_own,
            run,
        };
        mending.how = Some(MendedBy::Patching);
        if !repair.dry_run {
            match self.mend(&job, &mut mending.notes) {
                Ok(how) => mending.how = Some(how),
                Err(error) if error.kind() == Kind::Interrupted => return Err(error),
                Err(error) => (mending.how, mending.error) = (None, Some(error)),
            }
        }
        Ok(mending)
    }

    /// The leaf digests of the image's disk, from here or from another repository that has that disk; true, if they are its own.
    fn leaves_of_content(&self, record: &Record, others: &[Self]) -> Result<(LeafReader, bool)> {
        let own = self.leaves(record).ok().flatten();
        if let Some(own) = own.and_then(|_| self.whole_leaves(record)) {
            return Ok((own, true));
        }
        let mut others = others.iter().filter_map(|one| one.whole_leaves(record));
        others.next().map(|leaves| (leaves, false)).ok_or_else(|| {
            let message =
                "its leaf digests are missing or damaged too: nobody can tell which windows are";
            Error::new(Kind::Digest, message)
                .with_code("leaves")
                .with_hint("--from OTHER_REPO takes those of a repository that has the same image")
        })
    }

    /// The leaves of an image's disk, if all of them are there and make its content id.
    fn whole_leaves(&self, record: &Record) -> Option<LeafReader> {
        let whole = id_of_leaves(self.leaves(record).ok()??).ok()?;
        (whole == record.content_id)
            .then(|| self.leaves(record).ok().flatten())
            .flatten()
    }
}

/// An image that is mended.
struct Job<'a> {
    record: &'a Record,
    /// Where it stands.
    place: PathBuf,
    /// It, as far as it opens.
    disk: Option<&'a Disk>,
    windows: Arc<providers::Found>,
    /// Whether its own leaf digests are whole.
    has_leaves: bool,
    run: &'a Run<'a>,
}

fn unsound_parent(parent: &Record) -> Error {
    let message = format!(
        "'{}', which it cannot be read without, is not mended",
        parent.name
    );
    Error::new(Kind::Chain, message).with_code("parent_unsound")
}

fn windows_missing(count: u64) -> Error {
    let windows = if count == 1 {
        "window is"
    } else {
        "windows are"
    };
    let message = format!("{count} damaged {windows} in no other image: nothing was changed");
    Error::new(Kind::Digest, message)
        .with_code("windows_missing")
        .with_hint("--from OTHER_REPO looks in another repository too")
}

fn written_to(record: &Record) -> Error {
    let message = "its file was written to, perhaps on purpose: what was written is undone only if it is named";
    Error::new(Kind::Digest, message)
        .with_code("image_changed")
        .with_hint(format!(
            "'imgdelta repo verify --repair {}' takes back what was written",
            record.name
        ))
}
