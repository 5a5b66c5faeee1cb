//! Changes to a copy of an image, which takes its name only when it is whole: a child that is linked, an image that is repaired.
//!
//! Only the very file that was opened, and proven, gets a new version. One that took its name meanwhile stays.

use std::{
    fs::File,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use imgdelta_core::{
    AllocatedRange, AtomicFile, Attributes, Bytes, Error, Existing, FileOffset, FileVersion, Kind,
    Patch, Repair, Result, Source,
};

use crate::progress::RunProgress;

/// A file that gets a new version: open, in the version that it had when it was opened, before anything of it was proven.
#[derive(Clone, Copy, Debug)]
pub struct Replaced<'a> {
    /// Where it stands.
    pub place: &'a Path,
    /// The file itself.
    pub file: &'a Arc<dyn Source>,
    /// Its version.
    pub opened: &'a FileVersion,
    /// What is done where its owner, permissions and other attributes cannot be kept.
    pub attributes: Attributes,
}

/// Writes `patches` over a copy of the file while `prove` runs, and lets it take the file's place once that is sure; what `prove` gives, and what
/// of the file's attributes was lost. Without any patch, the file stays as it is. A proof that fails ends the copying.
///
/// # Errors
/// Those of `prove` before all others; Host, if the host cannot, if the file changed or another one took its name meanwhile, or if it would lose
/// attributes that are required.
pub fn relink<T>(
    child: Replaced<'_>,
    patches: &[Patch],
    prove: impl FnOnce() -> Result<T>,
) -> Result<(T, Vec<String>)> {
    if patches.is_empty() {
        let proven = prove()?;
        AtomicFile::clear(child.place)?;
        return Ok((proven, Vec::new()));
    }
    let is_refused = AtomicBool::new(false);
    let copy = || child.patched(patches, &is_refused);
    let (proven, copied) = thread::scope(|scope| {
        let copying = thread::Builder::new().spawn_scoped(scope, copy).ok();
        let proven = prove();
        is_refused.store(proven.is_err(), Ordering::Relaxed);
        (proven, copying.and_then(|copying| copying.join().ok()))
    });
    let proven = proven?;
    // A host that gives no thread more has it copied now.
    let mut draft = copied.unwrap_or_else(copy)?;
    let lost = draft.keep_attributes(child.attributes)?;
    draft.commit()?;
    Ok((proven, lost))
}

impl Replaced<'_> {
    /// A draft of its new version with `patches` in it, durable but for its name.
    fn patched(&self, patches: &[Patch], is_refused: &AtomicBool) -> Result<AtomicFile> {
        let content = Revocable {
            content: &**self.file,
            is_refused,
        };
        let draft = self.copied(&content)?;
        write(&draft, patches)?;
        draft.sink().sync()?;
        Ok(draft)
    }

    /// A draft of its new version, which holds what `content` holds.
    fn copied(&self, content: &dyn Source) -> Result<AtomicFile> {
        let draft = AtomicFile::of_existing(self.place, &**self.file, self.opened, content)?;
        self.require_unchanged()?;
        Ok(draft)
    }

    fn require_unchanged(&self) -> Result<()> {
        if self.file.stamp()?.as_ref() == Some(self.opened) {
            return Ok(());
        }
        Err(changed(self.place))
    }
}

/// A file that is copied while it is not sure that the copy is wanted.
#[derive(Debug)]
struct Revocable<'a> {
    content: &'a dyn Source,
    /// Whether it is not wanted any more.
    is_refused: &'a AtomicBool,
}

impl Source for Revocable<'_> {
    fn len(&self) -> Bytes {
        self.content.len()
    }

    fn read_at(&self, at: FileOffset, buf: &mut [u8]) -> Result<()> {
        if self.is_refused.load(Ordering::Relaxed) {
            return Err(Error::new(
                Kind::Interrupted,
                "the copy is not wanted any more",
            ));
        }
        self.content.read_at(at, buf)
    }

    fn stored_at(&self, at: FileOffset) -> Result<AllocatedRange> {
        self.content.stored_at(at)
    }

    fn file(&self) -> Option<&File> {
        self.content.file()
    }
}

/// Writes the mended image that will stand at `place`. It is whole, but has no name yet: it is to be looked at first.
///
/// # Errors
/// Usage, if something stands there that may not be replaced; Host, if the host cannot, or if the image changed meanwhile; Interrupted.
pub fn mend(
    place: &Path,
    existing: Existing,
    repair: &Repair,
    progress: &RunProgress,
) -> Result<AtomicFile> {
    let before = repair.source.stamp()?;
    let draft = AtomicFile::holding(place, existing, &*repair.source)?;
    write_mended(&draft, repair, progress)?;
    if repair.source.stamp()? != before {
        return Err(changed(place));
    }
    Ok(draft)
}

/// As [`mend`], in place of the damaged image; what of its attributes the mended one cannot have.
///
/// # Errors
/// As [`relink`]; Interrupted.
pub fn mend_in_place(
    image: Replaced<'_>,
    repair: &Repair,
    progress: &RunProgress,
) -> Result<(AtomicFile, Vec<String>)> {
    let mut draft = image.copied(&*repair.source)?;
    write_mended(&draft, repair, progress)?;
    image.require_unchanged()?;
    let lost = draft.keep_attributes(image.attributes)?;
    Ok((draft, lost))
}

fn write_mended(draft: &AtomicFile, repair: &Repair, progress: &RunProgress) -> Result<()> {
    write(draft, &repair.patches)?;
    draft.sink().set_len(repair.len)?;
    progress.go_on()
}

fn write(draft: &AtomicFile, patches: &[Patch]) -> Result<()> {
    let sink = draft.sink();
    patches
        .iter()
        .try_for_each(|patch| sink.write_at(patch.at, &patch.bytes))
}

fn changed(file: &Path) -> Error {
    Error::new(
        Kind::Host,
        "changed while it was read; the result is discarded",
    )
    .with_code("input_changed")
    .in_file(file)
}
