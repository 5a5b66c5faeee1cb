//! `repo verify`: every image against its content id; where it is another one, the leaf digests say in which windows.

use imgdelta_core::{Bytes, FileVersion, Kind, Result, parallel};
use imgdelta_delta::{WINDOW, digest_cache::LeafReader};
use imgdelta_operations::{
    Disk,
    proof::{self, prove},
};

use super::{
    Repository, Run,
    lock::await_change,
    record::Record,
    timestamps,
    verdict::{Verdict, Verified},
};

/// How many images are read side by side, each by as many threads as are free: small ones leave threads to large ones.
pub(super) const SIDE_BY_SIDE: usize = 4;

impl Repository {
    /// Reads images and holds them against their records, in order of name; `words` names them, nothing: all. What is wrong with one is
    /// a finding, not a failure. Of an image that is sound though a look at its files, or a deployment, said otherwise the record is renewed;
    /// else nothing is written, and no lock is needed: what others change meanwhile is looked at again when they have, and an image that they
    /// remove is none of those that are told. `report` is told of each as soon as it is known.
    ///
    /// # Errors
    /// Usage, if an image that is named is not there; Interrupted.
    pub fn verify(
        &self,
        words: &[String],
        run: &Run<'_>,
        mut report: impl FnMut(&Verified),
    ) -> Result<Vec<Verified>> {
        let listing = self.list()?;
        let records = if words.is_empty() {
            listing.records()
        } else {
            let named = words.iter().map(|word| listing.find(word));
            named.collect::<Result<_>>()?
        };
        let mut all = Vec::with_capacity(records.len());
        let _together = run.work.progress.together();
        for part in records.chunks(run.work.threads.clamp(1, SIDE_BY_SIDE)) {
            let one = Run {
                work: run.work.shared_by(part.len()),
                ..*run
            };
            let verify = |record: &&Record| self.verified_at_rest(record, &one);
            let part = run.work.install(|| parallel::map(part, verify))??;
            for mut verified in part.into_iter().flatten() {
                // Who stops while one is told hears of no other, though those beside it are through.
                run.work.progress.go_on()?;
                self.renew(&mut verified, run)?;
                report(&verified);
                all.push(verified);
            }
        }
        Ok(all)
    }

    /// What is found of one image when nobody is changing it: what is wrong may only be half done. `None`, if it goes meanwhile.
    pub(super) fn verified_at_rest(
        &self,
        record: &Record,
        run: &Run<'_>,
    ) -> Result<Option<Verified>> {
        /// How often one is looked at anew that others change again and again.
        const TRIES: usize = 16;
        let mut record = record.clone();
        let mut verified = self.verified(&record, run)?;
        for _ in 0..TRIES {
            if verified.is_sound() {
                break;
            }
            await_change(&self.paths, run.work.progress)?;
            let Some(now) = self.list()?.by_id(&record.id).cloned() else {
                return Ok(None);
            };
            if now == record {
                break;
            }
            verified = self.verified(&now, run)?;
            record = now;
        }
        Ok(Some(verified))
    }

    /// What is found of one image, if nobody stops it.
    fn verified(&self, record: &Record, run: &Run<'_>) -> Result<Verified> {
        let mut notes = Vec::new();
        // A size that has changed is a finding like any other.
        let opened = self.spec(record).and_then(|spec| Disk::open(&spec));
        let stale = self.stale_link(record, opened.as_ref().ok())?;
        let proven = opened
            .as_ref()
            .ok()
            .and_then(|disk| self.files_to_renew(record, disk));
        let verdict = match opened.and_then(|disk| self.verify_one(record, &disk, run, &mut notes))
        {
            Err(error) if error.kind() == Kind::Interrupted => return Err(error),
            Err(error) => Verdict::Unreadable(error),
            Ok(verdict) => verdict,
        };
        notes.extend(stale);
        Ok(Verified {
            record: record.clone(),
            proven: proven.filter(|_| matches!(verdict, Verdict::Sound)),
            verdict,
            notes,
            mending: None,
        })
    }

    /// What is found of one image.
    fn verify_one(
        &self,
        record: &Record,
        disk: &Disk,
        run: &Run<'_>,
        notes: &mut Vec<String>,
    ) -> Result<Verdict> {
        let mut damage = None;
        let (found, differing) = match self.leaves_to_verify(record, disk.size(), notes) {
            Err(error) => {
                damage = Some(error.to_string());
                (prove(&disk.chain, run.work)?, None)
            }
            Ok(None) => (prove(&disk.chain, run.work)?, None),
            Ok(Some(leaves)) => match proof::verify(disk, leaves, run.work) {
                Err(error) if error.code() == "leaves" => {
                    damage = Some(error.to_string());
                    (prove(&disk.chain, run.work)?, None)
                }
                other => other.map(|(proof, differing)| (proof, Some(differing)))?,
            },
        };
        let differing = differing.unwrap_or_default();
        if found.id == record.content_id {
            if differing.count > 0 {
                damage = Some("they are not its disk's".to_owned());
            }
            return Ok(damage.map_or(Verdict::Sound, Verdict::DamagedLeaves));
        }
        notes.extend(damage.map(|why| format!("its leaf digests are damaged: {why}")));
        notes.extend(written(record, disk.top_versions()));
        let bytes = |window: u64| window.saturating_mul(WINDOW.0).min(record.size);
        let regions = differing.differing.iter();
        Ok(Verdict::Changed {
            found: found.id,
            regions: regions
                .map(|run| bytes(run.start)..bytes(run.end))
                .collect(),
            windows: differing.count,
        })
    }

    /// The leaves that a disk of that size can be held against.
    fn leaves_to_verify(
        &self,
        record: &Record,
        size: Bytes,
        notes: &mut Vec<String>,
    ) -> Result<Option<LeafReader>> {
        let leaves = self.leaves(record)?;
        if leaves.is_none() {
            notes.push(
                "it has no leaf digests: 'imgdelta repo verify --repair' makes them".to_owned(),
            );
        }
        Ok(leaves.filter(|leaves| leaves.size() == size))
    }
}

/// When an image was written to that is not what it was, as far as its files say; what was golden was not to be.
fn written(record: &Record, now: &[FileVersion]) -> Option<String> {
    let changed = record.files.iter().zip(now);
    let changed = changed.filter(|(file, now)| !file.is_unchanged(now));
    let last = changed.map(|(_, now)| now.modified).max()?;
    let seconds = u64::try_from(last.div_euclid(1_000_000_000)).ok()?;
    let golden = if record.golden {
        ", though it is golden"
    } else {
        ""
    };
    let time = timestamps::recorded(Some(seconds));
    Some(format!("its file was written to at {time}{golden}"))
}
