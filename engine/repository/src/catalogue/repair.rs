//! `repo verify --repair`: an image that is not what it was is made so again, from windows that other images have.
//!
//! Nothing of the damaged image is written to. What is mended stands in new files beside, is read back and proven by its content id, and only
//! then takes the place of the damaged one, under the lock and by the journal: who is killed leaves the one or the other.

mod providers;
mod windows;

use std::{
    collections::HashSet,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use imgdelta_core::{AtomicFile, DiskSpec, Error, FileVersion, Kind, Result};
use imgdelta_delta::{ContentId, WINDOW, digest_cache::LeafReader};
use imgdelta_operations::{
    Disk,
    proof::{id_of_leaves, prove, prove_keeping},
    restored_image::{Patched, Rewritten, Windows, patched, restored},
};
use imgdelta_registry::OpenSpec;

pub use self::providers::Provider;
use self::{providers::search, windows::damaged};
use super::{
    Repository, Run,
    kinship::Link,
    listing::Listing,
    record::{Record, StoredFile},
    verify::{Verdict, Verified},
    words::ImageId,
};

/// Most runs of missing windows that are listed.
const MOST_RUNS: usize = 1000;

/// How images are to be mended.
#[derive(Clone, Copy, Debug, Default)]
pub struct Repair<'a> {
    /// Other repositories whose images have windows too.
    pub from: &'a [Repository],
    /// Whether it is only worked out.
    pub dry_run: bool,
}

/// What became of an image that is not what it was.
#[derive(Debug, Default)]
pub struct Mending {
    /// How it was mended, or would be; `None`: it stays as it was found.
    pub how: Option<MendedBy>,
    /// How many windows of its disk were damaged, if that is known.
    pub damaged: u64,
    /// The images that have the right ones.
    pub from: Vec<Provider>,
    /// Where windows are that no image has, in bytes of the disk, in order: the first runs.
    pub missing: Vec<Range<u64>>,
    /// How many those are, listed or not.
    pub missing_windows: u64,
    /// Why it stays as it was found.
    pub error: Option<Error>,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// How an image was mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MendedBy {
    /// Its files got the right bytes where the damaged windows stand.
    Patching,
    /// Its disk was written anew, as what it was.
    Rewriting,
    /// Its file leads to its parent again.
    Relinking,
    /// Its disk was sound, and its leaf digests were made anew.
    Leaves,
}

impl MendedBy {
    /// As JSON has it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Patching => "patched",
            Self::Rewriting => "rewritten",
            Self::Relinking => "relinked",
            Self::Leaves => "leaves",
        }
    }
}

impl Mending {
    fn by(how: MendedBy) -> Self {
        Self {
            how: Some(how),
            ..Self::default()
        }
    }

