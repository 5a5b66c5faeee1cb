//! Any pages as a disk: what is unused lies on it and in no file that is listed, and every listing ends.

use imgdelta_core::{Bytes, FileOffset, Result, SECTOR, Source, VirtOffset};
use imgdelta_guest::{Disk, Run, Verdict, files, survey};

use crate::pages::Pages;

/// A file as a disk.
struct File(Pages);

impl Disk for File {
    fn size(&self) -> Bytes {
        self.0.len()
    }

    fn sector(&self) -> Bytes {
        Bytes(SECTOR)
    }

    fn read_at(&self, at: VirtOffset, buf: &mut [u8]) -> Result<()> {
        buf.fill(0);
        let left = self.size().0.saturating_sub(at.0);
        let len = buf.len().min(Bytes(left).in_memory());
        let (now, _) = buf.split_at_mut(len);
        if now.is_empty() {
            return Ok(());
        }
        self.0.read_at(FileOffset(at.0), now)
    }
}

/// Looks at the disk, and at all files of each volume.
pub(crate) fn look(bytes: &[u8]) {
    let disk = File(Pages::of(bytes));
    let found = match survey(&disk) {
        Ok(found) => found,
        Err(error) => panic!("pages can be read: {error}"),
    };
    assert_eq!(found.layout.volumes.len(), found.verdicts.len());
    for (volume, verdict) in found.layout.volumes.iter().zip(&found.verdicts) {
        let whole = Run {
            start: volume.start,
            len: volume.len,
        };
        let is_on_disk = whole.end() <= disk.size().0;
        assert!(
            is_on_disk || volume.len == Bytes::ZERO,
            "{volume:?} is on the disk"
        );
        let unused = match verdict {
            Verdict::Known(unused) => unused.clone(),
            Verdict::Kept(why) => {
                assert!(!why.is_empty(), "a reason is told");
                imgdelta_guest::Unused::default()
            }
        };
        let all = unused.free.with(&unused.swap).with(&unused.page_files);
        let is_inside = |run: &Run| run.start >= whole.start && run.end() <= whole.end();
        assert!(
            all.as_slice().iter().all(is_inside),
            "{unused:?} is in {volume:?}"
        );
        let Ok(listing) = files(&disk, volume) else {
            continue;
        };
        for entry in listing.flatten() {
            let is_free = entry.extents.iter().any(|run| unused.free.meets(*run));
            assert!(!is_free, "{entry:?} is called free: {unused:?}");
        }
    }
}