    fn left(error: Error) -> Self {
        Self {
            error: Some(error),
            ..Self::default()
        }
    }
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
            let place = self.rooms.place(&file.path).ok();
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
                .in_file(&self.rooms.folder.join(record.path()?.as_path()))),
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

    /// Writes what is mended, proves it and lets it take its place: the right bytes in a copy, or where that does not do, all anew.
    fn mend(&self, job: &Job<'_>, notes: &mut Vec<String>) -> Result<MendedBy> {
        let windows: Arc<dyn Windows> = job.windows.clone();
        let size = job.record.disk_size();
        if let Some(disk) = job.disk.filter(|disk| disk.size() == size)
            && let Some(Patched { drafts, lost }) = patched(disk, &windows, job.run.work)?
            && self.is_mended(disk, &drafts, job)?
        {
            self.enter_patched(disk, drafts, job)?;
            notes.extend(lost.into_iter().map(|lost| format!("it lost: {lost}")));
            return Ok(MendedBy::Patching);
        }
        self.rewrite_damaged(job, &windows, notes)?;
        Ok(MendedBy::Rewriting)
    }

    /// Whether a patched copy is the disk that was recorded.
    fn is_mended(
        &self,
        disk: &Disk,
        drafts: &[(usize, AtomicFile)],
        job: &Job<'_>,
    ) -> Result<bool> {
        let alone = disk.metadata().files.len() == 1;
        if !alone && !disk.metadata().variant.contains("Flat") {
            return Ok(false);
        }
        let proof = match drafts.first() {
            // What names several files would open the damaged ones: of flat ones nothing but the windows changes.
            Some((_, draft)) if alone => {
                let copy = Disk::open(&self.spec_of_draft(draft.written_at(), job.record))?;
                self.proven_with_leaves(&copy, job)?
            }
            _ => {
                let windows: Arc<dyn Windows> = job.windows.clone();
                let new = restored(Some(&disk.chain), disk.chain.disk(), &windows)?;
                prove(&new, job.run.work)?.id
            }
        };
        Ok(proof == job.record.content_id)
    }

    /// Lets patched copies take the places of an image's files.
    fn enter_patched(
        &self,
        disk: &Disk,
        drafts: Vec<(usize, AtomicFile)>,
        job: &Job<'_>,
    ) -> Result<()> {
        let mut files = self.stored_files(&disk.metadata().files, disk.top_versions())?;
        for (number, draft) in &drafts {
            if let Some(file) = files.get_mut(*number) {
                *file = StoredFile::new(file.path.clone(), &version_of(draft.written_at())?);
            }
        }
        let drafts = drafts.into_iter().map(|(_, draft)| draft);
        self.enter_mended(job, files, || AtomicFile::commit_all(drafts))
    }

    /// Writes the disk anew in place of the damaged image.
    fn rewrite_damaged(
        &self,
        job: &Job<'_>,
        windows: &Arc<dyn Windows>,
        notes: &mut Vec<String>,
    ) -> Result<()> {
        let record = job.record;
        let listing = self.list()?;
        let parent = record.linked_parent().map(|id| {
            listing
                .by_id(id)
                .ok_or_else(|| Error::new(Kind::Chain, format!("its parent '{id}' is not here")))
        });
        let base = parent.transpose()?.map(|parent| self.open_disk(parent));
        let base = base.transpose()?;
        let chain = job.disk.map(|disk| &disk.chain);
        let new_disk = chain.map_or(DiskSpec::from(record.disk_size()), |chain| DiskSpec {
            size: record.disk_size(),
            ..chain.disk()
        });
        let disk = restored(chain, new_disk, windows)?;
        let image = job.disk.map(|disk| &*disk.top.image);
        let draft = Rewritten {
            place: &job.place,
            format: record.format,
            image,
            disk: &disk,
            below: base.as_ref().map(|base| (&base.chain, &base.top)),
            exec: job.run.work,
        }
        .write()?;
        let copy = Disk::open(&self.spec_of_draft(draft.written_at(), record))?;
        let id = self.proven_with_leaves(&copy, job)?;
        require_id(record, id == record.content_id)?;
        let is_called_so =
            image.is_some_and(|image| image.metadata().identity == copy.metadata().identity);
        if !is_called_so && copy.metadata().identity.is_some() {
            refuse_strangers(record, &listing)?;
        }
        let version = version_of(draft.written_at())?;
        let files = vec![StoredFile::new(record.path()?.clone(), &version)];
        self.enter_mended(job, files, || draft.commit())?;
        if !is_called_so {
            self.lead_children_here(record, job.run, notes)?;
        }
        Ok(())
    }

    /// Lets the children of an image that was written anew, and is called otherwise now, lead to it again.
    fn lead_children_here(
        &self,
        record: &Record,
        run: &Run<'_>,
        notes: &mut Vec<String>,
    ) -> Result<()> {
        let listing = self.list()?;
        let Some(parent) = listing.by_id(&record.id) else {
            return Ok(());
        };
        for child in listing.children(&record.id) {
            if child.linked_parent().is_none() {
                continue;
            }
            match self.mend_link(child, parent, &listing, run) {
                Ok(Link::Right) => {}
                Ok(Link::Mended) => notes.push(format!("'{}' was linked to it anew", child.name)),
                Ok(Link::Left(how)) => notes.push(how),
                Err(error) if error.kind() == Kind::Interrupted => return Err(error),
                Err(error) => notes.push(format!("'{}' was not linked anew: {error}", child.name)),
            }
        }
        Ok(())
    }

    /// How a copy is opened that will stand where the image does.
    fn spec_of_draft(&self, written_at: &Path, record: &Record) -> OpenSpec {
        OpenSpec {
            format: Some(record.format),
            policy: self.policy(),
            ..OpenSpec::of(written_at)
        }
    }

    /// The content id of a copy, read. Where the image's own leaves are of no use, those that are found are kept.
    fn proven_with_leaves(&self, copy: &Disk, job: &Job<'_>) -> Result<ContentId> {
        if job.has_leaves {
            return Ok(prove(&copy.chain, job.run.work)?.id);
        }
        let (proof, leaves) = prove_keeping(copy, None, || self.new_leaves(), job.run.work)?;
        if proof.id == job.record.content_id {
            self.settle_leaves(&leaves, &proof.id)?.commit()?;
        }
        Ok(proof.id)
    }

    /// Lets what is mended take its place, and records it.
    fn enter_mended(
        &self,
        job: &Job<'_>,
        mut files: Vec<StoredFile>,
        commit: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        let record = job.record;
        let mut change = self.change(job.run, &format!("mend {}", record.name))?;
        if change.listing.by_id(&record.id) != Some(record) {
            let message = "its record was changed while it was mended: it stays as it is";
            return Err(Error::new(Kind::Busy, message)
                .with_code("record_changed")
                .in_file(&job.place));
        }
        for (new, old) in files.iter_mut().zip(&record.files) {
            new.mode = old.mode;
        }
        let new = Record {
            files,
            refuted: false,
            ..record.clone()
        };
        let entered = change.enter(new, commit)?;
        self.protect_again(&entered);
        Ok(())
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

/// The images that are named, or all, and those that they cannot be read without; parents before their children, else in order of name.
fn parents_first(listing: &Listing, named: &HashSet<ImageId>) -> Vec<Record> {
    /// As deep as a chain may be.
    const DEEPEST: usize = 256;
    let above = |record: &Record| {
        let mut ids = Vec::new();
        let mut next = record.linked_parent().and_then(|id| listing.by_id(id));
        while let Some(parent) = next.filter(|_| ids.len() < DEEPEST) {
            ids.push(parent.id.clone());
            next = parent.linked_parent().and_then(|id| listing.by_id(id));
        }
        ids
    };
    let mut needed = named.clone();
    for record in listing.records() {
        if named.contains(&record.id) {
            needed.extend(above(record));
        }
    }
    let mut all: Vec<(usize, Record)> = listing
        .records()
        .into_iter()
        .filter(|record| named.is_empty() || needed.contains(&record.id))
        .map(|record| (above(record).len(), record.clone()))
        .collect();
    all.sort_by_key(|(depth, _)| *depth);
    all.into_iter().map(|(_, record)| record).collect()
}

/// Runs of windows, in bytes of a disk of `size`: the first ones.
fn runs_of(windows: &[u64], size: u64) -> Vec<Range<u64>> {
    let mut runs: Vec<Range<u64>> = Vec::new();
    for number in windows {
        let start = number.saturating_mul(WINDOW.0);
        let end = start.saturating_add(WINDOW.0).min(size);
        let is_full = runs.len() >= MOST_RUNS;
        match runs.last_mut() {
            Some(last) if last.end == start => last.end = end,
            _ if !is_full => runs.push(start..end),
            _ => break,
        }
    }
    runs
}

/// The version of a file that is written.
fn version_of(written_at: &Path) -> Result<FileVersion> {
    FileVersion::at(written_at)
        .ok_or_else(|| Error::new(Kind::Host, "vanished while it was written").in_file(written_at))
}

/// Refuses to give an image another identity that children need which are not the repository's to write to.
fn refuse_strangers(record: &Record, listing: &Listing) -> Result<()> {
    let children = listing.children(&record.id);
    let strange = children
        .iter()
        .filter(|child| child.linked_parent().is_some() && !child.owned);
    let names: Vec<&str> = strange.map(|child| child.name.as_str()).collect();
    if names.is_empty() {
        return Ok(());
    }
    let message = format!(
        "it would have to be written anew and be called otherwise, and {} would not lead to it any more",
        names.join(", ")
    );
    Err(Error::new(Kind::Usage, message)
        .with_code("has_children")
        .with_hint("'imgdelta repo remove' and 'imgdelta repo add' make a child the repository's own, which is linked anew"))
}

fn require_id(record: &Record, is_it: bool) -> Result<()> {
    if is_it {
        return Ok(());
    }
    let message = format!(
        "what was mended is not the disk that was recorded as '{}'",
        record.name
    );
    Err(Error::new(Kind::Digest, message).with_code("content_mismatch"))
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
